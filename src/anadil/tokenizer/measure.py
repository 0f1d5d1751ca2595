"""What vocabularies cost on the same text: tokens per word with intervals, cut words, round trips.

Text is read once, in batches, through all tokenizers. Words are separated by white space.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from tokenizers import Encoding, Tokenizer

from anadil.bootstrap import ROUNDS, Floats, Interval, percentiles, resampled_sums
from anadil.corpus.hashing import text_hash

BATCH_DOCUMENTS = 512
MAX_GROUPS = 4_096
"""Documents drawn by the bootstrap; more of them are dealt into so many groups at random and drawn by group."""
_WORD = re.compile(r"[^\S\r\n]?\S+")  # with the blank before it, which belongs to a word's first token


@dataclass(frozen=True)
class Sample:
    """Named text of one language, read anew whenever `texts` is called."""

    name: str
    language: str
    texts: Callable[[], Iterable[str]]


@dataclass
class Measured:
    """Counts of the same documents under tokenizers by label; documents without a word are left out.

    `whole` counts words that are one token, `continued` words with a token that ends between two letters, and
    `failures` documents that decoding does not give back; `used` are the ids that occur.
    """

    labels: tuple[str, ...]
    order: list[int] = field(default_factory=list)  # by content, so that where a document stood does not matter
    words: list[int] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    tokens: dict[str, list[int]] = field(default_factory=dict)
    whole: Counter[str] = field(default_factory=Counter)
    continued: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    used: dict[str, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for label in self.labels:
            self.tokens.setdefault(label, [])
            self.used.setdefault(label, set())

    def add(self, tokenizers: Mapping[str, Tokenizer], texts: Sequence[str]) -> None:
        """Count a batch of texts, without BOS; control tokens typed in them are text."""
        texts = [text for text in texts if not text.isspace() and text]
        self.order += [int.from_bytes(text_hash(text)[:8], "big") for text in texts]
        self.words += [len(text.split()) for text in texts]
        self.bytes += [len(text.encode()) for text in texts]
        words = Counter(word for text in texts for word in _WORD.findall(text))
        for label, tokenizer in tokenizers.items():
            ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
            self.tokens[label] += map(len, ids)
            self.used[label].update(*ids)
            decoded = tokenizer.decode_batch(ids, skip_special_tokens=False)
            self.failures[label] += sum(one != text for one, text in zip(decoded, texts, strict=True))
            self._add_words(label, tokenizer, words)

    def _add_words(self, label: str, tokenizer: Tokenizer, words: Mapping[str, int]) -> None:
        encodings = tokenizer.encode_batch(list(words), add_special_tokens=False)
        for (word, count), encoding in zip(words.items(), encodings, strict=True):
            spans = _spans(word, encoding)
            self.whole[label] += count * (len(spans) == 1)
            self.continued[label] += count * _is_continued(word, spans)

    def facts(self, label: str) -> dict[str, float | None]:
        """Sums, tokens per word with its interval, bytes per token, shares of words. None: nothing to measure."""
        words, size, tokens = sum(self.words), sum(self.bytes), sum(self.tokens[label])
        found = self.tokens_per_word(label)
        return {
            "documents": len(self.words),
            "words": words,
            "bytes": size,
            "tokens": tokens,
            "tokens_per_word": found.value if found else None,
            "low95": found.low95 if found else None,
            "high95": found.high95 if found else None,
            "bytes_per_token": size / tokens if tokens else None,
            "single_token_words": self.whole[label] / words if words else None,
            "continued_words": self.continued[label] / words if words else None,
            "round_trip_failures": self.failures[label],
        }

    def tokens_per_word(self, label: str) -> Interval | None:
        """Tokens per word under a tokenizer; None without words."""
        return self._interval(lambda sums: sums[1 + self.labels.index(label)] / sums[0])

    def change(self, label: str, base: str, cost: float = 1.0) -> Interval | None:
        """Tokens under `label`, each costing `cost` times as much, over those under `base`, minus 1; paired."""
        after, before = 1 + self.labels.index(label), 1 + self.labels.index(base)
        return self._interval(lambda sums: cost * sums[after] / sums[before] - 1)

    def difference(self, label: str, base: str) -> Interval | None:
        """Tokens per word under `label` minus those under `base`; paired."""
        after, before = 1 + self.labels.index(label), 1 + self.labels.index(base)
        return self._interval(lambda sums: (sums[after] - sums[before]) / sums[0])

    def _interval(self, statistic: Callable[[Floats], Floats]) -> Interval | None:
        if not self.words:
            return None
        sums, resampled = self._sums
        return percentiles(float(statistic(sums)), statistic(resampled))

    @cached_property
    def _sums(self) -> tuple[Floats, Floats]:
        """Sums of words and of each tokenizer's tokens, [C], and of the draws, [C, rounds]."""
        columns = [self.words, *(self.tokens[label] for label in self.labels)]
        table_NC = np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)
        generator = np.random.default_rng(0)
        grouped = _grouped(table_NC[np.argsort(self.order, kind="stable")], generator)
        return table_NC.sum(axis=0), resampled_sums(grouped, ROUNDS, generator)


def measure(tokenizers: Mapping[str, Tokenizer], texts: Iterable[str]) -> Measured:
    """Read `texts` once, in batches, through all tokenizers."""
    for tokenizer in tokenizers.values():
        tokenizer.encode_special_tokens = True
    found, iterator = Measured(tuple(tokenizers)), iter(texts)
    while batch := list(islice(iterator, BATCH_DOCUMENTS)):
        found.add(tokenizers, batch)
    return found


def pooled(parts: Iterable[Measured], labels: Sequence[str]) -> Measured:
    """All documents of several measurements as one."""
    whole = Measured(tuple(labels))
    for part in parts:
        whole.order += part.order
        whole.words += part.words
        whole.bytes += part.bytes
        for sums, more in zip(_counters(whole), _counters(part), strict=True):
            sums.update(more)
        for label in labels:
            whole.tokens[label] += part.tokens[label]
            whole.used[label] |= part.used[label]
    return whole


def flat(prefix: str, facts: Mapping[str, Any]) -> dict[str, float]:
    """Facts as metrics: target_tokens_per_word, target_tokens_per_word_low95, ...; what is not measured is absent."""
    ends = {"low95": "tokens_per_word_low95", "high95": "tokens_per_word_high95"}
    return {f"{prefix}_{ends.get(key, key)}": value for key, value in facts.items() if value is not None}


def _counters(measured: Measured) -> tuple[Counter[str], ...]:
    return measured.whole, measured.continued, measured.failures


def _grouped(table_NC: Floats, generator: np.random.Generator) -> Floats:
    """Rows summed by random groups, so that there are at most `MAX_GROUPS`."""
    if len(table_NC) <= MAX_GROUPS:
        return table_NC
    groups_N = generator.permutation(len(table_NC)) % MAX_GROUPS
    columns = [np.bincount(groups_N, weights=column_N, minlength=MAX_GROUPS) for column_N in table_NC.T]
    return np.stack(columns, axis=1)


def _spans(word: str, encoding: Encoding) -> list[tuple[int, int]]:
    """Where the tokens of a word lie, in characters; a token of nothing but the blank before it is left out."""
    return [(start, end) for start, end in encoding.offsets if word[start:end].strip()]


def _is_continued(word: str, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a token ends inside a letter or between two of them."""
    starts = (start for start, _ in spans[1:])
    ends = (end for _, end in spans[:-1])
    for end, start in zip(ends, starts, strict=True):
        before, after = word[end - 1 : end], word[start : start + 1]
        if _is_letter(before) and _is_letter(after):
            return True
    return False


def _is_letter(character: str) -> bool:
    return bool(character) and unicodedata.category(character)[0] in "LM"
