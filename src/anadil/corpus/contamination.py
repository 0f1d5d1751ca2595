"""Which documents hold an item of an evaluation set: most of its word n-grams, however its letters are typed."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anadil.corpus.words import Hashes, Words, words_of
from anadil.errors import UserError
from anadil.languages import load_profile
from anadil.recipe import EvaluationSet

NGRAM = 5
LEAST_SHARE = 0.5
"""Of an item's n-grams, from which on a document holds it."""


@dataclass(frozen=True)
class Overlaps:
    """Items of evaluation sets by their n-grams."""

    names: tuple[str, ...]
    """Of each item: its set, and its place there."""
    ngrams: Hashes
    """Sorted; an n-gram of several items as often."""
    owners: NDArray[np.int32]
    counts: NDArray[np.int64]
    """n-grams of each item."""

    def items(self, words: Words) -> NDArray[np.int32]:
        """For each text the item that it holds, the one with the largest share; -1 for none, [D]."""
        found = np.full(len(words.starts) - 1, -1, np.int32)
        if not len(self.ngrams):
            return found
        ngrams, starts = words.ngrams(NGRAM)
        begins = np.searchsorted(self.ngrams, ngrams)
        hits = np.flatnonzero(self.ngrams[np.minimum(begins, len(self.ngrams) - 1)] == ngrams)
        shared: dict[tuple[int, int], set[int]] = {}
        texts = np.searchsorted(starts, hits, side="right") - 1
        for text, hit in zip(texts.tolist(), hits.tolist(), strict=True):
            place = int(begins[hit])
            while place < len(self.ngrams) and self.ngrams[place] == ngrams[hit]:
                shared.setdefault((text, int(self.owners[place])), set()).add(place)
                place += 1
        best: dict[int, float] = {}
        for (text, item), places in sorted(shared.items()):
            share = len(places) / float(self.counts[item])
            if share >= LEAST_SHARE and share > best.get(text, 0.0):
                best[text], found[text] = share, item
        return found


def overlaps_of(sets: Sequence[EvaluationSet]) -> Overlaps:
    """Read evaluation sets; items of fewer than five words are passed over, for any text may hold them."""
    names, texts = [], []
    for table in sets:
        fold = load_profile(table.language).fold_for_comparison
        for name, text in _items(table):
            names.append(name)
            texts.append(fold(text))
    ngrams, starts = words_of(texts).ngrams(NGRAM)
    owners = np.repeat(np.arange(len(texts), dtype=np.int32), np.diff(starts))
    pairs = np.unique(np.stack([ngrams, owners.astype(np.uint64)], 1), axis=0) if len(ngrams) else np.zeros((0, 2))
    owners = pairs[:, 1].astype(np.int32)
    return Overlaps(tuple(names), pairs[:, 0].astype(np.uint64), owners, np.bincount(owners, minlength=len(texts)))


def _items(table: EvaluationSet) -> Iterator[tuple[str, str]]:
    hint = f"set the fields of the evaluation set {table.name!r}, or mend the file"
    for number, line in enumerate(_lines(table.path), 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"{table.path}, line {number}: not JSON: {error}", hint=hint) from error
        if not isinstance(row, dict) or not any(field in row for field in table.fields):
            fields = ", ".join(sorted(row)) if isinstance(row, dict) else type(row).__name__
            wanted = ", ".join(table.fields)
            raise UserError(f"{table.path}, line {number}: none of the fields {wanted} (it has: {fields})", hint=hint)
        for field in table.fields:
            yield from ((f"{table.name}:{number}", text) for text in _texts(row.get(field)))


def _lines(path: Path) -> Iterator[str]:
    if not path.is_file():
        raise UserError(f"no evaluation set at {path}", hint="check corpus.contamination.path")
    with open(path, encoding="utf-8") as file:
        yield from (line for line in file if line.strip())


def _texts(value: Any) -> Iterator[str]:
    """Strings, also in lists and tables: choices and turns of a conversation."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)
