"""Two runs side by side, metric by metric, from their manifests."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from anadil.report.facts import RunFacts, facts
from anadil.report.words import number, plain, signed, words


@dataclass(frozen=True)
class Row:
    """One metric of one stage in both runs; None where a run has no such metric. `difference` is b - a."""

    stage: str
    metric: str
    a: float | None
    b: float | None
    difference: float | None
    words: str


def compare(run_a: Path, run_b: Path) -> list[Row]:
    """Every metric that either run has, in the order of the stages; UserError where there is no run."""
    a, b = facts(run_a), facts(run_b)
    names = [stage.name for stage in a.stages]
    names += [stage.name for stage in b.stages if stage.name not in names]
    return [_row(stage, metric, a, b) for stage in names for metric in a.metrics(stage) | b.metrics(stage)]


def _row(stage: str, metric: str, a: RunFacts, b: RunFacts) -> Row:
    value_a, value_b = a.metrics(stage).get(metric), b.metrics(stage).get(metric)
    difference = None if value_a is None or value_b is None else value_b - value_a
    languages = a.languages if a.languages == b.languages else {}  # else `target` stays `target`
    return Row(stage, metric, value_a, value_b, difference, words(metric, languages))


def print_comparison(rows: list[Row], name_a: str, name_b: str, console: Console | None = None) -> None:
    """Print the rows as a table."""
    console = console or Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for index, name in enumerate(("stage", "metric", name_a, name_b, "difference")):
        left = index < 2
        table.add_column(Text(plain(name)), justify="left" if left else "right", no_wrap=not left, overflow="fold")
    last = ""
    for row in rows:
        difference = "–" if row.difference is None else "same" if row.difference == 0 else signed(row.difference)
        cells = ("" if row.stage == last else row.stage, row.words, number(row.a), number(row.b), difference)
        table.add_row(*map(Text, cells))
        last = row.stage
    console.print(table)
