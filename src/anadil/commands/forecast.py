"""`anadil doctor RECIPE`: what training will take on this machine, before it begins."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import AutoConfig, AutoModelForCausalLM

from anadil import hub
from anadil.artifact import MANIFEST
from anadil.context import Context
from anadil.errors import UserError
from anadil.model.adapter import with_lora
from anadil.model.attention import use_cpu_attention
from anadil.model.load import from_shape, plain_model
from anadil.model.objective import Objective
from anadil.progress import silent
from anadil.recipe import Optimisation, Recipe
from anadil.tokenizer.shards import TokenShards
from anadil.train.data import Batch, Windows
from anadil.train.fit import Fit, fit
from anadil.train.loop import batch_rows, step_count, time_steps

_TIMED_MICRO_BATCHES = 2


@dataclass(frozen=True)
class Forecast:
    """What one stage will take; `updates`, `hours` and `cost` are None until the encoded text says how long it is."""

    stage: str
    parameters: int
    micro_batch_tokens: int
    recompute: str
    memory_gib: float
    room_gib: float
    tokens_per_second: float | None
    updates: int | None
    hours: float | None
    cost: float | None

    def line(self) -> str:
        """As the terminal shows it."""
        parts = [f"{self.parameters / 1e6:,.1f}M parameters, {self.micro_batch_tokens:,} tokens at a time"]
        parts[0] += "" if self.recompute == "none" else f", recompute {self.recompute}"
        parts.append(f"about {self.memory_gib:.1f} of {self.room_gib:.1f} GiB")
        if self.tokens_per_second:
            parts.append(f"{self.tokens_per_second:,.0f} tokens/s")
        if self.hours is not None:
            took = f"{self.hours:,.1f} hours" if self.hours >= 2 else f"{self.hours * 60:,.1f} minutes"
            parts.append(f"{self.updates:,} updates in {took}")
        else:
            parts.append("how long is known after encode")
        return "; ".join([*parts, f"costs {self.cost:,.2f}"] if self.cost is not None else parts)


def forecast(
    recipe: Recipe, folder: Path, context: Context, *, price_per_hour: float | None, timed: bool, as_json: bool
) -> None:
    """Print what the training stages of a recipe will take here; UserError if one does not fit."""
    stages: dict[str, Optimisation | None] = {"pretrain": recipe.pretrain, "sft": recipe.sft}
    found = [
        _stage(name, settings, recipe, folder, context, price_per_hour, timed)
        for name, settings in stages.items()
        if settings and name in recipe.stages
    ]
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        for one in found:
            print(f"ok  {one.stage:<13} {one.line()}")


def _stage(
    name: str, settings: Optimisation, recipe: Recipe, folder: Path, context: Context, price: float | None, timed: bool
) -> Forecast:
    make = _maker(name, recipe)
    try:
        way, parameters = _fit(make, settings, context)
    except UserError as error:
        raise UserError(f"{name}: {error.what}", hint=error.hint) from error
    speed = _tokens_per_second(make, settings, context, way) if timed else None
    updates = _updates(name, settings, folder)
    hours = updates * batch_rows(settings) * settings.sequence_length / speed / 3600 if updates and speed else None
    return Forecast(
        name, parameters, way.micro_batch_tokens, way.recompute, way.memory.total / 2**30, way.room / 2**30, speed,
        updates, hours, hours * price if hours is not None and price else None,
    )  # fmt: skip


def _maker(stage: str, recipe: Recipe) -> Callable[[], nn.Module]:
    """The model as that stage will train it, with random weights."""
    rows = _vocabulary_rows(recipe)

    def make() -> nn.Module:
        model: Any
        if recipe.base.shape:
            model = from_shape(recipe.base.shape, rows, seed=1)
        else:
            config = AutoConfig.from_pretrained(hub.local_folder(str(recipe.base.path), recipe.base.revision))
            config.vocab_size = rows
            auto: Any = AutoModelForCausalLM
            model = auto.from_config(config, dtype=torch.float32)
        return (
            with_lora(model, recipe.sft, 1) if stage == "sft" and recipe.sft and recipe.sft.method == "lora" else model
        )

    return make


def _vocabulary_rows(recipe: Recipe) -> int:
    table = recipe.tokenizer
    if table.mode == "replace":
        return table.vocab_size
    folder = hub.local_folder(str(recipe.base.path), recipe.base.revision)
    rows = int(AutoConfig.from_pretrained(folder).vocab_size)
    return rows + (table.new_tokens or 0) if table.mode == "extend" else rows


def _fit(make: Callable[[], nn.Module], settings: Optimisation, context: Context) -> tuple[Fit, int]:
    """On tensors without content."""
    with torch.device("meta"):
        model = make()
    with FakeTensorMode(allow_non_fake_inputs=True):
        _give_tensors(model, torch.device(context.device))
        if torch.device(context.device).type == "cpu":
            use_cpu_attention(plain_model(model))
        objective = Objective(model, bf16=settings.precision == "bf16", check=False)
        return fit(objective, settings, context), sum(p.numel() for p in model.parameters())


def _give_tensors(model: nn.Module, device: torch.device) -> None:
    """Tensors of this mode for those on "meta", which autocast does not know; what is tied stays tied."""
    given: dict[int, Any] = {}
    for module in model.modules():
        for table in (module._parameters, module._buffers):
            for name, old in table.items():
                if old is not None and id(old) not in given:
                    new = torch.empty(old.shape, dtype=old.dtype, device=device)
                    is_parameter = isinstance(old, nn.Parameter)
                    given[id(old)] = nn.Parameter(new, requires_grad=old.requires_grad) if is_parameter else new
                table[name] = given.get(id(old))


def _tokens_per_second(make: Callable[[], nn.Module], settings: Optimisation, context: Context, way: Fit) -> float:
    """Of one process, times the processes: from the second of two small updates on random tokens."""
    length = settings.sequence_length
    rows = _TIMED_MICRO_BATCHES * way.micro_batch_tokens // length
    model = make().to(context.device)
    vocabulary = plain_model(model).config.vocab_size
    ids = torch.randint(0, vocabulary, (rows, length + 1))
    batch = Batch(ids[:, :-1], ids[:, 1:], torch.arange(length).repeat(rows, 1))
    seconds = time_steps(model, lambda step: batch, settings, _quiet(context, way), steps=2)
    return context.processes * rows * length / seconds[1]


def _quiet(context: Context, way: Fit) -> Context:
    return Context(
        silent(), device=context.device, threads=context.threads, micro_batch_tokens=way.micro_batch_tokens,
        recompute=way.recompute, kernels=context.kernels, compile=context.compile,
    )  # fmt: skip


def _updates(stage: str, settings: Optimisation, folder: Path) -> int | None:
    """As the recipe states them, or as the text that is encoded in the run folder makes them."""
    if settings.steps:
        return settings.steps
    if stage == "pretrain" and (folder / "encode" / MANIFEST).is_file():
        windows = Windows(TokenShards(folder / "encode"), settings.sequence_length, seed=1)
        return step_count(settings, windows.per_epoch, batch_rows(settings))
    return None
