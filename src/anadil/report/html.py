"""The report as one HTML file that needs nothing but itself: no script, no font, no picture from elsewhere."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from markupsafe import Markup

import anadil
from anadil import durable
from anadil.corpus.account import KEPT
from anadil.report import plots
from anadil.report.corpus_card import PAGE as CARD_PAGE
from anadil.report.corpus_card import write_card
from anadil.report.decision import write_page
from anadil.report.evaluation_page import context
from anadil.report.facts import DECISION, DECISION_PAGE, Change, Curve, RunFacts, Source, facts
from anadil.report.markdown import MARKDOWN, markdown
from anadil.report.page import environment, figure, style
from anadil.report.words import Side, number, percent, signed, words

REPORT, CORPUS = "report.html", "corpus"
LONGEST_ANSWER = 1_200
RATES = ("lr", "learning_rate")
ANSWERS, ON_THE_WAY = "answers_bits_per_byte", "Measured on the way, on a sample."


def write(run_folder: Path) -> Path:
    """Write report.html, and report.md with the same facts, from what the run's stages left.

    Where the tokenizer was decided, its page too, which the report links to. The same files give the same bytes.
    UserError if `run_folder` holds no run.
    """
    path, run = run_folder / REPORT, facts(run_folder)
    if (run_folder / DECISION).is_file():
        write_page(run_folder / DECISION)
    if (run_folder / CORPUS / "sources.json").is_file():
        write_card(run_folder / CORPUS)
    durable.write_text(run_folder / MARKDOWN, markdown(run), "report.md")
    durable.write_text(path, render(run), "report")
    return path


def render(run: RunFacts) -> str:
    """The page; sections without facts are absent. Every text is escaped."""
    templates = environment(change=partial(figure, show=signed), shorten=shorten, quote=shlex.quote)
    return templates.get_template("report.html.jinja").render(
        context(run),
        run=run,
        version=anadil.__version__,
        style=style("report.css", "dots.css", "evaluation.css"),
        cards=[card(change) for change in run.changes],
        panels=[panel for curve in run.curves for panel in panels(curve, run.languages)],
        reasons=reasons(run.sources),
        environments=environments(run),
        words=partial(words, languages=run.languages),
        percent=percent,
        decision_page=DECISION_PAGE,
        card_page=f"{CORPUS}/{CARD_PAGE}",
    )


def shorten(text: str) -> str:
    """A text of at most `LONGEST_ANSWER` characters; a cut is said."""
    return text if len(text) <= LONGEST_ANSWER else text[:LONGEST_ANSWER].rstrip() + " … (cut here)"


@dataclass(frozen=True)
class Card:
    """A headline figure with its bars; lengths are shares, from 0 to 100, of the longest of them."""

    change: Change
    before: float | None
    after: float
    low: float | None
    high: float | None


def card(change: Change) -> Card:
    """The bars start at zero, so that their lengths are in proportion."""
    parts = [change.before, change.after]
    ends = [value for part in parts if part for value in (part.value, part.high or 0.0)]
    scale = 100 / max(ends)
    lengths = [None if value is None else round(value * scale, 2) for value in (change.after.low, change.after.high)]
    before = round(change.before.value * scale, 2) if change.before else None
    return Card(change, before, round(change.after.value * scale, 2), *lengths)


@dataclass(frozen=True)
class Panel:
    """A plot with its words: title, picture, what the lines are (style, name, first and last value), small print."""

    title: str
    picture: Markup
    legend: list[tuple[str, str, float, float]]
    note: str


def panels(curve: Curve, languages: dict[Side, str]) -> list[Panel]:
    """The plots of a stage: its loss, and held-out bits per byte where they were measured on the way."""
    measured: dict[str, str] = {f"{side}_bits_per_byte": side for side in languages}
    loss = _panel(curve, {"loss": "loss"}, {"loss": "nats a token"}, "training loss", _loss_note(curve))
    names = {str(side): name for side, name in languages.items()}
    held_out = _panel(curve, measured, names, "held-out bits per byte", ON_THE_WAY)
    answers = _panel(curve, {ANSWERS: "target"}, {"target": "answers"}, "bits per byte of held-out answers", ON_THE_WAY)
    return [panel for panel in (loss, held_out, answers) if panel]


def _panel(curve: Curve, styles: dict[str, str], names: dict[str, str], title: str, note: str) -> Panel | None:
    found = {style: points for key, style in styles.items() if len(points := curve.points.get(key, [])) > 1}
    if not found:
        return None
    legend = [(style, names[style], points[0][1], points[-1][1]) for style, points in found.items()]
    ends = "; ".join(f"{name} from {number(first)} to {number(last)}" for _, name, first, last in legend)
    lines = [plots.Line(style, points) for style, points in found.items()]
    picture = plots.curve(lines, identity=f"{curve.stage} {title}", description=f"{curve.stage}, {title}: {ends}")
    return Panel(f"{curve.stage}: {title}", picture, legend, note)


def _loss_note(curve: Curve) -> str:
    points = curve.points.get("loss", [])
    said = [f"{points[-1][0]:,} updates"] if points else []
    if speeds := [value for _, value in curve.points.get("tokens_per_second", [])]:
        said.append(f"{median(speeds):,.0f} tokens a second (median)")
    if rates := [value for key in RATES for _, value in curve.points.get(key, [])]:
        said.append(f"learning rate up to {max(rates):.1e}")
    if (group := plots.group_size(len(points))) > 1:
        said.append(f"each point the mean of {group} updates")
    return ", ".join(said) + "."


def reasons(sources: Sequence[Source]) -> list[str]:
    """What documents were rejected for, the most frequent reason first."""
    totals: dict[str, int] = {}
    for source in sources:
        for verdict, count in source.account.by_verdict.items():
            totals[verdict] = totals.get(verdict, 0) + count.documents
    return sorted(
        (name for name, n in totals.items() if n and name not in KEPT), key=lambda name: (-totals[name], name)
    )


def environments(run: RunFacts) -> list[tuple[list[str], dict[str, str]]]:
    """The distinct environments, each with the stages that ran in it."""
    found: list[tuple[list[str], dict[str, str]]] = []
    for stage in run.done:
        here = stage.environment or {}
        for names, known in found:
            if known == here:
                names.append(stage.name)
                break
        else:
            found.append(([stage.name], here))
    return found
