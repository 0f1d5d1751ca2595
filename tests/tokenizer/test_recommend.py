from dataclasses import replace

import numpy as np
import pytest

from anadil.bootstrap import Interval
from anadil.tokenizer.measure import Measured
from anadil.tokenizer.recommend import Case, Option, recommend


def case(by_compute: bool = False, limit: float = 0.03, **rates: float) -> Case:
    """60 documents; under each label so many tokens a word on average, with noise that is the label's own."""
    generator = np.random.default_rng(1)
    words = generator.integers(20, 60, 60)
    measured = Measured(tuple(rates), order=list(range(60)), words=words.tolist(), bytes=(8 * words).tolist())
    for label, rate in rates.items():
        measured.tokens[label] = (words * rate * (1 + 0.05 * generator.standard_normal(60))).round().tolist()
    return Case(measured, "Azerbaijani", limit, "keep" if "keep" in rates else "", by_compute)


def option(label: str, pays: float = 0.0, high: float | None = None, failures: int = 0, cost: float = 1.0) -> Option:
    end = pays if high is None else high
    return Option(label, label.split("-")[0], 1000, cost, ("English", Interval(pays, pays, end)), failures)


def test_the_least_tokens_among_those_that_may_be_advised():
    options = [option("keep"), option("inplace", 0.01, 0.02), option("extend", -0.01), option("replace", 0.5)]
    label, reason = recommend(options, case(keep=3.4, inplace=1.5, extend=1.7, replace=1.4))
    assert label == "inplace"
    assert "inplace needs 1.49 tokens per word of Azerbaijani, the base 3.39" in reason
    assert "English pays most, 1.0%" in reason
    assert "replace would give 1.38, 7.7% fewer tokens per word" in reason
    assert "but English pays 50.0%" in reason


def test_the_upper_end_of_the_interval_decides():
    rates = case(keep=3.4, inplace=1.5)
    for high, label in ((0.029, "inplace"), (0.031, "keep")):
        assert recommend([option("keep"), option("inplace", 0.01, high)], rates)[0] == label


def test_what_loses_text_is_not_advised():
    options = [option("keep"), option("extend", failures=1), option("inplace")]
    label, reason = recommend(options, case(keep=3.4, extend=1.4, inplace=1.6))
    assert label == "inplace"
    assert "but texts do not come back as they were (1)" in reason


@pytest.mark.parametrize("order", [1, -1])
def test_ties_go_to_the_smaller_change(order):
    options = [option("keep"), option("inplace"), option("extend"), option("replace")][::order]
    label, _ = recommend(options, case(keep=3.4, inplace=1.502, extend=1.5, replace=1.501))
    assert label == "inplace"
    small = replace(option("extend-1"), rows=900)
    label, _ = recommend([option("extend"), small], case(**{"extend": 1.5, "extend-1": 1.5}))
    assert label == "extend-1"


def test_a_tie_is_said():
    label, reason = recommend([option("inplace"), option("extend")], case(inplace=1.501, extend=1.49))
    assert label == "inplace"
    assert "extend is no better beyond the interval" in reason


def test_compute_counts_where_it_is_known():
    rates = {"keep": 3.4, "inplace": 1.6, "extend": 1.5}
    options = [option("keep"), option("inplace"), option("extend", cost=1.2)]
    label, reason = recommend(options, case(by_compute=True, **rates))
    assert label == "inplace"
    assert "less compute" in reason
    assert "a million words at 100 TFLOP/s" in reason
    assert "Next best, extend would give 1.5" in reason
    assert "more compute per word" in reason


def test_nothing_better_leaves_the_base():
    label, reason = recommend([option("keep"), option("inplace", 0.2)], case(keep=3.4, inplace=1.5))
    assert label == "keep"
    assert "but English pays 20.0% (up to 20.0%, 3.0% allowed)" in reason


def test_without_a_base_or_kept_languages():
    one = replace(option("replace-32000"), mode="replace", pays=None)
    label, reason = recommend([one], case(**{"replace-32000": 1.5}))
    assert label == "replace-32000"
    assert reason.startswith("replace-32000 needs 1.5")


def test_a_kept_language_that_was_not_measured_is_named():
    rates = replace(case(keep=3.4, inplace=1.5), unmeasured=("Turkish", "Finnish"))
    label, reason = recommend([option("keep"), option("inplace")], rates)
    assert label == "inplace"
    assert "what Turkish and Finnish would pay was not measured" in reason


def test_without_text_nothing_is_recommended():
    empty = Case(Measured(("keep",)), "Azerbaijani", 0.03, "keep", False)
    label, reason = recommend([option("keep")], empty)
    assert label == ""
    assert "no text in Azerbaijani" in reason


def test_where_all_lose_text_none_is_recommended():
    label, reason = recommend([option("keep", failures=2), option("inplace", failures=1)], case(keep=3.0, inplace=1.0))
    assert label == ""
    assert "keep: texts do not come back as they were (2)" in reason
    assert "inplace: texts do not come back as they were (1)" in reason
