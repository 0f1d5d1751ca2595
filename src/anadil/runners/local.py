"""Several processes on this machine, or those that torchrun started, as one run.

Each of them runs the same command; the first does what is not done together (see `stages.run.follow`). They know each
other by torchrun's environment variables, so that a run over several machines is
`torchrun --nnodes 2 --nproc-per-node 4 ... -m anadil.cli run recipe.toml` on each of them.
"""

import ctypes
import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from anadil.context import Context
from anadil.errors import Interrupted, UserError

GATE_FAILED = 3
GRACE_SECONDS = 60.0
"""That the others get to end by themselves after one has died: what they wait for will not come."""


def rank() -> int:
    """Of this process among all of the run; 0 alone."""
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """Of this process among those on this machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def of_environment() -> int:
    """Number of processes that were started together; 0 where this one was started alone."""
    return int(os.environ["WORLD_SIZE"]) if is_one_of_many() else 0


def is_one_of_many() -> bool:
    """Whether torchrun, or `run_together`, started this process."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


@contextmanager
def together(context: Context) -> Iterator[bool]:
    """Meet the other processes for the block; yields whether this is the first. At its end the others are let go."""
    if context.processes == 1:
        yield True
        return
    ranks = importlib.import_module("anadil.model.ranks")  # loads torch
    ranks.join(context.device)
    first = rank() == 0
    try:
        yield first
    finally:
        if first:
            ranks.tell(None)
        ranks.leave()


def run_together(processes: int) -> bool:
    """Run this very command in `processes` processes; whether its gates passed. A stop is passed on to all of them.

    Raises what the first of them ended with, and UserError when one dies.
    """
    common = os.environ | {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    parent = os.getpid()
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "anadil.cli", *sys.argv[1:]],
            env=common | {"RANK": str(number), "LOCAL_RANK": str(number), "LOCAL_WORLD_SIZE": str(processes)},
            start_new_session=True,  # Ctrl-C reaches the parent alone, which passes it on once
            preexec_fn=lambda: _die_with(parent),
        )
        for number in range(processes)
    ]
    with _passed_on(children):
        codes = _wait(children)
    if 130 in codes:
        raise Interrupted
    died = [number for number, code in enumerate(codes) if code < 0]
    if died and codes[0] <= 0:
        how = signal.Signals(-codes[died[0]]).name
        what = f"process {died[0]} of {processes} died ({how})"
        raise UserError(what, hint="run the same command to go on from the last checkpoint")
    if codes[0] not in (0, GATE_FAILED):
        sys.exit(codes[0])  # it has said why
    return codes[0] == 0


def _wait(children: list["subprocess.Popen[bytes]"]) -> list[int]:
    """Exit codes of all; when one fails the others have `GRACE_SECONDS` left."""
    deadline = float("inf")
    while any(child.poll() is None for child in children):
        if deadline == float("inf") and any(child.returncode not in (None, 0) for child in children):
            deadline = time.monotonic() + GRACE_SECONDS
        if time.monotonic() > deadline:
            for child in children:
                if child.returncode is None:
                    child.kill()
        time.sleep(0.05)
    return [child.returncode for child in children]


@contextmanager
def _passed_on(children: list["subprocess.Popen[bytes]"]) -> Iterator[None]:
    def pass_on(number: int, frame: object) -> None:
        for child in children:
            if child.poll() is None:
                child.send_signal(number)

    old = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return int(some.getsockname()[1])
