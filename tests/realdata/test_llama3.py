"""The whole road from a base of Llama 3.2's architecture and vocabulary, at small width, on real text."""

import gzip
import json
from itertools import islice
from pathlib import Path

import pytest

from tests.e2e.conftest import anadil
from tests.roads import write_jsonl, write_road

DATA = Path(__file__).parents[3] / "shared" / "data"
ROWS = 128_256

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="the public texts are not beside the checkout (../shared/data)"),
]


def first_texts(path: Path, count: int) -> list[dict[str, object]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in islice(lines, count)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Llama 3.2 1B's config with its numbers made small; the vocabulary as published."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("llama3") / "base"
    scaling = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0, "low_freq_factor": 1.0}
    scaling |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
    config = transformers.LlamaConfig(
        vocab_size=ROWS, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=64, max_position_embeddings=131072, tie_word_embeddings=True, rms_norm_eps=1e-5,
        bos_token_id=128000, eos_token_id=[128001, 128008, 128009], rope_parameters=scaling,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    with gzip.open(DATA / "tokenizers" / "llama3" / "tokenizer.json.gz") as packed:
        (folder / "tokenizer.json").write_bytes(packed.read())
    return folder


def test_the_whole_road_in_place(base: Path, tmp_path: Path) -> None:
    tokenizer = 'mode = "inplace"\nkeep = ["en"]\nnew_tokens = 1500'
    recipe = write_road(tmp_path / "in", base=f'path = "{base}"', tokenizer=tokenizer)
    write_jsonl(tmp_path / "in" / "az.jsonl", first_texts(DATA / "az" / "raw_law_codes" / "train.jsonl.gz", 150))
    write_jsonl(tmp_path / "in" / "en.jsonl", first_texts(DATA / "en" / "classic_books" / "train.jsonl.gz", 60))
    done = anadil("run", str(recipe), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    metrics = json.loads(anadil("show", "small", "--json", cwd=tmp_path).stdout)["metrics"]
    made = metrics["tokenizer"]
    assert made["vocabulary_tokens"] == made["base_vocabulary_tokens"] == ROWS
    assert made["target_tokens_per_word"] < 0.8 * made["base_target_tokens_per_word"]
    assert made["original_tokens_per_word"] < 1.1 * made["base_original_tokens_per_word"]
    assert made["target_round_trip_failures"] == made["original_round_trip_failures"] == 0
    assert metrics["export"]["gguf_q8_0_ids_equal"] == metrics["export"]["gguf_q8_0_strings"] > 400
    done = anadil("verify", "small", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout
    config = json.loads((tmp_path / "runs/small/export/hf/config.json").read_bytes())
    assert config["tie_word_embeddings"]
    assert config["eos_token_id"] == [128001, 128009]
