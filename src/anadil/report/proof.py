"""What `anadil prove` found: as one HTML page that needs nothing but itself, and in a terminal."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Template
from markupsafe import Markup
from rich.console import RenderableType

import anadil
from anadil import durable
from anadil.report import proof_plots as plots
from anadil.report import proof_words as words
from anadil.report.page import environment, figure, style
from anadil.report.proof_facts import BASE, FEW_DOCUMENTS, START, Proof, proof_facts, read_proof, seconds_of
from anadil.report.proof_terminal import terminal_page
from anadil.report.words import bits, duration, number, ratio, share

PAGE = "proof.html"
ABSENT = Markup('<span class="none">not measured</span>')


def terminal(proof: Mapping[str, Any]) -> RenderableType:
    """What to print: the verdict and why, the candidates, caveats; it fits 80 columns. UserError if it is no proof."""
    return terminal_page(proof_facts(proof))


def html(proof: Mapping[str, Any]) -> str:
    """The page; sections without facts are absent, every text is escaped. UserError if it is no proof."""
    return render(proof_facts(proof))


def write_page(proof_path: Path) -> Path:
    """Write proof.html beside proof.json. The same file gives the same bytes; UserError if it is no proof."""
    path = proof_path.with_name(PAGE)
    durable.write_text(path, render(read_proof(proof_path)), "proof page")
    return path


def render(proof: Proof) -> str:
    """The page of a proof."""
    return _template().render(
        p=proof,
        version=anadil.__version__,
        style=style("report.css", "dots.css", "decision.css", "proof.css"),
        looks=plots.looks(proof),
        plots=[plot for plot in (plots.by_text(proof), plots.by_seconds(proof)) if plot],
        against=words.against(proof),
        caveats=list(words.caveats(proof)),
        ranges=words.ranges(proof),
    )


@cache
def _template() -> Template:
    found = environment(**{name: partial(figure, show=show, absent=ABSENT) for name, show in SHOWS.items()})
    found.globals |= {"headline": words.headline, "reason": words.reason, "no_forecast": words.no_forecast}
    found.globals |= {"plain_share": share, "seconds_of": seconds_of}
    found.globals |= {"BASE": BASE, "START": START, "FEW_DOCUMENTS": FEW_DOCUMENTS, "HEIGHT": plots.HEIGHT}
    return found.get_template("proof.html.jinja")


SHOWS: dict[str, Callable[[float], str]] = {
    "figure": number,
    "whole": lambda value: number(round(value)),
    "bits": ratio,
    "difference": bits,
    "share": share,
    "part": lambda value: f"{100 * value:.1f}%",
    "times": lambda value: f"{value:.2f}×",
    "rate": lambda value: f"{value:.2g}",
    "duration": duration,
}
"""Filters of the template that show a figure and keep its exact value."""
