"""The part of a text that is in the language of its source; on bilingual pages and in letters that quote others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anadil.corpus.language import TYPED, letter_shares, load_detector
from anadil.languages import LanguageProfile

LEAST_LETTERS = 80
"""Characters. A passage of fewer is judged with the one after it."""
FOREIGN_SCRIPT = 0.5
"""Share of the language's own letters, below which a passage is not looked at."""
MINE, FOREIGN = 0.55, 0.1
"""Shares: a passage from the first on is in the language; one below the second leaves a text that otherwise is."""


@dataclass(frozen=True)
class Part:
    """What of a text is in the language; empty, with the likeliest language in `instead`, if nothing is."""

    text: str
    instead: str = ""
    typed_without_letters: bool = False


class LanguageFilter:
    """Keeps what is in one language, typed with its letters or without."""

    def __init__(self, profile: LanguageProfile):
        self._profile, self._detector = profile, load_detector()
        own = {letter for letter in profile.ascii_fold if not letter.isascii()}
        self._own = own | {profile.upper(letter) for letter in own}

    def parts(self, texts: Sequence[str]) -> list[Part]:
        """Of each text the part that is in the language."""
        passages = [_passages(text) for text in texts]
        flat = [passage for some in passages for passage in some]
        shares = self._detector.share_of(self._profile.code, flat)
        shares[letter_shares(flat, self._profile) < FOREIGN_SCRIPT] = 0.0
        starts = np.cumsum([0, *map(len, passages)])
        found = [
            self._part(text, some, shares[begin:end].tolist())
            for text, some, begin, end in zip(texts, passages, starts[:-1], starts[1:], strict=True)
        ]
        out = [number for number, part in enumerate(found) if not part.text]
        if out:
            best = self._detector.shares([texts[number] for number in out]).argmax(axis=1)
            for number, other in zip(out, best, strict=True):
                found[number] = Part("", self._detector.classes[other].removesuffix(TYPED))
        return found

    def _part(self, text: str, passages: list[str], shares: list[float]) -> Part:
        if max(shares) < MINE:
            return Part("")
        if min(shares) < MINE:
            letters = [len(passage) for passage in passages]
            mean = sum(s * n for s, n in zip(shares, letters, strict=True)) / sum(letters)
            least = FOREIGN if mean >= MINE else MINE
            text = "\n".join(p for p, share in zip(passages, shares, strict=True) if share >= least).strip()
        return Part(text, typed_without_letters=len(text) > LEAST_LETTERS and not any(o in text for o in self._own))


def _passages(text: str) -> list[str]:
    """Lines, those with few letters together with the ones that follow; joined by line ends they are the text."""
    if "\n" not in text:
        return [text]
    found: list[list[str]] = [[]]
    letters = 0
    for line in text.split("\n"):
        if letters >= LEAST_LETTERS and line:
            found.append([])
            letters = 0
        found[-1].append(line)
        letters += len(line)
    if letters < LEAST_LETTERS and len(found) > 1:
        found[-2:] = [found[-2] + found[-1]]
    return ["\n".join(lines) for lines in found]
