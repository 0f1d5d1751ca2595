"""What a vocabulary costs: tokens per word, bytes per token, round trips, on the same text before and after."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from tokenizers import Tokenizer

_BATCH_DOCUMENTS = 256


@dataclass
class Tally:
    """Sums over texts. Words are separated by white space; a round trip fails when decoding changes the text."""

    documents: int = 0
    words: int = 0
    bytes: int = 0
    tokens: int = 0
    round_trip_failures: int = 0
    used: set[int] = field(default_factory=set, repr=False)

    def add(self, tokenizer: Tokenizer, texts: list[str]) -> None:
        """Count a batch of texts, without BOS; control tokens typed in them are text."""
        for text, encoding in zip(texts, tokenizer.encode_batch_fast(texts, add_special_tokens=False), strict=True):
            ids = encoding.ids
            self.documents += 1
            self.words += len(text.split())
            self.bytes += len(text.encode())
            self.tokens += len(ids)
            self.round_trip_failures += tokenizer.decode(ids, skip_special_tokens=False) != text
            self.used.update(ids)

    def to_json(self) -> dict[str, float]:
        """The sums, tokens per word and bytes per token (0 where there is no text)."""
        return {
            "documents": self.documents,
            "words": self.words,
            "bytes": self.bytes,
            "tokens": self.tokens,
            "tokens_per_word": self.tokens / self.words if self.words else 0.0,
            "bytes_per_token": self.bytes / self.tokens if self.tokens else 0.0,
            "round_trip_failures": self.round_trip_failures,
        }


def measure(before: Tokenizer | None, after: Tokenizer, texts: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """Measure on named texts (`target`, `original`), each read once: {name: {before, after}, unused_tokens}.

    `unused_tokens` are ordinary tokens that occur in none of the texts. Without a base there is no `before`.
    """
    tokenizers = {"before": before, "after": after} if before else {"after": after}
    result: dict[str, Any] = {}
    used: dict[str, set[int]] = {when: set() for when in tokenizers}
    for name, some in texts.items():
        tallies = {when: Tally() for when in tokenizers}
        for batch in _batches(some):
            for when, tokenizer in tokenizers.items():
                tallies[when].add(_plain(tokenizer), batch)
        result[name] = {when: tally.to_json() for when, tally in tallies.items()}
        for when, tally in tallies.items():
            used[when] |= tally.used
    result["unused_tokens"] = {when: len(_ordinary(tokenizer) - used[when]) for when, tokenizer in tokenizers.items()}
    return result


def flatten(measured: Mapping[str, Any]) -> dict[str, float]:
    """Metrics with plain names: target_tokens_per_word, base_target_tokens_per_word (before), unused_tokens, ..."""
    metrics: dict[str, float] = {}
    for name, by_time in measured.items():
        for when, value in by_time.items():
            prefix = "" if when == "after" else "base_"
            values = value if isinstance(value, Mapping) else {"": value}
            for key, number in values.items():
                metrics[prefix + "_".join(part for part in (name, key) if part)] = number
    return metrics


def _plain(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.encode_special_tokens = True
    return tokenizer


def _ordinary(tokenizer: Tokenizer) -> set[int]:
    return set(tokenizer.get_vocab(with_added_tokens=True).values()) - set(tokenizer.get_added_tokens_decoder())


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(texts)
    while batch := list(islice(iterator, _BATCH_DOCUMENTS)):
        yield batch
