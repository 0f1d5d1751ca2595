"""Words that a PDF program took apart ("g ə l ə n"), put together again by what letters follow each other.

The 4-gram tables, `languages/letters.npz`, are made by `scripts/train_detector.py` beside the language detector.
"""

import re
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from anadil.languages import LanguageProfile

EDGE, OTHER = 0, 1
"""Numbers of the end of a word and of any letter that is not the language's; its own begin behind them."""
_SCALE = 4.0
_PUNCTUATION = ".,;:!?()\"'«»“”"
_BEFORE_COMMA = re.compile(r"(?<=\w) ([,;.])(?=\s|\Z)")
_State = tuple[int, int, int]
_START: _State = (EDGE, EDGE, EDGE)


def letter_numbers(profile: LanguageProfile) -> dict[str, int]:
    """The number of each letter in a table."""
    return {letter: number for number, letter in enumerate(sorted(profile.letters), OTHER + 1)}


def ngram_table(counts: NDArray[np.float64]) -> NDArray[np.uint8]:
    """-4 log P(fourth | first three), smoothed with the trigrams, those with the bigrams; from counts [S, S, S, S]."""
    threes, twos = counts.sum(0), counts.sum((0, 1))
    likely = (twos + 0.1) / (twos + 0.1).sum(-1, keepdims=True)
    likely = (threes + 4.0 * likely[None]) / (threes.sum(-1, keepdims=True) + 4.0)
    likely = (counts + 4.0 * likely[None]) / (counts.sum(-1, keepdims=True) + 4.0)
    costs: NDArray[np.uint8] = np.clip(np.round(-_SCALE * np.log(likely)), 0, 255).astype(np.uint8)
    return costs


class Joiner:
    """Joins what belongs together in a text of one language; knows nothing of a language without a table."""

    def __init__(self, profile: LanguageProfile):
        small = [letter for letter in profile.letters if not letter.isascii()]
        own = "".join(letter for one in small for letter in (one, profile.upper(one)) if not letter.isascii())
        self._alone = re.compile(rf"(?<![^\W\d_])[{own}](?![^\W\d_])") if own else None
        self._table = _tables().get(profile.code)
        numbers = letter_numbers(profile)
        self._numbers = {form: number for one, number in numbers.items() for form in (one, profile.upper(one))}
        self._own = frozenset(own)
        self._apart = tuple(f" {letter} " for letter in small)

    def lone_letters(self, text: str) -> int:
        """How many letters that are never words stand alone: more than a few say that words were taken apart."""
        if self._alone is None or not any(apart in text for apart in self._apart):  # four times as fast as the pattern
            return 0
        return len(self._alone.findall(text))

    def join(self, text: str) -> str:
        """The text with its words together, as far as single spaces are what took them apart."""
        if self._table is None or self._alone is None or not self._alone.search(text):
            return text
        return "\n".join(self._join_line(line) if self._alone.search(line) else line for line in text.split("\n"))

    def _join_line(self, line: str) -> str:
        """Where there are double spaces too, they are those that were there before."""
        return _BEFORE_COMMA.sub(r"\1", " ".join(map(self._join_run, re.split(r"  +", line))))

    def _join_run(self, run: str) -> str:
        """Of each space beside a lone letter, whether it is one: the likeliest way through (Viterbi)."""
        parts = run.split(" ")
        if not any(map(self._is_piece, parts)):
            return run
        ways: dict[_State, tuple[float, str]] = {_START: (0.0, "")}
        for before, part in zip(["", *parts], parts, strict=False):
            joins = self._may_join(before, part)
            following: dict[_State, tuple[float, str]] = {}
            for state, (cost, written) in ways.items():
                choices = [("", state, cost)] if joins else []
                if before:
                    choices.append((" ", _START, cost + self._cost(state, EDGE)))
                else:
                    choices.append(("", _START, cost))
                for space, at, paid in choices:
                    for letter in part:
                        number = self._number(letter)
                        paid += self._cost(at, number)
                        at = (*at[1:], number) if number != EDGE else _START
                    if at not in following or paid < following[at][0]:
                        following[at] = (paid, written + space + part)
            ways = following
        return min(ways.items(), key=lambda way: way[1][0] + self._cost(way[0], EDGE))[1][1]

    def _may_join(self, before: str, part: str) -> bool:
        """A lone letter, and what stands on its other side, with nothing but the space between them."""
        if not (before[-1:].isalpha() and part[:1].isalpha()) or (before[-1].islower() and part[0].isupper()):
            return False
        return self._is_piece(before) or self._is_piece(part)

    def _is_piece(self, part: str) -> bool:
        """One or two of the language's own letters: no words."""
        letters = part.strip(_PUNCTUATION)
        return 0 < len(letters) <= 2 and self._own.issuperset(letters)

    def _cost(self, state: _State, following: int) -> float:
        """Of a letter after three others; that nothing follows nothing is free."""
        if following == EDGE and state == _START:
            return 0.0
        assert self._table is not None
        return float(self._table[state][following])

    def _number(self, letter: str) -> int:
        return self._numbers.get(letter) or (OTHER if letter.isalpha() else EDGE)


@cache
def _tables() -> dict[str, NDArray[np.uint8]]:
    with resources.as_file(resources.files("anadil.languages") / "letters.npz") as path, np.load(path) as stored:
        return {code: stored[code] for code in stored.files}
