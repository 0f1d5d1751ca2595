"""What becomes of each document: decided for the whole corpus, from what the chunks hold."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anadil.corpus.duplicates import NONE, Numbers, exact_copies, near_copies, repeated_paragraphs
from anadil.corpus.quality import FIGURES, fails, fitted_limits
from anadil.corpus.store import Store
from anadil.languages import language_key, load_profile
from anadil.recipe import Corpus, Source

VERDICTS = ("", *FIGURES, "contaminated", "duplicate", "near_duplicate")
"""By number; the first is that of a document that stays."""
_SAMPLE = 200_000
"""Documents of a language, chosen by their hash, that limits are fitted to."""


@dataclass
class Decisions:
    """The verdict of each document, and what it rests on."""

    verdicts: NDArray[np.int8]
    copy_of: Numbers
    similarity: NDArray[np.float32]
    contaminated: NDArray[np.int32]
    cuts: dict[int, list[int]]
    """Lines that a document loses, since another has them."""
    limits: dict[str, dict[str, float]] = field(default_factory=dict)
    """Of each language's figures."""


def decide(store: Store, sources: Sequence[Source], corpus: Corpus) -> Decisions:
    """Judge all documents; `sources` are those of the store's chunks, one each."""
    source_of = np.repeat(np.arange(len(sources)), np.diff(store.starts))
    verdicts, limits = np.zeros(store.documents, np.int8), dict[str, dict[str, float]]()
    if corpus.filter:
        limits = _filter(store, sources, verdicts)
    contaminated = store.column("contaminated")
    verdicts[(verdicts == 0) & (contaminated >= 0)] = VERDICTS.index("contaminated")
    rank = _rank(store, sources, source_of, corpus)
    copy_of = exact_copies(store.column("hashes"), rank, verdicts == 0)
    verdicts[copy_of != NONE] = VERDICTS.index("duplicate")
    similarity = np.ones(store.documents, np.float32)
    if corpus.near_duplicates.similarity < 1:
        compared = (verdicts == 0) & (store.column("sizes")[:, 1] >= corpus.near_duplicates.min_words)
        near, shares = near_copies(store, rank, compared, corpus.near_duplicates.similarity)
        is_near = near != NONE
        verdicts[is_near] = VERDICTS.index("near_duplicate")
        copy_of[is_near], similarity[is_near] = near[is_near], shares[is_near]
    cuts = repeated_paragraphs(store, rank, verdicts == 0) if corpus.repeated_paragraph_words else {}
    return Decisions(verdicts, copy_of, similarity, contaminated, cuts, limits)


def _filter(store: Store, sources: Sequence[Source], verdicts: NDArray[np.int8]) -> dict[str, dict[str, float]]:
    """Give the verdicts of the filter; returns each language's limits."""
    languages = [language_key(source.language) for source in sources]
    limits = {}
    for language in sorted(set(languages)):
        mine = [number for number, one in enumerate(languages) if one == language]
        if not mine or not load_profile(sources[mine[0]].language).thresholds.prose:
            continue
        sample = _sample(store, mine)
        limits[language] = fitted_limits(sample)
        for chunk in mine:
            figures = np.load(store.folders[chunk] / "figures.npy")
            begin = int(store.starts[chunk])
            verdicts[begin : begin + len(figures)] = fails(figures, limits[language]) + 1
    return limits


def _sample(store: Store, chunks: Sequence[int]) -> NDArray[np.float32]:
    """Figures of documents, each hash as likely as another, so that neither order nor number of files matters."""
    total = sum(int(store.starts[chunk + 1] - store.starts[chunk]) for chunk in chunks)
    below = np.uint64(min(1.0, _SAMPLE / max(1, total)) * (2**64 - 1025))
    parts: list[NDArray[Any]] = [np.zeros((0, len(FIGURES)), np.float32)]
    for chunk in chunks:
        chosen = np.load(store.folders[chunk] / "hashes.npy")[:, 0] <= below
        parts.append(np.load(store.folders[chunk] / "figures.npy")[chosen])
    return np.concatenate(parts)


def _rank(store: Store, sources: Sequence[Source], source_of: NDArray[np.int64], corpus: Corpus) -> Numbers:
    """Of two copies the one of the lower rank stays."""
    if corpus.keep_copy == "longest":
        first = -store.column("sizes")[:, 0]
    else:  # what is measured on stays, or measuring would change with the training text
        first = np.array([source.split != "heldout" for source in sources], np.int64)[source_of]
    rank = np.empty(store.documents, np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(store.documents)
    return rank
