"""Figures with their intervals."""

import math

from hypothesis import given
from hypothesis import strategies as st

from anadil.report.estimate import Estimate, estimate, items

ends = st.floats(-10, 10)


@given(ends, ends, ends)
def test_what_is_better_turns_with_what_is_good(a: float, b: float, c: float) -> None:
    low, value, high = sorted((a, b, c))
    one, turned = Estimate(value, low, high), Estimate(-value, -high, -low)
    assert one.way(False) == one.direction == turned.way(True)
    assert (one.direction == "unclear") == (low <= 0 <= high)


def test_what_is_no_number_was_not_measured() -> None:
    metrics = {"a": 1.0, "a_low95": math.nan, "a_high95": 2.0, "b": math.inf, "a_items": 3.0, "b_items": math.nan}
    assert estimate(metrics, "a") == Estimate(1.0, None, 2.0)
    assert Estimate(1.0, None, 2.0).ends is None
    assert estimate(metrics, "b") is estimate(metrics, "c") is None
    assert (items(metrics, "a"), items(metrics, "b"), items(metrics, "c")) == (3, None, None)
