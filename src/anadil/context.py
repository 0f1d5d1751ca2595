"""What a stage may know of where it runs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from anadil.progress import Progress, silent


@dataclass(frozen=True)
class Context:
    """Place, not content: nothing here may change a stage's result.

    `stop_requested` turns true when somebody asked the run to stop (SIGTERM, Ctrl-C); stages that save in the
    middle look at it. `fingerprint` is the stage's own, to mark checkpoints with.
    """

    progress: Progress = field(default_factory=silent)
    stop_requested: Callable[[], bool] = lambda: False
    device: str = "cpu"
    threads: int = 1
    processes: int = 1
    micro_batch_tokens: int = 4096
    shard: Literal["auto", "optimizer", "full"] = "auto"
    recompute: Literal["auto", "none", "half", "full"] = "auto"
    kernels: Literal["auto", "torch", "liger"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    keep_checkpoints: int = 2
    report_to: tuple[str, ...] = ()
    fingerprint: str = ""
