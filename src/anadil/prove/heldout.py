"""The held-out texts that rows are measured on, the same for every vocabulary."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import nn

from anadil.corpus.build import sources, texts
from anadil.evaluate.bits_per_byte import read_texts, sample
from anadil.languages import language_key
from anadil.model.score import score_tokens
from anadil.recipe import MeasureOn
from anadil.tokenizer.chat import BOS, control_id, encode_plain
from anadil.tokenizer.load import load_tokenizer, read_vocabulary, to_bytes

LONGEST = 2_000
"""Characters of a text that are read: measuring is done many times."""
BUCKETS = (0, 10, 100, 1_000, 10_000)
"""Lower ends of the ranges of how often a token occurs in the training text."""


@dataclass(frozen=True)
class Domain:
    """One set of texts and its language."""

    name: str
    language: str
    texts: list[str]


def read_domains(corpus: Path, measure_on: Sequence[MeasureOn], documents: int) -> list[Domain]:
    """At most `documents` texts of each language's held-out text and of each of `measure_on`, chosen by hash."""
    heldout: dict[str, list[str]] = {}
    for source in sources(corpus):
        if source["heldout"]["documents"]:
            heldout.setdefault(source["language"], []).extend(texts(corpus, source["name"], "heldout"))
    domains = [Domain(f"held-out {language}", language, some) for language, some in heldout.items()]
    for entry in measure_on:
        files = [text for text in read_texts(entry.path, entry.text_field) if text]
        domains.append(Domain(entry.name, language_key(entry.language), files))
    return [Domain(d.name, d.language, sample([t[:LONGEST] for t in d.texts], documents)) for d in domains]


class Heldout:
    """The texts of all domains under one tokenizer."""

    def __init__(self, domains: Sequence[Domain], tokenizer_folder: Path):
        tokenizer = load_tokenizer(tokenizer_folder)
        self.tokenizer_folder = tokenizer_folder
        self.ids = {domain.name: [_ids(tokenizer, text) for text in domain.texts] for domain in domains}

    def nats(self, model: nn.Module, max_tokens: int, context: int) -> dict[str, list[float]]:
        """Negative log likelihood of each document, by domain."""
        return {
            name: [float(nll_T.sum()) for nll_T in score_tokens(model, ids, max_tokens=max_tokens, context=context)]
            for name, ids in self.ids.items()
        }

    def by_frequency(
        self, model: nn.Module, names: Sequence[str], counts_V: NDArray[np.int64], max_tokens: int, context: int
    ) -> list[dict[str, Any]]:
        """Of the tokens of these domains that occur so often in the training text (`counts_V`): how many there are,
        the bytes that they spell, and the bits that they cost."""
        ids = [document for name in names for document in self.ids[name]]
        nll_N = np.concatenate(score_tokens(model, ids, max_tokens=max_tokens, context=context))
        tokens_N = np.concatenate([np.array(document[1:], np.int64) for document in ids])
        sizes_V = self._byte_sizes(len(counts_V))
        place_N = np.digitize(counts_V[tokens_N], BUCKETS) - 1
        found = []
        for place, low in enumerate(BUCKETS):
            chosen = place_N == place
            size = int(sizes_V[tokens_N[chosen]].sum())
            bits = float(nll_N[chosen].sum() / np.log(2))
            found.append({"from": low, "tokens": int(chosen.sum()), "bytes": size, "bits": bits})
        return found

    def _byte_sizes(self, rows: int) -> NDArray[np.int64]:
        sizes_V = np.zeros(rows, np.int64)
        for token, identifier in read_vocabulary(self.tokenizer_folder).tokens.items():
            sizes_V[identifier] = len(to_bytes(token))
        return sizes_V


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    return [control_id(tokenizer, BOS), *encode_plain(tokenizer, text)]
