"""Checkpoints: each process writes its part in the background while training goes on; a folder is whole or not there.

torch's distributed checkpoint (https://docs.pytorch.org/docs/stable/distributed.checkpoint.html) stores tensors with
their place in the whole, so that any number of processes can load what any other number saved.
"""

import json
import pickle
import warnings
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import async_save

from anadil import durable
from anadil.errors import UserError
from anadil.model import ranks

STATE = "state.json"


@dataclass
class State:
    """What a run has to know besides tensors. The data order needs nothing but `step`."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    skipped: int = 0
    skipped_in_a_row: int = 0
    fingerprint: str = ""
    best: float | None = None
    best_step: int = 0


class Checkpoints:
    """The checkpoints `folder/step-NNNNNN` of one run. Parameters that are not trained stay out.

    The `keep` newest stay, and the one of `State.best_step`. Every process calls every method.
    """

    def __init__(
        self, folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, fingerprint: str, *, keep: int = 2
    ):
        self._folder, self._model, self._optimizer = folder, model, optimizer
        self._fingerprint, self._keep = fingerprint, keep
        self._alone = ranks.world()[1] == 1
        # what is written in the background must not meet what the loop exchanges meanwhile
        self._group = None if self._alone else dist.new_group(backend="gloo")
        self._writing: Future[Any] | None = None
        self._state = State()
        warnings.filterwarnings("ignore", "torch.distributed is disabled, unavailable or uninitialized")

    def save(self, state: State) -> None:
        """Copy what is to be saved and write it in the background; the one before is brought to its end first."""
        self.finish()
        self._state = State(**asdict(state))
        temporary = durable.temporary_folder(self.path(state.step))
        if ranks.world()[0] == 0:
            durable.begin_folder(self.path(state.step))
            (temporary / STATE).write_text(json.dumps(asdict(state)), encoding="utf-8")
        ranks.wait_for_all()
        # what it writes is synced when it is published
        writer = FileSystemWriter(temporary, sync_files=False)
        writing = async_save(self._tensors(), storage_writer=writer, process_group=self._group, no_dist=self._alone)
        assert isinstance(writing, Future), "it is another thing with a stager of one's own"
        self._writing = writing

    def finish(self, *, wait: bool = True) -> None:
        """Publish the checkpoint that is being written, once it is, and remove old ones. UserError for a full disk."""
        if self._writing is None or not (wait or self._is_written()):
            return
        writing, self._writing = self._writing, None
        _wait_for(writing, self.path(self._state.step))
        with durable.disk_errors(self.path(self._state.step)):
            if ranks.world()[0] == 0:
                durable.publish_folder(self.path(self._state.step), "checkpoint")
                for old in self._old():
                    durable.remove(old, "checkpoint")
        ranks.wait_for_all()

    def newest(self) -> Path | None:
        """The newest checkpoint, if there is one."""
        return max(self._folder.glob("step-*"), key=_step, default=None)

    @torch.no_grad()
    def load(self, path: Path) -> State:
        """Put a checkpoint's tensors into the model and the optimizer, bit for bit; UserError if it does not belong."""
        hint = "remove this folder to go on from the checkpoint before it"
        try:
            state = State(**json.loads((path / STATE).read_text(encoding="utf-8")))
            stored = FileSystemReader(path).read_metadata().state_dict_metadata
        except (OSError, ValueError, TypeError, EOFError, pickle.UnpicklingError) as error:
            raise UserError(f"{path} is damaged: {error}", hint=hint) from error
        if state.fingerprint != self._fingerprint:
            what = f"{path} is of another configuration ({state.fingerprint[:12]}, now {self._fingerprint[:12]})"
            raise UserError(what, hint="undo the change of the recipe, or remove the checkpoints to start anew")
        tensors = self._trained() | self._moments_of(list(stored))
        if {n: tuple(t.shape) for n, t in tensors.items()} != _shapes(stored):
            what = f"{path} holds other parameters than the model"
            raise UserError(what, hint="remove the checkpoints to start anew")
        try:
            load(tensors, storage_reader=FileSystemReader(path), process_group=self._group, no_dist=self._alone)
        except (OSError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError, CheckpointException) as error:
            raise UserError(f"{path} is damaged: {error}", hint=hint) from error
        return state

    def path(self, step: int) -> Path:
        """Where the checkpoint after so many updates is."""
        return self._folder / f"step-{step:06d}"

    def _is_written(self) -> bool:
        """On every process, so that all of them publish after the same update."""
        assert self._writing is not None
        return not ranks.any_of(not self._writing.done())

    def _old(self) -> list[Path]:
        every = sorted(self._folder.glob("step-*"), key=_step)
        return [path for path in every[: -self._keep] if _step(path) != self._state.best_step]

    def _trained(self) -> dict[str, Tensor]:
        named = self._model.named_parameters()
        return {f"parameters/{name}": parameter.data for name, parameter in named if parameter.requires_grad}

    def _tensors(self) -> dict[str, Tensor]:
        moments = {
            f"{key}/{name}": value
            for name, parameter in self._model.named_parameters()
            for key, value in self._optimizer.state.get(parameter, {}).items()
        }
        return self._trained() | moments

    def _moments_of(self, names: list[str]) -> dict[str, Tensor]:
        """Empty moments in the optimizer for those that are stored, to be filled."""
        parameters = dict(self._model.named_parameters())
        self._optimizer.state.clear()
        found: dict[str, Tensor] = {}
        for key in names:
            kind, _, name = key.partition("/")
            if kind != "parameters" and name in parameters:
                parameter = parameters[name]
                empty = torch.zeros((), device=parameter.device) if kind == "step" else torch.zeros_like(parameter)
                self._optimizer.state[parameter][kind] = found[key] = empty
        return found


def _shapes(stored: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(facts.size) for name, facts in stored.items() if isinstance(facts, TensorStorageMetadata)}


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _wait_for(writing: "Future[Any]", path: Path) -> None:
    """UserError where a part could not be written: a full disk comes as an OSError or as one of torch's own."""
    try:
        writing.result()
    except CheckpointException as error:
        failures = [failure[0] if isinstance(failure, tuple) else failure for failure in error.failures.values()]
        reason = str(failures[0]).splitlines()[0] if failures else "unknown"
        hint = "free some space or mend the disk, then run the same command again; the checkpoint before is kept"
        raise UserError(f"cannot write {path}: {reason}", hint=hint) from error
