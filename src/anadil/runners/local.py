"""Several processes on this machine, or those that torchrun started, as one run.

Each of them runs the same command; the first does what is not done together (see `stages.run.follow`). They know each
other by torchrun's environment variables, so that a run over several machines is
`torchrun --nnodes 2 --nproc-per-node 4 ... -m anadil.cli run recipe.toml` on each of them.
"""

import ctypes
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anadil.context import Context
from anadil.errors import GATE_FAILED, Gone, Interrupted, UserError

NOTES = "ANADIL_NOTES"
"""Names the folder into which the processes of `run_together` write what went wrong."""
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
    """Meet the other processes for the block; yields whether this is the first. At its end the others are let go.

    Where `run_together` started this process, it says what went wrong, once, for all of them.
    """
    if context.processes == 1:
        yield True
        return
    ranks = importlib.import_module("anadil.model.ranks")  # loads torch
    ranks.join(context.device)
    try:
        yield rank() == 0
        if rank() == 0:
            ranks.tell(None)
    except UserError as error:
        if (notes := os.environ.get(NOTES)) and (rank() != 0 or isinstance(error, Gone)):
            if not isinstance(error, Gone):
                Path(notes, str(rank())).write_text(json.dumps([error.what, error.hint]), encoding="utf-8")
            os._exit(error.exit_code)  # nothing more is to be said or waited for
        raise
    finally:
        ranks.leave()


def run_together(processes: int) -> bool:
    """Run this very command in `processes` processes; whether its gates passed. A stop is passed on to all of them.

    Raises Interrupted for a stop, and UserError when one dies or goes wrong by itself.
    """
    common = os.environ | {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    parent = os.getpid()
    with tempfile.TemporaryDirectory() as notes:
        children = [
            subprocess.Popen(
                [sys.executable, "-m", "anadil.cli", *sys.argv[1:]],
                env=common | {NOTES: notes, "RANK": str(number), "LOCAL_RANK": str(number)},
                start_new_session=True,  # Ctrl-C reaches the parent alone, which passes it on once
                preexec_fn=lambda: _die_with(parent),
            )
            for number in range(processes)
        ]
        with _passed_on(children):
            codes = _wait(children)
        _judge(codes, [json.loads(note.read_bytes()) for note in sorted(Path(notes).iterdir())])
    return codes[0] == 0


def _judge(codes: list[int], notes: list[list[str]]) -> None:
    """Say what went wrong where the first process has not said it."""
    if Interrupted.exit_code in codes:
        raise Interrupted
    if codes[0] > 0 and codes[0] != Gone.exit_code:
        if codes[0] != GATE_FAILED:
            sys.exit(codes[0])
        return
    died = [number for number, code in enumerate(codes) if code < 0]
    if died:
        what = f"process {died[0]} of {len(codes)} died ({signal.Signals(-codes[died[0]]).name})"
        raise UserError(what, hint="run the same command to go on from the last checkpoint")
    if any(codes):
        what, hint = notes[0] if notes else ("a process failed", "see what it said above")
        raise UserError(what, hint=hint)


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
