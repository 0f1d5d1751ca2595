"""One row: one vocabulary, one order of the text, trained and measured. A finished row is not done again."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anadil import durable
from anadil.context import Context
from anadil.model import load
from anadil.model.objective import Objective
from anadil.prove.heldout import Heldout
from anadil.recipe import Optimisation
from anadil.tokenizer.shards import TokenShards
from anadil.train.data import Batch, Windows, batch
from anadil.train.loop import batch_rows, read_metrics, time_steps, train
from anadil.train.pretrain import MEASURED_AT_A_TIME

ROW, POINTS = "row.json", "points"


@dataclass(frozen=True)
class Row:
    """What is trained, and after which updates it is measured: {"start": 0, "3 MB": 120, "seconds of 3 MB": 260}."""

    label: str
    seed: int
    points: dict[str, int]
    warmup: int

    @property
    def steps(self) -> int:
        return max(self.points.values())

    @property
    def name(self) -> str:
        return f"{self.label}-seed{self.seed}"


def train_row(
    row: Row,
    model_folder: Path,
    shards: TokenShards,
    heldout: Heldout,
    target_domains: list[str],
    training: Optimisation,
    out: Path,
    context: Context,
) -> None:
    """Train and measure; leaves `out/points/*.json` and, last, `out/row.json`. Goes on from `out/checkpoints`.

    The learning rate is warmed up over the same number of updates in every row and then constant, so that a point of
    a longer row means the same as the end of a shorter one.
    """
    if (out / ROW).is_file():
        return
    model = load.load(model_folder, device=context.device)
    windows = Windows(shards, training.sequence_length, row.seed)
    rows = batch_rows(training)
    tokens = MEASURED_AT_A_TIME
    measured = set(row.points.values())
    counts_V = shards.token_counts()

    def evaluate(step: int, objective: Objective) -> dict[str, float]:
        nats = heldout.nats(objective, tokens, training.sequence_length)
        point: dict[str, Any] = {"step": step, "nats": nats}
        if step == row.steps:
            point["by_frequency"] = heldout.by_frequency(
                objective, target_domains, counts_V, tokens, training.sequence_length
            )
        durable.write_json(out / POINTS / f"{step:06d}.json", point, "point")
        return {f"{name} nats": math.fsum(values) for name, values in nats.items()}

    state = train(
        model,
        lambda step: batch(windows, step, rows),
        _constant(training, row),
        out,
        context,
        steps=row.steps,
        seed=row.seed,
        evaluate=evaluate,
        evaluate_after=lambda step: step in measured,
    )
    seconds = [line["seconds"] for line in read_metrics(out) if "loss" in line]
    facts = {"label": row.label, "seed": row.seed, "points": row.points, "tokens": state.tokens}
    facts |= {"seconds": seconds[-1], "epochs": state.step * rows / windows.per_epoch}
    durable.write_json(out / ROW, facts, "row")
    durable.remove(out / "checkpoints", "row")


def _constant(training: Optimisation, row: Row) -> Optimisation:
    warmup = {"warmup_share": min(0.99, row.warmup / row.steps), "steps": row.steps}
    return training.model_copy(update={"schedule": "wsd", "min_learning_rate_ratio": 1.0} | warmup)


def read_row(folder: Path) -> dict[str, Any]:
    """What `train_row` left: row.json with the measurements, by update, under `measured`."""
    facts: dict[str, Any] = json.loads((folder / ROW).read_bytes())
    points = [json.loads(path.read_bytes()) for path in sorted((folder / POINTS).glob("*.json"))]
    return facts | {"measured": {point["step"]: point for point in points}}


def _batches(shards: TokenShards, training: Optimisation, seed: int) -> Callable[[int], Batch]:
    windows, rows = Windows(shards, training.sequence_length, seed), batch_rows(training)
    return lambda step: batch(windows, step, rows)


def seconds_per_step(
    folders: dict[str, tuple[Path, TokenShards]], training: Optimisation, memory: Path, context: Context, rounds: int
) -> dict[str, list[float]]:
    """Seconds of an update with each vocabulary, one value a round: in turns, so that what else the machine does
    falls on all alike. Rounds that `memory` (a JSON file) has are not timed again."""
    times: dict[str, list[float]] = json.loads(memory.read_bytes()) if memory.is_file() else {}
    for turn in range(rounds):
        for label, (model_folder, shards) in folders.items():
            if len(times.setdefault(label, [])) > turn:
                continue
            context.progress.line(f"  timing {label}, round {turn + 1} of {rounds}")
            model = load.load(model_folder, device=context.device)
            seconds = time_steps(model, _batches(shards, training, turn), training, context, steps=4)
            times[label].append(sorted(seconds[1:])[1])  # the first one warms up; of the others the median
            durable.write_json(memory, times, "timing")
    return times
