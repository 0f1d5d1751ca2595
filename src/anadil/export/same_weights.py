"""Whether the files that leave hold the weights that were trained, tensor by tensor; if not, what happened to them."""

from pathlib import Path

import numpy as np
import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from anadil.export.gguf import heads_of, permute
from anadil.export.huggingface import read_config
from anadil.export.read_gguf import huggingface_name, open_gguf
from anadil.tokenizer.check import Check
from anadil.weights import read_header, weight_files

ALLOWED = {
    GGMLQuantizationType.F32: 1e-7,
    GGMLQuantizationType.BF16: 2**-8,
    GGMLQuantizationType.Q8_0: 0.02,
    GGMLQuantizationType.Q4_0: 0.2,
    GGMLQuantizationType.Q4_K: 0.2,
}
"""Largest error of a tensor in relation to it (root mean squares): 8 bits of a normal weight lose 0.6%, 4 bits 8 to
10%; what is wrong in another way than by rounding is off by about 1.4."""


def check_tied(model: Path, folder: Path, ggufs: list[Path]) -> Check:
    """Tied embeddings leave as one matrix, others as two."""
    name, tied = "tied weights", bool(read_config(model).get("tie_word_embeddings"))
    if bool(read_config(folder).get("tie_word_embeddings")) != tied:
        return Check(name, False, f"{folder.name}/config.json says tie_word_embeddings = {not tied}, trained: {tied}")
    has = {folder.name: "lm_head.weight" in _names(folder)}
    has |= {file.name: any(t.name == "output.weight" for t in open_gguf(file).tensors) for file in ggufs}
    for place, two in has.items():
        if two == tied:
            what = "an output matrix of its own, though embeddings are tied" if tied else "no output matrix"
            return Check(name, False, f"{place} has {what}")
    return Check(name, True, f"{'one matrix' if tied else 'two matrices'} in {', '.join(has)}")


def check_huggingface(model: Path, folder: Path) -> Check:
    """The delivered folder has the trained weights, rounded to bfloat16: bit by bit."""
    name, count = "Hugging Face weights", 0
    tied = bool(read_config(model).get("tie_word_embeddings"))
    trained, delivered = _names(model), _names(folder)
    wanted = {one for one in trained if not (tied and one == "lm_head.weight")}
    if lost := sorted(wanted - set(delivered)):
        return Check(name, False, f"{len(lost)} tensors are missing, first {lost[0]}")
    for one in sorted(wanted):
        before, after = _tensor(trained[one], one), _tensor(delivered[one], one)
        expected = before.to(torch.bfloat16) if before.is_floating_point() else before
        if after.shape != expected.shape:
            return Check(name, False, f"{one} is {list(after.shape)}, trained {list(before.shape)}")
        if after.dtype != expected.dtype or not torch.equal(after, expected):
            return Check(name, False, _difference(one, expected.float().numpy(), after.float().numpy()))
        count += after.numel()
    return Check(name, True, f"{count:,} values in {len(wanted)} tensors are the trained ones in bfloat16")


def check_gguf(model: Path, file: Path) -> Check:
    """The GGUF file has the trained weights as near as its types allow."""
    name, config, worst = f"{file.name} weights", read_config(model), 0.0
    trained, seen = _names(model), 0
    for tensor in open_gguf(file).tensors:
        if tensor.name == "rope_freqs.weight":
            continue
        one = huggingface_name(tensor.name, file)
        expected = _tensor(trained[one], one).float().numpy()
        heads = heads_of(one, config)
        stored: NDArray[np.float32] = np.asarray(dequantize(tensor.data, tensor.tensor_type), np.float32)
        wanted = permute(expected, heads) if heads else expected
        error = _error(wanted, stored) if stored.shape == wanted.shape else np.inf
        if not error <= ALLOWED[tensor.tensor_type]:
            if heads and stored.shape == expected.shape and _error(expected, stored) <= ALLOWED[tensor.tensor_type]:
                what = f"{tensor.name} has its rows in Hugging Face's order of rotary dimensions, not in llama.cpp's"
                return Check(name, False, what)
            return Check(name, False, _difference(tensor.name, wanted, stored))
        worst, seen = max(worst, error), seen + 1
    expected_count = len([n for n in trained if not (config.get("tie_word_embeddings") and n == "lm_head.weight")])
    if seen != expected_count:
        return Check(name, False, f"{seen} tensors, the trained model has {expected_count}")
    return Check(name, True, f"{seen} tensors, the least exact off by {worst:.2%}")


def _difference(name: str, expected: NDArray[np.float32], found: NDArray[np.float32]) -> str:
    if expected.shape != found.shape:
        return f"{name} is {list(found.shape)}, trained {list(expected.shape)}"
    if expected.ndim < 2:
        return f"{name} is not what was trained: off by {_error(expected, found):.2g} of it"
    rows = np.flatnonzero((expected != found).any(1)) if expected.dtype == found.dtype else np.arange(len(expected))
    far = np.array([row for row in rows if _error(expected[row], found[row]) > 0.3], dtype=np.int64)
    bad = far if len(far) else rows
    return f"{name}: {len(bad):,} of {len(expected):,} rows are not the trained ones, first {bad[0]:,}"


def _error(expected: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    scale = float(np.sqrt(np.mean(np.square(expected, dtype=np.float64)))) or 1.0
    return float(np.sqrt(np.mean(np.square(expected.astype(np.float64) - found)))) / scale


def _names(folder: Path) -> dict[str, Path]:
    return {name: file for file in weight_files(folder) for name in read_header(file)[0]}


def _tensor(file: Path, name: str) -> Tensor:
    with safe_open(file, framework="pt") as tensors:
        found: Tensor = tensors.get_tensor(name)
    return found
