"""Hashes of the words and word n-grams of many texts at once, in numpy, the same on every machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

_BASE = 0x100000001B3  # odd, so that it has an inverse modulo 2^64
_BYTES_AT_ONCE = 1 << 20
_PUNCTUATION_LEADS = (0xC2, 0xE2)
"""First bytes of « » and other signs of Latin-1 (two bytes), and of dashes, quotes, arrows and the like (three)."""


@dataclass(frozen=True)
class Words:
    """The words of texts: runs of letters and digits, without case; `hashes` of all of them, one text after another."""

    hashes: Hashes
    starts: Places
    """Of each text, where its words begin; one more than there are texts."""

    def only(self, chosen: NDArray[np.bool_]) -> "Words":
        """The words of some of the texts."""
        counts = np.diff(self.starts)
        starts = np.concatenate([[0], np.cumsum(counts[chosen])])
        return Words(self.hashes[np.repeat(chosen, counts)], starts)

    def ngrams(self, length: int) -> tuple[Hashes, Places]:
        """Hashes of each `length` words in a row of one text, and where each text's begin (one more than texts)."""
        count = max(0, len(self.hashes) - length + 1)
        mixed = np.zeros(count, np.uint64)
        for place in range(length):
            mixed = mixed * np.uint64(_BASE) + self.hashes[place : place + count]
        per_text = np.maximum(0, np.diff(self.starts) - length + 1)
        starts = np.concatenate([[0], np.cumsum(per_text)])
        inside = np.arange(starts[-1]) + np.repeat(self.starts[:-1] - starts[:-1], per_text)
        return mix(mixed[inside]), starts


def words_of(texts: Sequence[str]) -> Words:
    """The words of texts, which should be in the form NFC."""
    parts, batch, size = list[Hashes](), list[bytes](), 0
    counts = list[int]()
    for text in texts:
        data = text.lower().encode()
        batch.append(data)
        size += len(data)
        if size >= _BYTES_AT_ONCE:
            parts.append(_of_batch(batch, counts))
            batch, size = [], 0
    parts.append(_of_batch(batch, counts))
    return Words(np.concatenate(parts), np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))


def mix(values: Hashes) -> Hashes:
    """Spread what differs in any bit over all bits (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _of_batch(batch: list[bytes], counts: list[int]) -> Hashes:
    """Word hashes of a few texts; how many each has goes to `counts`.

    The hash of a stretch of bytes comes from two entries of a running sum of byte x base^place, as Rabin and Karp do.
    """
    data = np.frombuffer(b"\n".join(batch) + b"\n", np.uint8)
    inside = _word_bytes(data)
    edges = np.flatnonzero(np.diff(inside.view(np.int8), prepend=np.int8(0), append=np.int8(0)))
    begins, ends = edges[::2], edges[1::2]
    powers, inverses = _powers(len(data).bit_length())
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum((data + np.uint64(1)) * powers[: len(data)])])
    text_ends = np.cumsum([len(text) + 1 for text in batch])
    counts.extend(np.diff(np.searchsorted(begins, text_ends), prepend=0).tolist())
    return mix((sums[ends] - sums[begins]) * inverses[begins])


def _word_bytes(data: NDArray[np.uint8]) -> NDArray[np.bool_]:
    inside = _table()[data]
    for lead, length in zip(_PUNCTUATION_LEADS, (2, 3), strict=True):
        places = np.flatnonzero(data == lead)
        for step in range(length):
            inside[places + step] = False
    return inside


@cache
def _table() -> NDArray[np.bool_]:
    letters = [chr(code).isalnum() or code >= 0x80 for code in range(256)]
    return np.array(letters)


@cache
def _powers(bits: int) -> tuple[Hashes, Hashes]:
    """Powers of the base and of its inverse, 2^bits of each."""
    one = np.ones(1, np.uint64)
    forward, back = (np.full((1 << bits) - 1, base, np.uint64) for base in (_BASE, pow(_BASE, -1, 1 << 64)))
    return np.cumprod(np.concatenate([one, forward])), np.cumprod(np.concatenate([one, back]))
