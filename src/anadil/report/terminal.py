"""The report's story in a terminal. Texts of users are printed as they are: no markup, no control characters."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from anadil.corpus.account import KEPT
from anadil.report.estimate import Estimate
from anadil.report.evaluation_terminal import Section, evaluation_sections, table, verdict_section
from anadil.report.evaluation_words import answers_said
from anadil.report.facts import DECISION_PAGE, Answer, Change, RunFacts, Source, facts
from anadil.report.plots import thin
from anadil.report.words import duration, number, percent, signed, size, words

VERDICTS = {
    "better": ("▼ better", "green"),
    "worse": ("▲ worse", "red"),
    "unclear": ("≈ no difference shown", ""),
    "none": ("", ""),
}
BLOCKS, SPARK_WIDTH, LONGEST_ANSWER = "▁▂▃▄▅▆▇█", 24, 400
NOTE = (
    "Of both measures less is better. Bits per byte: how well the model foresees text it was not trained on. "
    "Neither says that answers are fluent or true: that takes reading them."
)


def print_report(run_folder: Path, console: Console | None = None) -> None:
    """Print what report.html says, but for the evidence.

    UserError if `run_folder` holds no run.
    """
    console = console or Console(highlight=False)
    run = facts(run_folder)
    console.print(_title(run))
    for heading, content in _sections(run):
        console.print()
        console.print(Text(heading, "bold"))
        for part in content:
            console.print(Padding(part, (0, 0, 0, 2)), highlight=False)


def _title(run: RunFacts) -> Text:
    title = Text.assemble((run.name, "bold"), f"  {run.languages['target']}, ")
    return title.append(f"from {run.base}" if run.base else "trained from nothing")


def _sections(run: RunFacts) -> Iterator[Section]:
    if run.doubts:
        yield "Read this first", [Text(doubt) for doubt in run.doubts]
    if any(stage.name == "evaluate" for stage in run.stages):
        yield verdict_section(run)
    if run.changes:
        yield "Before and after", [_changes(run), Text(NOTE, "dim")]
    yield from evaluation_sections(run)
    if run.answers:
        heading = f"Answers: {len(run.answers)} of {run.answered} held-out questions, the first of the file, not picked"
        told = [Text(said, "dim")] if (said := answers_said(run.evaluation.metrics)) else []
        yield heading, [*told, *(_answer(answer) for answer in run.answers)]
    if curves := list(_curves(run)):
        yield "Training", [table(("", "", "first", "last"), curves, wrap=1)]
    if vocabulary := _vocabulary(run.metrics("tokenizer")):
        yield "Vocabulary", [Text(vocabulary), *_recommendation(run)]
    if run.sources:
        header = ("documents of", "read", "training", "held out", "rejected")
        yield "Corpus", [table(header, [_source(source) for source in run.sources], wrap=4)]
    if run.done:
        rows = [(s.name, duration(s.wall_seconds), duration(s.cpu_seconds)) for s in run.done]
        rows.append(("all", duration(run.wall_seconds), duration(run.cpu_seconds)))
        yield "Time", [table(("stage", "wall clock", "CPU"), rows), *_attempts(run)]
    if run.exported:
        yield "Files", [Text(f"export/{name}  {size(count)}") for name, count in run.exported.items()]


def _changes(run: RunFacts) -> Table:
    rows = [(words(f"{c.side}_{c.measure}", run.languages), *_figures(c)) for c in run.changes]
    return table(("", "before", "after", "change"), rows, wrap=3)


def _figures(change: Change) -> tuple[str, str, Text]:
    before = number(change.before.value) if change.before else "–"
    said = Text.assemble(VERDICTS[change.verdict])
    if change.difference:
        share = f" ({percent(change.difference.value, change.before.value)})" if change.before else ""
        said.append(f" {signed(change.difference.value)}{share}{_interval(change.difference)}")
    return before, number(change.after.value), said


def _interval(difference: Estimate) -> str:
    if difference.low is None or difference.high is None:
        return ""
    zero = ", includes zero" if difference.low <= 0 <= difference.high else ""
    return f", 95% {signed(difference.low)} to {signed(difference.high)}{zero}"


def _answer(answer: Answer) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    table.add_row("question", Text(_short(answer.question), "bold"))
    for name, text in (("base", answer.base), ("this run", answer.adapted), ("reference", answer.reference)):
        if text is not None:
            table.add_row(name, Text(_short(text)))
    table.add_row("", "")
    return table


def _short(text: str) -> str:
    text = " ".join(text.split())
    return (text[:LONGEST_ANSWER] + " … (cut here)" if len(text) > LONGEST_ANSWER else text) or "(empty)"


def _curves(run: RunFacts) -> Iterator[tuple[str, str, str, str]]:
    for curve in run.curves:
        for key in ("loss", *(f"{side}_bits_per_byte" for side in (*run.languages, "answers"))):
            if len(points := curve.points.get(key, [])) > 1:
                name = "training loss, nats a token" if key == "loss" else words(key, run.languages)
                values = [value for _, value in points]
                yield f"{curve.stage}: {name}", _spark(points), number(values[0]), number(values[-1])


def _spark(points: Sequence[tuple[float, float]]) -> str:
    values = [value for _, value in thin(points, SPARK_WIDTH)]
    low, span = min(values), (max(values) - min(values)) or 1.0
    return "".join(BLOCKS[round((value - low) / span * (len(BLOCKS) - 1))] for value in values)


def _vocabulary(metrics: dict[str, float]) -> str:
    if "vocabulary_tokens" not in metrics:
        return ""
    names = {"before": "base_vocabulary", "now": "vocabulary", "kept": "kept", "freed": "freed", "new": "new"}
    parts = [
        f"{word} {number(metrics[f'{name}_tokens'])}" for word, name in names.items() if f"{name}_tokens" in metrics
    ]
    return "tokens " + ", ".join(parts)


def _recommendation(run: RunFacts) -> list[Text]:
    if not run.recommendation:
        return []
    return [Text(f"recommended: {run.recommendation}"), Text(f"all candidates: {DECISION_PAGE}", "dim")]


def _source(source: Source) -> tuple[str, ...]:
    counts = {verdict: count.documents for verdict, count in source.account.by_verdict.items()}
    rejected = [f"{verdict.replace('_', ' ')} {n:,}" for verdict, n in counts.items() if n and verdict not in KEPT]
    if source.account.unreadable:
        rejected.append(f"unreadable lines {source.account.unreadable:,}")
    kept = (number(counts.get(verdict, 0)) for verdict in KEPT)
    return source.name, number(source.account.read.documents), *kept, ", ".join(rejected) or "none"


def _attempts(run: RunFacts) -> list[Text]:
    again = [f"{stage.name} (attempt {stage.attempt})" for stage in run.done if stage.attempt > 1]
    return [Text(f"Earlier attempts are not counted: {', '.join(again)}", "dim")] if again else []
