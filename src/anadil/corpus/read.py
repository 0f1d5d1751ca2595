"""Reading documents, in chunks that any process can take; nothing is guessed silently.

A chunk is a few megabytes of a source, cut where one document ends; where it is cut depends on the files alone.
"""

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from anadil.corpus.columns import row_batches, row_document, rows_of
from anadil.corpus.files import kind_of, open_file, source_files
from anadil.corpus.pages import page_text
from anadil.errors import UserError
from anadil.recipe import Source

CHUNK_BYTES = 4 << 20
LONGEST_LINE = 64 << 20
_DAMAGED = "the file is damaged or cut short: fetch it again, or leave the source out"


@dataclass(frozen=True)
class Document:
    """One text with where it came from."""

    id: str
    text: str
    meta: dict[str, Any]


@dataclass(frozen=True)
class Chunk:
    """Part of a source: `data` of one file of lines or rows, or whole files.

    `first` is the number of its first line, row or file, from 1, and `offset` the place of its first byte. `faults`
    are what could not be read behind it.
    """

    files: tuple[Path, ...]
    kind: str
    first: int = 1
    offset: int = 0
    data: bytes = b""
    faults: tuple[tuple[str, str], ...] = ()


OnError = Callable[[UserError], None]
"""Called with what could not be read; it raises to stop, or returns to skip."""


def read(source: Source, on_error: OnError) -> Iterator[Document]:
    """All documents of a source, in file order."""
    for chunk in chunks(source):
        yield from documents(chunk, source, on_error)


def chunks(source: Source) -> Iterator[Chunk]:
    """The source in pieces of about `CHUNK_BYTES`; UserError for files that may not be read."""
    whole: list[Path] = []
    for path in source_files(source):
        kind = kind_of(path)
        if kind in (".jsonl", ".txt") and not (kind == ".txt" and source.documents == "file"):
            yield from _line_chunks(path, kind or "", source)
        elif kind in (".parquet", ".arrow", ".csv", ".tsv"):
            yield from _row_chunks(path, kind, source)
        else:
            whole.append(path)
            if sum(file.stat().st_size for file in whole) >= CHUNK_BYTES:
                yield Chunk(tuple(whole), "files")
                whole.clear()
    if whole:
        yield Chunk(tuple(whole), "files")


def documents(chunk: Chunk, source: Source, on_error: OnError) -> Iterator[Document]:
    """The documents of a chunk."""
    if chunk.kind == "rows":
        yield from _of_rows(chunk, source, on_error)
    elif chunk.kind == ".jsonl":
        yield from _of_lines(chunk, source, on_error)
    elif chunk.kind == ".txt":
        yield from _of_text(chunk, source, on_error)
    else:
        for path in chunk.files:
            yield from _of_file(path, on_error)
    for what, hint in chunk.faults:
        on_error(UserError(what, hint=hint))


def _line_chunks(path: Path, kind: str, source: Source) -> Iterator[Chunk]:
    """Cut after a line, or after an empty one where that is what ends a document."""
    end = b"\n\n" if kind == ".txt" and source.documents == "blank_line" else b"\n"
    waiting, first, offset, faults = b"", 1, 0, list[tuple[str, str]]()
    too_long = f"is longer than {LONGEST_LINE >> 20} MB", "cut it into lines or documents of its own, or leave it out"
    try:
        with open_file(path) as file:
            while block := file.read(CHUNK_BYTES):
                waiting += block
                cut = waiting.rfind(end) + len(end)
                if cut >= len(end):
                    yield Chunk((path,), kind, first, offset, waiting[:cut], tuple(faults))
                    first, offset = first + waiting.count(b"\n", 0, cut), offset + cut
                    waiting, faults = waiting[cut:], []
                elif len(waiting) > LONGEST_LINE:
                    faults.append((f"{path}, line {first}: {too_long[0]}", too_long[1]))
                    skipped, waiting = _to_next(file, waiting, end)
                    first, offset = first + 1, offset + skipped
    except PermissionError as error:
        raise not_permitted(path) from error
    except (EOFError, zlib.error, OSError) as error:
        past = f"{path}: cannot be read past byte {offset + len(waiting)} of its text: {error}"
        faults.append((past, _DAMAGED))
        waiting = waiting[: waiting.rfind(end) + 1]  # half a document is none
    if waiting or faults:
        yield Chunk((path,), kind, first, offset, waiting, tuple(faults))


def _to_next(file: Any, waiting: bytes, end: bytes) -> tuple[int, bytes]:
    """Pass over a line without keeping it: the bytes passed, and what follows it."""
    passed = 0
    while waiting:
        cut = waiting.find(end)
        if cut >= 0:
            return passed + cut + len(end), waiting[cut + len(end) :]
        passed += len(waiting)
        waiting = file.read(CHUNK_BYTES)
    return passed, b""


def not_permitted(path: Path) -> UserError:
    """The error for a file that the user may not read."""
    return UserError(f"{path}: no permission to read it", hint="give yourself the right to read the file")


def _decode(data: bytes, path: Path, offset: int) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        hint = 'convert the file to UTF-8, or set corpus.on_error = "skip" to leave such documents out'
        what = f"{path}: byte {offset + error.start} is not UTF-8 (0x{data[error.start]:02x})"
        raise UserError(what, hint=hint) from error


def _of_lines(chunk: Chunk, source: Source, on_error: OnError) -> Iterator[Document]:
    path, offset = chunk.files[0], chunk.offset
    for number, line in enumerate(chunk.data.split(b"\n"), chunk.first):
        if line.strip():
            try:
                yield _parse(_decode(line, path, offset), path, number, source)
            except UserError as error:
                on_error(error)
        offset += len(line) + 1


def _of_text(chunk: Chunk, source: Source, on_error: OnError) -> Iterator[Document]:
    """Lines or paragraphs as documents of their own; the empty ones between them are none."""
    path, offset, number = chunk.files[0], chunk.offset, chunk.first
    end = b"\n\n" if source.documents == "blank_line" else b"\n"
    for part in chunk.data.split(end):
        if part.strip():
            try:
                above = len(part) - len(part.lstrip(b"\n"))  # of three empty lines in a row two part, and one is left
                yield Document(f"{path.name}:{number + above}", _decode(part.strip(b"\n"), path, offset + above), {})
            except UserError as error:
                on_error(error)
        offset, number = offset + len(part) + len(end), number + part.count(b"\n") + end.count(b"\n")


def _parse(line: str, path: Path, number: int, source: Source) -> Document:
    hint = 'mend the line, or set corpus.on_error = "skip" to leave such lines out'
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}, line {number}: not JSON: {error}", hint=hint) from error
    if "\\u" in line and _has_lone_surrogate(row):
        what = f"{path}, line {number}: holds half of a surrogate pair (such as \\ud83d alone), which is no character"
        raise UserError(what, hint=hint)
    if not isinstance(row, dict) or (document := row_document(row, source, f"{path.name}:{number}")) is None:
        fields = ", ".join(sorted(row)) if isinstance(row, dict) else type(row).__name__
        what = f"{path}, line {number}: no text in field {source.text_field!r} (it has: {fields})"
        raise UserError(what, hint=f"set text_field of the source {source.name!r}, or: {hint}")
    return Document(*document)


def _has_lone_surrogate(value: Any) -> bool:
    """Whether a string in `value` cannot be written as UTF-8; only an escape in JSON can bring that about."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _of_file(path: Path, on_error: OnError) -> Iterator[Document]:
    """A file that is one document."""
    try:
        with open_file(path) as file:
            data = file.read()
        text = page_text(path, data) if kind_of(path) != ".txt" else _decode(data, path, 0)
    except PermissionError as error:
        raise not_permitted(path) from error
    except (EOFError, zlib.error, OSError) as error:
        on_error(UserError(f"{path}: cannot be read: {error}", hint=_DAMAGED))
    except UserError as error:
        on_error(error)
    else:
        yield Document(path.name, text, {})


def _row_chunks(path: Path, kind: str, source: Source) -> Iterator[Chunk]:
    """Rows as Arrow's own bytes, so that another process can take them."""
    first, faults = 1, list[tuple[str, str]]()
    batches = row_batches(path, kind, source)
    while True:
        try:
            batch = next(batches, None)
        except PermissionError as error:
            raise not_permitted(path) from error
        except UserError as error:
            faults.append((error.what, error.hint))
            break
        except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
            what = f"cannot be read past row {first - 1}" if first > 1 else f"not a {kind.lstrip('.')} file"
            faults.append((f"{path}: {what}: {error}", _DAMAGED))
            break
        if batch is None:
            break
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        yield Chunk((path,), "rows", first, 0, sink.getvalue().to_pybytes())
        first += batch.num_rows
    if faults:
        yield Chunk((path,), "rows", first, faults=tuple(faults))


def _of_rows(chunk: Chunk, source: Source, on_error: OnError) -> Iterator[Document]:
    if not chunk.data:
        return
    path, hint = chunk.files[0], 'mend the file, or set corpus.on_error = "skip" to leave such rows out'
    with pa.ipc.open_stream(chunk.data) as stream:
        batch = stream.read_next_batch()
    for number, row in enumerate(rows_of(batch), chunk.first):
        if isinstance(row, UnicodeDecodeError):
            on_error(UserError(f"{path}, row {number}: not UTF-8: {row}", hint=hint))
        elif (document := row_document(row, source, f"{path.name}:{number}", null_is_empty=True)) is None:
            on_error(UserError(f"{path}, row {number}: no text in column {source.text_field!r}", hint=hint))
        else:
            yield Document(*document)
