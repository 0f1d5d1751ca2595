"""Training made to fit the memory that there is: the size of a micro batch, and how much is computed twice for it."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from anadil.context import Context
from anadil.errors import UserError
from anadil.model.blocks import Recompute
from anadil.model.objective import Objective
from anadil.model.sharding import Shard
from anadil.recipe import Optimisation
from anadil.train.memory import LEVELS, Footprint, Memory, footprint, program_bytes, resident_bytes

MOST_TOKENS = {"cpu": 4096, "cuda": 32_768}
"""Of a micro batch: with more, the device is not used better."""
CGROUP = Path("/sys/fs/cgroup")
USABLE = 0.92
"""Share of the free memory that is planned with."""


@dataclass(frozen=True)
class Fit:
    """How training fits: what to set, and the memory that this will take in each process."""

    micro_batch_tokens: int
    recompute: Recompute
    shard: Shard
    memory: Memory
    room: int
    """Bytes that there are."""

    def line(self) -> str:
        """What the user is told."""
        kept = "" if self.recompute == "none" else f", {self.recompute} of the blocks computed twice"
        memory = f"about {gib(self.memory.total)} of {gib(self.room)} memory"
        return f"  {self.micro_batch_tokens:,} tokens at a time{kept}: {memory}"


def fit(objective: Objective, settings: Optimisation, context: Context, *, room: int | None = None) -> Fit:
    """The fastest way to train `objective` where `context` says: first the least sharding, then the least recomputing,
    then the largest micro batch. What `context` states stays as it is.

    `room` is the memory that there is, in bytes (default: what this process can have). UserError, with what is lacking
    and what would help, if nothing fits.
    """
    found = footprint(objective, settings.sequence_length)
    room = room if room is not None else room_on(context.device, context.processes)
    program = program_bytes(objective)
    ways = [
        _fit(found, rows, level, shard, room, context.processes, program)
        for shard in _shards(context)
        for level in _levels(context)
        for rows in _rows(settings, context, found.device)
    ]
    for way in ways:
        if way.memory.total <= USABLE * room:
            return way
    raise _refusal(min(ways, key=lambda way: way.memory.total), settings, context)


def room_on(device: str, processes: int = 1) -> int:
    """Bytes of memory that this process can have: on a GPU all, else its part of what is free, and what it holds."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    held = resident_bytes()
    if sys.platform != "linux":
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // processes
    with open("/proc/meminfo", encoding="ascii") as file:
        free = next(int(line.split()[1]) << 10 for line in file if line.startswith("MemAvailable"))
    return min(free, _left_in_container()) // processes + held


def _left_in_container() -> int:
    """What a control group leaves; without end where there is no limit."""
    try:
        most, used = ((CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return int(most) - int(used)
    except (OSError, ValueError):
        return sys.maxsize


def gib(size: float) -> str:
    """Bytes as GiB."""
    return f"{size / 2**30:.1f} GiB"


def _fit(
    found: Footprint, rows: int, level: Recompute, shard: Shard, room: int, processes: int,
    program: int,
) -> Fit:  # fmt: skip
    memory = found.memory(rows, level, processes=processes, shard=shard, program=program)
    return Fit(rows * found.length, level, shard, memory, room)


def _shards(context: Context) -> tuple[Shard, ...]:
    if context.shard != "auto":
        return (context.shard,)
    return ("optimizer", "full") if context.processes > 1 else ("optimizer",)


def _levels(context: Context) -> tuple[Recompute, ...]:
    return LEVELS if context.recompute == "auto" else (context.recompute,)


def _rows(settings: Optimisation, context: Context, device: str) -> list[int]:
    """Sequences of a micro batch to try, the most first."""
    length = settings.sequence_length
    if context.micro_batch_tokens:
        return [max(1, context.micro_batch_tokens // length)]
    most = min(MOST_TOKENS[device], settings.global_batch_tokens // context.processes) // length
    return [2**power for power in range(max(1, most).bit_length() - 1, -1, -1)]


def _refusal(least: Fit, settings: Optimisation, context: Context) -> UserError:
    lacking = least.memory.total / USABLE - least.room
    fixed = least.memory.weights + least.memory.gradients + least.memory.optimizer
    what = (
        f"training does not fit: it takes {gib(least.memory.total)} in each process, {gib(least.room)} are there "
        f"({gib(lacking)} too little); {gib(fixed)} of it are weights, gradients and optimizer state"
    )
    if context.micro_batch_tokens or context.recompute != "auto":
        return UserError(what, hint="leave run.micro_batch_tokens and run.recompute out, and what fits is taken")
    length = settings.sequence_length
    if fixed < least.room / 2 and length > 256:
        return UserError(what, hint=f"lower sequence_length (now {length})")
    return UserError(what, hint="use more processes (run.processes) on more devices, or a smaller base")
