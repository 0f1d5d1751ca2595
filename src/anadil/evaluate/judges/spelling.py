"""Words that a list of words does not know, where a known stem may carry any chain of the language's suffixes."""

import gzip
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path

from anadil.errors import UserError
from anadil.evaluate.judges.suffixes import Suffixes
from anadil.evaluate.judges.text import LONGEST_WORD, is_name
from anadil.languages import LanguageProfile

SHORTEST_STEM = 3
"""Letters. With shorter ones the suffixes would make any word."""
_WORD = re.compile(r"[^\W\d_]+(?:[-'’ʼ‘][^\W\d_]+)*")
_NO_WORD = re.compile(r"(?<!\S)\S*(?:@|://|\w\.\w|[#*_\\\d])\S*")
"""Addresses and codes, and whatever has a digit, with the suffix behind it."""
_KEPT = 1 << 16


class Spelling:
    """Counts the unknown words of texts."""

    def __init__(self, profile: LanguageProfile, word_list: Path):
        self._profile = profile
        self._words = frozenset(profile.lower(word) for word in read_words(word_list))
        self._written = _Lexicon(profile, self._words)

    @cached_property
    def _typed(self) -> "_Lexicon":
        return _Lexicon(self._profile, self._words, self._profile.fold_for_comparison)

    def count(self, text: str, typed_without: bool = False) -> tuple[int, int]:
        """Unknown words, and words that were looked at: not names, abbreviations, numbers and addresses.

        `typed_without`: the text does without the language's own letters, and is not to be blamed for that.
        """
        known = (self._typed if typed_without else self._written).known
        words = [self._profile.lower(word) for word in _looked_at(unicodedata.normalize("NFC", text))]
        return sum(not known(word) for word in words), len(words)


def _looked_at(text: str) -> Iterator[str]:
    shouted = text.isupper()
    for match in _WORD.finditer(_NO_WORD.sub(lambda found: " " * len(found[0]), text)):
        word = match[0]
        abbreviation = not shouted and any(map(str.isupper, word[1:]))
        if 1 < len(word) <= LONGEST_WORD and not abbreviation and (shouted or not is_name(text, match)):
            yield word


class _Lexicon:
    """Knows words of a list, and what suffixes make of them. `form`: what is done to all letters first."""

    def __init__(self, profile: LanguageProfile, words: Iterable[str], form: Callable[[str], str] = str):
        self._form, self._words = form, frozenset(map(form, words))
        self._suffixes = Suffixes(profile, form)
        self._softened = {form(soft): form(hard) for soft, hard in profile.answers.softened.items()}
        groups = [set(map(form, group)) for group in profile.answers.harmony]
        self._vowels = set().union(*groups)
        self._groups = [group for group in groups if sum(map(len, groups)) == len(self._vowels)]
        self.known = lru_cache(_KEPT)(self._known)

    def _known(self, word: str) -> bool:
        word = self._form(word)
        if word in self._words:
            return True
        *stems, last = re.split(r"\W", word)
        whole = all(map(self._inflected, stems))
        return whole and (self._inflected(last) or (bool(stems) and self._suffixes.follow(stems[-1][-1], last)))

    def _inflected(self, word: str) -> bool:
        """Whether a known stem, and suffixes in harmony with it, make the word."""
        return word in self._words or any(
            self._is_stem(word[:end], word[end])
            and self._in_harmony(word, end)
            and self._suffixes.follow(word[end - 1], word[end:])
            for end in range(SHORTEST_STEM, len(word))
        )

    def _is_stem(self, stem: str, following: str) -> bool:
        hard = self._softened.get(stem[-1]) if following in self._vowels else None
        return stem in self._words or (hard is not None and stem[:-1] + hard in self._words)

    def _in_harmony(self, word: str, end: int) -> bool:
        """Whether the vowels from the last of the stem on are of one group."""
        begin = next((place for place in range(end - 1, -1, -1) if word[place] in self._vowels), 0)
        vowels = self._vowels.intersection(word[begin:])
        return not self._groups or not vowels or any(vowels <= group for group in self._groups)


def read_words(path: Path) -> Iterator[str]:
    """The words of a list: one a line, perhaps with its frequency behind a tab or a blank; plain or .gz.

    UserError for a file that is missing or no text.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                if parts := line.split(maxsplit=1):
                    yield unicodedata.normalize("NFC", parts[0])
    except FileNotFoundError as error:
        raise UserError(f"no list of words at {path}", hint="name a file with one word a line, .txt or .gz") from error
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise UserError(f"{path} is no list of words: {error}", hint="write one word a line, in UTF-8") from error
