"""The one training loop: of continued pre-training and of fine-tuning alike."""

import json
import math
import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from anadil import durable
from anadil.context import Context
from anadil.errors import Interrupted, UserError
from anadil.model import ranks
from anadil.model.objective import Objective
from anadil.recipe import Optimisation
from anadil.train.board import open_boards
from anadil.train.checkpoint import Checkpoints, State
from anadil.train.data import Batch
from anadil.train.engine import Engine, Place, Update
from anadil.train.optim import learning_rate
from anadil.train.prefetch import Prefetch
from anadil.train.speed import Meter, in_words

CHECKPOINTS, METRICS, PLACE = "checkpoints", "metrics.jsonl", "place.json"
MOST_SKIPPED_IN_A_ROW = 8

Evaluate = Callable[[int, Objective], dict[str, float]]
"""Measurements of the model after so many updates."""


def train(
    model: nn.Module,
    batch_of: Callable[[int], Batch],
    settings: Optimisation,
    out: Path,
    context: Context,
    *,
    steps: int,
    seed: int,
    evaluate: Evaluate | None = None,
    evaluate_after: Callable[[int], bool] = lambda step: False,
    best_of: str | None = None,
    patience_steps: int = 0,
    words_per_token: float | None = None,
) -> State:
    """Train the parameters of `model` that want a gradient for `steps` updates, going on from `out/checkpoints`.

    `batch_of(step)` gives the global batch of an update; it is cut into micro batches of `context`'s size, and the
    loss is the mean over the labels of the global batch. Each update leaves a line in `out/metrics.jsonl`: step,
    loss (nats a token), lr, grad_norm, tokens and seconds so far (without evaluations), those of `Meter`, and what
    `evaluate` returned after it: before the first update, after those that `evaluate_after` chooses, and
    after the last. The last update leaves a checkpoint too, so that a kill after it costs no training. With `best_of`,
    the name of a measurement, the weights are in the end those with which it was lowest; after `patience_steps`
    updates without a lower one training ends. Raises
    Interrupted after saving when a stop is asked for, and UserError when loss or gradient is not finite
    `MOST_SKIPPED_IN_A_ROW` times in a row, and for a model that cannot be trained here (see `Engine`).
    """
    engine = _engine(model, settings, out, context)
    keep = context.keep_checkpoints
    checkpoints = Checkpoints(out / CHECKPOINTS, model, engine.optimizer, context.fingerprint, keep=keep)
    state = _resume(checkpoints, out, context)
    meter = Meter(model, settings.sequence_length, words_per_token)
    log = Log(out, context, state.step)
    if state.step == 0 and evaluate:
        log.write({"step": 0} | _evaluated(evaluate, 0, engine, context))
    batches = Prefetch(batch_of, state.step, steps, pin=context.device.startswith("cuda"))
    with closing(batches), closing(log), context.progress.task("train", steps - state.step, "steps") as task:
        began = time.monotonic()
        for batch in batches:
            if patience_steps and state.best_step and state.step - state.best_step > patience_steps:
                context.progress.line(f"  no better {best_of} for {patience_steps} steps: enough")
                break
            torch.manual_seed((seed * 2**32 + state.step) % 2**63)  # dropout needs no state to resume
            rate = learning_rate(state.step, steps, settings)
            update = engine.update(batch, rate)
            tokens, seconds = batch.input_ids_BT.numel(), time.monotonic() - began
            row = _counted(state, update, rate, tokens, seconds) | meter.read(tokens, seconds)
            row["waited_seconds"] = round(batches.waited_seconds, 3)
            if evaluate and (state.step == steps or evaluate_after(state.step)):
                row |= _evaluated(evaluate, state.step, engine, context)
            is_best = _is_best(state, row, best_of)
            log.write(row)
            task.note(f"loss {update.loss:.3f}, lr {rate:.2e}, grad {update.norm:.2f}, {in_words(row)}")
            task.advance()
            began = time.monotonic()
            checkpoints.finish(wait=False)
            stop = ranks.any_of(context.stop_requested())
            if stop or is_best or state.step % settings.checkpoint_every == 0 or state.step == steps:
                log.sync()
                checkpoints.save(state)
            if stop:
                checkpoints.finish()
                raise Interrupted(f"stopped after step {state.step} of {steps}; run the same command to go on")
    checkpoints.finish()
    if best_of and state.best_step not in (0, state.step):
        checkpoints.load(checkpoints.path(state.best_step))
        context.progress.line(f"  taking the weights after step {state.best_step}: {best_of} {state.best:.4f}")
    return state


def time_steps(
    model: nn.Module, batch_of: Callable[[int], Batch], settings: Optimisation, context: Context, *, steps: int
) -> list[float]:
    """Seconds of each of `steps` updates, as `train` does them, without log or checkpoint; the model is changed."""
    engine, seconds = Engine(model, settings, context), []
    for step in range(steps):
        began = time.monotonic()
        engine.update(batch_of(step), learning_rate(step, steps, settings))
        if engine.objective.device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.monotonic() - began)
    return seconds


def step_count(settings: Optimisation, per_epoch: int, rows: int) -> int:
    """Updates in all: as stated, or as many as the epochs take."""
    return settings.steps or max(1, math.ceil(settings.epochs * per_epoch / rows))


def batch_rows(settings: Optimisation) -> int:
    """Sequences in a global batch."""
    return max(1, settings.global_batch_tokens // settings.sequence_length)


def _counted(state: State, update: Update, rate: float, tokens: int, seconds: float) -> dict[str, Any]:
    """Count an update in; its line of the log. UserError after too many that were not finite."""
    state.step += 1
    state.tokens += tokens
    state.seconds += seconds
    state.skipped += not update.finite
    state.skipped_in_a_row = 0 if update.finite else state.skipped_in_a_row + 1
    if state.skipped_in_a_row >= MOST_SKIPPED_IN_A_ROW:
        what = f"loss or gradient was not finite {state.skipped_in_a_row} times in a row, up to step {state.step}"
        raise UserError(what, hint='lower learning_rate, raise warmup_share, or set precision = "float32"')
    row = {"step": state.step, "loss": _finite(update.loss), "lr": rate, "grad_norm": _finite(update.norm)}
    return row | {"tokens": state.tokens, "seconds": round(state.seconds, 3)}


def _is_best(state: State, row: dict[str, Any], best_of: str | None) -> bool:
    """Whether what counts was never lower; remembered in the state."""
    value = row.get(best_of) if best_of else None
    if value is None or (state.best is not None and value >= state.best):
        return False
    state.best, state.best_step = value, state.step
    return True


def _engine(model: nn.Module, settings: Optimisation, out: Path, context: Context) -> Engine:
    """With the place that an earlier attempt had, if there was one."""
    file = out / PLACE
    before = Place(**json.loads(file.read_bytes())) if file.is_file() else None
    engine = Engine(model, settings, context, ranks.agreed(before))
    if ranks.world()[0] == 0 and engine.place != before:
        durable.write_json(file, asdict(engine.place), "place")
    return engine


def _resume(checkpoints: Checkpoints, out: Path, context: Context) -> State:
    out.mkdir(parents=True, exist_ok=True)
    newest = checkpoints.newest()
    if newest:
        state = checkpoints.load(newest)
        context.progress.line(f"  going on after step {state.step}")
    else:
        state = State(fingerprint=context.fingerprint)
    if ranks.world()[0] == 0:
        _cut_back(out / METRICS, state.step if newest else -1)
    return state


def _cut_back(path: Path, step: int) -> None:
    """Drop the metrics of steps that will be done again, and what a crash or a power cut left torn or as zeros."""
    content = path.read_bytes() if path.exists() else b""
    kept = b"".join(line for line in content.splitlines(keepends=True) if _step_of(line) <= step)
    if kept != content:
        durable.write_bytes(path, kept, "metrics")


def _step_of(line: bytes) -> float:
    try:
        return int(json.loads(line)["step"]) if line.endswith(b"\n") else math.inf
    except (ValueError, TypeError, KeyError):
        return math.inf


def _evaluated(evaluate: Evaluate, step: int, engine: Engine, context: Context) -> dict[str, float]:
    engine.model.eval()
    with torch.no_grad():
        found = evaluate(step, engine.objective)
    engine.model.train()
    context.progress.line("  " + ", ".join(f"{name} {value:.4f}" for name, value in found.items()))
    return found


def read_metrics(out: Path) -> list[dict[str, Any]]:
    """The lines of `out/metrics.jsonl`."""
    return [json.loads(line) for line in (out / METRICS).read_text(encoding="utf-8").splitlines()]


class Log:
    """The lines of `out/metrics.jsonl`, and of the boards that are wanted; written by the first process alone."""

    def __init__(self, out: Path, context: Context, step: int):
        self._out, self._writes = out, ranks.world()[0] == 0
        self._boards = open_boards(context.report_to, out, step, context.progress) if self._writes else []

    def write(self, row: dict[str, Any]) -> None:
        """Append a line."""
        if self._writes:
            durable.append_jsonl(self._out / METRICS, row)
        for board in self._boards:
            board.write(row)

    def sync(self) -> None:
        """Bring the log to the disk, its name too: metrics of the steps before a checkpoint are not made again."""
        for path in (self._out / METRICS, self._out) if self._writes else ():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def close(self) -> None:
        """Bring the boards up to date."""
        for board in self._boards:
            board.close()


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None  # JSON has no NaN
