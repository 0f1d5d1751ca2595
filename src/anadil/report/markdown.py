"""report.md: what report.html says, for places that show Markdown. No pictures."""

from collections.abc import Iterator

import anadil
from anadil.corpus.account import KEPT
from anadil.report import evaluation_markdown
from anadil.report.evaluation_markdown import with_ends
from anadil.report.evaluation_words import answers_said, doubt
from anadil.report.facts import Change, RunFacts
from anadil.report.markdown_text import line, quoted, table
from anadil.report.words import duration, number, percent, signed, size, words

MARKDOWN = "report.md"


def markdown(run: RunFacts) -> str:
    """The whole report. Every text of users is escaped; the same files give the same text."""
    return "\n\n".join(_blocks(run)) + "\n"


def _blocks(run: RunFacts) -> Iterator[str]:
    yield f"# {line(run.name)}: report of a run"
    base = f"base {line(run.base)}, whose own language is {line(run.languages['original'])}" if run.base else "no base"
    yield f"Language: {line(run.languages['target'])}; {base}."
    if run.doubts:
        yield "\n".join(["Read this first:", "", *(f"- {line(doubt)}" for doubt in run.doubts)])
    if any(stage.name == "evaluate" for stage in run.stages):
        yield from evaluation_markdown.verdict(run)
    if run.changes:
        yield "## Before and after"
        header = ("less is better", "before", "after", "change")
        yield table(header, [_change(change, run) for change in run.changes])
    yield from evaluation_markdown.evaluation(run)
    yield from _answers(run)
    yield from _training(run)
    yield from _made(run)
    yield from _evidence(run)
    yield f"Made by anadil {anadil.__version__} from the files of this run alone."


def _change(change: Change, run: RunFacts) -> tuple[str, ...]:
    name = line(words(f"{change.side}_{change.measure}", run.languages))
    said = "no base to compare with"
    if change.difference:
        share = f" ({percent(change.difference.value, change.before.value)})" if change.before else ""
        ends = change.difference.ends
        unsure = f"; {signed(ends[0])} to {signed(ends[1])}" if ends else f"; {doubt(change.items, 'documents')}"
        said = f"{change.verdict}: {signed(change.difference.value)}{share}{unsure}"
    return name, with_ends(change.before, number), with_ends(change.after, number), said


def _answers(run: RunFacts) -> Iterator[str]:
    if run.answers:
        yield "## Answers"
        yield from filter(None, [line(answers_said(run.evaluation.metrics))])
        yield f"{len(run.answers)} of {run.answered} held-out questions: the first of the file, not picked."
    for answer in run.answers:
        yield f"### {line(answer.question)}"
        for name, text in (("Base", answer.base), ("This run", answer.adapted), ("Reference", answer.reference)):
            if text is not None:
                yield f"**{name}**"
                yield quoted(text)


def _training(run: RunFacts) -> Iterator[str]:
    rows = [
        (f"{line(curve.stage)}: {line(words(key, run.languages))}", number(points[0][1]), number(points[-1][1]))
        for curve in run.curves
        for key, points in curve.points.items()
        if (key == "loss" or key.endswith("bits_per_byte")) and len(points) > 1
    ]
    if rows:
        yield "## Training"
        yield table(("curve", "first", "last"), rows)


def _made(run: RunFacts) -> Iterator[str]:
    """Vocabulary, corpus and time."""
    vocabulary = {name: value for name, value in run.metrics("tokenizer").items() if name.endswith("_tokens")}
    if vocabulary:
        yield "## Vocabulary"
        yield table(("", "tokens"), [(line(words(n, run.languages)), number(v)) for n, v in vocabulary.items()])
        yield from [f"Recommended: {line(run.recommendation)}"] if run.recommendation else []
    if run.sources:
        yield "## Corpus"
        header = ("source", "read", "training", "held out", "rejected")
        rows = []
        for source in run.sources:
            counts = {verdict: count.documents for verdict, count in source.account.by_verdict.items()}
            rejected = sum(n for verdict, n in counts.items() if verdict not in KEPT)
            kept = [number(counts.get(verdict, 0)) for verdict in KEPT]
            rows.append((line(source.name), number(source.account.read.documents), *kept, number(rejected)))
        yield table(header, rows)
    if run.done:
        yield "## Time and cost"
        rows = [(line(s.name), duration(s.wall_seconds), duration(s.cpu_seconds)) for s in run.done]
        rows.append(("all", duration(run.wall_seconds), duration(run.cpu_seconds)))
        yield table(("stage", "wall clock", "CPU"), rows)


def _evidence(run: RunFacts) -> Iterator[str]:
    if not run.done:
        return
    yield "## Evidence"
    metrics = [(line(s.name), line(name), number(value)) for s in run.done for name, value in (s.metrics or {}).items()]
    if metrics:
        yield table(("stage", "metric", "value"), metrics)
    rows = [(line(s.name), line(s.fingerprint), line(s.outputs_digest), _files(s.outputs)) for s in run.done]
    yield table(("stage", "made from", "wrote", "files"), rows)


def _files(outputs: dict[str, int] | None) -> str:
    return f"{len(outputs)}, {size(sum(outputs.values()))}" if outputs else "–"
