"""stats: the rates and the agreement against plain definitions and published figures."""

import random
from itertools import permutations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from anadil import shares
from anadil.review.pairs import Pair, Pairs
from anadil.review.stats import CHOICES, POINTS, agreement, krippendorff_alpha, results
from anadil.review.store import Choice, Vote

FOUR_OBSERVERS = ["123321412...", "12332241 25.3".replace(" ", ""), ".3332342251.", "12332441251."]
"""The example of Krippendorff's own paper: 12 units, nominal alpha 0.743."""
CHOICE = st.sampled_from(CHOICES)
UNITS = st.lists(st.lists(st.sampled_from("abt"), max_size=5), max_size=12)


def review(choices: dict[int, dict[str, Choice]], shown: int = 6, identical: int = 0) -> dict[str, object]:
    """Results of votes given as {pair: {reviewer: choice}}; A is on the left at even pairs."""
    pairs = [Pair(str(number), "x", "y") for number in range(shown)]
    votes = [
        Vote(name, pairs[number].key, choice, number % 2 == 0)
        for number, said in choices.items()
        for name, choice in said.items()
    ]
    return results(Pairs(pairs, identical), votes)


def test_alpha_of_the_published_example() -> None:
    assert {len(one) for one in FOUR_OBSERVERS} == {12}
    units = [[value for value in unit if value != "."] for unit in zip(*FOUR_OBSERVERS, strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=0.0005)


def by_definition(units: list[list[str]]) -> float | None:
    """1 - observed / expected disagreement, over all ordered twos of values."""
    units = [unit for unit in units if len(unit) > 1]
    values = [value for unit in units for value in unit]
    if len(set(values)) < 2:
        return None
    observed = sum(sum(x != y for x, y in permutations(unit, 2)) / (len(unit) - 1) for unit in units) / len(values)
    expected = sum(x != y for x, y in permutations(values, 2)) / (len(values) * (len(values) - 1))
    return 1 - observed / expected


@given(UNITS)
def test_alpha_is_what_its_definition_says(units: list[list[str]]) -> None:
    expected = by_definition(units)
    assert krippendorff_alpha(units) == (expected if expected is None else pytest.approx(expected))


@given(st.lists(st.tuples(*[st.sampled_from("abt")] * 2), min_size=2, max_size=30))
def test_alpha_of_two_raters_without_gaps_is_scotts_pi_of_a_small_sample(units: list[tuple[str, str]]) -> None:
    values = [value for unit in units for value in unit]
    assume(len(set(values)) > 1)
    agreed = sum(x == y for x, y in units) / len(units)
    chance = sum((values.count(value) / len(values)) ** 2 for value in set(values))
    pi = (agreed - chance) / (1 - chance)
    assert krippendorff_alpha(units) == pytest.approx(1 - (1 - pi) * (len(values) - 1) / len(values))


def test_alpha_at_its_ends() -> None:
    assert krippendorff_alpha([["a", "a"], ["b", "b", "b"]]) == 1
    assert krippendorff_alpha([["a", "b"]] * 10) < 0
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) is None
    assert krippendorff_alpha([["a"], [], ["b"]]) is None
    drawn = random.Random(1)
    chance = krippendorff_alpha([[drawn.choice("abt") for _ in range(3)] for _ in range(3_000)])
    assert chance == pytest.approx(0, abs=0.03)


def test_agreement_is_of_pairs_that_two_judged_and_ties_are_one() -> None:
    found = review(
        {0: {"x": "a", "y": "a"}, 1: {"x": "both_good", "y": "both_bad"}, 2: {"x": "a", "y": "b"}, 3: {"x": "b"}}
    )
    assert found["agreement"]["shared_pairs"] == 3
    assert found["agreement"]["raw"] == pytest.approx(2 / 3)
    assert found["agreement"]["alpha"] == by_definition([["a", "a"], ["t", "t"], ["a", "b"]])
    alone = review({0: {"x": "a"}})["agreement"]
    assert alone == {"shared_pairs": 0, "raw": None, "alpha": None}
    assert agreement([]) == alone


def test_a_win_rate_counts_ties_as_half_and_a_question_once() -> None:
    found = review(
        {0: {"x": "a", "y": "a", "z": "a"}, 1: {"x": "b"}, 2: {"x": "both_good"}, 3: {"x": "a", "y": "b"}}, shown=4
    )
    assert found["win_rate"] == (1 + 0 + 0.5 + 0.5) / 4
    expected = shares.share_of(2, 4)
    assert (found["win_rate_low95"], found["win_rate_high95"]) == (expected.low95, expected.high95)


@given(st.lists(CHOICE, min_size=1, max_size=60))
def test_without_ties_the_interval_is_that_of_a_share(choices: list[Choice]) -> None:
    found = review({number: {"x": choice} for number, choice in enumerate(choices)}, shown=len(choices))
    assert found["win_rate"] == pytest.approx(sum(POINTS[choice] for choice in choices) / len(choices))
    if not {"both_good", "both_bad"} & set(choices):
        plain = shares.share([choice == "a" for choice in choices])
        assert (found["win_rate_low95"], found["win_rate_high95"]) == (plain.low95, plain.high95)


@given(st.dictionaries(st.integers(0, 5), st.dictionaries(st.sampled_from("xyz"), CHOICE, min_size=1), min_size=1))
def test_with_the_runs_turned_the_rate_is_turned(choices: dict[int, dict[str, Choice]]) -> None:
    turned = {"a": "b", "b": "a"}
    other = {n: {name: turned.get(choice, choice) for name, choice in said.items()} for n, said in choices.items()}
    one, two = review(choices, identical=3), review(other, identical=3)
    assert one["win_rate"] + two["win_rate"] == pytest.approx(1)
    assert one["win_rate_low95"] + two["win_rate_high95"] == pytest.approx(1)
    assert one["agreement"] == pytest.approx(two["agreement"])
    assert one["left_share"] == (None if two["left_share"] is None else pytest.approx(1 - two["left_share"]))


def test_identical_answers_are_ties_in_proportion_to_what_has_votes() -> None:
    whole = review({number: {"x": "a"} for number in range(6)}, identical=6)
    assert whole["win_rate"] == pytest.approx(0.75)
    assert whole["win_rate_where_different"] == 1
    half = review({number: {"x": "a"} for number in range(3)}, identical=6)
    assert half["win_rate"] == pytest.approx(0.75), "what is not judged yet does not pull it to a half"
    assert half["win_rate_low95"] < whole["win_rate_low95"]
    assert (half["judged"], half["shown"], half["questions"]) == (3, 6, 12)


def test_before_any_vote_there_is_no_rate() -> None:
    found = review({}, identical=2)
    assert (found["win_rate"], found["win_rate_high95"], found["left_share"]) == (None, None, None)
    assert found["reviewers"] == []


def test_votes_on_answers_of_before_are_counted_and_left_out() -> None:
    pairs = [Pair("s", "x", "y")]
    votes = [Vote("n", pairs[0].key, "a", True), Vote("n", Pair("s", "x", "of before").key, "b", True)]
    found = results(Pairs(pairs, 0), votes)
    assert (found["votes"], found["votes_on_other_answers"], found["win_rate"]) == (1, 1, 1)


def test_every_reviewer_has_a_row_and_sides_are_told_from_answers() -> None:
    found = review({number: {"x": "a", "left": "a" if number % 2 == 0 else "b"} for number in range(6)})
    rows = {row["reviewer"]: row for row in found["reviewers"]}
    assert (rows["x"]["votes"], rows["x"]["a"], rows["x"]["left_share"]) == (6, 6, 0.5)
    assert (rows["left"]["a"], rows["left"]["b"], rows["left"]["left_share"]) == (3, 3, 1)
    assert found["left_share"] == 0.75
    assert found["choices"] == {"a": 9, "b": 3, "both_good": 0, "both_bad": 0}


def test_reasons_are_held_against_what_was_not_chosen() -> None:
    pairs = [Pair(str(number), "x", "y") for number in range(4)]
    votes = [
        Vote("n", pair.key, choice, True, ("rude",))
        for pair, choice in zip(pairs, ("a", "b", "both_good", "both_bad"), strict=True)
    ]
    found = results(Pairs(pairs, 0), votes)["reasons"]
    assert (found["a"]["rude"], found["b"]["rude"]) == (2, 2)
    assert sum(found["a"].values()) == 2
