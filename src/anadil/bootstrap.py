"""95% intervals by resampling documents, for ratios of sums such as bits per byte.

Whole documents are drawn, since what happens within one is not independent. Each draw is measured in standard errors
of its own (the studentised bootstrap, https://doi.org/10.1017/CBO9780511802843, 5.2.1): few documents of very unequal
length make the plain percentiles too narrow.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDS = 2_000
LEAST_DOCUMENTS = 20
"""With fewer the interval covers the truth too seldom to be shown."""
_CELLS = 4_000_000
"""Counts in memory at a time: rounds x documents."""

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], tuple[Floats, Floats]]
"""Of sums, [C] or [C, rounds]: the value, [] or [rounds], and its derivatives, [C] or [C, rounds]."""


@dataclass(frozen=True)
class Interval:
    """A value with the ends of its 95% interval."""

    value: float
    low95: float
    high95: float

    def metrics(self, name: str, documents: int = LEAST_DOCUMENTS) -> dict[str, float]:
        """As flat metrics: `name`, and where it is of enough documents `name_low95`, `name_high95`."""
        ends = {f"{name}_low95": self.low95, f"{name}_high95": self.high95}
        return {name: self.value} | (ends if documents >= LEAST_DOCUMENTS else {})


def ratio(above: ArrayLike, below: ArrayLike, *, rounds: int = ROUNDS, seed: int = 0) -> Interval:
    """sum(above) / sum(below) over documents, [N] each, N > 0."""
    return _studentised(_Sample([above, below], _quotient, rounds, np.random.default_rng(seed)))


def mean(values: ArrayLike, *, rounds: int = ROUNDS, seed: int = 0) -> Interval:
    """Mean over items, [N]."""
    return ratio(values, np.ones(len(np.asarray(values))), rounds=rounds, seed=seed)


def paired_change(
    before: tuple[ArrayLike, ArrayLike], after: tuple[ArrayLike, ArrayLike], *, rounds: int = ROUNDS, seed: int = 0
) -> Interval:
    """Ratio after minus ratio before, of the same documents: both are resampled together."""
    return _studentised(_Sample([*after, *before], _difference, rounds, np.random.default_rng(seed)))


def unpaired_change(
    before: tuple[ArrayLike, ArrayLike], after: tuple[ArrayLike, ArrayLike], *, rounds: int = ROUNDS, seed: int = 0
) -> Interval:
    """Ratio after minus ratio before, of documents that have nothing to do with each other."""
    generator = np.random.default_rng(seed)
    one, other = (_Sample(list(pair), _quotient, rounds, generator) for pair in (before, after))
    return _studentised(other, one)


class _Sample:
    """A statistic of documents and its standard error, and both of each draw."""

    def __init__(self, columns: list[ArrayLike], statistic: Statistic, rounds: int, generator: np.random.Generator):
        values = [np.asarray(column, dtype=np.float64) for column in columns]
        pairs = list(combinations_with_replacement(range(len(values)), 2))
        table_NC = np.stack([*values, *(values[one] * values[other] for one, other in pairs)], axis=1)
        documents = len(table_NC)

        def measured(sums: Floats) -> tuple[Floats, Floats]:
            value, slopes = statistic(sums[: len(values)])
            products = zip(sums[len(values) :], pairs, strict=True)
            # first order: the sum of (slopes . row)^2 over documents, whose own sum is nought
            squares = sum((2 - (i == j)) * slopes[i] * slopes[j] * product for product, (i, j) in products)
            return value, np.sqrt(np.maximum(squares, 0.0) * documents / max(1, documents - 1))

        drawn = resampled_sums(table_NC, rounds, generator)
        value, error = measured(table_NC.sum(axis=0))
        self.value, self.error = float(value), float(error)
        self.values, self.errors = measured(drawn)


def _quotient(sums: Floats) -> tuple[Floats, Floats]:
    above, below = sums
    return above / below, np.stack([1 / below, -above / below**2])


def _difference(sums: Floats) -> tuple[Floats, Floats]:
    (after, after_slopes), (before, before_slopes) = _quotient(sums[:2]), _quotient(sums[2:])
    return after - before, np.concatenate([after_slopes, -before_slopes])


def _studentised(one: _Sample, minus: _Sample | None = None) -> Interval:
    value, values, error, errors = one.value, one.values, one.error, one.errors
    if minus:
        value, values = value - minus.value, values - minus.values
        error, errors = float(np.hypot(error, minus.error)), np.hypot(errors, minus.errors)
    if error <= 1e-12 * max(1.0, abs(value)):  # rounding: all documents are alike, or there is one
        return Interval(value, value, value)
    # a draw of documents that are all alike is measured by the whole sample's error
    times = (values - value) / np.where(errors > 1e-6 * error, errors, error)
    low, high = np.quantile(times, [0.025, 0.975])
    return Interval(value, float(value - high * error), float(value - low * error))


def resampled_sums(table_NC: Floats, rounds: int, generator: np.random.Generator) -> Floats:
    """Sums of the columns, [C, rounds], over `rounds` draws of documents with repetition.

    One draw serves all columns, so that whatever is made of the sums is paired. ValueError without documents.
    """
    documents = len(table_NC)
    if documents == 0:
        raise ValueError("nothing to resample")
    found, at_a_time = list[Floats](), max(1, _CELLS // documents)
    for start in range(0, rounds, at_a_time):
        size = min(at_a_time, rounds - start)
        times_RN = generator.multinomial(documents, np.full(documents, 1 / documents), size=size)
        found.append((times_RN @ table_NC).T)
    return np.concatenate(found, axis=1)


def percentiles(value: float, resampled: Floats) -> Interval:
    """`value` with the middle 95% of the `resampled` values, [rounds]."""
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Interval(value, float(low), float(high))
