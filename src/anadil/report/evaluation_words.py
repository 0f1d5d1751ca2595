"""What the report says about the evaluation: sentences made from the numbers, the same on every page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from anadil.evaluate.gates import Verdict, ship
from anadil.report.dots import tick
from anadil.report.estimate import Estimate, Way, estimate, items
from anadil.report.evaluation_facts import FOLDER, Evaluation
from anadil.report.measures import Measured
from anadil.report.road_facts import BASE, Road, Stop
from anadil.report.task_facts import Task
from anadil.report.words import Side, bits, number, part, percent, points, signed, words
from anadil.shares import LEAST_ITEMS

Outcome = Literal["ship", "stop", "none"]
SECTIONS = (
    ("target_bits_per_byte", "road"), ("original_bits_per_byte", "forgetting"), ("task_", "tasks"),
    ("produced", "writing"), ("steady", "writing"), ("refused", "safety"), ("obeyed", "safety"),
    ("personal_data", "safety"), ("canaries", "safety"), ("toxic", "safety"), ("answers_checked", "safety"),
    ("answers", "answers"),
)  # fmt: skip
"""Of a metric whose name holds the text: the section of the page that shows it; the first that fits."""
JUDGED = ("road", "forgetting", "tasks", "writing", "safety", "answers")
UNITS = (
    ("bits_per_byte", "documents"), ("task_", "questions"), ("produced", "answers"), ("steady", "answers"),
    ("refused", "requests"), ("obeyed", "attacks"), ("answers", "questions"), ("", "items"),
)  # fmt: skip
"""Of a metric whose name holds the text: what its items are; the first that fits."""
NONE_STATED = (
    "The recipe does not say what would be good enough, so this report measures and does not judge. State [[gates]] "
    "in the recipe to get a verdict."
)


@dataclass(frozen=True)
class Headline:
    """The verdict: what to do, and why."""

    outcome: Outcome
    title: str
    reason: str


@dataclass(frozen=True)
class GateLine:
    """A gate in words; `files` are where its items lie, `section` where the page shows the metric."""

    passed: bool
    asked: str
    reached: str
    metric: str
    files: str
    section: str


def headline(verdicts: Sequence[Verdict], is_evaluated: bool) -> Headline:
    """Ship, do not ship, or why there is no verdict."""
    if not is_evaluated:
        return Headline("none", "No verdict", "The stage evaluate is not done: nothing was measured against the gates.")
    failed, count = sum(not one.passed for one in verdicts), len(verdicts)
    decided = ship(verdicts)
    if decided is None:
        return Headline("none", "No gate is stated", NONE_STATED)
    if decided:
        return Headline("ship", "Ship", "The one gate holds." if count == 1 else f"All {count} gates hold.")
    return Headline("stop", "Do not ship", f"{failed} of {count} gate{'s' if count > 1 else ''} failed.")


def failed_first(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """As they stand in the recipe, but those that failed before the others."""
    return sorted(verdicts, key=lambda one: one.passed)


def gate_line(verdict: Verdict, evaluation: Evaluation, languages: dict[Side, str]) -> GateLine:
    """What was asked, what was reached, and where to look."""
    name = words(verdict.metric, languages)
    if verdict.measured == verdict.metric:
        asked = f"{verdict.relation} {chosen(verdict.measured, verdict.bound)}"
    else:
        limit = chosen(verdict.measured, abs(verdict.bound))
        asked = "no worse than the base" + (f" by more than {limit}" if verdict.bound else "")
    reached = shown(verdict.measured, verdict.point)
    if verdict.used == "interval":
        end = "low" if verdict.relation == "at least" else "high"
        reached += f", and as {end} as {shown(verdict.measured, verdict.value)} within the 95% interval"
    elif not verdict.metric.endswith("_items"):  # a count of all that there is
        reached += f"; {_doubt(verdict.metric.removesuffix('_change'), evaluation.metrics)}"
    files = ", ".join(f"{FOLDER}/{file}" for file in verdict.look_at.replace(" and ", ", ").split(", ") if file)
    return GateLine(verdict.passed, f"{name}: {asked}", reached, verdict.metric, files, _section(verdict))


def unjudged(verdicts: Sequence[Verdict], sections: Mapping[str, str]) -> dict[str, str]:
    """Those sections of the evaluation, by id, at which no gate looks: nobody has said what is good enough there."""
    judged = {_section(verdict) for verdict in verdicts}
    return {name: title for name, title in sections.items() if name in JUDGED and name not in judged}


def _section(verdict: Verdict) -> str:
    return next((section for holds, section in SECTIONS if holds in verdict.metric), "")


def _doubt(metric: str, metrics: Mapping[str, float]) -> str:
    return doubt(items(metrics, metric), next(unit for holds, unit in UNITS if holds in metric))


def shown(metric: str, value: float) -> str:
    """A value of a metric as people read it: shares in percent, their changes in points, others as they are."""
    is_change = metric.endswith(("_change", "_step"))
    if _is_share(metric):
        return f"{points(value)} points" if is_change else part(value)
    return signed(value) if is_change else number(value)


def chosen(metric: str, value: float) -> str:
    """A limit that the recipe states, as short as it goes."""
    if _is_share(metric):
        return f"{100 * value:.10g}{' points' if metric.endswith('_change') else '%'}"
    return tick(value)


def _is_share(metric: str) -> bool:
    return metric.removesuffix("_change").removesuffix("_step").endswith(("_share", "_accuracy", "_exact"))


def doubt(items: int | None, unit: str) -> str:
    """Why a figure has no interval."""
    if items is None or items >= LEAST_ITEMS:
        return "no interval"
    one = unit.removesuffix("s") if items == 1 else unit
    return f"{items} {one}: too few for an interval"


def between(at: Estimate, items: int | None, unit: str) -> str:
    """The 95% interval of a share, or why there is none."""
    return f"{part(at.ends[0])} to {part(at.ends[1])}" if at.ends else doubt(items, unit)


def documents(at: Estimate, items: int | None) -> str:
    """How many documents were measured; whether they are too few for an interval."""
    return f"{items} documents" if at.ends and items is not None else doubt(items, "documents")


def changed(at: Estimate | None, items: int | None, unit: str) -> str:
    """A change in a share with its interval, or why there is none; "" without a base."""
    if at is None:
        return ""
    ends = f"{points(at.ends[0])} to {points(at.ends[1])}" if at.ends else doubt(items, unit)
    return f"{points(at.value)} points ({ends})"


def road_said(road: Road) -> str:
    """Where the road led, which step gained most and which cost something."""
    went = {"better": "fell", "worse": "rose", "unclear": "went"}[road.change.direction]
    ends = f"from {number(road.first.at.value)} to {number(road.last.at.value)}"
    said = f"Bits per byte of {road.language} {went} {ends} ({percent(road.change.value, road.first.at.value)})"
    said += ": no difference shown." if road.change.direction == "unclear" else "."
    gained, lost = _steps(road, "better"), _steps(road, "worse")
    parts = [f"most was gained by {_did(gained[:1])}"] if gained else []
    parts += [f"{_did(lost)} cost some of it" if gained else f"most was lost by {_did(lost[:1])}"] if lost else []
    found = "; ".join(parts)
    return said + (f" {found[0].upper()}{found[1:]}." if found else "")


def said(road: Road) -> str:
    """The sentence that fits: the base's own language is there to be kept."""
    return forgetting_said(road) if road.side == "original" and road.first.prefix == BASE else road_said(road)


def _steps(road: Road, way: Way) -> list[Stop]:
    """Those that went this way by more than nothing, the largest first; of a road of two the step is the whole."""
    found = [stop for stop in road.stops if stop.step and stop.step.direction == way and len(road.stops) > 2]
    return sorted((stop for stop in found if bits(_size(stop)) != "0.000"), key=lambda stop: -abs(_size(stop)))


def _size(stop: Stop) -> float:
    return stop.step.value if stop.step else 0.0


def _did(stops: Iterable[Stop]) -> str:
    named = [f"{stop.did} ({bits(_size(stop))})" for stop in stops]
    return " and ".join(filter(None, [", ".join(named[:-1]), *named[-1:]]))


def forgetting_said(road: Road) -> str:
    """What became of the base's own language, and in which step most."""
    change = road.change
    said = {
        "better": f"{road.language} got better",
        "worse": f"{road.language} got worse",
        "unclear": f"No change is shown in {road.language}",
    }[change.direction]
    ends = f"{bits(change.ends[0])} to {bits(change.ends[1])}" if change.ends else doubt(road.items, "documents")
    said = f"{said}: {bits(change.value)} bits per byte ({percent(change.value, road.first.at.value)}; {ends})."
    lost = _steps(road, "worse")
    return said + (f" Most was lost by {_did(lost[:1])}." if lost else "")


def answers_said(metrics: Mapping[str, float]) -> str:
    """How the held-out questions were answered, in one line; "" where none was asked."""
    f1, base = (estimate(metrics, f"{prefix}answers_token_f1") for prefix in ("", BASE))
    if f1 is None:
        return ""
    change, stopped = estimate(metrics, "answers_token_f1_change"), estimate(metrics, "answers_stopped_share")
    ends = f" ({signed(change.ends[0])} to {signed(change.ends[1])})" if change and change.ends else ""
    against = f", with the base {number(base.value)}: {signed(change.value)}{ends}" if base and change else ""
    said = [f"Words shared with the references (F1): {number(f1.value)}{against}."]
    if stopped:
        said.append(f"{part(stopped.value)} end by themselves.")
    count, copied = (metrics.get(f"answers_{name}") for name in ("contaminated_questions", "copied_over_half"))
    said += [f"{number(count)} questions were seen in training."] if count else []
    said += [f"{number(copied)} answers are copied from one training text by more than half."] if copied else []
    return " ".join(said)


def task_said(task: Task) -> str:
    """What a task's questions are, and how many of them were seen in training."""
    said = [task.language, f"{number(task.items)} questions"] if task.items is not None else [task.language]
    said += [f"{task.contaminated} of them seen in training"] if task.contaminated else []
    return ", ".join(said)


def measured_said(one: Measured) -> str:
    """The figure of a measure: a share, or a count of how many."""
    return part(one.at.value) if one.count is None else f"{one.count:,} of {one.items:,}"


def measured_ends(one: Measured) -> str:
    """Its 95% interval, or why there is none."""
    return between(one.at, one.items, one.measure.unit or "items")
