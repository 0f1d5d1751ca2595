"""pairs: what is compared, what is left out, and that places give nothing away."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anadil.errors import UserError
from anadil.review.pairs import Pair, Pairs, find_pairs, place
from tests.review.small import SAME, rows_of, two_runs, write_run


def test_what_both_answered_is_paired_by_question_and_the_same_answers_are_counted(tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", [*rows_of("A"), {"id": "z", "question": "Yalnız birinci?", "answer": "x"}])
    b = write_run(tmp_path / "b", list(reversed(rows_of("B"))))
    found = find_pairs(a, b)
    assert found.identical == SAME
    assert found.shown == [Pair(f"Sual nömrə {n}?", f"A cavabı {n}", f"B cavabı {n}") for n in range(8 - SAME)]


def test_the_base_of_a_run_is_the_other_side(tmp_path: Path) -> None:
    rows = [*rows_of("A"), {"id": "z", "question": "Baza susur?", "answer": "x"}]
    found = find_pairs(write_run(tmp_path / "a", rows), None)
    assert [pair.b for pair in found.shown] == [f"əsas {n}" for n in range(8)]


def test_produced_answers_are_taken_too_beside_or_without_the_others(tmp_path: Path) -> None:
    produced = [{"id": "p", "prompt": "Məktub yaz.", "answer": "bir"}]
    a = write_run(tmp_path / "a", produced, file="produced.jsonl")
    b = write_run(tmp_path / "b", [{**produced[0], "answer": "iki"}], file="produced.jsonl")
    assert find_pairs(a, b).shown == [Pair("Məktub yaz.", "bir", "iki")]
    for run, model in ((a, "A"), (b, "B")):
        write_run(run, rows_of(model))
    assert len(find_pairs(a, b).shown) == 8 - SAME + 1


def test_white_space_and_the_way_letters_are_stored_make_no_difference_to_choose_by(tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", [{"question": "s", "answer": "şə\n"}])
    b = write_run(tmp_path / "b", [{"question": "s", "answer": " s\u0327ə"}])
    assert find_pairs(a, b) == Pairs([], 1)


def test_the_system_prompt_is_part_of_what_was_asked_where_both_had_it(tmp_path: Path) -> None:
    a, b = (write_run(tmp_path / name, rows_of(name), system="Qısa yaz.") for name in "ab")
    pair = find_pairs(a, b).shown[0]
    assert [message["role"] for message in pair.messages] == ["system", "user"]
    write_run(b, rows_of("b"), system="Uzun yaz.")
    other = find_pairs(a, b).shown[0]
    assert [message["role"] for message in other.messages] == ["user"]
    assert other.key != pair.key


def test_half_a_surrogate_pair_does_not_come_through(tmp_path: Path) -> None:
    a, b = (write_run(tmp_path / name, [{"question": "s", "answer": name}]) for name in "ab")
    (a / "evaluate/answers.jsonl").write_text('{"question": "s", "answer": "bir \\ud83d"}\n')
    assert find_pairs(a, b).shown == [Pair("s", "bir ?", "b")]


@pytest.mark.parametrize(
    ("rows_a", "rows_b", "names"),
    [
        (None, rows_of("B"), ("a has no answers", "evaluate.questions")),
        (rows_of("A"), None, ("b has no answers", "answers.jsonl")),
        (rows_of("A"), [{"question": "Başqa?", "answer": "x"}], ("no question that is the same",)),
        ([{"question": "s"}], rows_of("B"), ("answers.jsonl, line 1", "`answer`", "run it again")),
        ([{"answer": "s"}], rows_of("B"), ("answers.jsonl, line 1", "`question`")),
        ([{"question": "s", "answer": 3}], rows_of("B"), ("line 1", "have to be text")),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path: Path, rows_a: object, rows_b: object, names: object) -> None:
    for name, rows in (("a", rows_a), ("b", rows_b)):
        write_run(tmp_path / name, rows or [])
        if rows is None:
            (tmp_path / name / "evaluate" / "answers.jsonl").unlink()
    with pytest.raises(UserError) as caught:
        find_pairs(tmp_path / "a", tmp_path / "b")
    for name in names:
        assert name in str(caught.value)


def test_one_run_is_not_compared_with_itself_however_it_is_named(tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", rows_of("A"))
    (tmp_path / "link").symlink_to(a)
    with pytest.raises(UserError, match="the same run"):
        find_pairs(a, tmp_path / "link")


def test_a_base_that_said_nothing_is_named(tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", [{"question": "s", "answer": "x"}])
    with pytest.raises(UserError, match="no answers of its base"):
        find_pairs(a, None)


@given(count=st.integers(1, 30), reviewer=st.text(max_size=20), seed=st.integers(0, 9))
def test_every_reviewer_sees_every_pair_and_a_on_the_left_half_the_time(count: int, reviewer: str, seed: int) -> None:
    pairs = [Pair(str(number), "a", "b") for number in range(count)]
    placed = place(pairs, reviewer, seed)
    assert {one.pair for one in placed} == set(pairs)
    assert len(placed) == count
    assert sum(one.a_is_left for one in placed) in (count // 2, (count + 1) // 2)
    assert placed == place(list(reversed(pairs)), reviewer, seed)


def test_over_reviewers_each_pair_is_as_often_on_either_side_and_at_every_place() -> None:
    count, reviewers = 9, 900
    pairs = [Pair(str(number), "a", "b") for number in range(count)]
    left, first = Counter[str](), Counter[str]()
    for number in range(reviewers):
        placed = place(pairs, f"rəyçi {number}", 1)
        left.update(one.pair.question for one in placed if one.a_is_left)
        first[placed[0].pair.question] += 1
    for pair in pairs:  # 5 standard deviations of a binomial
        assert abs(left[pair.question] - reviewers / 2) < 5 * (reviewers / 4) ** 0.5
        assert abs(first[pair.question] - reviewers / count) < 5 * (reviewers / count * (1 - 1 / count)) ** 0.5


def test_another_seed_or_reviewer_sees_another_order(tmp_path: Path) -> None:
    pairs = find_pairs(*two_runs(tmp_path, 20)).shown
    assert len({tuple(place(pairs, name, seed)) for name in ("Aygün", "Nigar") for seed in (1, 2)}) == 4
