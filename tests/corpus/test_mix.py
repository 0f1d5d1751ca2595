"""The mix: weights that come to the shares asked for, and to an epoch as long as before."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from anadil.corpus.mix import Share, mixed, table
from anadil.recipe import Mix

SHARES = st.lists(
    st.builds(
        Share, st.just("a"), st.booleans(), st.floats(0, 4), st.integers(0, 10**6), st.integers(0, 10**6)
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


def words(shares: list[Share], weights: list[float]) -> list[float]:
    return [weight * share.words for weight, share in zip(weights, shares, strict=True)]


@given(SHARES)
def test_the_defaults_leave_the_weights(shares: list[Share]) -> None:
    assert mixed(shares, Mix()) == [share.weight for share in shares]


@given(SHARES, st.floats(0.1, 0.9))
def test_a_temperature_keeps_the_length_and_the_order_and_brings_shares_together(
    shares: list[Share], temperature: float
) -> None:
    before = words(shares, [share.weight for share in shares])
    assume(sum(before) > 1)
    after = words(shares, mixed(shares, Mix(temperature=temperature)))
    assert sum(after) == pytest.approx(sum(before))
    some = [(b, a) for b, a in zip(before, after, strict=True) if b > 1]
    for (less, small), (more, large) in ((x, y) for x in some for y in some if x[0] < y[0]):
        assert small <= large * (1 + 1e-9)
        assert large / small <= more / less * (1 + 1e-9)


@given(SHARES, st.floats(0.05, 0.6))
def test_replay_gets_its_share(shares: list[Share], wanted: float) -> None:
    kinds = {original: sum(w for w, s in zip(words(shares, [x.weight for x in shares]), shares, strict=True)
                           if s.is_original == original) for original in (True, False)}  # fmt: skip
    assume(min(kinds.values()) > 1)
    after = words(shares, mixed(shares, Mix(original_share=wanted)))
    original = sum(count for count, share in zip(after, shares, strict=True) if share.is_original)
    assert original / sum(after) == pytest.approx(wanted)


@given(SHARES, st.floats(0.1, 3))
def test_no_source_is_read_more_often_than_allowed(shares: list[Share], most: float) -> None:
    assert max(mixed(shares, Mix(temperature=0.5, most_epochs=most))) <= most


def test_the_mix_is_shown() -> None:
    shares = [Share("law", False, 1.0, 3_000_000, 300_000), Share("books", True, 0.5, 2_000_000, 200_000)]
    lines = table(shares, [1.0, 0.5])
    assert "law" in lines[0]
    assert "75.0%" in lines[0]
    assert "1.00 MB" in lines[1]
