"""Matrices into the blocks of a GGUF type: by the package `gguf`, and by llama.cpp itself where `gguf` only reads."""

import ctypes
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType
from gguf.quants import quant_shape_to_byte_shape
from gguf.quants import quantize as quantise_in_python
from numpy.typing import NDArray

from anadil.errors import UserError

BY_LLAMA_CPP = frozenset({GGMLQuantizationType.Q4_K})
"""Types whose scales are searched for; `gguf` has no code that does."""
_HINT = "pip install -U 'anadil[serve]', or leave q4_k out of export.gguf; q4_0 needs no llama.cpp"


def quantise(weight: NDArray[np.float32], kind: GGMLQuantizationType) -> NDArray[np.uint8]:
    """The rows of a float32 matrix as a file stores them, [rows, bytes]; a row must be whole blocks of `kind`."""
    quant_shape_to_byte_shape(weight.shape, kind)  # ValueError; llama.cpp would end the process instead
    if kind in BY_LLAMA_CPP:
        return by_llama_cpp(weight, kind)
    stored: NDArray[np.uint8] = np.ascontiguousarray(quantise_in_python(weight, kind)).view(np.uint8)
    return stored


def by_llama_cpp(weight: NDArray[np.float32], kind: GGMLQuantizationType) -> NDArray[np.uint8]:
    """`quantise` through llama.cpp, which gives the bits of `gguf` for the types that both write."""
    function = find_quantiser()
    source = np.ascontiguousarray(weight, dtype=np.float32)
    rows, columns = source.shape
    stored = np.empty(quant_shape_to_byte_shape(source.shape, kind), np.uint8)
    written = function(int(kind), source.ctypes.data, stored.ctypes.data, 0, rows, columns, None)
    if written != stored.nbytes:
        raise RuntimeError(f"llama.cpp wrote {written} bytes of {kind.name}, not {stored.nbytes}")
    return stored


def find_quantiser() -> Any:
    """`ggml_quantize_chunk` of the llama.cpp in xllamacpp; UserError where there is none."""
    if find_spec("xllamacpp") is None:
        raise UserError("q4_k is written by llama.cpp, and the package xllamacpp is not installed", hint=_HINT)
    extension = import_module("xllamacpp.xllamacpp")
    try:  # the extension, or a library that came with it
        function = ctypes.CDLL(str(extension.__file__)).ggml_quantize_chunk
    except (OSError, AttributeError) as error:
        what = f"q4_k is written by llama.cpp, and this xllamacpp does not show its ggml_quantize_chunk: {error}"
        raise UserError(what, hint=_HINT) from error
    function.restype = ctypes.c_size_t
    pointer, count = ctypes.c_void_p, ctypes.c_int64
    # type, weights, blocks, first weight, rows, columns, importance of each column
    function.argtypes = [ctypes.c_int, pointer, pointer, count, count, count, pointer]
    return function
