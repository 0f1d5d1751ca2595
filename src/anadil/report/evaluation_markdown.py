"""The evaluation in Markdown: the same sections, sentences and figures as on the page."""

from collections.abc import Callable, Iterator

from anadil.report import evaluation_words as words
from anadil.report.estimate import Estimate
from anadil.report.evaluation_page import TITLES, categories, forgotten, road_rows, sections
from anadil.report.facts import RunFacts
from anadil.report.markdown_text import escaped, line, quoted, table
from anadil.report.measures import Group
from anadil.report.road_facts import BASE
from anadil.report.words import bits, number, part, points

WAYS = {True: "high", False: "low"}


def verdict(run: RunFacts) -> Iterator[str]:
    """Ship or do not ship, and every gate."""
    headline = words.headline(run.verdicts, bool(run.evaluation.metrics))
    yield f"## Verdict: {headline.title}"
    yield headline.reason
    if run.verdicts:
        lines = [words.gate_line(one, run.evaluation, run.languages) for one in words.failed_first(run.verdicts)]
        marks = {True: "✓ passed", False: "✗ failed"}
        rows = [(marks[g.passed], line(g.asked), g.reached, f"`{g.files}`" if g.files else "–") for g in lines]
        yield table(("gate", "asked", "reached", "look at"), rows, texts=4)
        if left := words.unjudged(run.verdicts, sections(run)):
            yield f"No gate looks at: {', '.join(left.values())}."


def evaluation(run: RunFacts) -> Iterator[str]:
    """The road, forgetting, tasks, what it writes, safety."""
    there = sections(run)
    for name, found in {"road": _road, "forgetting": _forgetting, "tasks": _tasks, "writing": _writing}.items():
        if name in there:
            yield f"## {TITLES[name]}"
            yield from found(run)
    if "safety" in there:
        yield f"## {TITLES['safety']}"
        yield from _safety(run)


def with_ends(at: Estimate | None, show: Callable[[float], str]) -> str:
    """A figure with its interval where it has one."""
    if at is None:
        return "–"
    return show(at.value) + (f" ({show(at.ends[0])} to {show(at.ends[1])})" if at.ends else "")


def _road(run: RunFacts) -> Iterator[str]:
    e = run.evaluation
    if road := e.road("target"):
        yield escaped(words.road_said(road))
    header = ["model"]
    for road in e.roads:
        count = words.documents(road.last.at, road.items)
        header += [f"{line(road.language)}, bits per byte ({count})", "since the one before"]
    rows = []
    for prefix, name, explained in road_rows(e):
        stops = [road.at(prefix) for road in e.roads]
        figures = ((with_ends(s.at, number), with_ends(s.step, bits)) if s else ("–", "–") for s in stops)
        rows.append([f"{name}: {explained}", *(cell for pair in figures for cell in pair)])
    yield table(header, rows)
    if e.domains:
        yield table(
            ("source", "documents", "base", "this run", "change"),
            [
                (f"{line(d.source)} ({line(d.language)})", number(d.items), with_ends(d.before, number),
                 with_ends(d.after, number), with_ends(d.change, bits) + _few(d.change))
                for d in e.domains
            ],
        )  # fmt: skip


def _few(change: Estimate | None) -> str:
    return ", too few for an interval" if change and not change.ends else ""


def _forgetting(run: RunFacts) -> Iterator[str]:
    road, rows = run.evaluation.road("original"), list(forgotten(run))
    if road and road.first.prefix == BASE:
        yield escaped(words.forgetting_said(road))
    if len(rows) > 1 or not road:
        cells = [
            (f"{line(r.name)} ({line(r.detail)})", with_ends(r.before, r.show), with_ends(r.after, r.show), r.change)
            for r in rows
        ]
        yield table((f"in {line(run.languages['original'])}", "base", "this run", "change"), cells)


def _tasks(run: RunFacts) -> Iterator[str]:
    rows = []
    for t in run.evaluation.tasks:
        unseen = f" (of the unseen {part(t.uncontaminated.value)} right)" if t.uncontaminated else ""
        change = with_ends(t.change, points) + _few(t.change)
        figures = (with_ends(t.before, part), with_ends(t.after, part), change, with_ends(t.chance, part))
        rows.append(
            (f"{line(t.name)} ({line(t.language)})", number(t.items), *figures, number(t.contaminated) + unseen)
        )
    header = ("task", "questions", "base", "this run", "change, points", "chance", "seen in training")
    yield table(header, rows)


def _writing(run: RunFacts) -> Iterator[str]:
    yield "Answers to a fixed list of prompts, judged by rules; whether an answer is good, people have to say."
    yield from _measures(run, "writing")
    if run.evaluation.of("steadiness"):
        yield "The same prompts typed again in another way: words that the two answers have in common (F1)."
        yield from _measures(run, "steadiness")
    for prompt in run.evaluation.typed:
        for said in prompt:
            yield f"**{said.typing}: {line(said.prompt)}**"
            yield quoted(said.answer)


def _measures(run: RunFacts, group: Group) -> Iterator[str]:
    rows = [
        (m.measure.name, words.measured_said(m), words.measured_ends(m), WAYS[m.measure.more_is_better])
        for m in run.evaluation.of(group)
    ]
    if rows:
        yield table(("measure", "share", "95% interval", "should be"), rows)


def _safety(run: RunFacts) -> Iterator[str]:
    yield from _measures(run, "safety")
    rows = [
        (f"{title}: {line(kind.name)}", f"{kind.count} of {kind.items} {kind.counts}")
        for title, kinds in categories(run.evaluation)
        for kind in kinds
    ]
    if rows:
        yield table(("kind of request", "counted"), rows)
