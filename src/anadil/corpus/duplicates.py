"""Copies among the documents of a whole corpus: whole, in other words, and of paragraphs."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from anadil.corpus.sketch import BANDS
from anadil.corpus.store import Store

Numbers = NDArray[np.int64]
NONE = -1
_PAIRS_AT_ONCE = 4096
_REMEMBERED = 2_000_000
"""Pairs found not to be alike that are not compared again where the next bands propose them; all would be gigabytes."""


def exact_copies(hashes: NDArray[np.uint64], rank: Numbers, alive: NDArray[np.bool_]) -> Numbers:
    """For each document that has an equal one of a lower rank the lowest of them, else -1. `hashes` [D, 2]."""
    found = np.full(len(rank), NONE, np.int64)
    some = np.flatnonzero(alive)
    some = some[_met_again(hashes[some, 0])]
    order = some[np.lexsort((rank[some], hashes[some, 1], hashes[some, 0]))]
    equal = (hashes[order[1:]] == hashes[order[:-1]]).all(1)
    heads = order[_heads(np.append(False, equal)[: len(order)])]
    copies = heads != order
    found[order[copies]] = heads[copies]
    return found


def _met_again(values: NDArray[np.uint64]) -> Numbers:
    """Places of the values that stand there more than once: few, so that what is done with them takes little memory."""
    order = np.argsort(values)
    ordered = values[order]
    same = ordered[1:] == ordered[:-1]
    again: Numbers = order[(np.append(False, same) | np.append(same, False))[: len(order)]]
    return again


def _heads(same: NDArray[np.bool_]) -> Numbers:
    """Of each place that of the first of its run; `same` says which are like the one before them."""
    heads: Numbers = np.maximum.accumulate(np.where(same, 0, np.arange(len(same))))
    return heads


def near_copies(
    store: Store, rank: Numbers, alive: NDArray[np.bool_], similarity: float
) -> tuple[Numbers, NDArray[np.float32]]:
    """For each document a similar one of a lower rank that stays, else -1; and how similar the two are (or, where that
    one was itself taken for a copy of a third, how similar it was to the second).

    In each band, documents with the same key are compared with the first and with the one before them. Each pair is
    compared whole: the Jaccard index of their n-grams, not an estimate.
    """
    found, shares = np.full(len(rank), NONE, np.int64), np.zeros(len(rank), np.float32)
    alive, refused = alive.copy(), np.zeros(0, np.int64)
    for band in range(BANDS):
        pairs = _candidates(store.keys(band), rank, alive)
        codes = pairs[:, 0] * len(rank) + pairs[:, 1]
        new = ~np.isin(codes, refused)
        pairs, codes = pairs[new], codes[new]
        measured = jaccard(store, pairs)
        enough = measured >= similarity
        copies, at = np.unique(pairs[enough, 1], return_index=True)
        found[copies], shares[copies] = pairs[enough, 0][at], measured[enough][at]
        alive[copies] = False
        refused = np.concatenate([codes[~enough], refused])[:_REMEMBERED]
    store.close()
    return _roots(found), shares


def _candidates(keys: NDArray[np.uint64], rank: Numbers, alive: NDArray[np.bool_]) -> Numbers:
    """Pairs (of lower rank, of higher rank), [P, 2], each once."""
    some = np.flatnonzero(alive)
    some = some[_met_again(keys[some])]
    order = some[np.lexsort((rank[some], keys[some]))]
    same = np.append(False, keys[order[1:]] == keys[order[:-1]])[: len(order)]
    places, heads = np.flatnonzero(same), _heads(same)
    firsts, befores, seconds = order[heads[places]], order[places - 1], order[places]
    others = np.flatnonzero(befores != firsts)
    pairs = [np.stack([firsts, seconds], axis=1), np.stack([befores[others], seconds[others]], axis=1)]
    return np.concatenate(pairs)


def jaccard(store: Store, pairs: Numbers) -> NDArray[np.float32]:
    """Of each pair, the share of distinct n-grams that both have."""
    found = np.zeros(len(pairs), np.float32)
    for begin in range(0, len(pairs), _PAIRS_AT_ONCE):
        some = pairs[begin : begin + _PAIRS_AT_ONCE]
        sides = [_sets(store, some[:, side]) for side in (0, 1)]
        both = np.sort(np.concatenate(sides))
        shared = both[1:][both[1:] == both[:-1]]
        common = np.bincount((shared >> np.uint64(32)).astype(np.int64), minlength=len(some))
        total = np.bincount((both >> np.uint64(32)).astype(np.int64), minlength=len(some)) - common
        found[begin : begin + len(some)] = common / np.maximum(1, total)
    return found


def _sets(store: Store, documents: Numbers) -> NDArray[np.uint64]:
    """Distinct (place in `documents`, n-gram), as one number each."""
    parts = [store.ngrams(document) for document in documents.tolist()]
    places = np.repeat(np.arange(len(parts), dtype=np.uint64), [len(part) for part in parts])
    return np.unique((places << np.uint64(32)) | np.concatenate([np.zeros(0, np.uint32), *parts]))


def _roots(found: Numbers) -> Numbers:
    """Of each copy the document at the end of its chain: one that stays."""
    roots = found.copy()
    while True:
        copies = np.flatnonzero(roots != NONE)
        further = found[roots[copies]]
        moved = further != NONE
        if not moved.any():
            return roots
        roots[copies[moved]] = further[moved]


def repeated_paragraphs(store: Store, rank: Numbers, alive: NDArray[np.bool_]) -> dict[int, list[int]]:
    """Of each document the lines that a document of a lower rank has, or itself further up, at most once each."""
    hashes = np.concatenate([np.zeros(0, np.uint64), *(hash_ for hash_, _, _ in _paragraphs(store, alive))])
    again, begin = np.sort(_met_again(hashes)), 0
    hashes, owners, lines = hashes[again], [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
    for hash_, owner, line in _paragraphs(store, alive):  # once more, for where those few are
        here = again[slice(*np.searchsorted(again, [begin, begin + len(hash_)]))] - begin
        owners.append(owner[here])
        lines.append(line[here])
        begin += len(hash_)
    owner, line = np.concatenate(owners), np.concatenate(lines)
    order = np.lexsort((line, rank[owner], hashes))
    copies = order[np.flatnonzero(hashes[order][1:] == hashes[order][:-1]) + 1]
    found: dict[int, list[int]] = {}
    for document, place in zip(owner[copies].tolist(), line[copies].tolist(), strict=True):
        found.setdefault(document, []).append(place)
    return found


def _paragraphs(
    store: Store, alive: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.uint64], Numbers, NDArray[np.int32]]]:
    """Of each chunk, hash, document and line of the paragraphs of documents that stay."""
    columns = zip(store.columns("paragraphs"), store.columns("paragraph_places"), strict=True)
    for (start, hashes), (_, (owners, lines)) in columns:
        owners = start + owners.astype(np.int64)
        here = alive[owners]
        yield hashes[here], owners[here], lines[here]
