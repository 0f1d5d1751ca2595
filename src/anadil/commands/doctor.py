"""`anadil doctor`: what this machine has, and what each missing piece is for."""

import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from importlib import metadata, util
from pathlib import Path

NEEDED = {
    "torch": ("train", "transfer, pretrain, sft, evaluate"),
    "transformers": ("train", "transfer, pretrain, sft, evaluate"),
    "peft": ("train", "sft"),
    "gguf": ("eval", "export"),
    "xllamacpp": ("serve", "checking the GGUF, chat, serve"),
    "fastapi": ("serve", "serve"),
    "uvicorn": ("serve", "serve"),
}
LEAST_MEMORY_GIB, LEAST_DISK_GIB = 3, 2


@dataclass(frozen=True)
class Finding:
    """One line of the examination."""

    what: str
    found: str
    ok: bool
    fix: str = ""


def examine(*, as_json: bool) -> bool:
    """Print the findings; False if something that the quickstart needs is missing."""
    findings = [_python(), *(_package(name) for name in NEEDED), _torchvision(), _memory(), _disk(), _gpu()]
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{'ok ' if finding.ok else 'NO '} {finding.what:<13} {finding.found}")
            if not finding.ok:
                print(f"    {finding.fix}")
    return all(finding.ok for finding in findings)


def _python() -> Finding:
    found = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("python", found, sys.version_info >= (3, 11), "install Python 3.11 or newer")


def _package(name: str) -> Finding:
    extra, purpose = NEEDED[name]
    try:
        return Finding(name, metadata.version(name), True)
    except metadata.PackageNotFoundError:
        return Finding(name, "not installed", False, f"needed for {purpose}: pip install 'anadil[{extra}]'")


def _torchvision() -> Finding:
    """A torchvision of another build breaks `import transformers`; nothing here needs it."""
    try:
        broken = util.find_spec("torchvision") is not None and "+cpu" in metadata.version("torch")
    except metadata.PackageNotFoundError:
        broken = False
    found = "installed beside a CPU torch" if broken else "not in the way"
    return Finding("torchvision", found, not broken, "pip uninstall torchvision")


def _memory() -> Finding:
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Finding("memory", f"{gib:.1f} GiB", gib >= LEAST_MEMORY_GIB, f"the quickstart needs {LEAST_MEMORY_GIB} GiB")


def _disk() -> Finding:
    gib = shutil.disk_usage(Path.cwd()).free / 2**30
    return Finding(
        "disk", f"{gib:.1f} GiB free", gib >= LEAST_DISK_GIB, f"the quickstart needs {LEAST_DISK_GIB} GiB here"
    )


def _gpu() -> Finding:
    if not Path("/proc/driver/nvidia").exists():
        return Finding("gpu", "none; everything runs on the CPU, large models slowly", True)
    import torch

    found = torch.cuda.get_device_name() if torch.cuda.is_available() else "a driver, but torch has no CUDA"
    return Finding("gpu", found, torch.cuda.is_available(), "install a CUDA build of torch")
