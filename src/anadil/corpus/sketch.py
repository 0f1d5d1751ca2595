"""MinHash: numbers of a text that are equal in two texts as often as their word n-grams are (Broder 1997)."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from anadil.corpus.words import Hashes, Places, mix

BANDS, ROWS = 32, 4
"""Two texts are compared where all rows of a band agree: with half of their n-grams in common, in 87% of pairs; with
two thirds in common, in 99.9%."""
_TEXTS_AT_ONCE = 512
_AT_ONCE = 1024
"""n-grams: their hashes, 512 kB, stay in the cache; with 16,384 it took six times as long."""


def band_keys(ngrams: Hashes, starts: Places) -> Hashes:
    """For each text a key for each band, [D, BANDS]; texts without n-grams have zeros.

    `ngrams` and `starts` as `Words.ngrams` gives them.
    """
    keys_DB = np.zeros((len(starts) - 1, BANDS), np.uint64)
    some = np.flatnonzero(np.diff(starts))
    for begin in range(0, len(some), _TEXTS_AT_ONCE):
        texts = some[begin : begin + _TEXTS_AT_ONCE]
        first, last = starts[texts[0]], starts[texts[-1] + 1]
        least_DH = _least((ngrams[first:last] >> np.uint64(32)).astype(np.uint32), starts[texts] - first)
        least_DBR = least_DH.reshape(len(texts), BANDS, ROWS).astype(np.uint64)
        mixed_DB = least_DBR[:, :, 0]
        for row in range(1, ROWS):
            mixed_DB = mixed_DB * np.uint64(0x9E3779B97F4A7C15) + least_DBR[:, :, row]
        keys_DB[texts] = mix(mixed_DB)
    return keys_DB


def _least(ngrams: NDArray[np.uint32], starts: Places) -> NDArray[np.uint32]:
    """The least value of each hash function over each text's n-grams, [D, BANDS x ROWS]; every text has some."""
    factors, terms = _functions()
    least_DH = np.full((len(starts), BANDS * ROWS), np.iinfo(np.uint32).max, np.uint32)
    buffer = np.empty((_AT_ONCE, BANDS * ROWS), np.uint32)
    for begin in range(0, len(ngrams), _AT_ONCE):
        end = min(begin + _AT_ONCE, len(ngrams))
        hashed_NH = buffer[: end - begin]
        np.multiply(ngrams[begin:end, None], factors, out=hashed_NH)
        np.add(hashed_NH, terms, out=hashed_NH)
        first, last = np.searchsorted(starts, [begin, end - 1], side="right") - 1
        cuts = np.maximum(starts[first : last + 1], begin) - begin
        here = least_DH[first : last + 1]
        np.minimum(here, np.minimum.reduceat(hashed_NH, cuts, axis=0), out=here)
    return least_DH


@cache
def _functions() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Of each hash function x -> a x + b modulo 2^32; a is odd, so that no two x fall together."""
    generator = np.random.Generator(np.random.PCG64(32004))
    factors, terms = generator.integers(0, 1 << 32, (2, BANDS * ROWS), dtype=np.uint32)
    return factors | np.uint32(1), terms
