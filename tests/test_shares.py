"""shares: the intervals cover the truth about as often as they say, at the ends of the scale too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anadil.shares import LEAST_ITEMS, metrics, paired_change, share, share_of

TRIALS = 2_000
FLAGS = st.lists(st.booleans(), min_size=1, max_size=80)


@pytest.mark.parametrize("items", [LEAST_ITEMS, 200])
@pytest.mark.parametrize("truth", [0.02, 0.1, 0.5, 0.9, 0.99])
def test_coverage_of_a_share(truth: float, items: int) -> None:
    rng = np.random.default_rng(1)
    draws = (share((rng.random(items) < truth).tolist()) for _ in range(TRIALS))
    assert 0.90 <= sum(one.low95 <= truth <= one.high95 for one in draws) / TRIALS <= 1.0
    mean = np.mean([_covered(rng, truth, items) for truth in rng.random(TRIALS)])
    assert 0.94 <= mean <= 0.965  # over all truths: at one the count jumps


@given(FLAGS)
def test_items_that_hold_all_or_nothing_have_the_interval_of_a_share(flags: list[bool]) -> None:
    assert share_of(sum(flags), len(flags)) == share(flags)


@pytest.mark.parametrize("ties", [0.1, 0.5, 0.9])
def test_coverage_where_ties_hold_a_half(ties: float) -> None:
    """At least what is said; with many ties more, for such items vary less than the interval takes them to."""
    rng, truth, held = np.random.default_rng(3), ties / 2 + (1 - ties) * 0.6, 0
    for _ in range(TRIALS):
        values = np.where(rng.random(LEAST_ITEMS) < ties, 0.5, rng.random(LEAST_ITEMS) < 0.6)
        one = share_of(float(values.sum()), LEAST_ITEMS)
        held += one.low95 <= truth <= one.high95
    assert held / TRIALS >= 0.94


@pytest.mark.parametrize(("held", "count"), [(0, 0), (2, 1), (-1, 3)])
def test_what_items_cannot_hold(held: float, count: float) -> None:
    with pytest.raises(ValueError, match="items"):
        share_of(held, count)


def _covered(rng: np.random.Generator, truth: float, items: int) -> bool:
    one = share((rng.random(items) < truth).tolist())
    return one.low95 <= truth <= one.high95


@pytest.mark.parametrize(
    ("before", "gain", "loss"), [(0.5, 0.3, 0.1), (0.9, 0.5, 0.02), (0.3, 0.0, 0.0), (0.5, 0.1, 0.1)]
)
def test_coverage_of_a_paired_change(before: float, gain: float, loss: float) -> None:
    rng, truth, held = np.random.default_rng(2), (1 - before) * gain - before * loss, 0
    for _ in range(TRIALS):
        first, drawn = rng.random(LEAST_ITEMS) < before, rng.random(LEAST_ITEMS)
        after = np.where(first, drawn >= loss, drawn < gain)
        one = paired_change(first.tolist(), after.tolist())
        held += one.low95 <= truth <= one.high95
    assert 0.93 <= held / TRIALS <= 1.0


@given(flags=FLAGS)
def test_a_share_lies_in_its_interval_and_the_opposite_is_its_mirror(flags: list[bool]) -> None:
    one, other = share(flags), share([not flag for flag in flags])
    assert 0 <= one.low95 <= one.value <= one.high95 <= 1
    assert one.high95 - one.low95 > 0
    assert (other.value, other.low95, other.high95) == pytest.approx((1 - one.value, 1 - one.high95, 1 - one.low95))


@given(pairs=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80))
def test_a_change_is_the_difference_of_the_shares_and_turns_round(pairs: list[tuple[bool, bool]]) -> None:
    before, after = [b for b, _ in pairs], [a for _, a in pairs]
    one, other = paired_change(before, after), paired_change(after, before)
    assert one.value == pytest.approx(share(after).value - share(before).value)
    assert -1 <= one.low95 <= one.value <= one.high95 <= 1
    assert (other.low95, other.high95) == pytest.approx((-one.high95, -one.low95))


def test_pairing_narrows_the_interval_of_items_that_agree() -> None:
    rng = np.random.default_rng(3)
    before = (rng.random(200) < 0.5).tolist()
    same, unlike = [*before[:190], *([True] * 10)], (rng.random(200) < 0.5).tolist()
    width = [one.high95 - one.low95 for one in (paired_change(before, same), paired_change(before, unlike))]
    assert width[0] < 0.5 * width[1]


def test_with_few_items_there_is_a_point_alone() -> None:
    few, enough = [True] * (LEAST_ITEMS - 1), [True] * LEAST_ITEMS
    assert metrics("x", few, few) == {"x": 1.0, "x_items": LEAST_ITEMS - 1, "base_x": 1.0, "x_change": 0.0}
    assert {"x_low95", "base_x_low95", "x_change_high95"} <= set(metrics("x", enough, enough))
    assert metrics("x", enough)["x_low95"] == pytest.approx(0.9287, abs=1e-3)
    assert metrics("x", []) == {}


def test_no_items_are_refused() -> None:
    for call in (lambda: share([]), lambda: paired_change([], [])):
        with pytest.raises(ValueError, match="no items"):
            call()
