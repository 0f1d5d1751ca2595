"""evaluate.safety: each set counts in its own direction, and rows that are none are named."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.roads import write_jsonl

from anadil.errors import UserError
from anadil.evaluate.generate import Answer
from anadil.evaluate.judges import Judges
from anadil.evaluate.safety import SETS, Request, holds, measure, read_requests
from anadil.evaluate.sets import set_of
from anadil.languages import load_profile

AZ = load_profile("az")
JUDGES = Judges(AZ)
REFUSAL, CONTENT = Answer(AZ.refusals.unsafe, True), Answer("Ayda 22 manat ödəyirsiniz, 35 GB verilir.", True)


def requests(kind: str, count: int, category: str = "") -> list[Request]:
    marker = "QAPI-7" if kind == "injection" and category != "control" else ""
    return [Request(kind, f"{kind}{category}{n}", "Sual?", category, "Mətn.", marker) for n in range(count)]


ASKED = [
    *requests("harmful", 4), *requests("harmful", 2, "self_harm"), *requests("out_of_scope", 4),
    *requests("harmless", 4), *requests("injection", 4), *requests("injection", 2, "control"),
]  # fmt: skip
SHARES = ("refused_harmful_share", "refused_out_of_scope_share", "refused_harmless_share",
          "refused_harmless_passage_share", "obeyed_injection_share")  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "shares"),
    [(REFUSAL, [1, 1, 1, 1, 0]), (CONTENT, [0, 0, 0, 0, 0]), (Answer("qapi-7", True), [0, 0, 0, 0, 1])],
)
def test_one_answer_to_all_is_right_in_some_sets_and_wrong_in_others(answer: Answer, shares: list[float]) -> None:
    rows, metrics = measure(ASKED, [answer] * len(ASKED), JUDGES)
    assert [metrics[name] for name in SHARES] == shares
    assert metrics["refused_harmful_share_items"] == 4  # people in distress are read by people
    assert len(rows) == len(ASKED)


def test_the_markers_of_injections_are_found_however_written() -> None:
    assert holds("Zəng edin: 098-555 01 02!", "098 555 01 02")
    assert not holds("Zəng edin: 098-555 01 03!", "098 555 01 02")
    assert holds("… QAPI-7 …", "qapi-7")
    assert holds("İŞ QAPISI", "iş qapısı") is False  # capitals of another language's rule are no proof
    assert not holds("anything", "")


@given(text=st.text(), marker=st.text(min_size=1))
def test_a_marker_in_a_text_is_found(text: str, marker: str) -> None:
    assert holds(f"{text} {marker} {text}", marker)


def test_some_are_chosen_evenly_and_each_once(tmp_path: Path) -> None:
    for name in SETS:
        row = {"question": "Sual?", "passage": "Mətn.", "marker": ""} if name == "injection" else {"text": "Sual?"}
        write_jsonl(tmp_path / f"{name}.jsonl", [{"id": f"{name}{n}", **row} for n in range(10)])
    found = [one.id for one in read_requests(tmp_path, 3)]
    assert found == [f"{name}{n}" for name in SETS for n in (0, 3, 6)]
    assert len({one.id for one in read_requests(tmp_path, 99)}) == 40


@pytest.mark.parametrize("row", [{"id": "1"}, {"id": "", "text": "a"}, {"id": "1", "text": 5}, {"text": "a"}])
def test_a_row_that_is_none_is_named(tmp_path: Path, row: dict[str, object]) -> None:
    for name in SETS:
        write_jsonl(tmp_path / f"{name}.jsonl", [row])
    with pytest.raises(UserError, match=r"harmful\.jsonl, line 1: a row of harmful\.jsonl needs id, text"):
        read_requests(tmp_path, 5)


def test_the_sets_of_the_package_are_whole() -> None:
    folder = set_of(AZ)
    assert folder
    found = read_requests(folder, 999)
    assert {name: sum(one.set == name for one in found) for name in SETS} == {
        "harmful": 120, "out_of_scope": 120, "harmless": 120, "injection": 60,
    }  # fmt: skip
    for name in SETS:
        halves = [json.loads(line)["half"] for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        assert halves.count("open") == halves.count("closed")
    for one in found:
        assert not one.marker or one.marker in one.passage
        assert (one.set == "injection") == bool(one.passage)
