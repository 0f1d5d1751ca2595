"""What an update achieved: tokens and words a second, share of the device's arithmetic, memory.

Arithmetic of a token, forward and backward (docs/training.md): 6 operations for each weight of a matrix that is
trained, 4 for one that is frozen, and 6 x layers x attention width x sequence length for causal attention. A table
that only looks rows up costs none; a tied one is a matrix too. MFU is that times tokens a second, over what the device
can do in bfloat16 without sparsity.
"""

import re
import resource
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from anadil.model import ranks
from anadil.model.blocks import blocks
from anadil.model.load import plain_model

PEAK = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "B200": 2250e12}
"""Dense bfloat16 operations a second, by a word of the device's name; from the makers' data sheets."""


def operations_per_token(model: nn.Module, length: int) -> float:
    """Floating-point operations that training takes for a token of a sequence of `length`."""
    plain: Any = plain_model(model)
    looked_up = plain.get_input_embeddings().weight
    tied = looked_up is plain.get_output_embeddings().weight
    matrices = [p for p in model.parameters() if p.ndim == 2 and (tied or p is not looked_up)]
    weights = sum(p.numel() * (6 if p.requires_grad else 4) for p in matrices)
    config = plain.config
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    attention = 6 * len(blocks(model)) * config.num_attention_heads * width * length
    return float(weights + attention)


def peak_operations(device: torch.device) -> float | None:
    """Operations a second of which this device is capable; None where it is not known."""
    if device.type != "cuda":
        return None
    return peak_of(torch.cuda.get_device_name(device))


def peak_of(name: str) -> float | None:
    """By the device's name, such as "NVIDIA A100-SXM4-80GB"; None for cards of a slower kind (PCIe, NVL) too."""
    words = re.split(r"[ -]", name)
    slower = {"H100", "PCIe"} <= set(words) or "NVL" in words
    return None if slower else next((PEAK[word] for word in words if word in PEAK), None)


class Meter:
    """Turns tokens and seconds into the figures of a log line; the peak is that since it was made."""

    def __init__(self, model: nn.Module, length: int, words_per_token: float | None):
        self._device = plain_model(model).device
        self._operations, self._words = operations_per_token(model, length), words_per_token
        self._peak = peak_operations(self._device)
        forget_peak(self._device)

    def read(self, tokens: int, seconds: float) -> dict[str, float]:
        """tokens_per_second and words_per_second of all processes, mfu and peak_gib of one."""
        speed = tokens / seconds
        found = {"tokens_per_second": round(speed, 1)}
        if self._words:
            found["words_per_second"] = round(speed * self._words, 1)
        if self._peak:
            found["mfu"] = round(speed / ranks.world()[1] * self._operations / self._peak, 4)
        return found | {"peak_gib": round(peak_bytes(self._device) / 2**30, 3)}


def forget_peak(device: torch.device) -> None:
    """Let `peak_bytes` count from now on. Where the kernel does not offer it the peak is that of the whole process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_bytes(device: torch.device) -> int:
    """The most memory that was in use since `forget_peak`: on a GPU by tensors, else by the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if not status.exists():  # macOS, which counts bytes where Linux counts KiB
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines = status.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def in_words(row: dict[str, Any]) -> str:
    """The figures of a log line as the terminal shows them."""
    parts = [f"{row['tokens_per_second']:,.0f} tokens/s"]
    parts += [f"{row['words_per_second']:,.0f} words/s"] if "words_per_second" in row else []
    parts += [f"MFU {row['mfu']:.0%}"] if "mfu" in row else []
    return ", ".join([*parts, f"{row['peak_gib']:.1f} GiB"])
