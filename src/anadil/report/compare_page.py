"""`anadil compare A B --html FILE`: both runs side by side, as one HTML page that needs nothing but itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anadil
from anadil import durable
from anadil.errors import UserError
from anadil.report import dots
from anadil.report.compare import compare
from anadil.report.compare_facts import Comparison, Pair, compare_runs
from anadil.report.estimate import Way
from anadil.report.evaluation_page import road_rows
from anadil.report.evaluation_plots import WHOLE
from anadil.report.evaluation_words import doubt, headline
from anadil.report.facts import HEADLINES
from anadil.report.html import shorten
from anadil.report.measures import Group
from anadil.report.page import environment, figure, style
from anadil.report.pairs import Paired
from anadil.report.road_facts import MEASURE
from anadil.report.road_plot import RoadPlot, road_plot, series
from anadil.report.words import Side, bits, capital, number, part, points, signed, words

Show = Callable[[float], str]
LEGEND = [("base", "A"), ("subject", "B")]
LOOKS = (("before", "A"), ("target", "B"))
SIDES: tuple[Side, ...] = ("target", "original")


@dataclass(frozen=True)
class Said:
    """A difference in words: the figure, and its interval or why there is none."""

    value: str
    remark: str

    def __str__(self) -> str:
        return f"{self.value} ({self.remark})" if self.remark else self.value


@dataclass(frozen=True)
class Headline:
    """A figure that opens the page, of which less is better."""

    side: Side
    language: str
    measure: str
    pair: Pair
    said: str
    way: Way | str


@dataclass(frozen=True)
class Road:
    """One language's road in both runs: a picture, and a row (model, pair, what is said of the difference) each."""

    language: str
    picture: RoadPlot | None
    rows: list[tuple[str, Pair, Said]]
    note: str


def write_comparison(run_a: Path, run_b: Path, file: Path) -> Path:
    """Write the page. The same runs give the same bytes; UserError where there is no run, or no place for the file."""
    if not file.parent.is_dir():
        raise UserError(f"no folder {file.parent} to write {file.name} into", hint=f"mkdir -p {file.parent}")
    if file.is_dir():
        raise UserError(f"{file} is a folder", hint=f"name a file: {file / 'compare.html'}")
    rows = [row for row in compare(run_a, run_b) if row.difference != 0]
    durable.write_text(file, render(compare_runs(run_a, run_b), rows), "comparison")
    return file


def render(both: Comparison, rows: Any = ()) -> str:
    """The page; sections without facts are absent, every text is escaped. `rows` are the metrics that differ."""
    templates = environment(change=partial(figure, show=signed), shorten=shorten)
    return templates.get_template("compare.html.jinja").render(
        c=both,
        rows=rows,
        version=anadil.__version__,
        style=style("report.css", "dots.css", "evaluation.css", "compare.css"),
        verdicts=[headline(run.verdicts, bool(run.evaluation.metrics)) for run in (both.a, both.b)],
        headlines=list(headlines(both)),
        roads=list(roads(both)),
        tasks=tasks(both),
        groups=[(title, plots) for title, plots in measures(both) if plots],
        times=list(times(both)),
        words=partial(words, languages=both.languages),
        number=number,
    )


def headlines(both: Comparison) -> Iterator[Headline]:
    """The figures that open the report of a run, those of the second run against the first."""
    for side in SIDES:
        for stage, measure in HEADLINES:
            pair = both.pair(f"{side}_{measure}", stage)
            if pair.a and pair.b and both.is_comparable:
                way = pair.difference.direction if pair.difference and pair.difference.ends else ""
                said = difference(pair, signed if measure != MEASURE else bits, "documents")
                note = _of_part(pair.pairs if pair.is_of_other_items else None, "documents")
                yield Headline(side, both.a.languages[side], measure, pair, f"{said}. {note}".strip(), way)


def roads(both: Comparison) -> Iterator[Road]:
    """The road of each language."""
    names = {prefix: name for run in (both.a, both.b) for prefix, name, _ in road_rows(run.evaluation)}
    for side in SIDES if both.is_comparable else ():
        found = zip((run.evaluation.road(side) for run in (both.a, both.b)), LOOKS, strict=True)
        lines = [series(road, look, name) for road, (look, name) in found if road]
        pairs = [(prefix, both.pair(f"{prefix}{side}_{MEASURE}")) for prefix in names]
        rows = [
            (names[prefix], pair, difference(pair, bits, "documents")) for prefix, pair in pairs if pair.a or pair.b
        ]
        if lines:
            part_of = next((pair.pairs for _, pair in pairs if pair.is_of_other_items), None)
            yield Road(both.a.languages[side], road_plot(lines, names), rows, _of_part(part_of, "documents"))


def tasks(both: Comparison) -> dots.Plot | None:
    """Each task in both runs."""
    lines = []
    for task, pair in both.tasks():
        mark = task.chance.value if task.chance else None
        lines.append(_line(task.name, f"{task.language}, {number(task.items)} questions", pair, "questions", mark))
    legend = [*LEGEND, ("mark", "chance")] if any(line.mark is not None for line in lines) else LEGEND
    return dots.plot(lines, part, legend)


def measures(both: Comparison) -> Iterator[tuple[str, list[tuple[str, dots.Plot]]]]:
    """What they write and how safe they are: pictures of what should be high and of what should be low."""
    titles: dict[str, tuple[Group, ...]] = {"What they write": ("writing", "steadiness"), "Safety": ("safety",)}
    for title, groups in titles.items():
        found = [one for group in groups for one in both.measures(group)]
        plots = []
        for way, name in ((True, "Should be high"), (False, "Should be low")):
            lines = [
                _line(capital(measure.name), measure.explained, pair, measure.unit)
                for measure, pair in found
                if measure.more_is_better is way
            ]
            plots += [(name, dots.over(lines, WHOLE, part, LEGEND))] if lines else []
        yield title, plots


def _line(label: str, detail: str, pair: Pair, unit: str, mark: float | None = None) -> dots.Line:
    figures = " → ".join(part(at.value) if at else "–" for at in (pair.a, pair.b))
    styled = [(look, at) for (look, _), at in zip(LEGEND, (pair.a, pair.b), strict=True) if at]
    said = str(difference(pair, points, unit or "items"))
    said += f", of {pair.pairs.items:,} {unit} in both runs" if pair.pairs and pair.is_of_other_items else ""
    return dots.Line(label, detail, figures, styled, said, apart=True, mark=mark)


def difference(pair: Pair, show: Show, unit: str) -> Said:
    """b - a, and its interval or why there is none."""
    if pair.difference is None:
        return Said("–", "in one run only")
    value, ends, pairs = show(pair.difference.value), pair.difference.ends, pair.pairs
    if pairs is None:
        return Said(value, "not item by item") if pair.difference.value else Said("the same", "")
    if not pairs.items:
        return Said(value, f"no {unit} in common")
    return Said(value, f"{show(ends[0])} to {show(ends[1])}" if ends else doubt(pairs.items, unit))


def _of_part(pairs: Paired | None, unit: str) -> str:
    """Of how many items a difference is, where one run has some that the other lacks."""
    return f"{pairs.items:,} of {pairs.every:,} {unit} are in both runs: the differences are of these." if pairs else ""


def times(both: Comparison) -> Iterator[tuple[str, float | None, float | None]]:
    """Wall-clock seconds of each stage in both runs."""
    one, other = ({stage.name: stage.wall_seconds for stage in run.done} for run in (both.a, both.b))
    return ((name, one.get(name), other.get(name)) for name in dict.fromkeys([*one, *other]))
