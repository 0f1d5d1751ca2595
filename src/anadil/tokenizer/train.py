"""Learning merges from word counts with the Rust trainer of Hugging Face `tokenizers`."""

import json
from collections.abc import Iterable, Iterator, Mapping

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from anadil.tokenizer.load import Merge

MAX_FED_WORDS = 200_000_000
"""Words fed to the trainer, which has no way to take counts (0.4 microseconds each); above it counts are scaled."""
_FEED_REPEATS = 1_000
_SEPARATOR = "\n"  # never in a word: byte-level and private-use strings hold no control characters


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


def fed_share(words: Mapping[str, int]) -> float:
    """What `learn_merges` multiplies the counts with: 1, or less where the words are more than the trainer is fed."""
    return min(1.0, MAX_FED_WORDS / max(sum(words.values()), 1))


def _feed(words: Mapping[str, int]) -> Iterator[str]:
    scale = fed_share(words)
    for word, count in words.items():
        left = count if scale == 1.0 else round(count * scale)
        while left > 0:
            times = min(left, _FEED_REPEATS)
            yield _SEPARATOR.join([word] * times)
            left -= times
