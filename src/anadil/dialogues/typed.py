"""Text as many customers type it: a third of them without the letters of their language, without capitals, in haste."""

import random
import re

from anadil.languages import LanguageProfile

_WORD = re.compile(r"[^\W\d_]{4,}")
_FOLDED, _SMALL, _HASTY = 0.8, 0.7, 0.4
"""Shares of such turns: without special letters, without capitals, with slips of the finger."""
_SLIPS = 0.1
"""Of the words of four letters and more in a hasty turn."""


def as_typed(text: str, profile: LanguageProfile, rng: random.Random) -> str:
    """The text with at least one of these changes; digits and what is no word stay as they are."""
    folded, small, hasty = (rng.random() < share for share in (_FOLDED, _SMALL, _HASTY))
    if folded or not (small or hasty):
        text = profile.fold_ascii(text)
    if small:
        text = profile.lower(text) if not folded else profile.fold_ascii(profile.lower(text))
    if hasty:
        text = _WORD.sub(lambda word: _slip(word.group(), rng) if rng.random() < _SLIPS else word.group(), text)
    return text


def mistyped(text: str, rng: random.Random) -> str:
    """The text with a slip of the finger in about every third longer word, in the first of them at least."""
    slips = iter([True])
    return _WORD.sub(
        lambda word: _slip(word.group(), rng) if next(slips, False) or rng.random() < 1 / 3 else word.group(), text
    )


def _slip(word: str, rng: random.Random) -> str:
    """One letter left out, doubled, or in the place of the next."""
    place = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(3)
    if kind == 0:
        return word[:place] + word[place + 1 :]
    if kind == 1:
        return word[:place] + word[place] + word[place:]
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
