"""Words of a neighbour language in a text: those that ours never has, by their stem, their ending or their spelling."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from anadil.evaluate.judges.text import LONGEST_WORD, any_of, is_name
from anadil.languages import LanguageProfile, Neighbour, known_languages, load_profile

_WORD = re.compile(r"[^\W\d_]+")
_KEPT = 1 << 16


class Interference:
    """Finds the words of a profile's neighbours."""

    def __init__(self, profile: LanguageProfile):
        self._profile = profile
        self._single = any_of(word for one in profile.neighbours for word in one.words if " " not in word)
        self._pairs = any_of(word for one in profile.neighbours for word in one.words if " " in word)
        self._spellings = [(any_of(one.spellings), _proof(profile, one)) for one in profile.neighbours if one.spellings]
        marks = {mark for one in profile.neighbours for mark in one.marks}
        self._marks = {mark for mark in marks if len(mark) > 1}
        self._letters = marks - self._marks
        self._known = lru_cache(_KEPT)(self._is_foreign)

    def find(self, text: str) -> list[str]:
        """The words as they stand there. Names within a sentence are not looked at: people and firms keep theirs."""
        text = unicodedata.normalize("NFC", text)
        words = [match for match in _WORD.finditer(text) if _looked_at(text, match)]
        found = self._found(words, self._proven(text))
        others = "".join(match[0] for match in words if match[0] not in found)
        if found and not others.isascii() and not any(self._proven(text)):  # typed with letters, but never with ours
            found = self._found(words, tuple(True for _ in self._spellings))
        return found

    def _proven(self, text: str) -> tuple[bool, ...]:
        letters = set(self._profile.lower(text))
        return tuple(bool(proof & letters) for _, proof in self._spellings)

    def _found(self, words: Sequence[re.Match[str]], spellings: tuple[bool, ...]) -> list[str]:
        found, before = [], ""
        for match in words:
            if self._known(match[0], spellings) or self._pairs.fullmatch(self._folded(f"{before} {match[0]}")):
                found.append(match[0])
            before = match[0]
        return found

    def _folded(self, text: str) -> str:
        return self._profile.fold_for_comparison(text)

    def _is_foreign(self, word: str, spellings: tuple[bool, ...]) -> bool:
        lower = self._profile.lower(word)
        if lower in self._marks or self._letters & set(lower) or self._single.fullmatch(self._folded(word)):
            return True
        return any(
            counts and not proof & set(lower) and pattern.fullmatch(lower)
            for (pattern, proof), counts in zip(self._spellings, spellings, strict=True)
        )


def _proof(profile: LanguageProfile, neighbour: Neighbour) -> frozenset[str]:
    """Letters beyond ASCII that only we have: whoever writes one of them spells all words as we do."""
    known = neighbour.code in known_languages()
    theirs = load_profile(neighbour.code).letters if known else ""
    return frozenset(letter for letter in profile.letters if not letter.isascii() and letter not in theirs)


def _looked_at(text: str, match: re.Match[str]) -> bool:
    shouted = match[0].isupper() and len(match[0]) > 1
    return len(match[0]) <= LONGEST_WORD and (shouted or not is_name(text, match))
