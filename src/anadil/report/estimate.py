"""A figure with its 95% interval, as the stages store it: `name`, `name_low95`, `name_high95`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

from anadil.bootstrap import Interval

Way = Literal["better", "worse", "unclear"]


@dataclass(frozen=True)
class Estimate:
    """A figure, with its 95% interval where it has one."""

    value: float
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, interval: Interval, shown: bool = True) -> Self:
        """An interval just computed; without its ends where there are too few items to show them."""
        return cls(interval.value, interval.low95, interval.high95) if shown else cls(interval.value)

    @property
    def ends(self) -> tuple[float, float] | None:
        """Both ends of the interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def direction(self) -> Way:
        """Of a change in a measure of which less is better; unclear where the interval includes zero."""
        low, high = self.ends or (self.value, self.value)
        return "unclear" if low <= 0 <= high else "better" if high < 0 else "worse"

    def way(self, more_is_better: bool) -> Way:
        """The direction, of a measure of which more, or less, is better."""
        turned: dict[Way, Way] = {"better": "worse", "worse": "better", "unclear": "unclear"}
        return turned[self.direction] if more_is_better else self.direction


def estimate(metrics: Mapping[str, float], name: str) -> Estimate | None:
    """The figure of this name; None where it was not measured, or is no number to reckon with."""
    value, *ends = (_finite(metrics.get(key)) for key in (name, f"{name}_low95", f"{name}_high95"))
    return None if value is None else Estimate(value, *ends)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def items(metrics: Mapping[str, float], name: str) -> int | None:
    """How many items a figure is of; None where that was not counted."""
    count = metrics.get(f"{name}_items")
    return None if _finite(count) is None else int(count or 0)
