import numpy as np
import pytest

from anadil import bootstrap
from anadil.bootstrap import LEAST_DOCUMENTS, Interval, mean, paired_change, ratio, unpaired_change


def documents(generator: np.random.Generator, count: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Sums and sizes of documents whose sums are `rate` times their size on average, with noise of its own each."""
    sizes = generator.integers(50, 500, count)
    return sizes * (rate + 0.3 * generator.standard_normal(count)), sizes


def share_covered(draw: object, truth: float, trials: int = 1000) -> float:
    intervals = [draw(np.random.default_rng(trial)) for trial in range(trials)]  # type: ignore[operator]
    return sum(i.low95 <= truth <= i.high95 for i in intervals) / trials


def near_95(share: float) -> bool:
    """1,000 trials have a standard error of 0.7 points."""
    return 0.93 <= share <= 0.975


def test_coverage_of_a_ratio() -> None:
    assert near_95(share_covered(lambda rng: ratio(*documents(rng, 60, 2.0), rounds=300), 2.0))


def test_coverage_of_a_paired_change() -> None:
    def draw(rng: np.random.Generator) -> Interval:
        above, below = documents(rng, 60, 2.0)
        after = above - below * (0.1 + 0.05 * rng.standard_normal(60))
        return paired_change((above, below), (after, below), rounds=300)

    assert near_95(share_covered(draw, -0.1))


def test_coverage_of_an_unpaired_change() -> None:
    def draw(rng: np.random.Generator) -> Interval:
        return unpaired_change(documents(rng, 60, 2.0), documents(rng, 90, 1.5), rounds=300)

    assert near_95(share_covered(draw, -0.5))


def test_coverage_with_the_fewest_documents_that_may_have_an_interval() -> None:
    """Lengths as of real documents, a few of them most of the text."""

    def draw(rng: np.random.Generator) -> Interval:
        sizes = np.exp(6 + 0.9 * rng.standard_normal(LEAST_DOCUMENTS))
        return ratio(sizes * (2.0 + 0.35 * rng.standard_normal(LEAST_DOCUMENTS)), sizes, rounds=300)

    assert 0.92 <= share_covered(draw, 2.0) <= 0.975


def test_coverage_of_a_mean_of_which_most_are_nought() -> None:
    def draw(rng: np.random.Generator) -> Interval:
        return mean(np.where(rng.random(60) < 0.2, rng.random(60), 0.0), rounds=300)

    assert 0.93 <= share_covered(draw, 0.1) <= 0.985


def test_pairing_narrows_the_interval_of_documents_that_move_together() -> None:
    rng = np.random.default_rng(0)
    above, below = documents(rng, 100, 2.0)
    pair = (above, below), (0.95 * above, below)
    paired, unpaired = paired_change(*pair), unpaired_change(*pair)
    assert paired.value == pytest.approx(unpaired.value) == pytest.approx(-0.05 * above.sum() / below.sum())
    assert paired.high95 - paired.low95 < 0.2 * (unpaired.high95 - unpaired.low95)


def test_the_value_is_the_ratio_of_sums_not_the_mean_of_ratios() -> None:
    assert ratio([10, 0], [1, 9]).value == 1.0


def test_the_same_seed_gives_the_same_interval() -> None:
    pair = documents(np.random.default_rng(1), 30, 1.0)
    assert ratio(*pair) == ratio(*pair)
    assert ratio(*pair).low95 != ratio(*pair, seed=1).low95


def test_memory_is_bounded_by_drawing_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = documents(np.random.default_rng(1), 30, 1.0)
    whole = ratio(*pair, rounds=400)
    monkeypatch.setattr(bootstrap, "_CELLS", 30 * 7)
    assert ratio(*pair, rounds=400) == whole  # drawn in the same order


def test_one_document_gives_a_point() -> None:
    assert ratio([3.0], [2.0]) == Interval(1.5, 1.5, 1.5)


def test_mean_and_metric_names() -> None:
    assert mean([1.0, 1.0]).metrics("x") == {"x": 1.0, "x_low95": 1.0, "x_high95": 1.0}


def test_no_documents_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing to resample"):
        ratio([], [])
