"""Dots with whiskers on a common axis: the geometry; the template draws it, a row of text and SVG for each label.

The SVG has no viewBox: x is in percent and y in pixels, so that dots stay round and letters readable at any width.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from anadil.report.decision_facts import WRITINGS, Decision, language_name
from anadil.report.facts import Estimate
from anadil.report.words import ratio, share

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
MOST_TICKS = 5
ROW = 32
"""Height of a row, in pixels."""
FARTHEST = 0.5
"""Changes beyond this are drawn at the edge: one vocabulary that cuts English to pieces would hide all the rest."""


@dataclass(frozen=True)
class Dot:
    """One figure: `style` is a class of the style sheet, positions are in percent; `beyond`: off the axis."""

    style: str
    x: float
    low: float | None
    high: float | None
    beyond: bool


@dataclass(frozen=True)
class Row:
    """A label, what it says in words, and its dots."""

    label: str
    detail: str
    said: str
    dots: list[Dot]


@dataclass(frozen=True)
class Plot:
    """Rows over one axis; ticks are (x in percent, text), `zero` where zero lies if it is worth a line."""

    rows: list[Row]
    ticks: list[tuple[float, str]]
    zero: float | None
    legend: list[tuple[str, str]]


Line = tuple[str, str, str, list[tuple[str, Estimate]]]
"""label, detail, what it says in words, and (style, figure) of each dot."""


def styles(decision: Decision) -> dict[str, str]:
    """Class of each candidate's dots; of what a candidate is, the last named here counts."""
    found = {c.label: "rest" for c in decision.candidates}
    focus = {"chosen": decision.find(decision.chosen), "subject": decision.subject, "base": decision.base}
    return found | {candidate.label: name for name, candidate in focus.items() if candidate}


def candidates_plot(decision: Decision) -> Plot | None:
    """Tokens per word of the target, a row for each candidate."""
    look = styles(decision)
    lines: list[Line] = []
    for candidate in decision.candidates:
        if at := candidate.target.estimate:
            roles = ", ".join(decision.roles(candidate))
            lines.append((candidate.label, roles, ratio(at.value), [(look[candidate.label], at)]))
    return _plot(lines, tick, [])


def writing_plot(decision: Decision) -> Plot | None:
    """Tokens per word of the candidates in focus, a row for each way of writing."""
    names = dict.fromkeys(name for c in decision.focus for name in c.writing)
    lines = [_written(decision, name) for name in names]
    return _plot([line for line in lines if line[3]], tick, _legend(decision))


def payments_plot(decision: Decision) -> Plot | None:
    """What languages other than the target pay against the base, of every candidate but the base."""
    look, lines = styles(decision), list[Line]()
    for code, role in decision.languages().items():
        if role == "target":
            continue
        found = [(c, c.languages[code].payment) for c in decision.candidates if code in c.languages]
        dots = [(look[c.label], _quiet(look[c.label], at)) for c, at in found if at and c is not decision.base]
        if dots:
            said = next((share(at.value) for c, at in found if at and c is decision.subject), "")
            lines.append((language_name(code), role, said, sorted(dots, key=lambda dot: dot[0] == "subject")))
    legend = [part for part in _legend(decision) if part[0] != "base"]
    legend += [("rest", "the others")] if any(style == "rest" for line in lines for style, _ in line[3]) else []
    return _plot(lines, share, legend, FARTHEST)


def tick(value: float) -> str:
    """A round number, as short as it goes."""
    return f"{value:,.10g}".replace("-", "\N{MINUS SIGN}")


def _quiet(style: str, at: Estimate) -> Estimate:
    """Of candidates beside the point only the dot: a dozen intervals in one row are not readable."""
    return Estimate(at.value) if style == "rest" else at


def _written(decision: Decision, name: str) -> Line:
    look = styles(decision)
    found = [(c, c.writing[name].estimate) for c in decision.focus if name in c.writing]
    dots = [(look[c.label], estimate) for c, estimate in found if estimate]
    said = [ratio(estimate.value) for style, estimate in dots if style in ("base", "subject")]
    return WRITINGS.get(name, name), "", " → ".join(said), dots


def _legend(decision: Decision) -> list[tuple[str, str]]:
    look = styles(decision)
    return [(look[c.label], c.label) for c in decision.focus]


def _plot(
    lines: Sequence[Line], show: Callable[[float], str], legend: list[tuple[str, str]], farthest: float = math.inf
) -> Plot | None:
    """None where there is nothing to draw. Figures beyond ± `farthest` count for the edge only."""
    figures = [at for line in lines for _, at in line[3]]
    if not figures:
        return None
    ends = [end for at in figures for end in (at.value, at.low, at.high) if end is not None]
    ends += [0.0] if farthest < math.inf else []
    ticks = nice_ticks(max(min(ends), -farthest), min(max(ends), farthest))
    low, high = ticks[0], ticks[-1]

    def x(value: float) -> float:
        return round(100 * (min(max(value, low), high) - low) / (high - low), 2)

    rows = [Row(label, detail, said, list(_dots(dots, x, low, high))) for label, detail, said, dots in lines]
    zero = x(0.0) if low < 0 < high else None
    return Plot(rows, [(x(tick), show(tick).replace(".0%", "%")) for tick in ticks], zero, legend)


def _dots(dots: Sequence[tuple[str, Estimate]], x: Callable[[float], float], low: float, high: float) -> Iterator[Dot]:
    for style, at in dots:
        ends = [None if end is None else x(end) for end in (at.low, at.high)]
        yield Dot(style, x(at.value), ends[0], ends[1], not low <= at.value <= high)


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
