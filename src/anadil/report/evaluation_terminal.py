"""The verdict and the evaluation in a terminal: what to do, the gates, and in short what was measured."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from anadil.report import evaluation_words as words
from anadil.report.evaluation_facts import FOLDER
from anadil.report.evaluation_page import sections
from anadil.report.facts import RunFacts
from anadil.report.measures import Group, Measured
from anadil.report.task_facts import Task
from anadil.report.words import part, plain

Section = tuple[str, list[RenderableType]]
"""A heading and what stands below it."""
STYLES = {"ship": "bold green", "stop": "bold red", "none": "bold"}


def verdict_section(run: RunFacts) -> Section:
    """Ship or do not ship, and every gate: what it says, and where to look if it failed."""
    headline = words.headline(run.verdicts, bool(run.evaluation.metrics))
    title = headline.title[0].lower() + headline.title[1:] if headline.outcome != "none" else headline.title
    said = f"{title}: {headline.reason[0].lower()}{headline.reason[1:].removesuffix('.')}"
    found: list[RenderableType] = [Text(said, STYLES[headline.outcome])]
    for one in words.failed_first(run.verdicts):
        line = Text.assemble(("✓ passed  ", "green") if one.passed else ("✗ failed  ", "red"), plain(one.text))
        if not one.passed and one.look_at:
            line.append(f"; look at {FOLDER}/{one.look_at}", "dim")
        found.append(line)
    if left := words.unjudged(run.verdicts, sections(run)) if run.verdicts else {}:
        found.append(Text(f"no gate looks at: {', '.join(left.values())}", "dim"))
    return "Verdict", found


def evaluation_sections(run: RunFacts) -> Iterator[Section]:
    """The road, the tasks, what the model writes and how safe it is; those that were measured."""
    e = run.evaluation
    if e.roads:
        yield "The road, in bits per byte", [Text(words.said(road)) for road in e.roads]
    if e.tasks:
        header = ("", "questions", "base", "this run", "change (95%)")
        yield "Tasks: right answers", [table(header, [_task(task) for task in e.tasks], wrap=4)]
    groups: dict[str, tuple[Group, ...]] = {"What it writes": ("writing", "steadiness"), "Safety": ("safety",)}
    for title, names in groups.items():
        if found := [one for name in names for one in e.of(name)]:
            yield title, [table(("", "share", "95% interval", "should be"), [_measured(one) for one in found], wrap=2)]


def table(header: Sequence[str], rows: Sequence[Sequence[str | Text]], wrap: int = 0) -> Table:
    """Columns of numbers to the right; the first and the column `wrap` hold text and may take several lines."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for index, name in enumerate(header):
        text = index in (0, wrap)
        table.add_column(name, justify="left" if text else "right", no_wrap=not text, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return table


def _task(task: Task) -> tuple[str, ...]:
    seen = f" ({task.contaminated} seen in training)" if task.contaminated else ""
    figures = (part(at.value) if at else "–" for at in (task.before, task.after))
    count = "–" if task.items is None else f"{task.items:,}"
    return f"{task.name}{seen}", count, *figures, words.changed(task.change, task.items, "questions") or "–"


def _measured(one: Measured) -> tuple[str, ...]:
    way = "high" if one.measure.more_is_better else "low"
    return one.measure.name, words.measured_said(one), words.measured_ends(one), way
