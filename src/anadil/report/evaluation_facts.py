"""What the stage evaluate measured and kept, as its files tell it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anadil.errors import UserError
from anadil.languages import load_profile
from anadil.report.measures import Group, Measured, measured
from anadil.report.road_facts import Domain, Road, domains, roads
from anadil.report.run_files import json_lines
from anadil.report.samples import Category, Typed, categories, typed_prompts
from anadil.report.task_facts import Task, tasks
from anadil.report.words import Side, plain

FOLDER = "evaluate"
PRODUCED, SAFETY = "produced.jsonl", "safety.jsonl"


@dataclass(frozen=True)
class Evaluation:
    """All of it; parts that were not measured are empty. Texts are free of control characters."""

    metrics: Mapping[str, float]
    roads: tuple[Road, ...] = ()
    domains: tuple[Domain, ...] = ()
    tasks: tuple[Task, ...] = ()
    measures: tuple[Measured, ...] = ()
    typed: tuple[tuple[Typed, ...], ...] = ()
    categories: tuple[Category, ...] = ()
    related: tuple[str, ...] = ()  # languages that the target's is mistaken for

    def of(self, group: Group) -> list[Measured]:
        """The measures of a group."""
        return [one for one in self.measures if one.measure.group == group]

    def road(self, side: Side) -> Road | None:
        """The road of a language, where more than one model was measured."""
        return next((road for road in self.roads if road.side == side), None)

    def tasks_of(self, side: Side) -> list[Task]:
        """The tasks in a language."""
        return [task for task in self.tasks if task.side == side]


def evaluation(
    run_folder: Path, recipe: Mapping[str, Any], metrics: Mapping[str, float], languages: Mapping[Side, str]
) -> Evaluation:
    """What the metrics and the rows beside them say."""
    sources = [plain(one.get("name", "")) for one in (recipe.get("corpus") or {}).get("sources", [])]
    folder = run_folder / FOLDER
    return Evaluation(
        metrics,
        tuple(roads(metrics, languages, recipe.get("stages", []))),
        tuple(domains(metrics, languages, sources)),
        tuple(tasks(metrics, _task_languages(recipe, languages))),
        tuple(measured(metrics)),
        typed_prompts(json_lines(folder / PRODUCED)) if metrics else (),
        tuple(categories(json_lines(folder / SAFETY))) if metrics else (),
        tuple(_related(str(recipe.get("language", "")))),
    )


def language_name(code: str) -> str:
    """A language's name in English; what the code says where it has no profile."""
    try:
        return plain(load_profile(code).name)
    except UserError:
        return plain(Path(code).stem) or "unnamed language"


def _task_languages(recipe: Mapping[str, Any], names: Mapping[Side, str]) -> dict[str, tuple[Side, str]]:
    """Side and language of each task that the recipe states, and under "" those of one that says nothing."""
    target, base = str(recipe.get("language", "")), str((recipe.get("base") or {}).get("language", ""))
    sides: dict[str, Side] = {base: "original", target: "target"}
    found: dict[str, tuple[Side, str]] = {"": ("target", names["target"])}
    for task in (recipe.get("evaluate") or {}).get("tasks") or []:
        code = str(task.get("language") or target)
        side = sides.get(code, "other")
        found[plain(task.get("name", ""))] = (side, language_name(code) if side == "other" else names[side])
    return found


def _related(code: str) -> Sequence[str]:
    try:
        codes = [neighbour.code for neighbour in load_profile(code).neighbours]
    except UserError:
        return []
    return [name for one in codes if (name := language_name(one)) != one]
