"""Figures that tell text from menus, tables and nonsense, and limits for them that the text itself sets.

The figures are those of Gopher (Rae et al. 2021) and C4 (Raffel et al. 2020) as far as they hold for any language.
Their authors' limits are for English; here they hold only for little text. With more, as in FineWeb-2 (Penedo et al.
2025), the limit is far out in the tail of what the language's own text has.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anadil.corpus.words import Words

FIGURES: dict[str, tuple[float, float]] = {
    "short_words": (2.5, -1),
    "long_words": (12.0, 1),
    "symbols": (0.25, 1),
    "digits": (0.3, 1),
    "repeated_lines": (0.3, 1),
    "repeated_words": (0.2, 1),
    "repeated_passages": (0.3, 1),
    "list_lines": (0.9, 1),
    "unfinished_lines": (0.3, 1),
}
"""Name, limit where there is little text, and whether more (1) or less (-1) than the limit is too much."""
LEAST_TO_FIT = 2_000
"""Documents of a language, below which the fixed limits hold."""
LEAST_WORDS = 12
"""Of a text, for its repetitions to say anything."""
_TAIL = 0.005
_BULLETS = ("•", "●", "○", "▪", "■", "·", "-", "–", "*", "|")


def figures(texts: Sequence[str], words: Words) -> NDArray[np.float32]:
    """The figures of each text, [D, F], in the order of `FIGURES`."""
    counts = np.maximum(1, np.diff(words.starts)).astype(np.float32)
    found = np.zeros((len(texts), len(FIGURES)), np.float32)
    sizes = np.array([len(text) for text in texts], np.float32)
    symbols, digits, blanks = _shares(texts)
    found[:, 0] = found[:, 1] = np.maximum(0, sizes - blanks - symbols) / counts
    found[:, 2] = symbols / np.maximum(1, sizes)
    found[:, 3] = digits / np.maximum(1, sizes)
    found[:, 4:5] = 0
    long = counts >= LEAST_WORDS
    found[long, 5] = _most_frequent_share(some := words.only(long), 3)
    found[long, 6] = _repeated_share(some, 8)
    for number, text in enumerate(texts):
        if "\n" in text:
            found[number, [4, 7, 8]] = _lines(text)
    return found


def _shares(texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """ASCII symbols, digits and blanks of each text."""
    encoded = [text.encode() for text in texts]
    data = np.frombuffer(b"".join(encoded), np.uint8)
    starts = np.concatenate([[0], np.cumsum([len(text) for text in encoded])])
    some = np.flatnonzero(np.diff(starts))
    found = []
    for table in _tables():
        counts = np.zeros(len(texts), np.float32)
        if len(some):
            counts[some] = np.add.reduceat(table[data], starts[:-1][some], dtype=np.int64)
        found.append(counts)
    return found[0], found[1], found[2]


def _tables() -> list[NDArray[np.uint8]]:
    signs = [chr(code) for code in range(128)] + ["x"] * 128
    symbols = [not (sign.isalnum() or sign.isspace()) for sign in signs]
    return [np.array(row, np.uint8) for row in (symbols, [s.isdigit() for s in signs], [s.isspace() for s in signs])]


def _lines(text: str) -> tuple[float, float, float]:
    """Shares: of characters in lines that were there before; of lines that are items; of lines that end with dots."""
    lines = [line for line in text.split("\n") if line]
    repeated = sum(map(len, lines)) - sum(map(len, set(lines)))
    items = sum(line.startswith(_BULLETS) for line in lines)
    unfinished = sum(line.endswith(("...", "…")) for line in lines)
    return repeated / max(1, len(text)), items / max(1, len(lines)), unfinished / max(1, len(lines))


def _most_frequent_share(words: Words, length: int) -> NDArray[np.float32]:
    """Share of a text's words that its most frequent n-gram takes up, if it occurs more than twice."""
    texts, counts, _ = _counted(words, length)
    most = np.zeros(len(words.starts) - 1, np.float32)
    np.maximum.at(most, texts, np.where(counts > 2, counts, 0).astype(np.float32))
    return (most * np.float32(length) / np.maximum(1, np.diff(words.starts)).astype(np.float32)).astype(np.float32)


def _repeated_share(words: Words, length: int) -> NDArray[np.float32]:
    """Share of a text's n-grams that were in it before."""
    texts, counts, per_text = _counted(words, length)
    again = np.zeros(len(words.starts) - 1, np.float32)
    np.add.at(again, texts, (counts - 1).astype(np.float32))
    return (again / np.maximum(1, per_text).astype(np.float32)).astype(np.float32)


def _counted(words: Words, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Of each n-gram that a text has more than once: the text and how often; and how many n-grams each text has."""
    ngrams, starts = words.ngrams(length)
    per_text = np.diff(starts)
    text_of = np.repeat(np.arange(len(per_text)), per_text)
    keys = (ngrams >> np.uint64(24)) | (text_of.astype(np.uint64) << np.uint64(40))
    keys.sort()
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.array([], np.int64)
    counts = np.diff(np.append(first, len(keys)))
    more = counts > 1
    return (keys[first[more]] >> np.uint64(40)).astype(np.int64), counts[more], per_text


def fitted_limits(found: NDArray[np.float32]) -> dict[str, float]:
    """The limit of each figure for documents with these figures, [D, F].

    As far behind the last 0.5% of documents as these are behind the middle, and never stricter than the fixed one
    for what is mostly zero.
    """
    limits = {name: fixed for name, (fixed, _) in FIGURES.items()}
    if len(found) < LEAST_TO_FIT:
        return limits
    for number, (name, (fixed, side)) in enumerate(FIGURES.items()):
        column = found[:, number]
        middle, tail = np.quantile(column, [0.5, 1 - _TAIL if side > 0 else _TAIL])
        limit = float(tail + (tail - middle))
        limits[name] = round(max(limit, fixed) if side > 0 and middle < 0.05 else limit, 4)
    return limits


def fails(found: NDArray[np.float32], limits: dict[str, float]) -> NDArray[np.int8]:
    """For each document the number of the first figure that is beyond its limit; -1 for none."""
    beyond = np.stack(
        [(found[:, n] - limits[name]) * side > 0 for n, (name, (_, side)) in enumerate(FIGURES.items())], axis=1
    )
    return np.where(beyond.any(1), beyond.argmax(1), -1).astype(np.int8)
