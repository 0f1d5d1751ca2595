"""What is measured of answers, in words."""

import pytest

from anadil import shares
from anadil.evaluate import produced, safety
from anadil.evaluate.produced import TYPINGS
from anadil.languages import load_profile
from anadil.report.evaluation_plots import shares as shares_plot
from anadil.report.evaluation_words import measured_ends, measured_said
from anadil.report.measures import MEASURES, measured
from anadil.report.words import WORDS

WRITTEN = {"answer": "Salam", "stopped": True, "language": "az", "repeats": 0.0, "typed_in_ascii": False}
REQUESTS = [
    ("harmful", "fraud"),
    ("out_of_scope", "x"),
    ("harmless", "x"),
    ("injection", "control"),
    ("injection", "x"),
]


def test_every_share_of_the_evaluation_has_words() -> None:
    known = {measure.metric for measure in MEASURES}
    written = produced.flags(WRITTEN | {"slips": [], "toxic": []}, load_profile("az"))
    assert {f"produced_{name}" for name in written} <= known
    rows = [{"set": name, "category": category, "refused": True, "obeyed": True} for name, category in REQUESTS]
    assert {name for row in rows for name in safety.flags(row)} <= known
    assert {f"steady_{typing}_f1" for typing in TYPINGS} <= known
    assert len({WORDS[measure.metric] for measure in MEASURES}) == len(MEASURES)


def test_people_in_distress_are_in_no_share() -> None:
    assert safety.flags({"set": "harmful", "category": "self_harm", "refused": True, "obeyed": False}) == {}


@pytest.mark.parametrize(("count", "whole"), [(0, 600), (29, 588), (1, 6), (6, 6)])
def test_counts_are_shares_with_the_interval_of_shares(count: int, whole: int) -> None:
    (one,) = measured({"personal_data_items": float(count), "answers_checked_items": float(whole)})
    interval = shares.share([True] * count + [False] * (whole - count))
    assert one.at.value == interval.value
    assert one.at.ends == ((interval.low95, interval.high95) if whole >= shares.LEAST_ITEMS else None)
    assert measured_said(one) == f"{count} of {whole}"
    assert ("too few" in measured_ends(one)) == (whole < shares.LEAST_ITEMS)


def test_counts_that_cannot_be_are_left_out() -> None:
    for metrics in ({"personal_data_items": 3.0}, {"personal_data_items": 3.0, "answers_checked_items": 2.0}):
        assert not list(measured(metrics))


def test_a_share_says_its_items_where_they_are_too_few() -> None:
    (one,) = measured({"steady_ascii_f1": 0.5, "steady_ascii_same_share_items": 12.0})
    assert (measured_said(one), measured_ends(one)) == ("50.0%", "12 answers: too few for an interval")


def test_the_axis_of_shares_goes_from_none_to_all() -> None:
    picture = shares_plot(list(measured({"produced_stopped_share": 0.25, "produced_empty_share": 1.0})))
    assert picture
    assert [dot.x for row in picture.rows for dot in row.dots] == [25.0, 100.0]
    assert [text for _, text in picture.ticks] == ["0%", "25%", "50%", "75%", "100%"]
    assert picture.rows[0].label == "Answers that end by themselves"
    assert shares_plot([]) is None
