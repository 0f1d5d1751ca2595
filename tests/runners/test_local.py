"""Runs of more than one process, as a user starts them: real processes, stopped and killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tests.roads import write_road

STAGES = ["corpus", "tokenizer", "encode", "transfer", "pretrain", "sft"]
TOGETHER = ["--set", "run.processes=2"]
EXACT = ["--set", 'pretrain.precision="float32"', "--set", 'sft.precision="float32"']


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_road(tmp_path_factory.mktemp("road"), stages=STAGES)


@pytest.fixture(scope="module")
def alone(recipe: Path) -> Path:
    """The run folder of an undisturbed run of one process."""
    folder = recipe.parent / "alone"
    assert wait(start(recipe, folder, EXACT))[0] == 0
    return folder


@pytest.fixture(scope="module")
def together(recipe: Path, alone: Path) -> Path:
    """The same with two processes."""
    folder = recipe.parent / "together"
    assert wait(start(recipe, folder, [*EXACT, *TOGETHER]))[0] == 0
    return folder


def command(recipe: Path, folder: Path, settings: list[str]) -> list[str]:
    return ["-m", "anadil.cli", "run", str(recipe), "--run-folder", str(folder), *settings]


def start(
    recipe: Path, folder: Path, settings: list[str], before: list[str] | None = None, **environment: str
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *(before or []), *command(recipe, folder, settings)],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait(process: "subprocess.Popen[str]") -> tuple[int, str]:
    _, stderr = process.communicate(timeout=240)
    return process.returncode, stderr


def losses(folder: Path, stage: str) -> list[float]:
    lines = (folder / stage / "metrics.jsonl").read_text().splitlines()
    return [row["loss"] for row in map(json.loads, lines) if "loss" in row]


def farthest(one: Path, other: Path) -> float:
    first, second = (load_file(folder / "sft/model/model.safetensors") for folder in (one, other))
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def when(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)


def steps_done(folder: Path, stage: str) -> int:
    log = folder / stage / "metrics.jsonl"
    return len(log.read_text().splitlines()) if log.exists() else 0


def children(process: "subprocess.Popen[str]") -> list[int]:
    """Process ids of the processes that train, by rank."""
    ids = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ranks = {}
    for identifier in map(int, ids):
        facts = dict(line.split("=", 1) for line in Path(f"/proc/{identifier}/environ").read_text().split("\0") if line)
        ranks[int(facts["RANK"])] = identifier
    return [ranks[rank] for rank in sorted(ranks)]


def test_two_processes_give_what_one_gives(alone: Path, together: Path) -> None:
    for stage in ("pretrain", "sft"):
        assert losses(together, stage) == pytest.approx(losses(alone, stage), rel=1e-5)
    assert farthest(alone, together) < 1e-5


def test_two_machines_give_what_one_gives(recipe: Path, alone: Path) -> None:
    """Two torchruns that meet on a loopback address."""
    folder, port = recipe.parent / "machines", "29533"
    nodes = [
        start(
            recipe, folder, EXACT,
            ["-m", "torch.distributed.run", "--nnodes=2", f"--node-rank={rank}", "--nproc-per-node=1",
             "--master-addr=127.0.0.1", f"--master-port={port}"],
        )
        for rank in (0, 1)
    ]  # fmt: skip
    for node in nodes:
        code, stderr = wait(node)
        assert code == 0, stderr
    assert farthest(alone, folder) < 1e-5


@pytest.mark.parametrize("how", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_stop_saves_and_the_next_run_ends_the_same(recipe: Path, together: Path, how: signal.Signals) -> None:
    folder, many = recipe.parent / how.name, [*EXACT, *TOGETHER]
    process = start(recipe, folder, many)
    when(lambda: steps_done(folder, "pretrain") >= 2, process)
    process.send_signal(how)
    code, stderr = wait(process)
    assert code == 130, stderr
    assert "Traceback" not in stderr
    assert wait(start(recipe, folder, many))[0] == 0
    assert farthest(together, folder) == 0.0


@pytest.mark.parametrize("rank", [0, 1])
def test_when_a_process_dies_the_others_end_and_the_next_run_goes_on(recipe: Path, together: Path, rank: int) -> None:
    folder, many = recipe.parent / f"dies{rank}", [*EXACT, *TOGETHER]
    process = start(recipe, folder, many)
    when(lambda: steps_done(folder, "pretrain") >= 4, process)
    ids = children(process)
    os.kill(ids[rank], signal.SIGKILL)
    code, stderr = wait(process)
    assert code == 2, stderr
    assert "another process of this run is gone" in stderr or "died (SIGKILL)" in stderr
    assert "run the same command" in stderr
    assert not any(Path(f"/proc/{identifier}").exists() for identifier in ids)
    assert wait(start(recipe, folder, many))[0] == 0
    assert farthest(together, folder) == 0.0
