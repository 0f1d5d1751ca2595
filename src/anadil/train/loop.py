"""The one training loop: of continued pre-training and of fine-tuning alike."""

import ctypes
import json
import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from anadil import durable
from anadil.context import Context
from anadil.errors import Interrupted, UserError
from anadil.model.attention import use_cpu_attention
from anadil.model.load import check_packing, hidden_and_head, plain_model
from anadil.model.loss import linear_cross_entropy
from anadil.recipe import Optimisation
from anadil.train import checkpoint
from anadil.train.checkpoint import State
from anadil.train.data import Batch
from anadil.train.optim import adamw, learning_rate

CHECKPOINTS, METRICS = "checkpoints", "metrics.jsonl"
MOST_SKIPPED_IN_A_ROW = 8

Evaluate = Callable[[int], dict[str, float]]
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
) -> State:
    """Train the parameters of `model` that want a gradient for `steps` updates, going on from `out/checkpoints`.

    `batch_of(step)` gives the global batch of an update; it is cut into micro batches of `context`'s size, and the
    loss is the mean over the labels of the global batch. Each update leaves a line in `out/metrics.jsonl`: step,
    loss (nats a token), lr, grad_norm, tokens and seconds so far (without evaluations), tokens_per_second, and what
    `evaluate(step)` returned after it: before the first update, after those that `evaluate_after` chooses, and
    after the last. The last update leaves a checkpoint too, so that a kill after it costs no training. Raises
    Interrupted after saving when a stop is asked for, and UserError when loss or gradient is not finite
    `MOST_SKIPPED_IN_A_ROW` times in a row, and for a model that mixes packed documents.
    """
    _prepare(model, context)
    check_packing(model)
    optimizer = adamw(model, settings)
    state = _resume(model, optimizer, out, context)
    body, head = hidden_and_head(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    if state.step == 0 and evaluate:
        _log(out, {"step": 0} | _evaluated(evaluate, 0, model, settings, context))
    with context.progress.task("train", steps - state.step, "steps") as task:
        while state.step < steps:
            began = time.monotonic()
            torch.manual_seed((seed * 2**32 + state.step) % 2**63)  # dropout needs no state to resume
            rate = learning_rate(state.step, steps, settings)
            batch = batch_of(state.step)
            loss = _backward(body, head, batch, settings, context)
            norm = float(nn.utils.clip_grad_norm_(trained, settings.clip))
            _update(optimizer, rate, state, math.isfinite(loss) and math.isfinite(norm))
            seconds = time.monotonic() - began
            tokens = batch.input_ids_BT.numel()
            state.step += 1
            state.tokens += tokens
            state.seconds += seconds
            row: dict[str, Any] = {"step": state.step, "loss": _finite(loss), "lr": rate, "grad_norm": _finite(norm)}
            row |= {"tokens": state.tokens, "seconds": round(state.seconds, 3)}
            row["tokens_per_second"] = round(tokens / seconds, 1)
            if evaluate and (state.step == steps or evaluate_after(state.step)):
                row |= _evaluated(evaluate, state.step, model, settings, context)
            _log(out, row)
            task.note(f"loss {loss:.3f}, lr {rate:.2e}, grad {norm:.2f}, {tokens / seconds:,.0f} tokens/s")
            task.advance()
            stop = context.stop_requested()
            if stop or state.step % settings.checkpoint_every == 0 or state.step == steps:
                _sync(out)
                checkpoint.save(out / CHECKPOINTS, model, optimizer, state)
            if stop:
                raise Interrupted(f"stopped after step {state.step} of {steps}; run the same command to go on")
    return state


def time_steps(
    model: nn.Module, batch_of: Callable[[int], Batch], settings: Optimisation, context: Context, *, steps: int
) -> list[float]:
    """Seconds of each of `steps` updates, as `train` does them, without log or checkpoint; the model is changed."""
    _prepare(model, context)
    optimizer = adamw(model, settings)
    body, head = hidden_and_head(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    seconds = []
    for step in range(steps):
        began = time.monotonic()
        loss = _backward(body, head, batch_of(step), settings, context)
        norm = float(nn.utils.clip_grad_norm_(trained, settings.clip))
        _update(optimizer, learning_rate(step, steps, settings), State(), math.isfinite(loss) and math.isfinite(norm))
        if _kind(context) == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.monotonic() - began)
    return seconds


def step_count(settings: Optimisation, per_epoch: int, rows: int) -> int:
    """Updates in all: as stated, or as many as the epochs take."""
    return settings.steps or max(1, math.ceil(settings.epochs * per_epoch / rows))


def batch_rows(settings: Optimisation) -> int:
    """Sequences in a global batch."""
    return max(1, settings.global_batch_tokens // settings.sequence_length)


def autocast(settings: Optimisation, context: Context) -> AbstractContextManager[Any]:
    """The arithmetic that the recipe asks for; weights stay as they are."""
    return torch.autocast(_kind(context), torch.bfloat16, enabled=settings.precision == "bf16")


def _backward(body: nn.Module, head: Tensor, batch: Batch, settings: Optimisation, context: Context) -> float:
    """Gradients of the global batch's mean loss, and that loss."""
    labelled, loss = max(1, batch.labelled), 0.0
    for micro in batch.split(max(1, context.micro_batch_tokens // batch.input_ids_BT.shape[1])):
        with autocast(settings, context):
            hidden = body(
                input_ids=micro.input_ids_BT.to(context.device),
                position_ids=micro.position_ids_BT.to(context.device),
                use_cache=False,
            ).last_hidden_state
            total, _ = linear_cross_entropy(hidden.flatten(0, 1), head, micro.labels_BT.flatten().to(context.device))
        (total / labelled).backward()  # type: ignore[no-untyped-call]
        loss += float(total.detach()) / labelled
    return loss


def _update(optimizer: torch.optim.Optimizer, rate: float, state: State, finite: bool) -> None:
    if finite:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        state.skipped_in_a_row = 0
    else:
        state.skipped += 1
        state.skipped_in_a_row += 1
    optimizer.zero_grad(set_to_none=True)
    if state.skipped_in_a_row >= MOST_SKIPPED_IN_A_ROW:
        what = f"loss or gradient was not finite {state.skipped_in_a_row} times in a row, up to step {state.step + 1}"
        raise UserError(what, hint='lower learning_rate, raise warmup_share, or set precision = "float32"')


def _prepare(model: nn.Module, context: Context) -> None:
    torch.set_num_threads(context.threads)
    if _kind(context) == "cpu":
        _keep_freed_memory()
        use_cpu_attention(plain_model(model))
    embedding: Any = plain_model(model).get_input_embeddings()
    embedding.padding_idx = None  # its row would get no gradient; what is not to be learned has no label
    model.train()


def _resume(model: nn.Module, optimizer: torch.optim.Optimizer, out: Path, context: Context) -> State:
    out.mkdir(parents=True, exist_ok=True)
    newest = checkpoint.latest(out / CHECKPOINTS)
    if newest:
        state = checkpoint.load(newest, model, optimizer, context.fingerprint)
        context.progress.line(f"  going on after step {state.step}")
    else:
        state = State(fingerprint=context.fingerprint)
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


def _evaluated(
    evaluate: Evaluate, step: int, model: nn.Module, settings: Optimisation, context: Context
) -> dict[str, float]:
    model.eval()
    with autocast(settings, context), torch.no_grad():
        found = evaluate(step)
    model.train()
    context.progress.line("  " + ", ".join(f"{name} {value:.4f}" for name, value in found.items()))
    return found


def read_metrics(out: Path) -> list[dict[str, Any]]:
    """The lines of `out/metrics.jsonl`."""
    return [json.loads(line) for line in (out / METRICS).read_text(encoding="utf-8").splitlines()]


def _log(out: Path, row: dict[str, Any]) -> None:
    durable.append_jsonl(out / METRICS, row)


def _sync(out: Path) -> None:
    """Bring the log to the disk, its name too: the metrics of the steps before a checkpoint are not made again."""
    for path in (out / METRICS, out):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None  # JSON has no NaN


def _kind(context: Context) -> str:
    return torch.device(context.device).type


def _keep_freed_memory() -> None:
    """Let glibc keep freed tensors: asking the kernel for zeroed pages anew each step cost 20-35% of CPU speed."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt:
            mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
            mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD
