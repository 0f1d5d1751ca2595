"""What is written is as near to the float32 weights as its blocks allow, and llama.cpp is called as it means to be."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader
from gguf.quants import dequantize
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anadil.errors import UserError
from anadil.export import quantise as module
from anadil.export.gguf import GgufType, gguf_name, heads_of, permute, write_gguf
from anadil.export.quantise import by_llama_cpp, quantise
from anadil.export.read_gguf import load_gguf
from anadil.model.load import load

pytest.importorskip("xllamacpp", reason="llama.cpp writes the K kinds")
Q4_0, Q4_K, Q8_0 = GGMLQuantizationType.Q4_0, GGMLQuantizationType.Q4_K, GGMLQuantizationType.Q8_0
HEADER_BYTES = {Q4_0: (18, 2), Q4_K: (144, 16)}
"""Bytes of a block, and those of them before the 4-bit codes."""


def check_codes(weight: NDArray[np.float32], stored: NDArray[np.uint8], kind: GGMLQuantizationType) -> None:
    """Each code is the nearest of its block's 16 levels: half a step off, or as far as the outermost level is."""
    size, header = HEADER_BYTES[kind]
    ends = []
    for codes in (0x00, 0xFF):
        blocks = stored.reshape(-1, size).copy()
        blocks[:, header:] = codes
        ends.append(dequantize(blocks, kind).reshape(-1, 32).astype(np.float64))
    low, high = np.minimum(*ends), np.maximum(*ends)
    values = weight.reshape(-1, 32)
    error = np.abs(dequantize(stored, kind).reshape(-1, 32) - values)
    beyond = np.maximum(low - values, values - high)
    largest = np.abs(values).max(axis=1, keepdims=True)
    # q4_0 takes its codes before the step is rounded to float16; q4_k computes with float32
    rounding = largest * (2**-11 if kind == Q4_0 else 2**-21) + 2**-22
    assert (error <= np.maximum((high - low) / 30, beyond) + rounding).all()


def check_steps_q4_0(weight: NDArray[np.float32], stored: NDArray[np.uint8]) -> None:
    """The step is an eighth of the block's largest weight, so that none is further than one from its level."""
    values = weight.reshape(-1, 32)
    error = np.abs(dequantize(stored, Q4_0).reshape(-1, 32) - values)
    assert (error.max(axis=1) <= np.abs(values).max(axis=1) / 8 * (1 + 2**-8) + 2**-22).all()


def check_steps_q4_k(weight: NDArray[np.float32], stored: NDArray[np.uint8]) -> None:
    """No block is further off, in the weighted square that llama.cpp searches by, than 16 even levels over its own
    range would be (where the search begins), and what 6 bits take from its step and minimum.
    """
    values = weight.reshape(-1, 32).astype(np.float64)
    importance = np.sqrt((values**2).mean(axis=1, keepdims=True)) + np.abs(values) + 1e-30

    def off(levels: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        return np.sqrt((importance * (levels - values) ** 2).sum(axis=1) / importance.sum(axis=1))

    low = np.minimum(values.min(axis=1, keepdims=True), 0)
    step = np.maximum((values.max(axis=1, keepdims=True) - low) / 15, 1e-30)
    even = low + step * np.rint((values - low) / step)
    units = stored.reshape(-1, 144)[:, :4].copy().view(np.float16).astype(np.float64)  # of steps, of minima
    # half a unit from 6 bits, and 63 times what float16 takes from it; a step counts up to 15 times
    coarse = np.repeat(units @ [15.0, 1.0], 8) * (0.5 + 63 * 2**-11)
    assert (off(dequantize(stored, Q4_K).reshape(-1, 32)) <= off(even) * (1 + 2**-12) + coarse + 63 * 16 * 2**-25).all()


def weights(seed: int, rows: int, columns: int, shape: str) -> NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    made = generator.standard_normal((rows, columns))
    if shape == "outliers":
        made *= np.where(generator.random(made.shape) < 0.01, 30, 1)
    elif shape == "uneven blocks":
        made *= np.repeat(10 ** generator.uniform(-3, 1, (rows, columns // 32)), 32, axis=1)
    elif shape == "one sign":
        made = np.abs(made) + 1
    elif shape == "constant blocks":
        made = np.repeat(generator.integers(-1, 2, (rows, columns // 32)), 32, axis=1)
    return (0.05 * made).astype(np.float32)


SHAPES = ["normal", "outliers", "uneven blocks", "one sign", "constant blocks"]
MADE = st.builds(
    weights, st.integers(0, 2**32), st.integers(1, 4), st.sampled_from([256, 768]), st.sampled_from(SHAPES)
)


@given(weight=MADE)
def test_q4_0_is_as_near_as_its_blocks_allow(weight: NDArray[np.float32]) -> None:
    stored = quantise(weight, Q4_0)
    check_codes(weight, stored, Q4_0)
    check_steps_q4_0(weight, stored)


@given(weight=MADE | MADE.map(np.negative))
def test_q4_k_is_as_near_as_its_blocks_allow(weight: NDArray[np.float32]) -> None:
    stored = quantise(weight, Q4_K)
    check_codes(weight, stored, Q4_K)
    check_steps_q4_k(weight, stored)


def test_the_search_of_q4_k_pays() -> None:
    """The same weights in 4.5 bits each: nearer with a minimum, and scales that were searched for."""
    weight = weights(0, 64, 1024, "normal")
    errors = [np.square(dequantize(quantise(weight, kind), kind) - weight).mean() for kind in (Q4_0, Q4_K)]
    assert errors[1] < 0.8 * errors[0]


@given(weight=MADE, kind=st.sampled_from([Q4_0, Q8_0]))
def test_llama_cpp_gives_the_bits_of_the_python_package(
    weight: NDArray[np.float32], kind: GGMLQuantizationType
) -> None:
    assert np.array_equal(by_llama_cpp(weight, kind), quantise(weight, kind))


def test_columns_of_a_larger_matrix_are_read_in_their_order() -> None:
    weight = weights(0, 512, 6, "normal").T  # not contiguous
    assert np.array_equal(quantise(weight, Q4_K), quantise(weight.copy(), Q4_K))


@pytest.mark.parametrize("kind", [Q4_K, Q4_0])
def test_rows_that_are_no_whole_blocks_are_an_error_in_python(kind: GGMLQuantizationType) -> None:
    with pytest.raises(ValueError, match="not a multiple"):
        quantise(np.zeros((2, 48), np.float32), kind)


def test_an_xllamacpp_that_hides_its_quantiser_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.ctypes, "CDLL", lambda path: object())
    with pytest.raises(UserError, match="does not show its ggml_quantize_chunk") as caught:
        quantise(np.zeros((1, 256), np.float32), Q4_K)
    assert "q4_0" in caught.value.hint


@pytest.mark.parametrize("kind", ["q4_0", "q4_k"])
def test_a_written_file_is_as_near_and_is_read_back(wide_folder: Path, tmp_path: Path, kind: GgufType) -> None:
    file = write_gguf(wide_folder, tmp_path / "m.gguf", kind, name="m")
    config: dict[str, Any] = json.loads((wide_folder / "config.json").read_text())
    tensors = {tensor.name: tensor for tensor in GGUFReader(file).tensors}
    after, found = load_gguf(file)[0].state_dict(), 0
    for name, tensor in load(wide_folder).state_dict().items():
        stored = tensors[str(gguf_name(name))]
        if stored.tensor_type.name != kind.upper():
            continue
        heads = heads_of(name, config)
        before, read = (permute(x.numpy(), heads) if heads else x.numpy() for x in (tensor, after[name]))
        assert np.array_equal(read, dequantize(stored.data, stored.tensor_type)), name
        check_codes(before, np.ascontiguousarray(stored.data), stored.tensor_type)
        check = check_steps_q4_0 if kind == "q4_0" else check_steps_q4_k
        check(before, np.ascontiguousarray(stored.data))
        found += 1
    assert found == 2 * (7 if kind == "q4_0" else 6)
