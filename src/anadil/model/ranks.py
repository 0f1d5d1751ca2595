"""The processes that train one model together; alone, every function here returns what it is given."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from anadil.errors import Gone

PATIENCE = timedelta(minutes=30)
"""After which a process that waits for the others in the middle of a stage gives up."""
ERRANDS = timedelta(days=7)
"""The longest that what only the first process does may take."""
_errands: Any = None
_in_company = False


def join(device: str) -> None:
    """Meet the other processes, as the environment of torchrun names them (RANK, WORLD_SIZE, MASTER_ADDR, ...).

    Tensors on the CPU are exchanged by gloo also where NCCL does it for those on GPUs: figures of the loop and
    checkpoints in the background go that way.
    """
    global _errands
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=PATIENCE)
    _errands = dist.new_group(backend="gloo", timeout=ERRANDS)


def leave() -> None:
    """Part from the others; without it torch warns at the end."""
    if dist.is_initialized():
        dist.destroy_process_group()


def world() -> tuple[int, int]:
    """Rank and number of processes: (0, 1) alone, and for the first one while the others wait to be told."""
    return (dist.get_rank(), dist.get_world_size()) if _in_company else (0, 1)


def summed(values: Sequence[float]) -> list[float]:
    """The sums of each value over all processes, float64, the same on each."""
    if not _in_company:
        return list(values)
    total = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(total)
    found: list[float] = total.tolist()
    return found


def any_of(value: bool) -> bool:
    """Whether it is true on one of the processes at least."""
    return summed([float(value)])[0] > 0


def agreed(value: Any) -> Any:
    """What the first process has, on all of them."""
    shared = [value]
    if _in_company:
        dist.broadcast_object_list(shared)
    return shared[0]


def wait_for_all() -> None:
    """Return when every process has come here."""
    if _in_company:
        dist.barrier()


def tell(task: Any) -> None:
    """On the first process: what the others shall do next (anything that can be pickled)."""
    if dist.is_initialized():
        dist.broadcast_object_list([task], group=_errands)


def told() -> Any:
    """On every other process: wait for what the first one says; Gone if it went without a word."""
    told: list[Any] = [None]
    try:
        dist.broadcast_object_list(told, group=_errands)
    except RuntimeError as error:
        raise Gone("the first process of this run is gone", hint="see what it said") from error
    return told[0]


@contextmanager
def company() -> Iterator[None]:
    """What all processes do together; raises Gone where it fails because another process is gone."""
    global _in_company
    _in_company = dist.is_initialized()
    try:
        yield
    except RuntimeError as error:  # what gloo and NCCL raise has no class of its own
        if not _in_company or not any(sign in str(error) for sign in ("gloo", "NCCL", "Connection")):
            raise
        hint = "see what it said; run the same command to go on from the last checkpoint"
        raise Gone("another process of this run is gone", hint=hint) from error
    finally:
        _in_company = False
