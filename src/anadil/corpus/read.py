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
    return text_files(source.path, f"source {source.name!r}", "check corpus.sources.path; it")


def text_files(path: Path, what: str, key: str = "a path in a recipe") -> list[Path]:
    """The files of a known kind at a path (file, folder or glob), sorted by name; UserError if there are none."""
    found = sorted(path.rglob("*")) if path.is_dir() else sorted(Path(name) for name in glob.glob(str(path)))
    files = [file for file in found if file.is_file() and _kind(file)]
    if not files:
        missing = f"{what}: no {', '.join(SUFFIXES)} file (plain, .gz or .zst) at {path}"
        raise UserError(missing, hint=f"{key} is relative to the recipe file")
    return files


def _kind(path: Path) -> str | None:
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


def read(source: Source, on_error: OnError) -> Iterator[Document]:
    """All documents of a source, in file order. A txt file is one document."""
    for path in source_files(source):
        kind = _kind(path)
        if kind == ".parquet":
            yield from _parquet(path, source, on_error)
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
    """(line number from 1, byte offset, line); a broken archive goes to `on_error`, a file we may not read stops."""
    offset = 0
    try:
        with _open(path) as file:
            for number, line in enumerate(file, 1):
                yield number, offset, line
                offset += len(line)
    except PermissionError as error:
        raise _not_permitted(path) from error
    except (EOFError, zlib.error, OSError) as error:
        hint = "the file is damaged or cut short: fetch it again, or leave the source out"
        on_error(UserError(f"{path}: cannot be read past byte {offset} of its text: {error}", hint=hint))


def _not_permitted(path: Path) -> UserError:
    return UserError(f"{path}: no permission to read it", hint="give yourself the right to read the file")


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
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}, line {number}: not JSON: {error}", hint=hint) from error
    if "\\u" in line and _has_lone_surrogate(row):
        what = f"{path}, line {number}: holds half of a surrogate pair (such as \\ud83d alone), which is no character"
        raise UserError(what, hint=hint)
    if not isinstance(row, dict) or _text(row.get(source.text_field)) is None:
        fields = ", ".join(sorted(row)) if isinstance(row, dict) else type(row).__name__
        what = f"{path}, line {number}: no text in field {source.text_field!r} (it has: {fields})"
        raise UserError(what, hint=f"set text_field of the source {source.name!r}, or: {hint}")
    return _document(row, source, f"{path.name}:{number}")


def _has_lone_surrogate(value: Any) -> bool:
    """Whether a string in `value` cannot be written as UTF-8; only an escape in JSON can bring that about."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


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
    faults: list[UserError] = []
    data, text = b"".join(line for _, _, line in _lines(path, faults.append)), ""
    try:
        text = text if faults else _decode(data, path, 0)
    except UserError as error:
        faults.append(error)
    for fault in faults:
        on_error(fault)
    if not faults:  # half a document is none
        yield Document(path.name, text, {})


def _parquet(path: Path, source: Source, on_error: OnError) -> Iterator[Document]:
    number = 0
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            _check_column(file.schema_arrow, path, source)
            batches = file.iter_batches(batch_size=1024)
            while (batch := next(batches, None)) is not None:
                for row in _rows(batch):
                    number += 1
                    if (document := _parquet_document(row, path, number, source, on_error)) is not None:
                        yield document
    except PermissionError as error:
        raise _not_permitted(path) from error
    except _UnfitColumn as error:
        on_error(UserError(error.what, hint=error.hint))
    except (pa.ArrowException, OSError) as error:
        what = f"cannot be read past row {number}" if number else "not a parquet file"
        hint = "the file is damaged or cut short: fetch it again, or leave the source out"
        on_error(UserError(f"{path}: {what}: {error}", hint=hint))


class _UnfitColumn(UserError):
    """The file has no column of texts of that name."""


def _check_column(schema: pa.Schema, path: Path, source: Source) -> None:
    name, hint = source.text_field, f"set text_field of the source {source.name!r}"
    if name not in schema.names:
        raise _UnfitColumn(f"{path}: no column {name!r} (it has: {', '.join(schema.names)})", hint=hint)
    kind, types = schema.field(name).type, pa.types
    kind = kind.value_type if types.is_dictionary(kind) else kind
    is_text = any(test(kind) for test in (types.is_string, types.is_large_string, types.is_string_view, types.is_null))
    is_list = types.is_list(kind) or types.is_large_list(kind)
    if not is_text and not (is_list and types.is_struct(kind.value_type)):
        what = f"{path}: column {name!r} is of type {kind}, not text or a conversation (a list of messages)"
        raise _UnfitColumn(what, hint=f"{hint}, or write the column as strings")


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | UnicodeDecodeError]:
    """The rows of a batch; for one whose bytes are not UTF-8 (Arrow does not check) the error."""
    for number in range(batch.num_rows):
        try:
            yield {name: column[number].as_py() for name, column in zip(batch.schema.names, batch.columns, strict=True)}
        except UnicodeDecodeError as error:
            yield error


def _parquet_document(
    row: dict[str, Any] | UnicodeDecodeError, path: Path, number: int, source: Source, on_error: OnError
) -> Document | None:
    hint = 'mend the file, or set corpus.on_error = "skip" to leave such rows out'
    if isinstance(row, UnicodeDecodeError):
        on_error(UserError(f"{path}, row {number}: not UTF-8: {row}", hint=hint))
        return None
    if row[source.text_field] is None:
        row[source.text_field] = ""  # null: an empty document
    if _text(row[source.text_field]) is None:
        on_error(UserError(f"{path}, row {number}: no text in column {source.text_field!r}", hint=hint))
        return None
    return _document(row, source, f"{path.name}:{number}")
