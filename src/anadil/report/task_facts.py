"""Tasks: of how many questions is the right answer known, before and after."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from anadil.report.estimate import Estimate, estimate, items
from anadil.report.words import Side

_TASK = re.compile(r"task_(?P<name>.+?)(?<!_uncontaminated)(?<!_raw)_(?P<measure>accuracy|exact)")
NAMES = {"accuracy": "right choices", "exact": "answers word for word"}


@dataclass(frozen=True)
class Task:
    """One task. `measure` is the metric without its task; `contaminated` questions were seen in training."""

    name: str
    measure: str
    side: Side
    language: str
    items: int | None
    before: Estimate | None
    after: Estimate
    change: Estimate | None
    chance: Estimate | None = None
    contaminated: int | None = None
    uncontaminated: Estimate | None = None
    token_f1: Estimate | None = None

    @property
    def metric(self) -> str:
        """Its name among the metrics of evaluate."""
        return f"task_{self.name}_{self.measure}"


def tasks(metrics: Mapping[str, float], languages: Mapping[str, tuple[Side, str]]) -> Iterator[Task]:
    """Every task that was measured; `languages` by task, in the order of the recipe, and of all others under ""."""
    stated = [name for name in languages if name]
    for name, measure in _stated(metrics, stated) if stated else _found(metrics):
        metric, (side, language) = f"task_{name}_{measure}", languages.get(name, languages[""])
        after, contaminated = estimate(metrics, metric), items(metrics, f"task_{name}_contaminated")
        if after:
            yield Task(
                name, measure, side, language, items(metrics, metric),
                estimate(metrics, f"base_{metric}"), after, estimate(metrics, f"{metric}_change"),
                estimate(metrics, f"task_{name}_chance"), contaminated,
                estimate(metrics, f"task_{name}_uncontaminated_{measure}") if contaminated else None,
                estimate(metrics, f"task_{name}_token_f1"),
            )  # fmt: skip


def _stated(metrics: Mapping[str, float], names: list[str]) -> Iterator[tuple[str, str]]:
    pairs = ((name, measure) for name in names for measure in NAMES)
    return (pair for pair in pairs if f"task_{pair[0]}_{pair[1]}" in metrics)


def _found(metrics: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    found = (_TASK.fullmatch(metric) for metric in metrics)
    return ((match["name"], match["measure"]) for match in found if match)
