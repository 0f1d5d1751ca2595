"""Continued pre-training as a whole, on a tiny model."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from tests.train.tiny import VOCAB, byte_tokenizer, model_folder, tokens_folder

from anadil.context import Context
from anadil.errors import Interrupted, UserError
from anadil.model import load
from anadil.recipe import Pretrain
from anadil.tokenizer.shards import TokenShards
from anadil.train.engine import Engine
from anadil.train.loop import read_metrics
from anadil.train.pretrain import Heldout, run_pretrain

SETTINGS = Pretrain(
    sequence_length=32, global_batch_tokens=128, steps=12, eval_every=5, checkpoint_every=4,
    learning_rate=3e-3,
)  # fmt: skip
AZ = ["salam dünya, necəsən? " * 3] * 12


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    sources = {
        "a": ("az", 1.5, [AZ, AZ[:2]], ["salam, dünya " * 3, "necəsən?"]),
        "b": ("en", 1.0, [["hello big world " * 5] * 4], ["hello world"]),
        "c": ("ru", 0.5, [["привет мир " * 5] * 4], ["привет"]),
    }
    for name in ("model", "tokens"):
        (tmp_path / name).mkdir()
    return model_folder(tmp_path / "model"), tokens_folder(tmp_path / "tokens", sources)


def run(folders: tuple[Path, Path], out: Path, context: Context | None = None) -> dict[str, float]:
    context = context or Context(micro_batch_tokens=64, fingerprint="f")
    return run_pretrain(*folders, out, SETTINGS, context, seed=1, target="az", original="en")


def test_learns_and_leaves_a_plain_folder(folders: tuple[Path, Path], tmp_path: Path) -> None:
    metrics = run(folders, tmp_path / "out")
    for name in ("target", "original", "other"):
        assert metrics[f"{name}_bits_per_byte"] < metrics[f"{name}_bits_per_byte_before"]
    assert metrics["target_bits_per_byte_before"] == pytest.approx(math.log2(VOCAB), abs=0.3)
    assert (metrics["steps"], metrics["trained_tokens"], metrics["skipped_updates"]) == (12, 1536, 0)
    model = load.load(tmp_path / "out/model")
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert load.tokenizer(tmp_path / "out/model").get_vocab_size() == VOCAB
    evaluated = [r["step"] for r in read_metrics(tmp_path / "out") if "target_bits_per_byte" in r]
    assert evaluated == [0, 5, 10, 12]


def test_an_interrupted_run_ends_with_the_same_model(folders: tuple[Path, Path], tmp_path: Path) -> None:
    run(folders, tmp_path / "a")
    asked = iter(range(100))
    stopping = Context(micro_batch_tokens=64, fingerprint="f", stop_requested=lambda: next(asked) == 6)
    with pytest.raises(Interrupted):
        run(folders, tmp_path / "b", stopping)
    run(folders, tmp_path / "b")
    first, second = (load.load(tmp_path / x / "model").state_dict() for x in "ab")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_killed_after_training_only_the_model_is_written_again(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = run(folders, tmp_path / "out")
    before = load.load(tmp_path / "out/model").state_dict()
    shutil.rmtree(tmp_path / "out/model")
    monkeypatch.setattr(Engine, "update", None)  # nothing is trained
    assert run(folders, tmp_path / "out") == metrics
    after = load.load(tmp_path / "out/model").state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_micro_batch_does_not_change_what_is_measured(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Also one that is smaller than a sequence: the context of the measurement is the sequence's length."""
    found = [run(folders, tmp_path / str(n), Context(micro_batch_tokens=n, fingerprint="f")) for n in (16, 4096)]
    first, second = ({k: v for k, v in m.items() if k.endswith("_per_byte_before")} for m in found)
    assert first == pytest.approx(second, rel=1e-5)


def test_held_out_bytes_are_those_of_the_text(folders: tuple[Path, Path]) -> None:
    found = Heldout(TokenShards(folders[1]), byte_tokenizer(), 10_000, {"az": "target"})
    assert found.bytes == {
        "target": len(("salam, dünya " * 3 + "necəsən?").encode()),
        "other": len("hello worldпривет".encode()),
    }
    few = Heldout(TokenShards(folders[1]), byte_tokenizer(), 20, {"az": "target"})
    assert len(few.documents["target"]) == 1
    assert few.bytes["target"] == 19  # twenty tokens, the first of them BOS


@pytest.mark.parametrize(
    ("key", "value", "said"), [("vocab_size", 9999, "9,999"), ("tokenizer_sha256", "0", "another")]
)
def test_text_of_another_vocabulary_is_refused(
    folders: tuple[Path, Path], tmp_path: Path, key: str, value: object, said: str
) -> None:
    path = folders[1] / "shards.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(UserError, match=said):
        run(folders, tmp_path / "out")


def test_a_damaged_shard_is_named_before_training(folders: tuple[Path, Path], tmp_path: Path) -> None:
    shard = next((folders[1] / "tokens").rglob("train-00000.bin"))
    content = bytearray(shard.read_bytes())
    content[4] ^= 1
    shard.write_bytes(content)
    with pytest.raises(UserError, match=f"{shard.name} is damaged: its checksum differs"):
        run(folders, tmp_path / "out")
    assert not (tmp_path / "out").exists()
