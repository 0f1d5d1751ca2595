"""The queue of the comparison on a GPU: what comes first, and that it goes on where it stopped."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
WAYS = ["hf", "hf-liger", "anadil", "anadil-loss", "anadil-compile", "anadil-packed"]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_gpu", ROOT / "benchmarks/train_gpu/run.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["train_gpu"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def pretend(script: ModuleType, task: object, fits: int) -> dict[str, object]:
    """A row: speed grows with the micro batch until four sequences, and more than `fits` do not fit."""
    if task.sequences > fits:
        return {"failed": "CUDA out of memory"}
    seconds = 1.0 if task.sequences <= 4 else task.sequences / 4
    return {"tokens": task.sequences * task.sequence_length, "seconds": [9.0, 9.0, seconds, seconds]}


def whole(script: ModuleType, fits: dict[str, int]) -> list[str]:
    rows: dict[str, dict[str, object]] = {}
    while task := next((t for t in script.queue(rows, WAYS, (4096, 8192), 32) if t.name not in rows), None):
        rows[task.name] = pretend(script, task, fits.get(task.way, 99))
    return list(rows)


def test_each_way_is_tuned_until_it_does_not_fit_or_is_not_faster(script: ModuleType) -> None:
    order = whole(script, {"hf": 2})
    tuned = [name for name in order if "-s4096-" in name and name.endswith("-u6-r0")]
    assert tuned[:4] == [f"anadil-s4096-b{size}-u6-r0" for size in (1, 2, 4, 8)]
    assert [name for name in tuned if name.startswith("hf-s")] == [f"hf-s4096-b{size}-u6-r0" for size in (1, 2, 4)]


def test_the_best_are_repeated_in_turns_before_anything_else(script: ModuleType) -> None:
    order = whole(script, {"hf": 2})
    repeats = [name for name in order if "-s4096-" in name and name[-1] in "12"]
    assert repeats == [
        f"{way}-u6-r{number}" for number in (1, 2) for way in ("anadil-s4096-b4", "hf-liger-s4096-b4", "hf-s4096-b2")
    ]
    assert order.index(repeats[-1]) < order.index("anadil-s4096-b1-u100-r0") < order.index("anadil-s8192-b1-u6-r0")
    assert order[-3:] == [f"{way}-s4096-b4-u6-r0" for way in ("anadil-loss", "anadil-compile", "anadil-packed")]


def test_a_way_that_never_fits_is_left_out(script: ModuleType) -> None:
    order = whole(script, {"hf": 0})
    assert [name for name in order if name.startswith("hf-s4096") and "u6" in name] == [
        "hf-s4096-b1-u6-r0", "hf-s4096-b2-u6-r0",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_whole_of_it_in_small(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["run.py", "--shape", "tiny", "--out", str(tmp_path / "rows"), "--model", str(tmp_path / "model")]
    monkeypatch.setattr(sys, "argv", [*arguments, "--seconds", "45"])
    script.main()
    first = script.read(tmp_path / "rows")
    assert first
    assert not any(row.get("failed") for row in first.values())
    monkeypatch.setattr(sys, "argv", [*arguments, "--seconds", "45"])
    script.main()
    assert len(script.read(tmp_path / "rows")) > len(first)
    assert "tokens/s" in script.table(first)
