"""Shares of items (answers that stop, questions answered rightly) with 95% intervals that hold at 0 and at 1 too."""

import math
from collections.abc import Sequence

from anadil.bootstrap import Interval

LEAST_ITEMS = 50
"""With fewer an interval says little and is easily misread: the share stands alone."""
_Z = 1.959963984540054
"""Of the middle 95% of a normal distribution."""


def share(flags: Sequence[bool]) -> Interval:
    """Share of items that are true, with Wilson's interval (https://doi.org/10.1080/01621459.1927.10502953)."""
    return share_of(sum(map(bool, flags)), len(flags))


def share_of(held: float, count: float) -> Interval:
    """As `share`, of `count` items that hold `held` together, each from 0 to 1: a tie holds a half.

    Such items vary less than those that are 0 or 1, so that the interval is, if anything, too wide.
    """
    if not 0 <= held <= count or count <= 0:
        raise ValueError("no items to take a share of" if count <= 0 else f"{count} items cannot hold {held}")
    value, spread = held / count, _Z**2 / count
    middle = (value + spread / 2) / (1 + spread)
    half = math.sqrt(value * (1 - value) * spread + spread**2 / 4) / (1 + spread)
    return Interval(value, min(value, max(0.0, middle - half)), max(value, min(1.0, middle + half)))


def paired_change(before: Sequence[bool], after: Sequence[bool]) -> Interval:
    """Share after minus share before, of the same items: Bonett and Price (https://doi.org/10.3102/1076998611411915).

    Only items that changed count, one more each way than there are, so that the interval is not empty without any.
    """
    pairs = list(zip(before, after, strict=True))
    if not pairs:
        raise ValueError("no items to compare")
    count, won, lost = len(pairs), sum(not b and bool(a) for b, a in pairs), sum(bool(b) and not a for b, a in pairs)
    up, down = (won + 1) / (count + 2), (lost + 1) / (count + 2)
    half = _Z * math.sqrt((up + down - (up - down) ** 2) / (count + 2))
    value, middle = (won - lost) / count, up - down
    return Interval(value, min(value, max(-1.0, middle - half)), max(value, min(1.0, middle + half)))


def metrics(name: str, flags: Sequence[bool], base: Sequence[bool] | None = None) -> dict[str, float]:
    """`<name>` and `<name>_items`; with a base's flags of the same items `base_<name>` and `<name>_change` too.

    Intervals (`…_low95`, `…_high95`) stand only where there are `LEAST_ITEMS` or more. Nothing for no items.
    """
    if not flags:
        return {}
    found = _shown(name, share(flags), len(flags)) | {f"{name}_items": float(len(flags))}
    if base is None:
        return found
    found |= _shown(f"base_{name}", share(base), len(base))
    return found | _shown(f"{name}_change", paired_change(base, flags), len(flags))


def _shown(name: str, interval: Interval, items: int) -> dict[str, float]:
    return interval.metrics(name) if items >= LEAST_ITEMS else {name: interval.value}
