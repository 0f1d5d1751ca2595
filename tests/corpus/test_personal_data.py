"""Personal data: found at the promised rates in sentences written by another hand; the masked text has none left."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anadil.corpus.personal_data import KINDS, Finder, mask
from anadil.languages import load_profile

LABELLED = Path(__file__).parent / "labelled/personal_data"
AZ = Finder(load_profile("az"))
SETS = {
    name: [json.loads(line) for line in (LABELLED / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    for name in ("first", "second", "third", "last")
}
ROWS = [row for rows in SETS.values() for row in rows]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("kind", KINDS)
def test_recall_and_precision(name: str, kind: str) -> None:
    right = missed = wrong = 0
    for row in SETS[name]:
        wanted = Counter(span["text"] for span in row["spans"] if span["type"] == kind)
        got = Counter(row["text"][s.begin : s.end] for s in AZ.find(row["text"]) if s.kind == kind)
        right += (wanted & got).total()
        missed += (wanted - got).total()
        wrong += (got - wanted).total()
    assert right + missed >= 100
    assert right / (right + missed) >= 0.99
    assert right / (right + wrong) >= 0.95


def test_nothing_is_left_once_it_is_masked() -> None:
    for row in ROWS:
        masked = mask(row["text"], AZ.find(row["text"]))
        assert AZ.find(masked) == [], row["text"]


@given(st.text(alphabet="0123456789+-(). @abAZ:/№", max_size=80))
def test_any_text_is_searched_and_spans_do_not_overlap(text: str) -> None:
    found = AZ.find(text)
    assert all(one.end <= two.begin for one, two in pairwise(found))
    assert all(0 <= span.begin < span.end <= len(text) for span in found)


@given(st.text(max_size=60))
def test_a_text_without_personal_data_is_not_changed(text: str) -> None:
    assert mask(text, []) == text


def test_what_everybody_may_know_stays_however_it_is_written() -> None:
    finder = Finder(load_profile("az"), ["Info@Operator.az", "+994 12 404 40 40"])
    text = "Bizə yazın: info@operator.az, (012) 404-40-40 və ya 0124044040; müştəri: ayan@mail.az, 012 404 40 41."
    assert [text[span.begin : span.end] for span in finder.find(text)] == ["ayan@mail.az", "012 404 40 41"]


@pytest.mark.parametrize("first", range(1, 60))
def test_numbers_that_count_up_are_no_card(first: int) -> None:
    for count in range(5, 20):
        assert AZ.find(" ".join(map(str, range(first, first + count)))) == []
