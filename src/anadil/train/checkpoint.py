"""Checkpoints: safetensors and JSON, no pickle; a folder is whole or it is not there."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from anadil import durable
from anadil.errors import UserError

PARAMETERS, OPTIMIZER, STATE = "parameters.safetensors", "optimizer.safetensors", "state.json"


@dataclass
class State:
    """What a run has to know besides tensors. The data order needs nothing but `step`."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    skipped: int = 0
    skipped_in_a_row: int = 0
    fingerprint: str = ""


def save(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, state: State, *, keep: int = 2) -> Path:
    """Write `folder/step-NNNNNN` and remove all but the `keep` newest. Parameters that are not trained stay out."""
    names = _trained(model)
    moments = {
        f"{key}/{name}": value.detach().cpu().contiguous()
        for name, parameter in names.items()
        for key, value in optimizer.state.get(parameter, {}).items()
    }
    path = folder / f"step-{state.step:06d}"
    with durable.new_folder(path, "checkpoint") as temporary:
        save_file({n: p.detach().cpu().contiguous() for n, p in names.items()}, temporary / PARAMETERS)
        save_file(moments, temporary / OPTIMIZER)
        (temporary / STATE).write_text(json.dumps(asdict(state)), encoding="utf-8")
    for old in sorted(folder.glob("step-*"), key=_step)[:-keep]:
        durable.remove(old, "checkpoint")
    return path


def latest(folder: Path) -> Path | None:
    """The newest checkpoint, if there is one."""
    return max(folder.glob("step-*"), key=_step, default=None)


@torch.no_grad()
def load(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, fingerprint: str) -> State:
    """Put a checkpoint's tensors into the model and the optimizer, bit for bit; UserError if they do not belong."""
    try:
        state = State(**json.loads((path / STATE).read_text(encoding="utf-8")))
        saved, moments = load_file(path / PARAMETERS), load_file(path / OPTIMIZER)
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        hint = "remove this folder to go on from the checkpoint before it"
        raise UserError(f"{path} is damaged: {error}", hint=hint) from error
    if state.fingerprint != fingerprint:
        what = f"{path} is of another configuration ({state.fingerprint[:12]}, now {fingerprint[:12]})"
        raise UserError(what, hint="undo the change of the recipe, or remove the checkpoints to start anew")
    names = _trained(model)
    if {n: p.shape for n, p in names.items()} != {n: t.shape for n, t in saved.items()}:
        raise UserError(
            f"{path} holds other parameters than the model",
            hint="remove the checkpoints to start anew",
        )
    for name, parameter in names.items():
        parameter.copy_(saved[name])
    optimizer.state.clear()
    for key, value in moments.items():
        kind, _, name = key.partition("/")
        parameter = names[name]
        optimizer.state[parameter][kind] = value.to(parameter.device)
    return state


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))
