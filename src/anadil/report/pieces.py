"""Pieces of words made fit for showing: parts of a letter, blanks, and marks that would cling to a neighbour."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

_BYTES = re.compile("((?:<0x[0-9A-Fa-f]{2}>)+)")
DOTTED_CIRCLE, OPEN_BOX = "\N{DOTTED CIRCLE}", "\N{OPEN BOX}"
JOINERS = "\u200b\u200c\u200d\ufe0e\ufe0f"


@dataclass(frozen=True)
class Piece:
    """What one token stands for; `byte`: only a part of a letter, named by its bytes."""

    text: str
    byte: bool


def pieces(parts: Sequence[str]) -> list[Piece]:
    """Each token's text; of a first one the blank before the word is left out, for nearly every word has one."""
    return [_piece(part.removeprefix(" ") or part if index == 0 else part) for index, part in enumerate(parts)]


def _piece(part: str) -> Piece:
    if not part:
        return Piece("(empty)", True)
    shown = "·".join(_shown(run) for run in _BYTES.split(part) if run)
    return Piece(shown, bool(_BYTES.search(part)))


def _shown(run: str) -> str:
    """Blanks as open boxes, bytes as their hexadecimal digits; a mark that leads stands on a dotted circle."""
    if _BYTES.fullmatch(run):
        return "·".join(re.findall("<0x(..)>", run)).upper()
    clings = unicodedata.category(run[0]).startswith("M") or run[0] in JOINERS
    return (DOTTED_CIRCLE if clings else "") + re.sub(r"\s", OPEN_BOX, run)


def direction(text: str) -> Literal["ltr", "rtl"]:
    """Which way a text runs: that of its first letter that has a direction."""
    kinds = (unicodedata.bidirectional(letter) for letter in text)
    strong = next((kind for kind in kinds if kind in ("L", "R", "AL")), "L")
    return "ltr" if strong == "L" else "rtl"
