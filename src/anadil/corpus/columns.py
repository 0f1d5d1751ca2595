"""Files of rows: parquet, Arrow (as `datasets.save_to_disk` writes it), csv and tsv."""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from anadil.corpus.files import open_file
from anadil.errors import UserError
from anadil.recipe import Source

_ROWS = 1024


def read_table_rows(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    """The rows of a file as they are; UserError for what cannot be read."""
    try:
        # all at once: a reader of csv that is left half read has a thread that ends the program in its own way
        for batch in list(_batches(path, kind, lambda schema: None)):
            for row in rows_of(batch):
                if isinstance(row, UnicodeDecodeError):
                    raise UserError(f"{path}: not UTF-8: {row}", hint="convert the file to UTF-8")
                yield row
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        what = f"{path}: not a {kind.lstrip('.')} file, or cut short: {error}"
        raise UserError(what, hint="fetch it again, or write it again") from error


def row_batches(path: Path, kind: str, source: Source) -> Iterator[pa.RecordBatch]:
    """Batches of a file's rows. UserError if it has no column of texts of the source's name; Arrow's own errors."""
    yield from _batches(path, kind, lambda schema: _check_column(schema, path, source))


def _batches(path: Path, kind: str, check: Callable[[pa.Schema], None]) -> Iterator[pa.RecordBatch]:
    if kind == ".parquet":
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            check(file.schema_arrow)
            yield from file.iter_batches(batch_size=_ROWS)
        return
    with open_file(path) as opened:
        reader = _arrow(opened) if kind == ".arrow" else _separated(opened, "\t" if kind == ".tsv" else ",")
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


def _separated(file: Any, delimiter: str) -> pa.RecordBatchReader:
    """Everything as text: a column of texts may begin with numbers. Where a comma is for decimals, Excel writes ; ."""
    header = file.readline()
    file.seek(0)
    if delimiter == "," and header.count(b";") > header.count(b","):
        delimiter = ";"
    names = pa.csv.open_csv(
        file, parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    ).schema.names
    file.seek(0)
    return pa.csv.open_csv(
        file,
        read_options=pa.csv.ReadOptions(block_size=4 << 20),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
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
