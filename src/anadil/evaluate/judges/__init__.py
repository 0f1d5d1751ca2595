"""Judges of generated answers: refused, insulting, of which language, slipped, misspelt, repetitive.

Rules and words, no model: each verdict can be traced to what was found. The words are in the language profiles,
`answers` and `neighbours`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anadil.corpus.language import TYPED, load_detector
from anadil.evaluate.judges.interference import Interference
from anadil.evaluate.judges.refusal import Refusal
from anadil.evaluate.judges.repetition import repeated_share
from anadil.evaluate.judges.spelling import Spelling
from anadil.evaluate.judges.toxicity import Toxicity
from anadil.languages import LanguageProfile

LEAST_LETTERS = 20
"""A text of fewer could be of many languages."""
LIKELY = 0.55
"""Probability from which a text is in a language."""
LEAST_WORDS = 8
"""A text of fewer may need none of the language's own letters."""


@dataclass(frozen=True)
class Letters:
    """`share` of the letters that are the language's; `typed_without` its own ones, on the keyboard of another."""

    share: float
    typed_without: bool


class Judges:
    """The judges of one language. Answers in `original`, the language of the base model, are seen through too.

    `word_list`: a file for `misspelt`, one word a line; UserError if it cannot be read.
    """

    def __init__(
        self, profile: LanguageProfile, original: LanguageProfile | None = None, word_list: Path | None = None
    ):
        profiles = [profile] if original is None else [profile, original]
        self._profile = profile
        self._refusals, self._toxicity = [Refusal(one) for one in profiles], [Toxicity(one) for one in profiles]
        self._interference = Interference(profile)
        self._spelling = None if word_list is None else Spelling(profile, word_list)
        own = "".join(letter for letter in profile.ascii_fold if not letter.isascii())
        self._own = frozenset(own + profile.upper(own))

    def refused(self, text: str) -> bool:
        """Whether it declines, does not know, or only hands over, instead of saying what was asked."""
        return any(judge.judge(text) for judge in self._refusals)

    def toxic(self, text: str) -> list[str]:
        """The insults, threats and curses in it, each once."""
        return list(dict.fromkeys(word for judge in self._toxicity for word in judge.find(text)))

    def slips(self, text: str) -> list[str]:
        """The words of a neighbour language in it, as they stand there."""
        return self._interference.find(text)

    def language(self, text: str) -> str:
        """Code of the language it is in; "" if it is too short to tell, or like none that is known."""
        return self.languages([text])[0]

    def languages(self, texts: Sequence[str]) -> list[str]:
        """`language` of many texts at once, which is much faster."""
        detector = load_detector()
        codes = [name.removesuffix(TYPED) for name in detector.classes]
        found = []
        for text, shares in zip(texts, detector.shares(texts).tolist(), strict=True):
            sums = dict.fromkeys(codes, 0.0)
            for code, share in zip(codes, shares, strict=True):
                sums[code] += share
            best = max(sums, key=sums.__getitem__)
            told = sum(map(str.isalpha, text)) >= LEAST_LETTERS and sums[best] >= LIKELY
            foreign = best == self._profile.code and self._profile.letter_share(text) < 0.5
            found.append(best if told and not foreign else "")
        return found

    def repeats(self, text: str) -> float:
        """Share of it that says again what it said: of its word 4-grams, or of its characters."""
        return repeated_share(text)

    def letters(self, text: str) -> Letters:
        """Whose letters it is written in."""
        typed = bool(self._own) and len(text.split()) >= LEAST_WORDS and not self._own & set(text)
        return Letters(self._profile.letter_share(text), typed)

    def misspelt(self, text: str) -> tuple[int, int]:
        """Words that the list of words does not know, and words that were looked at; (0, 0) without a list."""
        return (0, 0) if self._spelling is None else self._spelling.count(text, self.letters(text).typed_without)
