"""Folders of safetensors, looked at without loading the model, or torch.

The format: 8 bytes of header length, little-endian, a JSON header of names with dtype, shape and offsets, then the
tensors (https://github.com/huggingface/safetensors#format).
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anadil.errors import UserError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
_NAMES = (
    "embed_tokens.weight",
    "wte.weight",
    "embed_in.weight",
    "word_embeddings.weight",
    "lm_head.weight",
    "embed_out.weight",
)
_EXPONENTS = {"BF16": ("<u2", 0x7F80), "F16": ("<u2", 0x7C00), "F32": ("<u4", 0x7F800000)}
"""Unsigned type of the same size, and the bits of the exponent: all of them set means infinite or not a number."""
_ROWS_AT_A_TIME = 8192
_FETCH = "fetch the base again"


@dataclass(frozen=True)
class _Table:
    file: Path
    name: str
    dtype: str
    rows: int
    width: int
    offset: int
    """Bytes from the beginning of the file."""


def weight_files(model: Path) -> list[Path]:
    """The safetensors files of a model folder; UserError if there are none."""
    if (model / INDEX).is_file():
        index = json.loads((model / INDEX).read_bytes())
        return [model / name for name in sorted(set(index["weight_map"].values()))]
    if (model / WEIGHTS).is_file():
        return [model / WEIGHTS]
    hint = "save the model with `save_pretrained`; pickled weights (.bin) are not read"
    raise UserError(f"{model} has no {WEIGHTS} and no {INDEX}", hint=hint)


def read_header(file: Path) -> tuple[dict[str, dict[str, Any]], bytes]:
    """dtype, shape and data_offsets of each tensor in a file, and the bytes before the first of them."""
    try:
        with open(file, "rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            opened.seek(0)
            raw = opened.read(8 + length)
        header: dict[str, dict[str, Any]] = json.loads(raw[8:])
        header.pop("__metadata__", None)
    except (OSError, ValueError, MemoryError, OverflowError) as error:
        raise UserError(f"{file} cannot be read: {error}", hint=_FETCH) from error
    return header, raw


def check_vocabulary_tables(folder: Path, tokens: int) -> None:
    """UserError if weights of `folder` are absent, an input or output table has fewer rows than `tokens`, or one of
    its rows has values that are not finite."""
    _check_shards(folder)
    for file in sorted(folder.glob("*.safetensors")):
        for table in _tables(file):
            if table.rows < tokens:
                what = f"{table.name} in {file} has {table.rows:,} rows, the tokenizer {tokens:,} tokens"
                raise UserError(what, hint="the tokenizer is not this model's: put the model's own one beside it")
            if bad := _rows_not_finite(table):
                more = f" and {len(bad) - 1:,} more" if len(bad) > 1 else ""
                what = f"{table.name} in {file}: row {bad[0]}{more} has values that are not finite"
                raise UserError(what, hint=f"{_FETCH}, or use another checkpoint")


def _check_shards(folder: Path) -> None:
    index = folder / INDEX
    if not index.is_file():
        return
    try:
        files = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{index} cannot be read: {error}", hint=_FETCH) from error
    if missing := [name for name in files if not (folder / name).is_file()]:
        what = f"{folder} lacks {len(missing)} of {len(files)} weight files, first {missing[0]}"
        raise UserError(what, hint="fetch the rest of the base")


def _tables(file: Path) -> Iterator[_Table]:
    try:
        header, raw = read_header(file)
        found = [(name, entry) for name, entry in header.items() if name.endswith(_NAMES)]
        for name, entry in found:
            rows, width = entry["shape"]
            yield _Table(file, name, entry["dtype"], rows, width, len(raw) + entry["data_offsets"][0])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file} cannot be read: {error}", hint=_FETCH) from error


def _rows_not_finite(table: _Table) -> list[int]:
    if table.dtype not in _EXPONENTS:
        return []
    kind, exponent = _EXPONENTS[table.dtype]
    needed = table.offset + math.prod((table.rows, table.width)) * np.dtype(kind).itemsize
    if table.file.stat().st_size < needed:
        raise UserError(f"{table.file} is cut off within {table.name}", hint=_FETCH)
    bits_VD = np.memmap(table.file, kind, "r", table.offset, (table.rows, table.width))
    bad: list[int] = []
    for start in range(0, table.rows, _ROWS_AT_A_TIME):
        part = (bits_VD[start : start + _ROWS_AT_A_TIME] & exponent) == exponent
        bad += (np.flatnonzero(part.any(axis=1)) + start).tolist()
    return bad
