"""95% intervals by resampling documents (Efron's percentile bootstrap), for ratios of sums such as bits per byte.

Whole documents are drawn, since what happens within one is not independent. With fewer than some 20 documents
the intervals are too narrow.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDS = 2_000
_CELLS = 4_000_000
"""Counts in memory at a time: rounds x documents."""

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""Of sums, one row a column of data: [C] or [C, rounds]."""


@dataclass(frozen=True)
class Interval:
    """A value with the ends of its 95% interval."""

    value: float
    low95: float
    high95: float

    def metrics(self, name: str) -> dict[str, float]:
        """As flat metrics: `name`, `name_low95`, `name_high95`."""
        return {name: self.value, f"{name}_low95": self.low95, f"{name}_high95": self.high95}


def ratio(above: ArrayLike, below: ArrayLike, *, rounds: int = ROUNDS, seed: int = 0) -> Interval:
    """sum(above) / sum(below) over documents, [N] each, N > 0."""
    return _interval([above, below], _quotient, rounds, seed)


def mean(values: ArrayLike, *, rounds: int = ROUNDS, seed: int = 0) -> Interval:
    """Mean over items, [N]."""
    return ratio(values, np.ones(len(np.asarray(values))), rounds=rounds, seed=seed)


def paired_change(
    before: tuple[ArrayLike, ArrayLike], after: tuple[ArrayLike, ArrayLike], *, rounds: int = ROUNDS, seed: int = 0
) -> Interval:
    """Ratio after minus ratio before, of the same documents: both are resampled together."""
    return _interval([*after, *before], lambda sums: sums[0] / sums[1] - sums[2] / sums[3], rounds, seed)


def unpaired_change(
    before: tuple[ArrayLike, ArrayLike], after: tuple[ArrayLike, ArrayLike], *, rounds: int = ROUNDS, seed: int = 0
) -> Interval:
    """Ratio after minus ratio before, of documents that have nothing to do with each other."""
    generator = np.random.default_rng(seed)
    (first, firsts), (last, lasts) = (_resampled(list(pair), _quotient, rounds, generator) for pair in (before, after))
    return percentiles(last - first, lasts - firsts)


def _quotient(sums: Floats) -> Floats:
    quotient: Floats = sums[0] / sums[1]
    return quotient


def _interval(columns: list[ArrayLike], statistic: Statistic, rounds: int, seed: int) -> Interval:
    value, resampled = _resampled(columns, statistic, rounds, np.random.default_rng(seed))
    return percentiles(value, resampled)


def _resampled(
    columns: list[ArrayLike], statistic: Statistic, rounds: int, generator: np.random.Generator
) -> tuple[float, Floats]:
    table_NC = np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)
    resampled = statistic(resampled_sums(table_NC, rounds, generator))
    return float(statistic(table_NC.sum(axis=0))), resampled


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
