"""The road in bits per byte as a picture: a line for each language or run, a column for each model.

As in the dots x is in percent and y in pixels, so that marks and letters keep their size at any width.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from anadil.report.dots import nice_ticks, tick
from anadil.report.estimate import Estimate
from anadil.report.road_facts import NAMES, Road
from anadil.report.words import number

HEIGHT = 230
MOST_TICKS = 6
APART = 5.0
"""Pixels between two lines in a column, so that their intervals do not hide each other."""
ABOVE, BELOW = -9.0, 18.0
"""From the end of an interval to the base line of the figure written there, pixels."""
SHAPES = {"target": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0Z", "original": "M-4-4H4V4H-4Z"}
SHAPES |= {"before": "M-4-4H4V4H-4Z"}


@dataclass(frozen=True)
class Series:
    """What a line is drawn of: a class of the style sheet, a name, and figures by the prefix of the model."""

    style: str
    name: str
    figures: Mapping[str, Estimate]


@dataclass(frozen=True)
class Mark:
    """A figure: x in percent, the rest in pixels from above. `low` is the lower end, further down."""

    x: float
    y: float
    low: float | None
    high: float | None
    text: str
    text_y: float


@dataclass(frozen=True)
class Line:
    """The marks of a series and the segments between them: x1, y1, x2, y2; all of it stands `shift` pixels aside."""

    style: str
    name: str
    path: str
    shift: float
    segments: list[tuple[float, float, float, float]]
    marks: list[Mark]


@dataclass(frozen=True)
class RoadPlot:
    """Lines over columns, (x in percent, name); ticks are (pixels, text)."""

    lines: list[Line]
    columns: list[tuple[float, str]]
    ticks: list[tuple[float, str]]
    description: str


def series(road: Road, style: str, name: str) -> Series:
    """The line of a road."""
    return Series(style, name, {stop.prefix: stop.at for stop in road.stops})


def road_plot(found: Sequence[Series], names: Mapping[str, str]) -> RoadPlot | None:
    """None where there are no two figures to connect; `names` are those of the models, by prefix."""
    prefixes = [prefix for prefix in NAMES if any(prefix in one.figures for one in found)]
    if len(prefixes) < 2:
        return None
    figures = [at for one in found for at in one.figures.values()]
    ends = [end for at in figures for end in (at.value, at.low, at.high) if end is not None]
    ticks = nice_ticks(min(ends), max(ends), MOST_TICKS)
    low, high = ticks[0], ticks[-1]

    def y(value: float) -> float:
        return round(HEIGHT * (high - value) / (high - low), 1)

    x = {prefix: round(100 * (number + 0.5) / len(prefixes), 2) for number, prefix in enumerate(prefixes)}
    lines = [_line(one, found, number, x, y) for number, one in enumerate(found)]
    decimals = max(len(tick(at).partition(".")[2]) for at in ticks)
    texts = [(y(at), f"{at:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")) for at in ticks]
    said = "; ".join(f"{one.name}: {_said(one, names)}" for one in found)
    return RoadPlot(lines, [(x[prefix], names[prefix]) for prefix in prefixes], texts, f"Bits per byte. {said}")


def _said(one: Series, names: Mapping[str, str]) -> str:
    return ", ".join(f"{names[prefix]} {number(at.value)}" for prefix, at in one.figures.items())


def _line(
    one: Series, every: Sequence[Series], place: int, x: Mapping[str, float], y: Callable[[float], float]
) -> Line:
    marks = []
    for prefix, at in one.figures.items():
        ends = [None if end is None else y(end) for end in (at.low, at.high)]
        others = [other.figures[prefix].value for other in every if other is not one and prefix in other.figures]
        is_lower = any((at.value, -place) < (value, 0) for value in others)
        text_y = (ends[0] or y(at.value)) + BELOW if is_lower else (y(at.value) if ends[1] is None else ends[1]) + ABOVE
        marks.append(Mark(x[prefix], y(at.value), ends[0], ends[1], number(at.value), round(text_y, 1)))
    shift = APART * (place - (len(every) - 1) / 2)
    segments = [(a.x, a.y, b.x, b.y) for a, b in pairwise(marks)]
    return Line(one.style, one.name, SHAPES[one.style], shift, segments, marks)
