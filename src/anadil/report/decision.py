"""The tokenizer decision shown: as one HTML page that needs nothing but itself, and in a terminal."""

import math
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Template
from markupsafe import Markup
from rich.console import RenderableType

import anadil
from anadil import durable
from anadil.report import decision_plots as plots
from anadil.report.decision_facts import (
    FEW_WORDS,
    WRITINGS,
    Decision,
    decision_facts,
    language_name,
    read_decision,
)
from anadil.report.decision_terminal import terminal_page
from anadil.report.page import environment, figure, style
from anadil.report.pieces import direction, pieces
from anadil.report.words import duration, number, ratio, share
from anadil.tokenizer.cost import SUSTAINED_FLOPS_PER_SECOND

PAGE = "decision.html"
OPEN_WORDS = 12
ABSENT = Markup('<span class="none">not measured</span>')


def terminal(decision: Mapping[str, Any]) -> RenderableType:
    """What to print: the recommendation, the candidates, eight words; it fits 80 columns.

    UserError if it is no decision.
    """
    return terminal_page(decision_facts(decision))


def html(decision: Mapping[str, Any]) -> str:
    """The page; sections without facts are absent, every text is escaped. UserError if it is no decision."""
    return render(decision_facts(decision))


def write_page(decision_path: Path) -> Path:
    """Write decision.html beside decision.json. The same file gives the same bytes; UserError if it is no decision."""
    path = decision_path.with_name(PAGE)
    durable.write_text(path, render(read_decision(decision_path)), "decision page")
    return path


def render(decision: Decision) -> str:
    """The page of a decision."""
    words = list(decision.telling_words())
    return _template().render(
        d=decision,
        version=anadil.__version__,
        style=style("report.css", "dots.css", "decision.css"),
        picture={
            "candidates": plots.candidates_plot(decision),
            "writing": plots.writing_plot(decision),
            "payments": plots.payments_plot(decision),
        },
        words=[words[:OPEN_WORDS], words[OPEN_WORDS:]],
    )


@cache
def _template() -> Template:
    filters: dict[str, Any] = {name: partial(figure, show=show, absent=ABSENT) for name, show in SHOWS.items()}
    filters |= {"language": language_name, "pieces": pieces, "direction": direction}
    found = environment(**filters)
    found.globals |= {"more": more, "plain_share": share, "writing_names": WRITINGS, "FEW_WORDS": FEW_WORDS}
    found.globals |= {"speed": SUSTAINED_FLOPS_PER_SECOND}
    return found.get_template("decision.html.jinja")


def more(quotient: float) -> str:
    """How much more or fewer: 1.296 is "29.6% more"."""
    return f"{abs(quotient - 1):.1%} {'fewer' if quotient < 1 else 'more'}"


def amount(value: float, units: str) -> str:
    """Three digits and a unit, each of them a thousand of the one before: 262668288 of " kMB" is 263M."""
    steps = min(len(units) - 1, int(math.log10(abs(value)) / 3)) if abs(value) >= 1000 else 0
    return f"{value / 1000**steps:.3g}{units[steps].strip()}".replace("-", "\N{MINUS SIGN}")


def saved(seconds: float) -> str:
    """Seconds with their sign, for one candidate may take longer than the base."""
    sign = "\N{MINUS SIGN}" if seconds < 0 else ""
    return sign + duration(abs(seconds))


SHOWS: dict[str, Callable[[float], str]] = {
    "figure": number,
    "ratio": ratio,
    "part": lambda value: f"{100 * value:.1f}%",
    "share": share,
    "times": lambda value: f"{value:.2f}×",
    "parameters": partial(amount, units=" kMBT"),
    "operations": partial(amount, units=" kMGTP"),
    "saved": saved,
    "duration": duration,
}
"""Filters of the template that show a figure and keep its exact value."""
