"""From measured rows to a verdict: paired comparisons with `keep`, a forecast, go or no-go. Numbers in, numbers out."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anadil.bootstrap import Interval, paired_change, ratio

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows by label of the candidate, one a seed, as `rows.read_row` gives them."""
BASE = "keep"
MOST_KEPT_MAY_LOSE = 0.03
"""Share of bits per byte that a language to keep may lose against `keep` trained alike."""
FARTHEST = 100.0
"""Times the text of the rows beyond which nothing is forecast."""


def bits_per_byte(rows: Sequence[Mapping[str, Any]], point: str, sizes: Mapping[str, Sequence[int]]) -> Interval:
    """Of the domains in `sizes` (bytes of each document) at a named point: the mean over seeds, documents resampled."""
    return ratio(_bits(rows, point, sizes), np.concatenate([np.array(s) for s in sizes.values()]))


def _bits(rows: Sequence[Mapping[str, Any]], point: str, sizes: Mapping[str, Sequence[int]]) -> np.ndarray:
    """Bits of each document, mean over the seeds."""
    by_seed = [
        np.concatenate([np.array(row["measured"][row["points"][point]]["nats"][name]) for name in sizes])
        for row in rows
    ]
    mean: np.ndarray = np.mean(by_seed, axis=0) / math.log(2)
    return mean


def compare(rows: Rows, label: str, pair: tuple[str, str], sizes: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Bits per byte of `label` at the point `pair[1]` minus those of `keep` at `pair[0]`, the same documents paired;
    with the change of each seed alone, since resampling documents does not see how much training itself varies."""
    bytes_N = np.concatenate([np.array(s) for s in sizes.values()])
    of_keep, of_label = _bits(rows[BASE], pair[0], sizes), _bits(rows[label], pair[1], sizes)
    change = paired_change((of_keep, bytes_N), (of_label, bytes_N))
    by_seed = [
        float((_bits([b], pair[1], sizes).sum() - _bits([a], pair[0], sizes).sum()) / bytes_N.sum())
        for a, b in zip(rows[BASE], rows[label], strict=True)
    ]
    before = float(of_keep.sum() / bytes_N.sum())
    interval = {"change": change.value, "low95": change.low95, "high95": change.high95}
    return {
        "label": label,
        "at": pair[1],
        "keep": before,
        "share": change.value / before,
        "by_seed": by_seed,
    } | interval


def forecast(curve: Sequence[tuple[float, float]], full: float) -> dict[str, float] | None:
    """Bits per byte after `full` megabytes, were the curve (megabytes, bits per byte) to go on as a power law.

    A straight line through the last three points in logarithms; it knows nothing of where the curve flattens, so it
    is the best case. None with fewer than three points or farther than `FARTHEST` times the last.
    """
    points = [(x, y) for x, y in curve if x > 0][-3:]
    if len(points) < 3 or full > FARTHEST * points[-1][0] or full <= points[-1][0]:
        return None
    x, y = np.log([p[0] for p in points]), np.log([p[1] for p in points])
    slope, offset = np.polyfit(x, y, 1)
    return {"megabytes": full, "bits_per_byte": float(np.exp(offset + slope * math.log(full)))}


def judge(
    target: Sequence[Mapping[str, Any]], kept: Sequence[Mapping[str, Any]], names: Mapping[str, str]
) -> dict[str, Any]:
    """The verdict from comparisons with `keep` at equal seconds: of the target, and of each language to keep.

    Go with the candidate that wins most of those whose interval is below zero and whose kept languages lose at most
    `MOST_KEPT_MAY_LOSE`; else stay with `keep`, and say why for each. `names` are those of the languages' codes.
    """
    reasons = {}
    for one in target:
        lost = [k for k in kept if k["label"] == one["label"] and k["share"] > MOST_KEPT_MAY_LOSE]
        if one["low95"] > 0:
            reasons[one["label"]] = "the target language is worse"
        elif one["high95"] >= 0:
            reasons[one["label"]] = "no difference in the target language that this much text can show"
        elif lost:
            worst = max(lost, key=lambda k: float(k["share"]))
            reasons[one["label"]] = f"{names[worst['language']]} loses {worst['share']:.1%}"
    good = [one for one in target if one["label"] not in reasons]
    best = min(good, key=lambda one: float(one["change"]), default=None)
    return {
        "go": best is not None,
        "label": best["label"] if best else BASE,
        "against": reasons,
        "limit": MOST_KEPT_MAY_LOSE,
    }
