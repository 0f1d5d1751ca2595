"""Gates: thresholds on stored metrics, judged on the 95% interval where there is one."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from anadil.errors import UserError
from anadil.recipe import Gate

BASE = "base_"


@dataclass(frozen=True)
class Verdict:
    """One gate's outcome. `value` is what was compared with `bound`; `used` says whether it is an interval's end."""

    metric: str
    passed: bool
    value: float
    bound: float
    used: Literal["interval", "point"]
    text: str


def judge(gates: Sequence[Gate], metrics: Mapping[str, float]) -> list[Verdict]:
    """Judge all gates, in order. UserError for a metric that was not measured, with the nearest that were."""
    return [_judge(gate, metrics) for gate in gates]


def _judge(gate: Gate, metrics: Mapping[str, float]) -> Verdict:
    if gate.max is not None:
        return _at_most(gate.metric, gate.metric, gate.max, metrics)
    if gate.min is not None:
        value, used = _end(gate.metric, "low95", metrics)
        text = _text(gate.metric, "at least", gate.min, value, used, metrics[gate.metric], "lower")
        return Verdict(gate.metric, value >= gate.min, value, gate.min, used, text)
    assert gate.no_worse_than_base_by is not None, "checked by the recipe: a gate has one bound"
    return _against_base(gate.metric, gate.no_worse_than_base_by, metrics)


def _at_most(name: str, metric: str, bound: float, metrics: Mapping[str, float]) -> Verdict:
    value, used = _end(metric, "high95", metrics)
    text = _text(metric, "at most", bound, value, used, metrics[metric], "upper")
    return Verdict(name, value <= bound, value, bound, used, text)


def _against_base(metric: str, bound: float, metrics: Mapping[str, float]) -> Verdict:
    """On the interval of the change where the documents were compared in pairs, else on the difference."""
    change = f"{metric}_change"
    if change in metrics:
        return _at_most(metric, change, bound, metrics)
    after, before = _value(metric, metrics), _value(BASE + metric, metrics)
    text = _text(change, "at most", bound, after - before, "point", after - before, "upper")
    return Verdict(metric, after - before <= bound, after - before, bound, "point", text)


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
