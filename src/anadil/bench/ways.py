"""One way of training a model for some updates, in a process of its own: ours, ours without a part, or another's.

All ways start from the same weights, see the same sequences in the same order, and take the same steps: AdamW without
decay at a constant rate, the same clipping. Run as `python -m anadil.bench.ways JSON`; prints one line of JSON.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anadil.context import Context
from anadil.errors import UserError
from anadil.model import load
from anadil.model.loss import linear_cross_entropy_reference
from anadil.recipe import Optimisation
from anadil.tokenizer.shards import TokenShards
from anadil.train import engine
from anadil.train.data import Batch, Windows, batch
from anadil.train.loop import batch_rows
from anadil.train.speed import peak_bytes

WAYS = {
    "hf": "Hugging Face Trainer, as it comes",
    "hf-liger": "Hugging Face Trainer with Liger kernels",
    "anadil": "anadil",
    "anadil-loss": "anadil with all logits at once",
    "anadil-attention": "anadil with transformers' attention",
    "anadil-heap": "anadil without keeping freed memory",
    "anadil-compile": "anadil without torch.compile",
    "anadil-packed": "anadil with masks instead of packed attention",
}
RATE = 1e-4


@dataclass(frozen=True)
class Work:
    """What every way does."""

    model: str
    tokens: str | None
    """An encode folder, or None for random documents."""
    device: str
    threads: int
    sequence_length: int
    global_batch_tokens: int
    micro_batch_tokens: int
    precision: str
    updates: int
    cap_gib: float | None = None
    """Of a GPU's memory, that may be used."""

    def settings(self) -> Optimisation:
        """A constant rate, nothing decayed."""
        return Optimisation.model_validate(
            {
                "sequence_length": self.sequence_length,
                "global_batch_tokens": self.global_batch_tokens,
                "precision": self.precision,
                "learning_rate": RATE,
                "weight_decay": 0.0,
            }
        )


@dataclass(frozen=True)
class Outcome:
    """Seconds and loss (nats a token) of every update; the most memory in bytes, and what a GPU's allocator held."""

    seconds: list[float]
    losses: list[float]
    peak_bytes: int
    reserved_bytes: int | None


def available(device: str) -> list[str]:
    """The ways that can be tried here."""
    on_gpu = device.startswith("cuda")
    only_gpu, only_cpu = {"hf-liger", "anadil-compile", "anadil-packed"}, {"anadil-attention", "anadil-heap"}
    return [way for way in WAYS if way not in (only_cpu if on_gpu else only_gpu)]


def batches(work: Work, vocabulary: int) -> Callable[[int], Batch]:
    """The global batch of an update: from the encode folder, or random documents of 20 to 400 tokens."""
    rows = batch_rows(work.settings())
    if work.tokens:
        windows = Windows(TokenShards(Path(work.tokens)), work.sequence_length, seed=1)
        return lambda step: batch(windows, step, rows)

    def random(step: int) -> Batch:
        generator = torch.Generator().manual_seed(step)
        ids = torch.randint(0, vocabulary, (rows, work.sequence_length + 1), generator=generator)
        starts = torch.rand((rows, work.sequence_length), generator=generator) < 1 / 200
        starts[:, 0] = True
        places = torch.arange(work.sequence_length).expand(rows, -1)
        positions = places - torch.where(starts, places, 0).cummax(1).values
        return Batch(ids[:, :-1].contiguous(), ids[:, 1:].contiguous(), positions)

    return random


def go(way: str, work: Work) -> Outcome:
    """Train."""
    torch.set_num_threads(work.threads)
    if work.cap_gib:
        whole = torch.cuda.get_device_properties(work.device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, work.cap_gib * 2**30 / whole))
    model: Any = load.load(work.model, device=work.device)
    run = _hugging_face if way.startswith("hf") else _ours
    seconds, losses = run(way, work, model, batches(work, load.vocabulary_rows(model)))
    reserved = torch.cuda.max_memory_reserved() if work.device.startswith("cuda") else None
    return Outcome(seconds, losses, peak_bytes(torch.device(work.device)), reserved)


def _ours(way: str, work: Work, model: Any, batch_of: Callable[[int], Batch]) -> tuple[list[float], list[float]]:
    if way == "anadil-attention":
        engine.use_cpu_attention = lambda model: None  # type: ignore[attr-defined]
    if way == "anadil-heap":
        engine._keep_freed_memory = lambda: None
    if way == "anadil-packed":
        engine.can_be_packed = lambda model: False  # type: ignore[attr-defined]
    context = Context(
        device=work.device,
        threads=work.threads,
        micro_batch_tokens=work.micro_batch_tokens,
        compile="off" if way == "anadil-compile" else "auto",
    )
    ready = engine.Engine(model, work.settings(), context)
    if way == "anadil-loss":
        ready.objective.loss = _all_at_once
    seconds, losses = [], []
    for step in range(work.updates):
        began = time.monotonic()
        losses.append(ready.update(batch_of(step), RATE).loss)
        _finish(work.device)
        seconds.append(time.monotonic() - began)
    return seconds, losses


def _all_at_once(hidden_TD: Tensor, head_VD: Tensor, labels_T: Tensor) -> Tensor:
    return linear_cross_entropy_reference(hidden_TD, head_VD, labels_T)[0]


def _hugging_face(
    way: str, work: Work, model: Any, batch_of: Callable[[int], Batch]
) -> tuple[list[float], list[float]]:
    from torch.utils.data import Dataset, SequentialSampler
    from transformers import Trainer, TrainerCallback, TrainingArguments

    rows, at_a_time = batch_rows(work.settings()), max(1, work.micro_batch_tokens // work.sequence_length)
    made = [batch_of(step) for step in range(work.updates)]

    class Rows(Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return rows * work.updates

        def __getitem__(self, index: int) -> dict[str, Tensor]:
            some, row = made[index // rows], index % rows
            labels = some.labels_BT[row]
            # its loss shifts by one unless it is given labels that are shifted
            return {
                "input_ids": some.input_ids_BT[row], "position_ids": some.position_ids_BT[row], "labels": labels,
                "shift_labels": labels,
            }  # fmt: skip

    seconds, losses = [], []

    class Watch(TrainerCallback):
        began = 0.0

        def on_step_begin(self, *given: Any, **named: Any) -> None:
            self.began = time.monotonic()

        def on_step_end(self, *given: Any, **named: Any) -> None:
            _finish(work.device)
            seconds.append(time.monotonic() - self.began)

        def on_log(self, *given: Any, **named: Any) -> None:
            if "loss" in named["logs"]:
                losses.append(float(named["logs"]["loss"]))

    class InOrder(Trainer):
        def _get_train_sampler(self, *given: Any, **named: Any) -> Any:
            return SequentialSampler(Rows())

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, max_steps=work.updates, per_device_train_batch_size=at_a_time,
            gradient_accumulation_steps=max(1, rows // at_a_time), bf16=work.precision == "bf16",
            use_cpu=work.device == "cpu", optim="adamw_torch_fused", adam_beta2=0.95, weight_decay=0.0,
            learning_rate=RATE, lr_scheduler_type="constant", max_grad_norm=1.0, logging_steps=1, save_strategy="no",
            report_to=[], disable_tqdm=True, remove_unused_columns=False, use_liger_kernel=way == "hf-liger",
        )  # fmt: skip
        model.config.use_cache = False
        InOrder(model=model, args=arguments, train_dataset=Rows(), callbacks=[Watch()]).train()
    return seconds, losses


def _finish(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def main() -> None:
    """The command line of `compare`."""
    given = json.loads(sys.argv[1])
    real = sys.stdout
    sys.stdout = sys.stderr  # what libraries print is not the result
    began = resource.getrusage(resource.RUSAGE_SELF)
    try:
        outcome = asdict(go(given["way"], Work(**given["work"])))
    except UserError as error:
        real.write(json.dumps([error.what, error.hint]) + "\n")
        sys.exit(error.exit_code)
    ended = resource.getrusage(resource.RUSAGE_SELF)
    outcome["cpu_seconds"] = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime
    real.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main()
