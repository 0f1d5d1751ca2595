"""What training takes is known before, and what does not fit is refused with what would."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.model.families import tiny
from tests.train.tiny import SHAPE, VOCAB

from anadil.context import Context
from anadil.errors import UserError
from anadil.model import load
from anadil.model.objective import Objective
from anadil.recipe import Optimisation
from anadil.train.fit import USABLE, fit, room_on
from anadil.train.memory import footprint, resident_bytes

SETTINGS = Optimisation(sequence_length=32, global_batch_tokens=2048)
FREE = Context(micro_batch_tokens=0)


def objective() -> Objective:
    return Objective(load.from_shape(SHAPE, VOCAB, seed=1), bf16=True)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> int:
    """What the process holds besides the model, the same at each look."""
    size = 400 << 20
    monkeypatch.setattr("anadil.train.fit.program_bytes", lambda objective: size)
    return size


def needed(rows: int, level: str, program: int) -> int:
    """Bytes of memory that are just enough."""
    return math.ceil(footprint(objective(), 32).memory(rows, level, program=program).total / USABLE)


def test_with_room_the_global_batch_goes_at_once_and_nothing_is_computed_twice() -> None:
    way = fit(objective(), SETTINGS, FREE, room=1 << 40)
    assert (way.micro_batch_tokens, way.recompute, way.shard) == (2048, "none", "optimizer")


def test_with_less_room_the_micro_batch_shrinks_before_anything_is_computed_twice(program: int) -> None:
    way = fit(objective(), SETTINGS, FREE, room=needed(16, "none", program))
    assert (way.micro_batch_tokens, way.recompute) == (512, "none")


def test_what_the_recipe_states_stays_and_the_rest_gives_way(program: int) -> None:
    stated = Context(micro_batch_tokens=2048)
    way = fit(objective(), SETTINGS, stated, room=needed(64, "full", program))
    assert (way.micro_batch_tokens, way.recompute) == (2048, "full")


def test_processes_share_the_optimizer_and_if_need_be_the_weights() -> None:
    deep = load.from_shape(SHAPE.model_copy(update={"layers": 6}), VOCAB, seed=1)
    found = footprint(Objective(deep, bf16=True), 32)
    alone = found.memory(4, "none")
    four = found.memory(4, "none", processes=4)
    whole = found.memory(4, "none", processes=4, shard="full")
    assert four.optimizer * 4 == pytest.approx(alone.optimizer, abs=4)
    assert whole.weights < four.weights < alone.weights
    assert four.activations == alone.activations


@pytest.mark.parametrize(
    ("context", "hint"),
    [
        (FREE, "smaller base|lower sequence_length"),
        (Context(micro_batch_tokens=2048, recompute="none"), "leave run.micro_batch_tokens and run.recompute out"),
    ],
)
def test_what_cannot_fit_says_by_how_much_and_what_would(context: Context, hint: str) -> None:
    what = r"takes \d\.\d GiB in each process, 0\.0 GiB are there \(\d\.\d GiB too little\)"
    with pytest.raises(UserError, match=what) as error:
        fit(objective(), SETTINGS, context, room=1 << 20)
    assert re.search(hint, error.value.hint)


@pytest.mark.parametrize("family", ["qwen3", "gemma", "mistral"])
def test_any_decoder_can_be_measured(family: str) -> None:
    found = footprint(Objective(tiny(family), bf16=True), 16)
    assert found.layers == 2
    assert found.per_block > 0
    assert found.copies > 0


def test_processes_on_one_machine_share_its_memory() -> None:
    held = resident_bytes()
    alone, four = room_on("cpu"), room_on("cpu", 4)
    assert four - held == pytest.approx((alone - held) / 4, rel=0.1)


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = room_on("cpu")
    for name, content in {"memory.max": f"{3 << 30}", "memory.current": f"{1 << 30}"}.items():
        (tmp_path / name).write_text(content)
    monkeypatch.setattr("anadil.train.fit.CGROUP", tmp_path)
    assert room_on("cpu") == pytest.approx(min(free, (2 << 30) + resident_bytes()), rel=0.1)
    (tmp_path / "memory.max").write_text("max")
    assert room_on("cpu") == pytest.approx(free, rel=0.1)


def test_looking_leaves_nothing_behind() -> None:
    looked_at = Objective(load.from_shape(SHAPE.model_copy(update={"layers": 12}), VOCAB, seed=1), bf16=True)
    footprint(looked_at, 64)
    before = resident_bytes()
    for _ in range(20):
        footprint(looked_at, 64)
    assert resident_bytes() - before < 4 << 20
    assert all(p.grad is None for p in looked_at.parameters())


MEASURE = """
import json, resource, sys
import torch
from anadil.context import Context
from anadil.model import load
from anadil.recipe import Optimisation, Sft, Shape
from anadil.train import engine
from anadil.train.data import Batch
from anadil.model.adapter import with_lora

case = json.loads(sys.argv[1])
model = load.from_shape(Shape(**case["shape"]), case["vocabulary"], seed=1)
if case["lora"]:
    model = with_lora(model, Sft(data=["none"]), 1)
rows, length = case["rows"], case["length"]
settings = Optimisation(sequence_length=length, global_batch_tokens=2 * rows * length, precision=case["precision"])
ways = []
real = engine.fit
engine.fit = lambda *given: ways.append(real(*given)) or ways[0]
trained = engine.Engine(model, settings, Context(micro_batch_tokens=rows * length, recompute=case["recompute"]))
for _ in range(2):
    ids = torch.randint(0, case["vocabulary"], (2 * rows, length + 1))
    positions = torch.arange(length).repeat(2 * rows, 1)
    trained.update(Batch(ids[:, :-1], ids[:, 1:], positions), 1e-4)
print(json.dumps([ways[0].memory.total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10]))
"""
SMALL = {"hidden_size": 256, "layers": 6, "heads": 8, "kv_heads": 4, "ffn_size": 688, "max_position": 1024}
LARGER = {"hidden_size": 512, "layers": 8, "heads": 8, "kv_heads": 4, "ffn_size": 1376, "max_position": 2048}
PLAIN = {"shape": SMALL, "vocabulary": 10_240, "precision": "bf16", "recompute": "none", "lora": False}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read as Linux counts them")
@pytest.mark.parametrize(
    "case",
    [
        PLAIN | {"rows": 16, "length": 256},
        PLAIN | {"rows": 32, "length": 256, "vocabulary": 32_768, "precision": "float32"},
        PLAIN | {"rows": 2, "length": 2048, "vocabulary": 32_768, "shape": LARGER},
        PLAIN | {"rows": 16, "length": 512, "vocabulary": 32_768, "shape": LARGER, "recompute": "full"},
        PLAIN | {"rows": 4, "length": 256, "vocabulary": 128_256, "shape": LARGER},
    ],
)
def test_the_estimate_is_within_15_percent_of_the_peak(case: dict[str, object]) -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE, json.dumps(case)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    estimate, peak = json.loads(done.stdout.splitlines()[-1])
    assert estimate == pytest.approx(peak, rel=0.15)
