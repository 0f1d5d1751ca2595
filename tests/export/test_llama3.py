"""Llama 3's own vocabulary, whole: llama.cpp gives the ids that Hugging Face does."""

import gzip
import json
import os
from pathlib import Path

import pytest

from anadil.export.gguf import write_gguf
from anadil.export.verify import verify
from anadil.model.load import from_shape, save
from anadil.recipe import Shape
from anadil.tokenizer.load import read_vocabulary

DATA = Path(os.environ.get("ANADIL_DATA") or Path(__file__).parents[3] / "shared/data")

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no public texts at {DATA}; set ANADIL_DATA"),
]


def test_ids_of_texts_and_of_every_token_are_equal(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="llama.cpp reads the file")
    (tmp_path / "tokenizer.json").write_bytes(
        gzip.decompress((DATA / "tokenizers/llama3/tokenizer.json.gz").read_bytes())
    )
    shape = Shape(hidden_size=32, layers=1, heads=2, kv_heads=1, ffn_size=64)
    save(from_shape(shape, read_vocabulary(tmp_path).size, seed=0), tmp_path)
    file = write_gguf(tmp_path, tmp_path / "m.gguf", "q8_0", name="m")
    with gzip.open(sorted((DATA / "az/raw_law_codes").glob("*.jsonl.gz"))[0], "rt", encoding="utf-8") as lines:
        samples = [json.loads(next(lines))["text"] for _ in range(100)]
    found = verify(tmp_path, {"q8_0": file}, samples=samples, threads=2)["files"]["q8_0"]
    assert found["ids_equal"] == found["strings"] > 500
