"""Counting words and learning merges from the counts with the Rust trainer of Hugging Face `tokenizers`.

A word is a pre-token of the base's own pre-tokenizer, in the byte-level alphabet. Only counts are kept, so a
corpus of any size is read once, in a stream.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from tokenizers.pre_tokenizers import PreTokenizer

from anadil.tokenizer.load import Merge

MAX_WORD_TYPES = 8_000_000
"""Distinct words kept while counting; beyond it those seen once are dropped (about 1 GB)."""
MAX_FED_WORDS = 20_000_000
"""Words fed to the trainer, which has no way to take counts (0.4 microseconds each); above it counts are scaled."""
_FEED_REPEATS = 1_000
_SEPARATOR = "\n"  # never in a word: byte-level and private-use strings hold no control characters


def count_words(texts: Iterable[str], pre_tokenizer: PreTokenizer, max_types: int = MAX_WORD_TYPES) -> Counter[str]:
    """Count the pre-tokens of `texts` (streamed). Above `max_types` distinct ones the rarest are dropped."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word, _ in pre_tokenizer.pre_tokenize_str(text))
        if len(counts) > max_types:
            _drop_rarest(counts, max_types)
    return counts


def _drop_rarest(counts: Counter[str], max_types: int) -> None:
    least = 1
    while len(counts) > max_types // 2:
        for word in [word for word, count in counts.items() if count <= least]:
            del counts[word]
        least *= 2


def learn_merges(
    words: Mapping[str, int], limit: int, min_pair_count: int, alphabet: Iterable[str] = ()
) -> list[Merge]:
    """Ordinary BPE on words with counts: at most `limit` new tokens, in order of rank.

    Characters are the starting pieces. The result depends on the counts alone, not on the order of `words`;
    it is shorter than asked for when no pair occurs `min_pair_count` times any more.
    """
    pieces = sorted(set(alphabet).union(*words))
    trainer = trainers.BpeTrainer(
        vocab_size=len(pieces) + limit,
        min_frequency=min_pair_count,
        initial_alphabet=pieces,
        show_progress=False,
    )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.CharDelimiterSplit(_SEPARATOR)
    tokenizer.train_from_iterator(_feed(words), trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [(left, right) for left, right in merges]


def _feed(words: Mapping[str, int]) -> Iterator[str]:
    total = sum(words.values())
    scale = min(1.0, MAX_FED_WORDS / max(total, 1))
    for word, count in words.items():
        left = count if scale == 1.0 else round(count * scale)
        while left > 0:
            times = min(left, _FEED_REPEATS)
            yield _SEPARATOR.join([word] * times)
            left -= times
