"""How much of a text says the same again: models that lose their way go round in circles."""

import re

NGRAM_WORDS = 4
LEAST_WORDS = 8
"""Words. A text of fewer repeats nothing but letters, signs and single words."""
_WORD = re.compile(r"\w+")
_LOOP = re.compile(r"([^\d\s|_=*#.\-].{0,39}?)\1{3,}", re.DOTALL)
"""Something four times in a row; not digits, and not the lines of tables."""
_LEAST_LOOP = 5
"""Characters. Fewer are what people write too: "hmmmm", "!!!!"."""


def repeated_share(text: str) -> float:
    """The larger of two shares: word 4-grams that stood there before, and characters in a row of repetitions."""
    words = _WORD.findall(text.lower())
    count = len(words) - NGRAM_WORDS + 1
    grams = {tuple(words[begin : begin + NGRAM_WORDS]) for begin in range(count)} if len(words) >= LEAST_WORDS else ()
    return max(1 - len(grams) / count if grams else 0.0, _looping(text))


def _looping(text: str) -> float:
    loops = sum(len(match[0]) for match in _LOOP.finditer(text) if len(match[0]) >= _LEAST_LOOP)
    return loops / len(text) if text else 0.0
