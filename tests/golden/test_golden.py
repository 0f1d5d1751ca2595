"""The small road gives what it gave: account, token ids and loss curve, as committed in road.json.

`ANADIL_WRITE_GOLDEN=1 pytest tests/golden` writes the file anew; look at its difference before you commit it.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from anadil.context import Context
from anadil.recipe import load
from anadil.stages.run import run
from anadil.tokenizer.chat import encode_plain
from anadil.tokenizer.load import load_tokenizer
from tests.roads import make_texts, write_road

GOLDEN = Path(__file__).parent / "road.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("golden")
    recipe = write_road(folder / "in", stages=["corpus", "tokenizer", "encode", "transfer", "pretrain"])
    settings = ['pretrain.precision="float32"', "pretrain.learning_rate=1e-2"]
    run(load(recipe, settings), recipe, folder / "run", Context())
    curve = [json.loads(line) for line in (folder / "run/pretrain/metrics.jsonl").read_text().splitlines()]
    found = {
        "accounting": json.loads((folder / "run/corpus/accounting.json").read_text()),
        "token_ids": encode_plain(load_tokenizer(folder / "run/tokenizer"), make_texts("az", 1, 42, words=12)[0]),
        "loss": [row["loss"] for row in curve if "loss" in row],
        "target_bits_per_byte": [row["target_bits_per_byte"] for row in curve if "target_bits_per_byte" in row],
    }
    if os.environ.get("ANADIL_WRITE_GOLDEN"):
        GOLDEN.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return found


@pytest.mark.parametrize("what", ["accounting", "token_ids"])
def test_what_is_counted_is_exactly_as_it_was(made: dict[str, Any], what: str) -> None:
    assert made[what] == json.loads(GOLDEN.read_text(encoding="utf-8"))[what]


@pytest.mark.parametrize("what", ["loss", "target_bits_per_byte"])
def test_the_curves_are_as_they_were(made: dict[str, Any], what: str) -> None:
    """Float32 on another processor sums in another order: six steps move the loss by less than one in 10,000."""
    expected = json.loads(GOLDEN.read_text(encoding="utf-8"))[what]
    assert made[what] == pytest.approx(expected, rel=1e-4)
    assert expected[-1] < expected[0], "the curve falls, so that a loss that stands still is noticed"
