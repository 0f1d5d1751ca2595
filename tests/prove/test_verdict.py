"""verdict: what is said of rows follows from their numbers alone."""

import math
from typing import Any

import pytest

from anadil.prove.verdict import bits_per_byte, compare, forecast, judge

NAMES = {"az": "Azerbaijani", "en": "English"}
SIZES = {"held-out az": [100, 200, 50, 80], "news": [400, 30]}


def row(bits_per_byte: float, seed: int = 1, slope: float = 0.0) -> dict[str, Any]:
    """A row whose documents cost so many bits per byte at its only point, `slope` more with each document."""
    nats = {
        name: [(bits_per_byte + slope * place) * size * math.log(2) for place, size in enumerate(sizes)]
        for name, sizes in SIZES.items()
    }
    return {"label": "x", "seed": seed, "points": {"3 MB": 7}, "measured": {7: {"nats": nats}}}


def test_a_row_against_itself_does_not_differ() -> None:
    rows = {"keep": [row(2.0, slope=0.3)], "inplace": [row(2.0, slope=0.3)]}
    found = compare(rows, "inplace", ("3 MB", "3 MB"), SIZES)
    assert (found["change"], found["low95"], found["high95"], found["by_seed"]) == (0, 0, 0, [0])


def test_a_gain_that_all_documents_have_has_a_narrow_interval() -> None:
    rows = {"keep": [row(2.0), row(2.2)], "inplace": [row(1.5), row(1.9)]}
    found = compare(rows, "inplace", ("3 MB", "3 MB"), SIZES)
    assert found["change"] == pytest.approx(-0.4)
    assert found["low95"] == pytest.approx(-0.4)
    assert found["high95"] == pytest.approx(-0.4)
    assert found["by_seed"] == pytest.approx([-0.5, -0.3])
    assert found["share"] == pytest.approx(-0.4 / 2.1)


def test_bits_per_byte_is_the_mean_over_seeds() -> None:
    assert bits_per_byte([row(1.0), row(3.0)], "3 MB", SIZES).value == pytest.approx(2.0)


def test_a_power_law_is_forecast_exactly_and_not_too_far() -> None:
    curve = [(0.0, 9.0), *((x, 3.0 * x**-0.2) for x in (0.5, 1.0, 2.0, 4.0))]
    found = forecast(curve, 100.0)
    assert found
    assert found["bits_per_byte"] == pytest.approx(3.0 * 100**-0.2)
    assert forecast(curve, 401.0) is None
    assert forecast(curve, 4.0) is None
    assert forecast(curve[:3], 10.0) is None


def one(label: str, low: float, high: float) -> dict[str, Any]:
    return {"label": label, "change": (low + high) / 2, "low95": low, "high95": high}


def lost(label: str, share: float) -> dict[str, Any]:
    return {"label": label, "language": "en", "share": share}


def test_go_needs_an_interval_below_zero_and_kept_languages_that_hold() -> None:
    good = judge([one("inplace", -0.3, -0.1), one("extend-9", -0.2, -0.1)], [lost("inplace", 0.02)], NAMES)
    assert good == {"go": True, "label": "inplace", "against": {}, "limit": 0.03}
    dear = judge([one("inplace", -0.3, -0.1), one("extend-9", -0.2, -0.1)], [lost("inplace", 0.031)], NAMES)
    assert (dear["go"], dear["label"]) == (True, "extend-9")
    assert dear["against"] == {"inplace": "English loses 3.1%"}
    unsure = judge([one("inplace", -0.3, 0.0)], [], NAMES)
    assert (unsure["go"], unsure["label"]) == (False, "keep")
    worse = judge([one("inplace", 0.1, 0.2)], [], NAMES)
    assert worse["against"] == {"inplace": "the target language is worse"}
