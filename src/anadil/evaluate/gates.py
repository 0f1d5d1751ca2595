"""Gates: thresholds on stored metrics, judged on the 95% interval where there is one; together: ship or do not ship."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from anadil.errors import UserError
from anadil.recipe import Gate

BASE = "base_"
_MORE_IS_BETTER = re.compile(
    r"accuracy|exact|_f1|same_share|stopped_share|target_language_share|target_letter_share"
    r"|refused_harmful_share|refused_out_of_scope_share"
)
"""Metrics of which more is better: no worse than the base is there at least so much. Of all others less is better."""
_FILES = (
    ("bits_per_byte", "bits_per_byte.jsonl"), ("answers_checked|personal_data", "personal_data.jsonl"),
    ("produced|steady", "produced.jsonl"), ("refused|obeyed", "safety.jsonl"), ("canaries", "canaries.jsonl"),
    ("task_", "tasks/"), ("answers", "answers.jsonl"), ("toxic", "produced.jsonl, safety.jsonl and answers.jsonl"),
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """One gate's outcome. `value` is what was compared with `bound`; `used` says whether it is an interval's end.

    `measured` is the metric whose value it is, with `point` in its middle: of a gate against the base its change.
    """

    metric: str
    passed: bool
    value: float
    bound: float
    used: Literal["interval", "point"]
    text: str
    relation: Literal["at least", "at most"]
    measured: str
    point: float

    @property
    def look_at(self) -> str:
        """Where the items behind the metric are, in the folder of the stage; "" where nowhere."""
        return next((file for pattern, file in _FILES if re.search(pattern, self.metric)), "")


def ship(verdicts: Sequence[Verdict]) -> bool | None:
    """Whether all gates hold; None where none is stated: then nobody has said what would be good enough."""
    return all(one.passed for one in verdicts) if verdicts else None


def judge(gates: Sequence[Gate], metrics: Mapping[str, float]) -> list[Verdict]:
    """Judge all gates, in order. UserError for a metric that was not measured, with the nearest that were."""
    return [_judge(gate, metrics) for gate in gates]


def _judge(gate: Gate, metrics: Mapping[str, float]) -> Verdict:
    if gate.max is not None:
        return _at_most(gate.metric, gate.metric, gate.max, metrics)
    if gate.min is not None:
        return _at_least(gate.metric, gate.metric, gate.min, metrics)
    assert gate.no_worse_than_base_by is not None, "checked by the recipe: a gate has one bound"
    return _against_base(gate.metric, gate.no_worse_than_base_by, metrics)


def _at_least(name: str, metric: str, bound: float, metrics: Mapping[str, float]) -> Verdict:
    value, used = _end(metric, "low95", metrics)
    text = _text(metric, "at least", bound, value, used, metrics[metric], "lower")
    return Verdict(name, value >= bound, value, bound, used, text, "at least", metric, metrics[metric])


def _at_most(name: str, metric: str, bound: float, metrics: Mapping[str, float]) -> Verdict:
    value, used = _end(metric, "high95", metrics)
    text = _text(metric, "at most", bound, value, used, metrics[metric], "upper")
    return Verdict(name, value <= bound, value, bound, used, text, "at most", metric, metrics[metric])


def _against_base(metric: str, bound: float, metrics: Mapping[str, float]) -> Verdict:
    """On the interval of the change where the documents were compared in pairs, else on the difference."""
    change = f"{metric}_change"
    if change not in metrics:
        metrics = {**metrics, change: _value(metric, metrics) - _value(BASE + metric, metrics)}
    if _MORE_IS_BETTER.search(metric):
        return _at_least(metric, change, -bound, metrics)
    return _at_most(metric, change, bound, metrics)


def _end(metric: str, end: str, metrics: Mapping[str, float]) -> tuple[float, Literal["interval", "point"]]:
    value = _value(metric, metrics)
    return (metrics[f"{metric}_{end}"], "interval") if f"{metric}_{end}" in metrics else (value, "point")


def _value(metric: str, metrics: Mapping[str, float]) -> float:
    if metric in metrics:
        return metrics[metric]
    near = difflib.get_close_matches(metric, metrics, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"measured were: {', '.join(sorted(metrics)) or 'none'}"
    raise UserError(f"gate on {metric!r}: the stage evaluate measured no such metric", hint=hint)


def _text(metric: str, relation: str, bound: float, value: float, used: str, point: float, end: str) -> str:
    wish = f"{metric} {relation} {bound:g}"
    if used == "interval":
        return f"{wish}: {point:.4g}, {end} end of the 95% interval {value:.4g}"
    return f"{wish}: {point:.4g} (no interval)"
