"""What a result was made with: versions, commit and hardware, for manifests and benchmark rows."""

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import anadil

PACKAGES = (
    "torch", "transformers", "tokenizers", "gigatoken", "peft", "gguf", "xllamacpp", "lm_eval", "numpy", "pyarrow",
)  # fmt: skip


@cache
def describe(device: str = "cpu") -> dict[str, Any]:
    """Versions of what matters, the commit where this is a git checkout, and the machine."""
    facts: dict[str, Any] = {"anadil": anadil.__version__, "python": platform.python_version()}
    facts |= {name: version for name in PACKAGES if (version := _version(name))}
    facts |= {"commit": _commit(), "system": platform.platform(), "processor": _processor(), "device": device}
    facts |= {"cores": available_cores(), "memory_gib": _memory_gib()}
    return facts


def available_cores() -> int:
    """Cores that this process may use; on systems that cannot say (macOS) all there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    here = Path(anadil.__file__).parent
    try:
        command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        tracked = subprocess.run([*command[:3], "ls-files", "--error-unmatch", __file__], capture_output=True)
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if tracked.returncode == 0 and done.returncode == 0 else None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory_gib() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
