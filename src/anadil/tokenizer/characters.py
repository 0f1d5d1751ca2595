"""Characters that two libraries take for the same kinds, found by splitting text around them.

A pre-tokenizer's regular expression asks for letters, numbers and white space, and each library answers from the
Unicode version it was made with: a letter that is newer than one of them splits words there and not in the other.
"""

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from anadil.tokenizer.load import byte_alphabet

T = TypeVar("T")
Ids = Callable[[list[str]], list[list[int]]]
"""Encodes texts with one library."""
Ranges = tuple[tuple[int, int], ...]
"""First and last code points of runs."""

_NEIGHBOURS = "aA1 .'\n"
_BATCH, _TOGETHER = 4096, 16
_KINDS = ("Lu", "Ll", "Lt", "Lm", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf")
"""Kinds that some expressions tell apart among letters and among what is neither letter nor number."""


def revealing_json(pre_tokenizer: str) -> str:
    """A tokenizer.json with this pre-tokenizer (JSON) whose ids show between which bytes text is split.

    Its tokens are the bytes and every pair of a neighbour (a letter, a digit, a space, ...) and a byte beyond ASCII,
    either way round: such a pair is one token exactly where nothing splits it, if no other one claims the neighbour.
    """
    alphabet = byte_alphabet()
    near = [alphabet[byte] for byte in _NEIGHBOURS.encode()]
    pairs = [pair for n in near for c in alphabet[128:] for pair in ((n, c), (c, n))]
    tokens = [*alphabet, *("".join(pair) for pair in pairs)]
    model: dict[str, Any] = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None}
    model |= {"end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False}
    model |= {"vocab": {token: place for place, token in enumerate(tokens)}, "merges": [list(pair) for pair in pairs]}
    shell: dict[str, Any] = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": []}
    shell |= {"normalizer": None, "post_processor": None, "decoder": None}
    return json.dumps({**shell, "pre_tokenizer": json.loads(pre_tokenizer), "model": model})


def alike_characters(characters: Iterable[str], one: Ids, other: Ids) -> Ranges:
    """Those of `characters` (beyond ASCII) around which two encoders of one `revealing_json` split alike.

    Every one is tried after a letter, a digit and a full stop, which shows letters, numbers, white space and the rest;
    those with case, marks, numbers and controls before and after every neighbour too.
    """
    every = sorted(set(characters))
    differing = set(_differing(every, lambda c: f"xa{c}x1{c}x.{c}x", one, other))
    special = [c for c in every if unicodedata.category(c) in _KINDS]
    differing |= set(_differing(special, _everywhere, one, other))
    return ranges(ord(c) for c in every if c not in differing)


def ranges(codes: Iterable[int]) -> Ranges:
    """Runs of code points: first and last of each, in order."""
    found: list[tuple[int, int]] = []
    for code in sorted(codes):
        if found and found[-1][1] == code - 1:
            found[-1] = (found[-1][0], code)
        else:
            found.append((code, code))
    return tuple(found)


def _everywhere(c: str) -> str:
    return "".join(f"x{n}{c}x{c}{n}x" for n in _NEIGHBOURS) + f"x'{c}ax  {c}x"


def _differing(characters: Iterable[str], around: Callable[[str], str], one: Ids, other: Ids) -> Iterator[str]:
    """Many characters in one text for speed, and each alone where that text differs."""
    every = list(characters)
    for start in range(0, len(every), _BATCH):
        batch = every[start : start + _BATCH]
        groups = [batch[place : place + _TOGETHER] for place in range(0, len(batch), _TOGETHER)]
        for group in _unequal(groups, ["".join(map(around, group)) for group in groups], one, other):
            yield from _unequal(group, list(map(around, group)), one, other)


def _unequal(items: list[T], texts: list[str], one: Ids, other: Ids) -> list[T]:
    return [item for item, a, b in zip(items, one(texts), other(texts), strict=True) if a != b]
