"""Chains of suffixes: what may stand behind a stem in a language that builds words so."""

from collections.abc import Callable
from functools import lru_cache

from anadil.languages import LanguageProfile

_KEPT = 1 << 16


class Suffixes:
    """The suffixes of a language, which may follow a vowel, a consonant, or both."""

    def __init__(self, profile: LanguageProfile, form: Callable[[str], str] = str):
        answers = profile.answers
        anywhere = {form(suffix) for suffix in answers.suffixes}
        self._behind_vowel = anywhere | {form(suffix) for suffix in answers.suffixes_after_vowel}
        self._behind_consonant = anywhere | {form(suffix) for suffix in answers.suffixes_after_consonant}
        self._vowels = frozenset(form(vowel) for group in answers.harmony for vowel in group)
        self._longest = max(map(len, self._behind_vowel | self._behind_consonant), default=0)
        self.follow = lru_cache(_KEPT)(self._follow)

    def _follow(self, last: str, text: str) -> bool:
        """Whether `text` is a chain of suffixes, or nothing, behind a stem that ends in the letter `last`."""
        letters, reached = last + text, {0}
        for end in range(1, len(letters)):
            for begin in range(max(0, end - self._longest), end):
                known = self._behind_vowel if letters[begin] in self._vowels else self._behind_consonant
                if begin in reached and letters[begin + 1 : end + 1] in known:
                    reached.add(end)
                    break
        return len(text) in reached
