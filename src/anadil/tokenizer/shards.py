"""Reading encoded token shards: memory-mapped ids with the offsets of their documents."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anadil.errors import UserError

_HINT = "remove the encode folder of this run and run again"


def dtype_of(vocab_size: int) -> np.dtype[Any]:
    """Little-endian uint16 where every id fits, else uint32."""
    return np.dtype("<u2") if vocab_size <= 65_536 else np.dtype("<u4")


def sha256_of(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Shard:
    """One file of token ids and where its documents are in it."""

    path: Path
    ids: NDArray[Any]
    """(tokens,) uint16 or uint32, memory-mapped: BOS + text + EOS, one document after the other."""
    offsets: NDArray[np.int64]
    """(documents + 1,) token offsets: document i is ids[offsets[i]:offsets[i + 1]]."""
    bytes: int
    """UTF-8 bytes of the texts."""
    sha256: str

    @property
    def documents(self) -> int:
        return len(self.offsets) - 1

    @property
    def tokens(self) -> int:
        return len(self.ids)

    def document(self, index: int) -> NDArray[Any]:
        """Ids of one document, BOS and EOS included."""
        return self.ids[self.offsets[index] : self.offsets[index + 1]]


class TokenShards:
    """The shards of an `encode` folder.

    `sources` is as in shards.json; `split(name, "train")` gives a source's shards in order. UserError when a
    file is absent or does not have the size or the documents that shards.json says.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        file = folder / "shards.json"
        if not file.is_file():
            raise UserError(f"{folder} has no shards.json: encoding has not finished", hint="run the encode stage")
        index: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        self.tokenizer_sha256: str = index["tokenizer_sha256"]
        self.vocab_size: int = index["vocab_size"]
        self.dtype = np.dtype(index["dtype"]).newbyteorder("<")
        self.bos: int = index["bos"]
        self.eos: int = index["eos"]
        self.sources: list[dict[str, Any]] = index["sources"]
        if self.dtype != dtype_of(self.vocab_size):
            raise UserError(f"{file} has dtype {self.dtype} for {self.vocab_size} tokens", hint=_HINT)

    def split(self, source: str, split: str) -> list[Shard]:
        """The shards of one source's `train` or `heldout` part."""
        for entry in self.sources:
            if entry["name"] == source:
                return [self._open(shard) for shard in entry["splits"].get(split, [])]
        names = ", ".join(str(entry["name"]) for entry in self.sources)
        raise UserError(f"no source {source!r} in {self.folder}", hint=f"sources are {names}")

    def token_counts(self) -> NDArray[np.int64]:
        """(vocab_size,) tokens in the training text, sources weighted; UserError if absent or of another size."""
        file = self.folder / "token_counts.npy"
        counts: NDArray[np.int64] = np.load(file) if file.is_file() else np.empty(0, np.int64)
        if counts.shape != (self.vocab_size,):
            raise UserError(f"{file} is absent or not of {self.vocab_size} entries", hint=_HINT)
        return counts

    def words_per_token(self) -> float | None:
        """Words for each token of the training text, sources weighted; None where the shards do not say."""
        words = tokens = 0.0
        for source in self.sources:
            weight = float(source["weight"])
            words += weight * source.get("train_words", 0)
            tokens += weight * sum(shard["tokens"] for shard in source["splits"].get("train", []))
        return words / tokens if words and tokens else None

    def language_counts(self) -> dict[str, NDArray[np.int64]]:
        """(vocab_size,) tokens in the training text of each language that is trained on, sources not weighted."""
        counts: dict[str, NDArray[np.int64]] = {}
        for source in self.sources:
            if source["weight"] > 0 and (shards := self.split(source["name"], "train")):
                counts_V = counts.setdefault(source["language"], np.zeros(self.vocab_size, np.int64))
                for shard in shards:
                    counts_V += np.bincount(shard.ids, minlength=self.vocab_size)
        return counts

    def verify(self) -> None:
        """Read every shard and compare checksums; UserError names the first that differs."""
        for entry in self.sources:
            for split in entry["splits"]:
                for shard in self.split(entry["name"], split):
                    if sha256_of(shard.path) != shard.sha256:
                        raise UserError(f"{shard.path} is damaged: its checksum differs", hint=_HINT)

    def _open(self, entry: Mapping[str, Any]) -> Shard:
        path, offsets_path = self.folder / entry["file"], self.folder / entry["offsets"]
        expected = int(entry["tokens"]) * self.dtype.itemsize
        for file in (path, offsets_path):
            if not file.is_file():
                raise UserError(f"{file} is missing", hint=_HINT)
        if (found := path.stat().st_size) != expected:
            raise UserError(f"{path} has {found:,} bytes instead of {expected:,}", hint=_HINT)
        try:
            offsets = np.load(offsets_path, mmap_mode="r")
        except ValueError as error:
            raise UserError(f"cannot read {offsets_path}: {error}", hint=_HINT) from error
        if len(offsets) != int(entry["documents"]) + 1 or int(offsets[-1]) != int(entry["tokens"]):
            raise UserError(f"{offsets_path} does not fit {path.name}", hint=_HINT)
        # an empty file cannot be mapped
        ids = np.memmap(path, self.dtype, "r") if expected else np.empty(0, self.dtype)
        return Shard(path, ids, offsets, int(entry["bytes"]), str(entry["sha256"]))
