"""Curves of bits per byte, one a candidate: the geometry; the template draws it.

As in the dots of the decision x is in percent and y in pixels, so that marks and letters keep their size at any width.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from anadil.report.dots import nice_ticks, tick
from anadil.report.estimate import Estimate
from anadil.report.proof_facts import BASE, START, Candidate, Proof, seconds_of
from anadil.report.words import ratio

HEIGHT = 300
MOST_TICKS = 7
LETTER, BETWEEN_LABELS = 8.4, 17.0
"""Pixels that a letter takes, and the least between two labels."""
LONGEST_LABEL = 18
APART = 2.0
"""Pixels between the curves of two candidates, whose intervals at one point would hide each other."""
SHAPES = {
    "circle": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0Z",
    "square": "M-4-4H4V4H-4Z",
    "up": "M0-5.2 5 3.8H-5Z",
    "diamond": "M0-5.8 5.8 0 0 5.8-5.8 0Z",
    "down": "M0 5.2 5-3.8H-5Z",
    "cross": "M-1.6-5H1.6V-1.6H5V1.6H1.6V5H-1.6V1.6H-5V-1.6H-1.6Z",
    "bow": "M-5-4.5V4.5L5-4.5V4.5Z",
}
"""Paths around the origin. The first is that of `keep`."""
COLOURS = ("target", "original", "other", "better")
"""Classes of the style sheet: with seven shapes no two of a dozen candidates look alike."""
UNITS = (("hours", 3600), ("minutes", 60), ("seconds", 1))
Point = tuple[float, Estimate]
"""Where on the x axis, and what was measured there."""


@dataclass(frozen=True)
class Look:
    """Colour and shape of a candidate."""

    colour: str
    path: str


@dataclass(frozen=True)
class Mark:
    """One point: x in percent, the rest in pixels from above. `low` is the lower end, further down."""

    x: float
    y: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Curve:
    """One candidate's line: `segments` are x1, y1, x2, y2; all of it stands `shift` pixels aside; `label_y` is where
    its label stands."""

    label: str
    look: Look
    shift: float
    segments: list[tuple[float, float, float, float]]
    marks: list[Mark]
    end_y: float
    label_y: float


@dataclass(frozen=True)
class Plot:
    """Curves over common axes; ticks are (percent or pixels, text), `beyond` is whether a line leaves the picture."""

    curves: list[Curve]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    title: str
    x_name: str
    labels_width: int
    beyond: bool
    description: str


def looks(proof: Proof) -> dict[str, Look]:
    """How each candidate is drawn, by label, in both plots and in the tables."""
    shapes = list(SHAPES.values())
    found = {
        one.label: Look(COLOURS[n % len(COLOURS)], shapes[1 + n % (len(shapes) - 1)])
        for n, one in enumerate(proof.others)
    }
    return {BASE: Look("keep", shapes[0])} | found


def by_text(proof: Proof) -> Plot | None:
    """The target's bits per byte over megabytes of its text."""
    sizes = [(float(name.split()[0]), name) for name in proof.sizes]
    lines = {one.label: _line(proof, one, [(0.0, START), *sizes]) for one in proof.candidates}
    return _plot(proof, lines, ("At equal text", f"megabytes of {proof.target_said}"))


def by_seconds(proof: Proof) -> Plot | None:
    """The same over time spent in updates."""
    lines = {one.label: _line(proof, one, list(_times(proof, one))) for one in proof.candidates}
    longest = max((x for line in lines.values() for x, _ in line), default=0.0)
    name, unit = next(((name, unit) for name, unit in UNITS if longest >= 3 * unit), UNITS[-1])
    scaled = {label: [(x / unit, at) for x, at in line] for label, line in lines.items()}
    return _plot(proof, scaled, ("At equal seconds", f"{name} of training"))


def _times(proof: Proof, candidate: Candidate) -> Iterator[tuple[float, str]]:
    for point in (START, *(seconds_of(size) for size in proof.sizes)):
        if (seconds := candidate.seconds(point)) is not None and seconds >= 0:
            yield seconds, point


def _line(proof: Proof, candidate: Candidate, points: Sequence[tuple[float, str]]) -> list[Point]:
    found = [(x, candidate.at(proof.target, name)) for x, name in points]
    return sorted(((x, at) for x, at in found if at), key=lambda point: point[0])


def _plot(proof: Proof, lines: dict[str, list[Point]], names: tuple[str, str]) -> Plot | None:
    """None where there is no curve to draw; `names` are those of the plot and of its x axis."""
    lines = {label: points for label, points in lines.items() if len(points) > 1}
    right = max((points[-1][0] for points in lines.values()), default=0.0)
    if not right > 0:
        return None
    ticks = _y_ticks(lines)
    y, x = _scale(ticks[0], ticks[-1]), _percent(right)
    ends = _spread({label: y(points[-1][1].value) for label, points in lines.items()})
    look = looks(proof)
    shift = {label: APART * (n - (len(lines) - 1) / 2) for n, label in enumerate(lines)}
    curves = [_curve(label, look[label], lines[label], (x, y), shift[label], ends[label]) for label in lines]
    said = "; ".join(f"{k} from {ratio(v[0][1].value)} to {ratio(v[-1][1].value)}" for k, v in lines.items())
    x_ticks = [(x(at), tick(at)) for at in nice_ticks(0.0, right) if at <= right * 1.0001]
    beyond = any(at.value > ticks[-1] for points in lines.values() for _, at in points)
    description = f"Bits per byte of {proof.target_said} over {names[1]}: {said}"
    return Plot(curves, x_ticks, _texts(ticks, y), *names, _width(lines), beyond, description)


def _texts(ticks: Sequence[float], y: Callable[[float], float]) -> list[tuple[float, str]]:
    """All with as many decimals as the longest needs."""
    decimals = max(len(tick(at).partition(".")[2]) for at in ticks)
    return [(y(at), f"{at:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")) for at in ticks]


def _curve(
    label: str,
    look: Look,
    points: Sequence[Point],
    scales: tuple[Callable[[float], float], Callable[[float], float]],
    shift: float,
    label_y: float,
) -> Curve:
    x, y = scales
    places = [(x(at), y(found.value)) for at, found in points]
    segments = [(*a, *b) for a, b in itertools.pairwise(places)]
    marks = [
        Mark(x(at), y(one.value), *(None if end is None else max(0.0, y(end)) for end in (one.low, one.high)))
        for at, one in points
        if y(one.value) >= 0
    ]
    return Curve(_short(label), look, shift, segments, marks, places[-1][1], label_y)


def _y_ticks(lines: dict[str, list[Point]]) -> list[float]:
    """From the lowest point to the highest of all ends and of `keep` once it was trained a little: what is beyond (all
    begin high, a new vocabulary higher) would press together what is to be compared."""
    every = [at for points in lines.values() for _, at in points]
    low = min(end for at in every for end in (at.value, at.low) if end is not None)
    last = [points[-1][1] for points in lines.values()]
    high = max(end for at in last for end in (at.value, at.high) if end is not None)
    return nice_ticks(low, max([high, *(at.value for _, at in lines.get(BASE, [])[1:])]), MOST_TICKS)


def _scale(low: float, high: float) -> Callable[[float], float]:
    return lambda value: round(HEIGHT * (high - value) / (high - low), 1)


def _percent(right: float) -> Callable[[float], float]:
    return lambda value: round(100 * value / right, 2)


def _spread(ends: dict[str, float]) -> dict[str, float]:
    """Where the labels go: beside the ends of their lines, but apart, and within the picture as far as they fit."""
    found: dict[str, float] = {}
    above = -math.inf
    for label in sorted(ends, key=lambda name: ends[name]):
        found[label] = above = max(ends[label], 8.0, above + BETWEEN_LABELS)
    below = max(HEIGHT - 6.0, BETWEEN_LABELS * (len(ends) - 1))
    for label in reversed(found):
        found[label] = below = min(found[label], below)
        below -= BETWEEN_LABELS
    return found


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"


def _width(lines: dict[str, list[Point]]) -> int:
    return round(26 + LETTER * max(len(_short(label)) for label in lines))
