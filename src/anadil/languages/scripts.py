"""Scripts by the names of Unicode: `cyrillic` is what begins the name CYRILLIC SMALL LETTER A."""

import unicodedata
from collections import Counter
from functools import cache

_COMMON = ("COMBINING", "FULLWIDTH", "HALFWIDTH", "MODIFIER", "VARIATION")
"""First words of names that say nothing of a script: such marks and letters go with any."""
_TWO_WORDS = ("NEW", "OLD", "TAI")


def script_of(character: str) -> str:
    """The script of a letter or mark in small letters (`latin`, `cjk`); empty for a character that has none.

    Digits, punctuation and white space have none, nor have combining accents, which go with any letter.
    """
    if unicodedata.category(character)[0] not in "LM":
        return ""
    words = unicodedata.name(character, "").split()
    if not words or words[0] in _COMMON:
        return ""
    return " ".join(words[: 2 if words[0] in _TWO_WORDS else 1]).lower()


def is_of_script(text: str, script: str) -> bool:
    """Whether `text` has letters and all of them are of `script`."""
    found = {script_of(character) for character in text if unicodedata.category(character)[0] in "LM"} - {""}
    return found == {script}


@cache
def known_scripts() -> tuple[str, ...]:
    """Every script that at least ten letters or marks of Unicode have (fewer: lone signs, such as KELVIN), sorted."""
    counts = Counter(script_of(chr(code)) for code in range(0x110000))
    return tuple(sorted(script for script, count in counts.items() if script and count >= 10))
