"""Markdown that says what it was given: texts without any markup of their own, tables, quotations."""

import re
from collections.abc import Iterable, Sequence

_MARKUP = re.compile(r"[\\`*_\[\]<>&|~#$@]|(?<=www)\.|:(?=//)")
_FIRST = re.compile(r"^(\s*)([-+=]|\d+(?=[.)]))", re.MULTILINE)
"""What would begin a list or a heading at the start of a line."""


def escaped(text: object) -> str:
    """A text as it is: nothing in it is markup, HTML, a link or a formula."""
    marked = _MARKUP.sub(lambda match: f"\\{match[0]}", str(text))
    return _FIRST.sub(lambda match: match[1] + (f"\\{match[2]}" if match[2] in "-+=" else f"{match[2]}\\"), marked)


def line(text: object) -> str:
    """The same on one line."""
    return escaped(" ".join(str(text).split()))


def quoted(text: str) -> str:
    """A text of any length as a quotation."""
    lines = [one.strip() for one in escaped(text.strip() or "(empty)").split("\n")]
    return "\n".join(f"> {one}\\" if one else ">" for one in lines).removesuffix("\\")


def table(header: Sequence[str], rows: Iterable[Sequence[object]], texts: int = 1) -> str:
    """A table: the first columns hold texts, all others figures. Cells are given as Markdown."""
    lines = [header, ["---"] * texts + ["---:"] * (len(header) - texts), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in cells) + " |" for cells in lines)
