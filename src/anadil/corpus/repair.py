"""What is broken in a text and can be put right, each repair counted by its name."""

import re
import unicodedata
from collections.abc import Callable, Iterator

import ftfy

from anadil.corpus.letters import Joiner
from anadil.languages import LanguageProfile

_MOJIBAKE = re.compile(
    "[ÂÃÄÅÆÉÐÑ][\u0080-\u00bf\u0152-\u0161\u0178-\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]|â[€‚„†]"
)
"""Two letters of which the first begins, in UTF-8, a letter that is written with two or three bytes."""
_HIDDEN = "\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\ufeff"
_WIDE = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_INVISIBLE, _BLANKS = re.compile(f"[{_HIDDEN}]"), re.compile(f"[{_WIDE}]")
_OF_ODD_SIGNS = ("mojibake", "invisible", "look_alikes")
_WORD = re.compile(r"[^\W\d_]+")
BEYOND_REPAIR = "beyond_repair"
LONE_LETTERS = 2
"""Letters standing alone, above which a text is taken to be taken apart; a list may have one."""


def normalise(text: str) -> str:
    """NFC, one kind of line end, no blanks at line ends or at the edges, no byte-order mark."""
    return _line_ends(unicodedata.normalize("NFC", text.replace("\ufeff", "")))


def _line_ends(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\n" not in text:
        return text.strip()
    return "\n".join(line.rstrip() for line in text.split("\n")).strip()


class Repairer:
    """Repairs texts of one language."""

    def __init__(self, profile: LanguageProfile):
        self._alphabet = profile.alphabet
        self._look_alikes = {ord(odd): letter for odd, letter in _both_cases(profile)}
        self._joiner = Joiner(profile)
        odd = "".join(map(re.escape, map(chr, self._look_alikes)))
        self._odd = re.compile(f"[{odd}]") if odd else None
        self._boilerplate = (
            re.compile(rf"^[ \t]*(?:{'|'.join(profile.boilerplate)})[ \t]*$\n?", re.MULTILINE | re.IGNORECASE)
            if profile.boilerplate
            else None
        )
        self._suspicious = re.compile(f"[ÂÃÄÅÆÉÐÑâ{odd}{_HIDDEN}{_WIDE}]")
        self._steps: dict[str, Callable[[str], str]] = {
            "nfc": lambda text: unicodedata.normalize("NFC", text),
            "mojibake": _fix_mojibake,
            "invisible": _fix_invisible,
            "look_alikes": self._fix_look_alikes,
            "split_letters": self._fix_split_letters,
            "boilerplate": self._fix_boilerplate,
            "line_ends": _line_ends,
        }

    def repair(self, text: str) -> Iterator[tuple[str, str]]:
        """The name of each repair that changed something, with the text as it is after it.

        `BEYOND_REPAIR` among them says that letters still stand alone in it as no words do.
        """
        odd = bool(self._suspicious.search(text))  # one look for what three repairs would look for
        apart = odd or self._joiner.lone_letters(text) > 0
        skipped = {*(() if odd else _OF_ODD_SIGNS), *(() if apart else ("split_letters",))}
        for name, fix in self._steps.items():
            if name in skipped:
                continue
            fixed = fix(text)
            if fixed != text:
                yield name, fixed
                text = fixed
        if apart and self._joiner.lone_letters(text) > max(LONE_LETTERS, 0.02 * text.count(" ")):
            yield BEYOND_REPAIR, text

    def _fix_look_alikes(self, text: str) -> str:
        """In words of this language's letters and their look-alikes; a word of look-alikes alone may be a foreign one,
        so that it is only changed in a text that has no other foreign letters."""
        if not self._odd or not self._odd.search(text):
            return text
        cyrillic_or_greek = (sign for sign in text if "\u0370" <= sign <= "\u052f")
        foreign = any(not (sign in self._alphabet or ord(sign) in self._look_alikes) for sign in cyrillic_or_greek)
        return _WORD.sub(lambda word: self._word(word.group(), foreign), text)

    def _word(self, word: str, foreign: bool) -> str:
        fixed = word.translate(self._look_alikes)
        if fixed == word or not self._alphabet.issuperset(fixed):
            return word
        return word if foreign and not any(letter in self._alphabet for letter in word) else fixed

    def _fix_split_letters(self, text: str) -> str:
        return self._joiner.join(text) if self._joiner.lone_letters(text) > LONE_LETTERS else text

    def _fix_boilerplate(self, text: str) -> str:
        return self._boilerplate.sub("", text) if self._boilerplate else text


def _both_cases(profile: LanguageProfile) -> Iterator[tuple[str, str]]:
    for odd, letter in profile.look_alikes.items():
        yield odd, letter
        capital, upper = odd.upper(), profile.upper(letter)
        if len(capital) == 1 and capital not in profile.look_alikes and capital not in profile.alphabet:
            yield capital, upper


def _fix_mojibake(text: str) -> str:
    """Line by line, for one whose bytes do not all fit would keep its neighbours as they are."""
    if not _MOJIBAKE.search(text):
        return text
    return "\n".join(ftfy.fix_encoding(line) if _MOJIBAKE.search(line) else line for line in text.split("\n"))


def _fix_invisible(text: str) -> str:
    """Signs that show nothing go; blanks of any width become spaces."""
    if _INVISIBLE.search(text):
        text = _INVISIBLE.sub("", text)
    return _BLANKS.sub(" ", text)
