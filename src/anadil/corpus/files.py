"""The files of a source, by kind, whole or compressed."""

import glob
import gzip
import io
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa

from anadil.corpus.remote import local_copy
from anadil.errors import UserError
from anadil.recipe import Source

SUFFIXES = (".jsonl", ".txt", ".parquet", ".csv", ".tsv", ".html", ".htm", ".pdf", ".arrow")


def source_files(source: Source) -> list[Path]:
    """The files of a source, sorted by name; UserError if there are none of a known kind."""
    return text_files(source_root(source), f"source {source.name!r}", "check corpus.sources.path; it")


def source_root(source: Source) -> Path:
    """File, folder or glob of a source; of one that lies elsewhere the folder of its copy."""
    if not source.url:
        assert source.path  # the recipe sees to it
        return source.path
    return local_copy(source.url)


def text_files(path: Path, what: str, key: str = "a path in a recipe", kinds: Sequence[str] = SUFFIXES) -> list[Path]:
    """The files of a known kind at a path (file, folder or glob), sorted by name; UserError if there are none."""
    found = sorted(path.rglob("*")) if path.is_dir() else sorted(Path(name) for name in glob.glob(str(path)))
    files = [file for file in found if file.is_file() and kind_of(file, kinds)]
    if not files:
        missing = f"{what}: no {', '.join(kinds)} file (plain, .gz or .zst) at {path}"
        raise UserError(missing, hint=f"{key} is relative to the recipe file")
    return files


def kind_of(path: Path, kinds: Sequence[str] = SUFFIXES) -> str | None:
    """The suffix that says what a file holds, without that of its compression."""
    name = path.name.lower().removesuffix(".gz").removesuffix(".zst")
    return next((suffix for suffix in kinds if name.endswith(suffix)), None)


def open_file(path: Path) -> IO[bytes]:
    """Open a file for reading, through its compression."""
    if path.suffix == ".gz":
        return io.BufferedReader(gzip.open(path))
    if path.suffix == ".zst":
        return io.BufferedReader(pa.input_stream(str(path), compression="zstd"))
    return open(path, "rb")
