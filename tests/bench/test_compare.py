"""Ways of training side by side: the same work, measured once, and what fails says so."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.train.tiny import model_folder, tokens_folder

from anadil.bench.compare import ROUNDS, table
from anadil.bench.ways import WAYS, Work, available, batches, go
from anadil.cli import root
from anadil.errors import UserError

TEXTS = [[f"sözlər {number} " * 9 for number in range(30)]]
SMALL = ["--sequence-length", "32", "--batch-tokens", "128", "--micro-batch-tokens", "64", "--precision", "float32"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    home = tmp_path_factory.mktemp("bench")
    (home / "model").mkdir()
    return model_folder(home / "model"), tokens_folder(home / "tokens", {"az": ("az", 1.0, TEXTS, [])})


def work(folders: tuple[Path, Path], **changes: object) -> Work:
    facts: dict[str, object] = {
        "model": str(folders[0]), "tokens": str(folders[1]), "device": "cpu", "threads": 1, "sequence_length": 32,
        "global_batch_tokens": 128, "micro_batch_tokens": 64, "precision": "float32", "updates": 3,
    }  # fmt: skip
    return Work(**facts | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("way", available("cpu"))
def test_every_way_takes_the_same_steps(folders: tuple[Path, Path], way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from anadil.train import engine

    for name in ("use_cpu_attention", "_keep_freed_memory"):
        monkeypatch.setattr(engine, name, getattr(engine, name))  # a way may take its place for good
    outcome, ours = go(way, work(folders)), go("anadil", work(folders))
    assert outcome.losses == pytest.approx(ours.losses, rel=2e-5)
    assert len(outcome.seconds) == 3
    assert outcome.losses[2] < outcome.losses[0]


def test_random_documents_where_there_are_none(folders: tuple[Path, Path]) -> None:
    some = batches(work(folders, tokens=None, sequence_length=512, global_batch_tokens=2048), 97)(3)
    again = batches(work(folders, tokens=None, sequence_length=512, global_batch_tokens=2048), 97)(3)
    assert some.input_ids_BT.shape == (4, 512)
    assert bool((some.input_ids_BT == again.input_ids_BT).all())
    assert bool((some.position_ids_BT[:, 0] == 0).all())
    assert 4 < int((some.position_ids_BT == 0).sum()) < 60
    assert bool((some.position_ids_BT.diff(dim=1)[some.position_ids_BT[:, 1:] != 0] == 1).all())


def bench(*arguments: str) -> "object":
    return CliRunner().invoke(root, ["bench", "train", *arguments], catch_exceptions=False)


def test_the_command_measures_once_and_says_what(folders: tuple[Path, Path], tmp_path: Path) -> None:
    arguments = ["--model", str(folders[0]), "--tokens", str(folders[1]), "--out", str(tmp_path / "out"), *SMALL]
    arguments += ["--way", "hf", "--way", "anadil", "--rounds", "1", "--updates", "3"]
    first = bench(*arguments, "--json")
    result = json.loads(first.stdout)
    assert [row["way"] for row in result["ways"]] == ["hf", "anadil"]
    for row in result["ways"]:
        assert row["tokens_per_second"] > 0
        assert row["peak_gib"] > 0.1
    assert result["ways"][0]["last_loss"] == pytest.approx(result["ways"][1]["last_loss"], rel=1e-4)
    times = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out" / ROUNDS).iterdir()}
    again = bench(*arguments)
    assert {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out" / ROUNDS).iterdir()} == times
    assert WAYS["hf"] in again.stdout
    assert table(result) in again.stdout
    picture = (tmp_path / "out" / "train.svg").read_text()
    assert all(f">{WAYS[way]}</text>" in picture for way in ("hf", "anadil"))
    assert f"{result['ways'][1]['tokens_per_second']:,.0f}" in picture
    with pytest.raises(UserError, match="holds measurements of other work"):
        bench(*arguments, "--sequence-length", "16")


def test_ways_that_are_not_there_are_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    common = ["--model", str(folders[0]), "--out", str(tmp_path), "--device", "cpu"]
    with pytest.raises(UserError, match="no way 'axolotl' to train"):
        bench(*common, "--way", "axolotl")
    with pytest.raises(UserError, match="'hf-liger' cannot be tried on cpu"):
        bench(*common, "--way", "hf-liger")


def test_a_way_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"anadil failed: .*has no config.json"):
        bench("--model", str(tmp_path), "--out", str(tmp_path / "out"), *SMALL, "--way", "anadil")
