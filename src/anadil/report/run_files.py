"""The files of a run, read as they are: what is absent, torn or of another form is passed over."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def json_object(path: Path) -> dict[str, Any] | None:
    """The object in a file; None where there is none."""
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of a jsonl file; lines that are none (a torn last one) are passed over. A text may hold U+2028."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row


def is_number(value: object) -> bool:
    """Whether it is a number; NaN is one."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_finite(value: object) -> bool:
    """Whether it is a number to reckon with."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
