"""Which tokens of a base can go, and the vocabulary without them.

What stays is closed under how each token is put together: the base's merges build a token through always the same
parts, whatever stands around it, so a text whose tokens all stay is cut exactly as before.
"""

import heapq
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from itertools import pairwise
from types import MappingProxyType

from anadil.languages.scripts import is_of_script
from anadil.tokenizer.continue_bpe import Cutter
from anadil.tokenizer.load import Merge, Vocabulary, build_pre_tokenizer, byte_alphabet, to_bytes


@dataclass(frozen=True)
class Usage:
    """How often a language's sample uses each token, and how often a token must be used to stay."""

    counts: Mapping[str, int]
    min_count: int


@dataclass(frozen=True)
class Pruned:
    """The smaller vocabulary and the ids freed, in the order of freeing: least used first, never before its whole."""

    vocabulary: Vocabulary
    freed: list[int]


def count_tokens(vocabulary: Vocabulary, words: Mapping[str, int]) -> Counter[str]:
    """Token counts of words (byte-level alphabet) with counts."""
    cut = Cutter(vocabulary)
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for piece in cut.pieces(word):
            counts[piece] += count
    return counts


def last_merges(vocabulary: Vocabulary) -> dict[str, Merge]:
    """The last merge by which the vocabulary's own merges make each token; absent where they do not make it."""
    ranks = {merge: rank for rank, merge in reversed(list(enumerate(vocabulary.merges)))}
    found = ((token, _last_merge(token, ranks)) for token in vocabulary.tokens)
    return {token: merge for token, merge in found if merge}


def _last_merge(token: str, ranks: Mapping[Merge, int]) -> Merge | None:
    parts, none = list(token), len(ranks)
    found = [ranks.get(pair, none) for pair in pairwise(parts)]
    while len(found) > 1:
        rank = min(found)
        if rank == none:
            return None
        place = found.index(rank)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
        del found[place]
        for beside in (place - 1, place):
            if 0 <= beside < len(found):
                found[beside] = ranks.get((parts[beside], parts[beside + 1]), none)
    return (parts[0], parts[1]) if found and found[0] < none else None


Scripts = Mapping[str, int | None]
"""Scripts whose tokens stay, by name (such as `cyrillic`): those with ids below the number, or (None) all."""


def always_kept(vocabulary: Vocabulary, scripts: Scripts = MappingProxyType({})) -> set[str]:
    """Tokens that stay whatever the text: bytes; tokens without letters (digits, punctuation, white space);
    those of llama.cpp's check text if the base is Llama 3; those of the given scripts.

    A token is of a script if all its letters are: one that mixes scripts is of no text that the script's readers
    write, and `any` would keep for `latin` what is there for other languages' mixtures.
    """
    kept = set(byte_alphabet())
    below = {script: vocabulary.size if limit is None else limit for script, limit in scripts.items()}
    for token, identifier in vocabulary.tokens.items():
        try:
            text = to_bytes(token).decode()
        except UnicodeDecodeError:
            continue  # part of a character
        has_letters = any(unicodedata.category(character)[0] in "LM" for character in text)
        if not has_letters or any(identifier < last and is_of_script(text, script) for script, last in below.items()):
            kept.add(token)
    tokens = {identifier: token for token, identifier in vocabulary.tokens.items()}
    return kept | {tokens[identifier] for identifier in check_ids(vocabulary)}


def check_ids(vocabulary: Vocabulary) -> list[int]:
    """Ids of llama.cpp's check text if this is Llama 3's vocabulary, else none.

    llama.cpp's converter knows a pre-tokenizer by the hash of these ids, so they must stay what they are.
    """
    file = resources.files("anadil.tokenizer") / "llama3_check_ids.json"
    ids: list[int] = json.loads(file.read_text(encoding="utf-8"))["ids"]
    tokens = {identifier: token for token, identifier in vocabulary.tokens.items()}
    if not all(identifier in tokens for identifier in ids):
        return []
    try:
        text = to_bytes("".join(tokens[identifier] for identifier in ids)).decode()
    except UnicodeDecodeError:
        return []
    words = build_pre_tokenizer(vocabulary.pre_tokenizer).pre_tokenize_str(text)
    cut = Cutter(vocabulary)
    return ids if [identifier for word, _ in words for identifier in cut.ids(word)] == ids else []


def check_text(vocabulary: Vocabulary) -> str:
    """llama.cpp's check text if this is Llama 3's vocabulary, else the empty text."""
    tokens = {identifier: token for token, identifier in vocabulary.tokens.items()}
    return to_bytes("".join(tokens[identifier] for identifier in check_ids(vocabulary))).decode()


def free_order(
    vocabulary: Vocabulary,
    usage: Sequence[Usage],
    scripts: Scripts = MappingProxyType({}),
    parts: Mapping[str, Merge] | None = None,
) -> list[str]:
    """Every token that may go, in the order of going: the least used first, none before a token it is part of.

    `parts` are the vocabulary's `last_merges`, if the caller has them.
    """
    parts = last_merges(vocabulary) if parts is None else parts
    stays = _closed(_needed(vocabulary, usage, scripts), parts)
    share = _shares(usage)
    users = Counter(part for token in vocabulary.tokens for part in set(parts.get(token, ())))
    ids = vocabulary.tokens

    def key(token: str) -> tuple[float, int, str]:
        return share.get(token, 0.0), -ids[token], token  # of equals the base's rarest, its highest id, first

    heap = [key(token) for token in ids if token not in stays and not users[token]]
    heapq.heapify(heap)
    order = []
    while heap:
        token = heapq.heappop(heap)[2]
        order.append(token)
        for part in set(parts.get(token, ())):
            users[part] -= 1
            if not users[part] and part not in stays:
                heapq.heappush(heap, key(part))
    return order


def without(vocabulary: Vocabulary, tokens: Iterable[str]) -> Pruned:
    """The vocabulary without `tokens` and without every merge that has one of them as part or result."""
    gone = set(tokens)
    left = {token: identifier for token, identifier in vocabulary.tokens.items() if token not in gone}
    merges = [(a, b) for a, b in vocabulary.merges if a in left and b in left and a + b in left]
    freed = [vocabulary.tokens[token] for token in tokens]
    return Pruned(replace(vocabulary, tokens=left, merges=merges), freed)


def _needed(vocabulary: Vocabulary, usage: Sequence[Usage], scripts: Scripts) -> set[str]:
    used = {token for one in usage for token, count in one.counts.items() if count >= one.min_count}
    return always_kept(vocabulary, scripts) | used


def _closed(tokens: Iterable[str], parts: Mapping[str, Merge]) -> set[str]:
    closed: set[str] = set()
    todo = list(tokens)
    while todo:
        token = todo.pop()
        if token not in closed:
            closed.add(token)
            todo += parts.get(token, ())
    return closed


def _shares(usage: Sequence[Usage]) -> Counter[str]:
    """Use of each token summed over languages, each language's sample counting the same."""
    shares: Counter[str] = Counter()
    for one in usage:
        total = max(sum(one.counts.values()), 1)
        for token, count in one.counts.items():
            shares[token] += count / total  # type: ignore[assignment]  # a Counter of floats
    return shares
