"""Tokens that a vocabulary pays a row for and no text can give, and how often tokens occur in counted words."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from tokenizers import Tokenizer

from anadil.tokenizer.load import Vocabulary, to_bytes

BATCH_WORDS = 50_000
_NEIGHBOURS = ("", "a", "1", " ", "\n", ".", "'")


def unreachable(tokenizer: Tokenizer, plain: Tokenizer, vocabulary: Vocabulary) -> list[str]:
    """Ordinary tokens (byte-level alphabet) that no text can give, by ascending id; `plain` is from `words_only`.

    A merge that crosses no border of a token does not depend on what stands around it: a token that the merges
    do not make of its own bytes alone comes up in no longer word either. So a token that is whole characters is
    reachable where its own text is encoded to it, or stands in the encoding of its text between two neighbours
    (a letter, a digit, a blank, a line break, a full stop, an apostrophe), since the pre-tokenizer may cut it
    when it is alone. A token that ends within a character is never a word by itself: it is reachable where the
    merges make it of its bytes. Exact but for a pre-tokenizer that looks further than one neighbour.
    """
    whole, parts = _by_completeness(vocabulary)
    ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(list(whole.values()), add_special_tokens=False)]
    cut = [token for token, found in zip(whole, ids, strict=True) if found != [vocabulary.tokens[token]]]
    lost = [token for token in cut if not _stands_somewhere(tokenizer, whole[token], vocabulary.tokens[token])]
    lost += _not_merged(plain, parts)
    return sorted(lost, key=lambda token: vocabulary.tokens[token])


def _not_merged(plain: Tokenizer, tokens: Iterable[str]) -> list[str]:
    """Those that the merges alone do not make of their bytes."""
    model: Any = plain.model
    ignored, model.ignore_merges = model.ignore_merges, False
    lost = [token for token in tokens if [piece.value for piece in model.tokenize(token)] != [token]]
    model.ignore_merges = ignored
    return lost


def words_only(tokenizer: Tokenizer) -> Tokenizer:
    """The same model for words that are cut already: no normalizer, no pre-tokenizer, no added tokens."""
    data = json.loads(tokenizer.to_str())
    data |= {"normalizer": None, "pre_tokenizer": None, "post_processor": None, "added_tokens": []}
    return Tokenizer.from_str(json.dumps(data))


def token_counts(plain: Tokenizer, words: Mapping[str, int]) -> Counter[int]:
    """How often each id occurs in words (byte-level alphabet) with counts, by a tokenizer from `words_only`."""
    counts, items = Counter[int](), iter(words.items())
    while batch := list(islice(items, BATCH_WORDS)):
        encodings = plain.encode_batch_fast([word for word, _ in batch])
        for (_, count), encoding in zip(batch, encodings, strict=True):
            for identifier in encoding.ids:
                counts[identifier] += count
    return counts


def pieces(plain: Tokenizer, words: Iterable[str]) -> list[list[str]]:
    """The tokens of each word, all in the byte-level alphabet, by a tokenizer from `words_only`."""
    return [encoding.tokens for encoding in plain.encode_batch(list(words))]


def _by_completeness(vocabulary: Vocabulary) -> tuple[dict[str, str], list[str]]:
    """Tokens with their text, and those that begin or end within a character."""
    whole, parts = dict[str, str](), list[str]()
    for token in vocabulary.tokens:
        try:
            whole[token] = to_bytes(token).decode()
        except UnicodeDecodeError:
            parts.append(token)
    return whole, parts


def _stands_somewhere(tokenizer: Tokenizer, text: str, identifier: int) -> bool:
    between = [before + text + after for before in _NEIGHBOURS for after in _NEIGHBOURS]
    found = tokenizer.encode_batch_fast(between, add_special_tokens=False)
    return any(identifier in encoding.ids for encoding in found)
