"""Dots with whiskers on a common axis: the geometry; the template draws it, a row of text and SVG for each label.

The SVG has no viewBox: x is in percent and y in pixels, so that dots stay round and letters readable at any width.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from anadil.report.estimate import Estimate

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
MOST_TICKS = 5
ROW = 32
"""Height of a row, in pixels."""
Scale = Callable[[float], float]
"""Of a figure its place on the axis, in percent."""


@dataclass(frozen=True)
class Line:
    """What a row shows: (style, figure) of each dot, `apart` one below another; `mark` is a figure drawn as a line."""

    label: str
    detail: str
    said: str
    dots: Sequence[tuple[str, Estimate]]
    small: str = ""
    apart: bool = False
    mark: float | None = None


@dataclass(frozen=True)
class Dot:
    """One figure: `style` is a class of the style sheet, positions are in percent; `beyond`: off the axis."""

    style: str
    x: float
    low: float | None
    high: float | None
    beyond: bool
    y: float = 50.0


@dataclass(frozen=True)
class Row:
    """A label, what it says in words, and its dots."""

    label: str
    detail: str
    said: str
    dots: list[Dot]
    small: str = ""
    mark: float | None = None


@dataclass(frozen=True)
class Plot:
    """Rows over one axis; ticks are (x in percent, text), `zero` where zero lies if it is worth a line."""

    rows: list[Row]
    ticks: list[tuple[float, str]]
    zero: float | None
    legend: list[tuple[str, str]]


def plot(
    lines: Sequence[Line], show: Callable[[float], str], legend: list[tuple[str, str]], farthest: float = math.inf
) -> Plot | None:
    """None where there is nothing to draw. Figures beyond ± `farthest` count for the edge only."""
    figures = [at for line in lines for _, at in line.dots]
    if not figures:
        return None
    ends = [end for at in figures for end in (at.value, at.low, at.high) if end is not None]
    ends += [line.mark for line in lines if line.mark is not None] + ([0.0] if farthest < math.inf else [])
    return over(lines, nice_ticks(max(min(ends), -farthest), min(max(ends), farthest)), show, legend)


def over(
    lines: Sequence[Line], ticks: Sequence[float], show: Callable[[float], str], legend: list[tuple[str, str]]
) -> Plot:
    """The rows over an axis from the first tick to the last."""
    low, high = ticks[0], ticks[-1]

    def x(value: float) -> float:
        return round(100 * (min(max(value, low), high) - low) / (high - low), 2)

    rows = [_row(line, x, low, high) for line in lines]
    zero = x(0.0) if low < 0 < high else None
    return Plot(rows, [(x(tick), show(tick).replace(".0%", "%")) for tick in ticks], zero, legend)


def _row(line: Line, x: Scale, low: float, high: float) -> Row:
    mark = None if line.mark is None else x(line.mark)
    return Row(line.label, line.detail, line.said, list(_dots(line, x, low, high)), line.small, mark)


def _dots(line: Line, x: Scale, low: float, high: float) -> Iterator[Dot]:
    count = len(line.dots)
    for number, (style, at) in enumerate(line.dots):
        ends = [None if end is None else x(end) for end in (at.low, at.high)]
        y = round(100 * (number + 1) / (count + 1), 2) if line.apart else 50.0
        yield Dot(style, x(at.value), ends[0], ends[1], not low <= at.value <= high, y)


def tick(value: float) -> str:
    """A round number, as short as it goes."""
    return f"{value:,.10g}".replace("-", "\N{MINUS SIGN}")


def nice_ticks(low: float, high: float, most: int = MOST_TICKS) -> list[float]:
    """At most `most` round numbers, evenly spaced, the first at or below `low` and the last at or above `high`."""
    if not high - low > max(1e-9 * max(abs(low), abs(high)), 1e-100):
        middle, width = (low + high) / 2, max(abs(low), abs(high)) / 10
        low, high = (middle - width, middle + width) if width > 1e-90 else (-1.0, 1.0)
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (factor * scale * power for scale in (1, 10, 100) for factor in STEPS):
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if 0 < last - first < most:
            return [index * step for index in range(first, last + 1)]
    raise AssertionError(f"no ticks for {low} to {high}")
