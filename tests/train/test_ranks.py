"""Processes that train together: the curve of one, whatever their number; the same bits where it stays the same."""

import json
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.train.tiny import tokens_folder

ROOT = Path(__file__).parents[2]
SETTINGS = {"sequence_length": 16, "global_batch_tokens": 96, "precision": "float32", "checkpoint_every": 2}
NEAR = 1e-5
"""Sums in another order; see docs/training.md."""


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(1)
    texts = [["".join(rng.choices("abcdefgh ", k=rng.randint(5, 90))) for _ in range(60)]]
    return tokens_folder(tmp_path_factory.mktemp("tokens"), {"a": ("az", 1.0, texts, ["abc def"])})


def together(processes: int, tokens: Path, out: Path, **options: object) -> None:
    """Train to the end, or to where `stop_after` says."""
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        port = some.getsockname()[1]
    given = json.dumps({"tokens": str(tokens), "out": str(out), "steps": 8, "settings": SETTINGS} | options)
    common = {
        "WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.train.worker", given],
            env=os.environ | common | {"OMP_NUM_THREADS": "1", "RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=ROOT,
        )
        for rank in range(processes)
    ]
    assert [worker.wait(240) for worker in workers] == [0] * processes


def weights(out: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(out / "weights.pt")
    return found


def curve(out: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]


def apart(one: Path, other: Path) -> float:
    """The farthest of weights and of losses."""
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    losses = [abs(a - b) for a, b in zip(curve(one), curve(other), strict=True)]
    return max(*losses, *(float((first[name] - second[name]).abs().max()) for name in first))


@pytest.fixture(scope="module")
def alone(tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone")
    together(1, tokens, out)
    return out


@pytest.fixture(scope="module")
def two(tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("two")
    together(2, tokens, out)
    return out


def test_two_give_the_curve_of_one(alone: Path, two: Path) -> None:
    assert 0 < apart(alone, two) < NEAR


def test_weights_divided_too_and_one_sequence_at_a_time(tokens: Path, alone: Path, tmp_path: Path) -> None:
    together(2, tokens, tmp_path, shard="full", micro=16)
    assert apart(alone, tmp_path) < NEAR


@pytest.mark.slow
def test_four_of_which_some_have_nothing_to_do(tokens: Path, alone: Path, tmp_path: Path) -> None:
    """Six sequences an update: the last process has none of its own."""
    together(4, tokens, tmp_path)
    assert apart(alone, tmp_path) < NEAR


def test_stopped_and_resumed_by_as_many_is_bit_equal(tokens: Path, two: Path, tmp_path: Path) -> None:
    together(2, tokens, tmp_path, stop_after=3)
    together(2, tokens, tmp_path)
    assert apart(two, tmp_path) == 0.0


def test_two_then_one_then_two(tokens: Path, two: Path, tmp_path: Path) -> None:
    together(2, tokens, tmp_path, stop_after=3)
    together(1, tokens, tmp_path, stop_after=2)
    together(2, tokens, tmp_path)
    assert apart(two, tmp_path) < NEAR


@pytest.mark.slow
def test_tables_that_are_not_tied(tokens: Path, tmp_path: Path) -> None:
    together(1, tokens, tmp_path / "one", tied=False)
    together(2, tokens, tmp_path / "two", tied=False, shard="full")
    assert apart(tmp_path / "one", tmp_path / "two") < NEAR
