"""export: preference pairs that training can read, ties left out."""

import json
from pathlib import Path

import pytest

from anadil.dialogues.read import check_turns
from anadil.errors import UserError
from anadil.review.export import export, preferences
from anadil.review.pairs import Pair
from anadil.review.store import Choice, Store, Vote

PAIR = Pair("Sual «ə»?", "yaxşı", "pis\u2028", "Qısa yaz.")


def voted(folder: Path, choices: list[Choice]) -> Store:
    store = Store.create(folder / "v.sqlite", [PAIR])
    for number, choice in enumerate(choices):
        store.save(Vote(f"r{number}", PAIR.key, choice, True))
    return store


@pytest.mark.parametrize(
    ("choices", "chosen"),
    [
        (["a"], "yaxşı"),
        (["b"], "pis\u2028"),
        (["b", "b", "a"], "pis\u2028"),
        (["a", "a", "both_good"], "yaxşı"),
        (["a", "b"], None),
        (["both_good", "both_bad"], None),
        (["a", "both_bad"], None),
        (["a", "a", "both_good", "both_bad"], None),
        ([], None),
    ],
)
def test_the_answer_that_most_chose_is_preferred(tmp_path: Path, choices: list[Choice], chosen: str | None) -> None:
    rows = list(preferences(voted(tmp_path, choices)))
    assert [row["chosen"] for row in rows] == ([] if chosen is None else [[{"role": "assistant", "content": chosen}]])
    for row in rows:
        assert sum(row["votes"].values()) == len(choices)
        assert row["votes"]["chosen"] > row["votes"]["rejected"]
        assert {row["chosen"][0]["content"], row["rejected"][0]["content"]} == {PAIR.a, PAIR.b}


def test_the_file_is_utf8_of_conversations_a_line_each(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "p.jsonl"
    assert export(voted(tmp_path, ["a"]), out) == 1
    lines = out.read_bytes().split(b"\n")
    assert lines[1:] == [b""]
    assert "Sual «ə»?".encode() in lines[0]
    row = json.loads(lines[0])
    assert row["prompt"] == [{"role": "system", "content": "Qısa yaz."}, {"role": "user", "content": "Sual «ə»?"}]
    assert row.keys() == {"prompt", "chosen", "rejected", "votes"}
    for side in ("chosen", "rejected"):
        check_turns([*row["prompt"], *row[side]])


def test_nothing_preferred_is_said_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no pair"):
        export(voted(tmp_path, ["both_good"]), tmp_path / "p.jsonl")
    assert not (tmp_path / "p.jsonl").exists()
