"""Whether an answer declines, does not know, or only hands over, instead of saying what was asked."""

import re

from anadil.evaluate.judges.text import QUOTATION, any_of, folded
from anadil.languages import LanguageProfile

_QUOTED = '""'
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|\n+|;\s")
_TELLS = re.compile(rf"{_QUOTED}|\d")
"""A sentence with a number, or with words of others, tells something."""
_FEW_WORDS = 3
"""A sentence of fewer says nothing by itself: "Yes.", "All right!"."""


class Refusal:
    """Judges by the patterns of one language."""

    def __init__(self, profile: LanguageProfile):
        self._profile, answers = profile, profile.answers
        sure = [*profile.refusals.model_dump().values(), profile.grounding.hands_over]
        self._sure = [folded(text, profile) for text in sure if text]
        self._refuses, self._hands_over = any_of(answers.refuses), any_of(answers.hands_over)
        self._evades, self._empty = any_of(answers.evades), any_of(answers.empty)
        self._taken_back, self._seeming = any_of(answers.taken_back), any_of(answers.seeming)
        self._numbers = any_of(answers.idle_numbers)

    def judge(self, text: str) -> bool:
        """By sentences. One that declines is enough, unless the answer stands before or behind it; one that only
        names who may help is a refusal where all the others say nothing."""
        text = folded(text, self._profile)
        if any(one in text for one in self._sure):
            return True
        text = self._seeming.sub(" ", QUOTATION.sub(_QUOTED, text))
        sentences = [part for part in _SENTENCE.split(text) if part and part.strip()]
        for number, sentence in enumerate(sentences):
            if self._hands_over.search(sentence):
                return True
            if found := self._refuses.search(sentence):
                behind = " ".join([sentence[found.end() :], *sentences[number + 1 :]])
                return not self._taken_back.search(behind)
            if self._tells(sentence) and not self._evades.search(sentence):
                return False
        evading = [bool(self._evades.search(part)) and not self._tells(part) for part in sentences]
        return any(evading) and all(
            evades or self._says_nothing(part) for evades, part in zip(evading, sentences, strict=True)
        )

    def _tells(self, sentence: str) -> bool:
        return bool(_TELLS.search(self._numbers.sub(" ", sentence)))

    def _says_nothing(self, sentence: str) -> bool:
        return len(sentence.split()) < _FEW_WORDS or bool(self._empty.search(sentence))
