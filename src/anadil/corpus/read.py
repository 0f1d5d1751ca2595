"""Reading documents from jsonl, txt and parquet files, whole or compressed; nothing is guessed silently."""

import glob
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from anadil.errors import UserError
from anadil.recipe import Source

SUFFIXES = (".jsonl", ".txt", ".parquet")


@dataclass(frozen=True)
class Document:
    """One text with where it came from."""

    id: str
    text: str
    meta: dict[str, Any]


OnError = Callable[[UserError], None]
"""Called with what could not be read; it raises to stop, or returns to skip."""


def source_files(source: Source) -> list[Path]:
    """The files of a source, sorted by name; UserError if there are none of a known kind."""
    path = source.path
    found = sorted(path.rglob("*")) if path.is_dir() else sorted(Path(name) for name in glob.glob(str(path)))
    files = [file for file in found if file.is_file() and _kind(file)]
    if not files:
        what = f"source {source.name!r}: no {', '.join(SUFFIXES)} file (plain, .gz or .zst) at {path}"
        raise UserError(what, hint="check corpus.sources.path; it is relative to the recipe file")
    return files


def _kind(path: Path) -> str | None:
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


def read(source: Source, on_error: OnError) -> Iterator[Document]:
    """All documents of a source, in file order. A txt file is one document."""
    for path in source_files(source):
        kind = _kind(path)
        if kind == ".parquet":
            yield from _parquet(path, source)
        elif kind == ".jsonl":
            yield from _jsonl(path, source, on_error)
        else:
            yield from _txt(path, on_error)


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return io.BufferedReader(gzip.open(path))
    if path.suffix == ".zst":
        return io.BufferedReader(pa.input_stream(str(path), compression="zstd"))
    return open(path, "rb")


def _lines(path: Path, on_error: OnError) -> Iterator[tuple[int, int, bytes]]:
    """(line number from 1, byte offset, line); a broken archive goes to `on_error`."""
    offset = 0
    try:
        with _open(path) as file:
            for number, line in enumerate(file, 1):
                yield number, offset, line
                offset += len(line)
    except (EOFError, zlib.error, OSError) as error:
        hint = "the file is damaged or cut short: fetch it again, or leave the source out"
        on_error(UserError(f"{path}: cannot be read past byte {offset} of its text: {error}", hint=hint))


def _decode(data: bytes, path: Path, offset: int) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        hint = 'convert the file to UTF-8, or set corpus.on_error = "skip" to leave such documents out'
        what = f"{path}: byte {offset + error.start} is not UTF-8 (0x{data[error.start]:02x})"
        raise UserError(what, hint=hint) from error


def _jsonl(path: Path, source: Source, on_error: OnError) -> Iterator[Document]:
    for number, offset, line in _lines(path, on_error):
        if not line.strip():
            continue
        try:
            document = _parse(_decode(line, path, offset), path, number, source)
        except UserError as error:
            on_error(error)
            continue
        yield document


def _parse(line: str, path: Path, number: int, source: Source) -> Document:
    hint = 'mend the line, or set corpus.on_error = "skip" to leave such lines out'
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UserError(f"{path}, line {number}: not JSON: {error}", hint=hint) from error
    if not isinstance(row, dict) or _text(row.get(source.text_field)) is None:
        fields = ", ".join(sorted(row)) if isinstance(row, dict) else type(row).__name__
        what = f"{path}, line {number}: no text in field {source.text_field!r} (it has: {fields})"
        raise UserError(what, hint=f"set text_field of the source {source.name!r}, or: {hint}")
    return _document(row, source, f"{path.name}:{number}")


def _document(row: dict[str, Any], source: Source, place: str) -> Document:
    identifier = row.get(source.id_field)
    meta = {key: value for key, value in row.items() if key not in (source.text_field, source.id_field)}
    return Document(str(identifier) if identifier is not None else place, _text(row[source.text_field]) or "", meta)


def _text(value: Any) -> str | None:
    """The text in a field: as it is, or of a conversation (a list of messages) one turn a line; None for neither."""
    if isinstance(value, list) and value and all(isinstance(turn, dict) for turn in value):
        turns = [turn.get("content") for turn in value]
        return "\n".join(f"— {turn}" for turn in turns) if all(isinstance(turn, str) for turn in turns) else None
    return value if isinstance(value, str) else None


def _txt(path: Path, on_error: OnError) -> Iterator[Document]:
    text = b"".join(line for _, _, line in _lines(path, on_error))
    try:
        decoded = _decode(text, path, 0)
    except UserError as error:
        on_error(error)
        return
    yield Document(path.name, decoded, {})


def _parquet(path: Path, source: Source) -> Iterator[Document]:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(
            f"{path}: not a parquet file: {error}", hint="fetch it again, or leave the source out"
        ) from error
    if source.text_field not in file.schema_arrow.names:
        what = f"{path}: no column {source.text_field!r} (it has: {', '.join(file.schema_arrow.names)})"
        raise UserError(what, hint=f"set text_field of the source {source.name!r}")
    number = 0
    for batch in file.iter_batches(batch_size=1024):
        for row in batch.to_pylist():
            number += 1
            row[source.text_field] = row[source.text_field] or ""  # null
            yield _document(row, source, f"{path.name}:{number}")
