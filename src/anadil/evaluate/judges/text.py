"""What the judges share: text folded for comparison, quotations, names, and patterns in one."""

import re
import unicodedata
from collections.abc import Iterable

from anadil.languages import LanguageProfile

QUOTATION = re.compile(r"«[^»]{0,300}»|“[^”]{0,300}”|„[^“”]{0,300}[“”]|\"[^\"\n]{0,300}\"")
"""Words of others: what somebody else says is no refusal and no insult."""
LONGEST_WORD = 50
"""Letters. What is longer is no word, and patterns would look at it for long."""
_NO_WORD = re.compile(rf"\w{{{LONGEST_WORD + 1},}}")
_BEGINS = re.compile(r"(?:^|[.!?…:;\n•*])\W*$")
_NEAR = 8
"""Characters before a word that say whether it begins a sentence."""


def folded(text: str, profile: LanguageProfile) -> str:
    """The text as the patterns of a profile are written: small letters, folded; in NFC, without what is no word."""
    return _NO_WORD.sub(" ", profile.fold_for_comparison(unicodedata.normalize("NFC", text)))


def any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """One pattern that finds what any of them finds; nothing if there are none.

    Where a word must begin is asked once for all that ask it, which makes the search several times as fast.
    """
    parts: dict[bool, list[str]] = {True: [], False: []}
    for pattern in patterns:
        parts[pattern.startswith(r"\b") and not _has_branches(pattern)].append(f"(?:{pattern})")
    words = [rf"\b(?:{'|'.join(parts[True])})"] if parts[True] else []
    return re.compile("|".join([*words, *parts[False]]) or "(?!)")


def _has_branches(pattern: str) -> bool:
    """Whether a `|` stands outside of brackets."""
    bare = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "", pattern)
    while (outer := re.sub(r"\([^()]*\)", "", bare)) != bare:
        bare = outer
    return "|" in bare


def is_name(text: str, match: re.Match[str]) -> bool:
    """Whether a word has a capital though no sentence begins with it, so that it names somebody or something."""
    first = match[0][:1]
    return first.isupper() and not _BEGINS.search(text[max(0, match.start() - _NEAR) : match.start()])
