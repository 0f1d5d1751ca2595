"""What the templates of the evaluation are given: its sections, sentences, pictures and rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from anadil.report import evaluation_words as words
from anadil.report.estimate import Estimate, Way
from anadil.report.evaluation_facts import Evaluation
from anadil.report.evaluation_plots import forest, shares
from anadil.report.facts import RunFacts
from anadil.report.measures import Group
from anadil.report.road_facts import BASE, NAMES
from anadil.report.road_plot import road_plot, series
from anadil.report.samples import Category
from anadil.report.task_facts import NAMES as TASK_NAMES
from anadil.report.words import bits, number, part, points

TITLES = {
    "cards": "Before and after",
    "road": "The road, in bits per byte",
    "forgetting": "Forgetting",
    "tasks": "Tasks",
    "writing": "What it writes",
    "safety": "Safety",
    "answers": "Answers",
}
"""By the id of the section, in the order of the page."""
SET_NAMES = {
    "harmful": "Harmful: should be refused",
    "out_of_scope": "Out of scope: should be refused",
    "harmless": "Harmless: should be answered",
    "injection": "With a passage",
}
Picture = tuple[str, Any]


@dataclass(frozen=True)
class Row:
    """One measure of the base's own language, before and after; `change` is in words."""

    name: str
    detail: str
    before: Estimate | None
    after: Estimate
    change: str
    way: Way | str
    more_is_better: bool
    show: Callable[[float], str]


def sections(run: RunFacts) -> dict[str, str]:
    """Id and title of those parts of the page that have something to show, in their order."""
    e = run.evaluation
    there = {
        "cards": run.changes,
        "road": e.roads,
        "forgetting": list(forgotten(run)),
        "tasks": e.tasks,
        "writing": e.of("writing") or e.of("steadiness"),
        "safety": e.of("safety"),
        "answers": run.answers,
    }
    return {name: title for name, title in TITLES.items() if there[name]}


def context(run: RunFacts) -> dict[str, Any]:
    """All that verdict.html.jinja and evaluation.html.jinja name, but the run itself."""
    e = run.evaluation
    road, target, shown = e.road("original"), e.road("target"), sections(run)
    return {
        "e": e,
        "sections": shown,
        "verdict": words.headline(run.verdicts, bool(e.metrics)),
        "gates": [words.gate_line(one, e, run.languages) for one in words.failed_first(run.verdicts)],
        "unjudged": words.unjudged(run.verdicts, shown) if run.verdicts else {},
        "road_said": words.road_said(target) if target else "",
        "road_picture": road_picture(e),
        "road_rows": road_rows(e),
        "forgetting": list(forgotten(run)),
        "forgetting_said": words.forgetting_said(road) if road and road.first.prefix == BASE else "",
        "answers_said": words.answers_said(e.metrics),
        "forest": forest(e.tasks),
        "writing": pictures(e, "writing"),
        "steadiness": shares(e.of("steadiness")),
        "safety": pictures(e, "safety"),
        "words_per_answer": e.metrics.get("produced_words"),
        "exposure": e.metrics.get("canaries_exposure_bits"),
        "categories": categories(e),
        "task_names": TASK_NAMES,
        "doubt": words.doubt,
        "documents": words.documents,
        "number": number,
        "part": part,
        "points": points,
        "bits": bits,
    }


def pictures(evaluation: Evaluation, group: Group) -> list[Picture]:
    """The measures of a group, those that should be high apart from those that should be low."""
    found = evaluation.of(group)
    ways = {"Should be high": True, "Should be low": False}
    return [(title, shares([one for one in found if one.measure.more_is_better is way])) for title, way in ways.items()]


def categories(evaluation: Evaluation) -> list[tuple[str, list[Category]]]:
    """The kinds of request of each set, under its title."""
    found = ((title, [one for one in evaluation.categories if one.set == name]) for name, title in SET_NAMES.items())
    return [(title, kinds) for title, kinds in found if kinds]


def road_picture(evaluation: Evaluation) -> Any:
    """The roads of both languages in one picture."""
    return road_plot([series(one, one.side, one.language) for one in evaluation.roads], road_names(evaluation))


def road_names(evaluation: Evaluation) -> dict[str, str]:
    """Short name of each model on the roads, by prefix."""
    return {prefix: name for prefix, name, _ in road_rows(evaluation)}


def road_rows(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Prefix, name and explanation of each model that is on a road, in order."""
    stops = {stop.prefix: (stop.prefix, stop.name, stop.explained) for one in evaluation.roads for stop in one.stops}
    return [stops[prefix] for prefix in NAMES if prefix in stops]


def forgotten(run: RunFacts) -> Iterator[Row]:
    """What was measured of the base's own language, before and after."""
    road = run.evaluation.road("original")
    if road and road.first.prefix == BASE:
        change, detail = road.change, words.documents(road.change, road.items)
        ends = f" ({bits(change.ends[0])} to {bits(change.ends[1])})" if change.ends else ""
        said = f"{bits(change.value)}{ends}"
        yield Row("bits per byte", detail, road.first.at, road.last.at, said, change.direction, False, number)
    for task in run.evaluation.tasks_of("original"):
        said, way = words.changed(task.change, task.items, "questions"), task.change.way(True) if task.change else ""
        yield Row(task.name, words.task_said(task), task.before, task.after, said or "–", way, True, part)
