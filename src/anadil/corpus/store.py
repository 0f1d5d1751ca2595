"""What the chunks of a corpus hold, read column by column, so that memory does not grow with the text."""

import json
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray


class Store:
    """The documents still in, of all chunks in one order; a document is known by its number in it."""

    def __init__(self, folders: Sequence[Path]):
        self.folders = list(folders)
        self._files: dict[int, tuple[int, int]] = {}

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Of each chunk, the number of its first document; one more than chunks."""
        counts = [len(np.load(folder / "sizes.npy", mmap_mode="r")) for folder in self.folders]
        return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])

    @property
    def documents(self) -> int:
        """How many there are."""
        return int(self.starts[-1])

    def column(self, name: str) -> NDArray[Any]:
        """An array of all documents."""
        return np.concatenate([np.load(folder / f"{name}.npy") for folder in self.folders])

    def columns(self, name: str) -> Iterator[tuple[int, NDArray[Any]]]:
        """The same chunk by chunk, with the number of its first document."""
        for folder, start in zip(self.folders, self.starts.tolist(), strict=False):
            yield start, np.load(folder / f"{name}.npy")

    def keys(self, band: int) -> NDArray[np.uint64]:
        """The keys of one band."""
        return np.concatenate([np.array(np.load(f / "keys.npy", mmap_mode="r")[band]) for f in self.folders])

    def account(self, chunk: int) -> dict[str, Any]:
        """What the chunk counted, and samples of its repairs."""
        found: dict[str, Any] = json.loads((self.folders[chunk] / "account.json").read_bytes())
        return found

    def names(self, documents: NDArray[np.int64]) -> pa.Array:
        """Source and id, as `source/id`, of some documents, which are sorted; each chunk is read once."""
        parts = [pa.array([], pa.string())]
        cuts = np.searchsorted(documents, self.starts)
        for chunk in np.flatnonzero(np.diff(cuts)).tolist():
            table = pq.read_table(self.folders[chunk] / "kept.parquet", columns=["source", "id"])
            here = table.take(pa.array(documents[cuts[chunk] : cuts[chunk + 1]] - self.starts[chunk]))
            named = pc.binary_join_element_wise(here["source"], here["id"], "/")
            parts.append(named.combine_chunks())
        return pa.concat_arrays(parts)

    @cached_property
    def _ngram_starts(self) -> list[NDArray[np.int64]]:
        return [np.load(folder / "ngram_starts.npy") for folder in self.folders]

    def ngrams(self, document: int) -> NDArray[np.uint32]:
        """Hashes of a document's n-grams, read from its chunk's file."""
        chunk = int(np.searchsorted(self.starts, document, side="right")) - 1
        row = document - int(self.starts[chunk])
        begin, end = self._ngram_starts[chunk][row : row + 2].tolist()
        descriptor, offset = self._open(chunk)
        return np.frombuffer(os.pread(descriptor, 4 * (end - begin), offset + 4 * begin), np.uint32)

    def _open(self, chunk: int) -> tuple[int, int]:
        """A descriptor of the chunk's n-grams, and where in the file they begin."""
        if chunk not in self._files:
            if len(self._files) >= 256:
                self.close()
            path = self.folders[chunk] / "ngrams.npy"
            array = np.load(path, mmap_mode="r")
            offset = int(array.offset) if isinstance(array, np.memmap) else 0
            self._files[chunk] = (os.open(path, os.O_RDONLY), offset)
        return self._files[chunk]

    def close(self) -> None:
        """Close the files of n-grams."""
        for descriptor, _ in self._files.values():
            os.close(descriptor)
        self._files.clear()
