"""Files of rows: parquet, Arrow (as `datasets.save_to_disk` writes it), csv and tsv."""

import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from anadil.corpus.files import open_file
from anadil.errors import UserError
from anadil.recipe import Source

OnRow = Callable[[UserError], None]
"""Called for a row that cannot be read; it raises to stop, or returns to skip."""

_ROWS = 1024
_UTF8 = "save the file as UTF-8; spreadsheets call it CSV UTF-8"
_QUOTES = 'put a text that holds the separator between quotes: "..."'


def read_table_rows(path: Path, kind: str, on_error: OnRow | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a file as they are; UserError for what cannot be read.

    A row with more or fewer cells than the header is told to `on_error`, without which it is raised.
    """
    ragged = list[UserError]()

    def handle(row: pa.csv.InvalidRow) -> str:
        ragged.append(UserError(f"{path}, row {row.number - 1}: {_ragged(row)}", hint=_QUOTES))
        return "skip"

    try:
        # all at once: a reader of csv that is left half read has a thread that ends the program in its own way
        batches = list(_batches(path, kind, lambda schema: None, handle))
        for error in ragged:
            if on_error is None:
                raise error
            on_error(error)
        for batch in batches:
            for row in rows_of(batch):
                if isinstance(row, UnicodeDecodeError):
                    raise UserError(f"{path}: not UTF-8: {row}", hint=_UTF8)
                yield row
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        what = f"{path}: not a {kind.lstrip('.')} file, or cut short: {error}"
        hint = _UTF8 if "UTF8" in str(error) else "fetch it again, or write it again"
        raise UserError(what, hint=hint) from error


def _ragged(row: pa.csv.InvalidRow) -> str:
    return f"{row.actual_columns} cells where the header has {row.expected_columns}: {row.text[:80]!r}"


def row_batches(path: Path, kind: str, source: Source) -> Iterator[pa.RecordBatch]:
    """Batches of a file's rows. UserError if it has no column of texts of the source's name; Arrow's own errors."""
    yield from _batches(path, kind, lambda schema: _check_column(schema, path, source))


def _batches(
    path: Path,
    kind: str,
    check: Callable[[pa.Schema], None],
    handle: Callable[[pa.csv.InvalidRow], str] | None = None,
) -> Iterator[pa.RecordBatch]:
    if kind == ".parquet":
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            check(file.schema_arrow)
            yield from file.iter_batches(batch_size=_ROWS)
        return
    with open_file(path) as opened:
        reader = _arrow(opened) if kind == ".arrow" else _separated(path, opened, kind, handle)
        with reader:
            check(reader.schema)
            for batch in reader:
                yield from (batch.slice(start, _ROWS) for start in range(0, batch.num_rows, _ROWS))


def _arrow(file: Any) -> pa.RecordBatchReader:
    """Of a stream or of a file with a footer: the second begins with a word of its own."""
    begin = file.read(6)
    file.seek(0)
    if begin != b"ARROW1":
        return pa.ipc.open_stream(file)
    whole = pa.ipc.open_file(file)
    batches = (whole.get_batch(number) for number in range(whole.num_record_batches))
    return pa.RecordBatchReader.from_batches(whole.schema, batches)


def _separated(
    path: Path, file: Any, kind: str, handle: Callable[[pa.csv.InvalidRow], str] | None
) -> pa.RecordBatchReader:
    """Everything as text: a column of texts may begin with numbers. Where a comma is for decimals, Excel writes ; ."""
    header, delimiter = file.readline(), "\t" if kind == ".tsv" else ","
    file.seek(0)
    if header.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{path}: it is in UTF-16", hint=_UTF8)
    if delimiter == "," and header.count(b";") > header.count(b","):
        delimiter = ";"
    parse = partial(pa.csv.ParseOptions, delimiter=delimiter, newlines_in_values=True)
    skip = None if handle is None else lambda row: "skip"
    names = pa.csv.open_csv(file, parse_options=parse(invalid_row_handler=skip)).schema.names
    file.seek(0)
    return pa.csv.open_csv(
        file,
        read_options=pa.csv.ReadOptions(
            block_size=4 << 20, use_threads=handle is None
        ),  # in threads rows have no number
        parse_options=parse(invalid_row_handler=handle),
        convert_options=pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True),
    )


def _check_column(schema: pa.Schema, path: Path, source: Source) -> None:
    name, hint = source.text_field, f"set text_field of the source {source.name!r}"
    if name not in schema.names:
        raise UserError(f"{path}: no column {name!r} (it has: {', '.join(schema.names)})", hint=hint)
    kind, types = schema.field(name).type, pa.types
    kind = kind.value_type if types.is_dictionary(kind) else kind
    is_text = any(test(kind) for test in (types.is_string, types.is_large_string, types.is_string_view, types.is_null))
    is_list = types.is_list(kind) or types.is_large_list(kind)
    if not is_text and not (is_list and types.is_struct(kind.value_type)):
        what = f"{path}: column {name!r} is of type {kind}, not text or a conversation (a list of messages)"
        raise UserError(what, hint=f"{hint}, or write the column as strings")


def rows_of(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | UnicodeDecodeError]:
    """The rows of a batch; for one whose bytes are not UTF-8 (Arrow does not check) the error."""
    for number in range(batch.num_rows):
        try:
            yield {name: column[number].as_py() for name, column in zip(batch.schema.names, batch.columns, strict=True)}
        except UnicodeDecodeError as error:
            yield error


def row_document(
    row: dict[str, Any], source: Source, place: str, *, null_is_empty: bool = False
) -> tuple[str, str, dict[str, Any]] | None:
    """(id, text, everything else) of a row; None if its text is none. A row without an id is named by its place."""
    text = _text(row.get(source.text_field))
    if text is None and null_is_empty and row[source.text_field] is None:
        text = ""
    if text is None:
        return None
    identifier = row.get(source.id_field)
    meta = {key: value for key, value in row.items() if key not in (source.text_field, source.id_field)}
    return str(identifier) if identifier is not None else place, text, meta


def _text(value: Any) -> str | None:
    """The text in a field: as it is, or of a conversation (a list of messages) one turn a line; None for neither."""
    if isinstance(value, list) and value and all(isinstance(turn, dict) for turn in value):
        turns = [turn.get("content") for turn in value]
        return "\n".join(f"— {turn}" for turn in turns) if all(isinstance(turn, str) for turn in turns) else None
    return value if isinstance(value, str) else None
