"""Two runs side by side: what both measured, the difference of each figure, and where their recipes differ."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anadil.artifact import MANIFEST
from anadil.errors import UserError
from anadil.languages import LanguageProfile, load_profile
from anadil.report.estimate import Estimate, estimate
from anadil.report.facts import RUN, Answer, RunFacts, all_answers, facts
from anadil.report.measures import MEASURES, Group, Measure, measured
from anadil.report.pairs import Paired, paired
from anadil.report.run_files import json_object
from anadil.report.task_facts import Task
from anadil.report.words import Side, plain

SHOWN_ANSWERS = 5
LONGEST_SETTING, ABSENT = 200, "–"


@dataclass(frozen=True)
class Pair:
    """One figure of both runs. `difference` is b - a; of pairs where both kept the same items, else of the figures."""

    a: Estimate | None
    b: Estimate | None
    difference: Estimate | None
    pairs: Paired | None

    @property
    def is_of_other_items(self) -> bool:
        """Whether one run has items that the other lacks, so that the difference is not that of the figures."""
        return self.pairs is not None and self.pairs.items < self.pairs.every


@dataclass(frozen=True)
class Comparison:
    """Two runs and what can be said of both."""

    a: RunFacts
    b: RunFacts
    pairs: Mapping[str, Paired]
    answers: tuple[tuple[Answer, Answer], ...]
    answered: int  # questions that both were asked
    settings: tuple[tuple[str, str, str], ...]  # key, value in a, value in b
    files: tuple[str, ...]  # read by both, of another content
    other_gates: bool

    @property
    def languages(self) -> dict[Side, str]:
        """Those of both; where they differ, `target` and `original` are what they can be called."""
        return self.a.languages if self.is_comparable else {}

    @property
    def is_comparable(self) -> bool:
        """Whether both are of the same languages."""
        return self.a.languages == self.b.languages

    def pair(self, metric: str, stage: str = "evaluate") -> Pair:
        """A metric of both runs."""
        a, b = (estimate(run.metrics(stage), metric) for run in (self.a, self.b))
        return _pair(a, b, self.pairs.get(metric) if stage == "evaluate" else None)

    def measures(self, group: Group) -> Iterator[tuple[Measure, Pair]]:
        """Those of a group that either run has."""
        one, other = ({m.measure: m.at for m in measured(run.evaluation.metrics)} for run in (self.a, self.b))
        for measure in MEASURES:
            if measure.group == group and (measure in one or measure in other):
                yield measure, _pair(one.get(measure), other.get(measure), self.pairs.get(measure.metric))

    def tasks(self) -> Iterator[tuple[Task, Pair]]:
        """The tasks of either run."""
        found = {task.metric: task for run in (self.b, self.a) for task in run.evaluation.tasks}
        return ((task, self.pair(metric)) for metric, task in found.items())

    @property
    def doubts(self) -> list[str]:
        """What a reader should know before believing the differences."""
        found = [f"{name}: {doubt}" for name, run in (("A", self.a), ("B", self.b)) for doubt in run.doubts]
        if self.other_gates:
            found.append("The recipes state other gates: their verdicts do not judge the same.")
        if not self.is_comparable:
            found.append("The runs are of different languages: their figures cannot be held against each other.")
        return found


def compare_runs(run_a: Path, run_b: Path) -> Comparison:
    """Read both runs; UserError where there is none."""
    a, b = facts(run_a), facts(run_b)
    profile = _profile(run_a) if a.languages == b.languages else None
    pairs = paired(run_a, run_b, profile) if profile else {}
    others = {answer.question: answer for answer in all_answers(run_b)}
    both = [(answer, others[answer.question]) for answer in all_answers(run_a) if answer.question in others]
    return Comparison(
        a, b, pairs, tuple(both[:SHOWN_ANSWERS]), len(both),
        tuple(_settings(run_a, run_b)), tuple(_files(run_a, run_b)),
        _recipe(run_a).get("gates") != _recipe(run_b).get("gates"),
    )  # fmt: skip


def _pair(a: Estimate | None, b: Estimate | None, pairs: Paired | None) -> Pair:
    if a is None or b is None:
        return Pair(a, b, None, None)
    return Pair(a, b, (pairs and pairs.difference) or Estimate(b.value - a.value), pairs)


def _profile(run: Path) -> LanguageProfile | None:
    """None for a language whose file is no longer there."""
    try:
        return load_profile(str(_recipe(run).get("language", "")))
    except UserError:
        return None


def _recipe(run: Path) -> dict[str, Any]:
    found = (json_object(run / RUN) or {}).get("recipe")
    if not isinstance(found, dict):
        raise UserError(f"no run at {run}", hint="name the folder of a run: it holds run.json")
    return found


def _settings(run_a: Path, run_b: Path) -> Iterator[tuple[str, str, str]]:
    """Keys whose values differ, in the order of the first recipe; what is not stated is not there."""
    a, b = (dict(_flat(_recipe(run), "")) for run in (run_a, run_b))
    for key in dict.fromkeys([*a, *b]):
        if key != "name" and a.get(key) != b.get(key):
            yield plain(key), a.get(key, ABSENT), b.get(key, ABSENT)


def _flat(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _flat(part, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list) and any(isinstance(part, dict) for part in value):
        for number, part in enumerate(value):
            rest = dict(part) if isinstance(part, dict) else part
            named = rest.pop("name", None) or rest.pop("metric", None) if isinstance(rest, dict) else None
            yield from _flat(rest, f"{key}[{named or number}]")
    elif value is not None:
        text = ", ".join(map(_said, value)) if isinstance(value, list) else _said(value)
        yield key, plain(text if len(text) <= LONGEST_SETTING else f"{text[:LONGEST_SETTING]}…")


def _said(value: Any) -> str:
    """Of a folder or file only the last name: reports are passed on."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return Path(value).name if Path(value).is_absolute() else value


def _files(run_a: Path, run_b: Path) -> Iterator[str]:
    """Names of the files from outside that both read and that are not the same."""
    a, b = (_read_files(run) for run in (run_a, run_b))
    return (plain(name.removeprefix("file ")) for name in sorted(a.keys() & b.keys()) if a[name] != b[name])


def _read_files(run: Path) -> dict[str, str]:
    found = dict[str, str]()
    for stage in _recipe(run).get("stages", []):
        parts = (json_object(run / str(stage) / MANIFEST) or {}).get("fingerprint_parts") or {}
        found |= {str(key): str(value) for key, value in parts.items() if str(key).startswith("file ")}
    return found
