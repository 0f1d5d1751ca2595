import json
from pathlib import Path

import pytest

from anadil.errors import UserError
from anadil.evaluate.answers import Question, Seen, measure, read_questions, token_f1, words
from anadil.evaluate.generate import Answer
from anadil.languages import load_profile

AZ = load_profile("az")
QUESTIONS = [Question("1", "Tarifi necə dəyişim?", "Tarifi tətbiqdə dəyişin."), Question("2", "Balans?", "Yığın: 100.")]


def test_words_are_lowercased_as_the_language_does_and_lose_punctuation() -> None:
    assert words("İşıq, IŞIQ — «10 GB»!", AZ) == ["işıq", "ışıq", "10", "gb"]


def test_token_f1() -> None:
    assert token_f1(list("abc"), list("abc")) == 1.0
    assert token_f1(list("aab"), list("abbb")) == pytest.approx(2 * 2 / 7)
    assert token_f1([], list("a")) == token_f1(list("a"), []) == token_f1(list("a"), list("b")) == 0.0


def test_answers_are_measured_against_reference_and_base() -> None:
    answers = [Answer("Tarifi tətbiqdə dəyişin.", True), Answer("Yığın", False)]
    base = [Answer("", True), Answer("I do not know what", False)]
    rows, found = measure(QUESTIONS, answers, base, [], AZ, rounds=100)
    assert [row["token_f1"] for row in rows] == [1.0, pytest.approx(2 / 3)]
    assert found["answers_token_f1"] == pytest.approx(5 / 6)
    assert (found["base_answers_token_f1"], found["answers_token_f1_change"]) == (0.0, pytest.approx(5 / 6))
    assert not any(name.endswith("low95") for name in found)  # of two questions nothing is certain
    _, many = measure(
        [Question(str(n), q.question, q.reference) for n in range(20) for q in QUESTIONS],
        answers * 20, base * 20, [], AZ, rounds=100,
    )  # fmt: skip
    assert many["answers_token_f1_change_low95"] <= 5 / 6 <= many["answers_token_f1_change_high95"]
    assert (found["answers_stopped_share"], found["base_answers_stopped_share"]) == (0.5, 0.5)
    assert found["answers_items"] == 2
    assert found["answers_target_letter_share"] == 1.0
    assert found["base_answers_target_letter_share"] == pytest.approx(12 / 14)  # all but w
    assert rows[1]["base_answer"] == "I do not know what"


def test_without_a_base_nothing_is_compared() -> None:
    rows, found = measure(QUESTIONS, [Answer("a", True)] * 2, None, [], AZ, rounds=100)
    assert not any("base" in key for key in [*rows[0], *found])
    assert "answers_token_f1_change" not in found


def test_copied_answers_are_found_in_one_training_text_each() -> None:
    answers = [Answer("Bir iki üç dörd beş altı", True), Answer("BİR, iki yeddi!", True)]
    seen = [Seen("sıfır bir iki üç dörd"), Seen("beş altı"), Seen("yeddi")]
    rows, found = measure(QUESTIONS, answers, None, seen, AZ, rounds=100)
    assert [row["copied_share"] for row in rows] == [pytest.approx(4 / 6), pytest.approx(2 / 3)]
    assert found["answers_longest_copy_share"] == pytest.approx(2 / 3)
    assert found["answers_copied_over_half"] == 2


def test_what_users_say_in_training_is_not_copied_but_contaminates() -> None:
    answers = [Answer("Tarifi necə dəyişim", True), Answer("", True)]
    rows, found = measure(QUESTIONS, answers, None, [Seen("tarifi NECƏ dəyişim!", learned=False)], AZ, rounds=100)
    assert found["answers_longest_copy_share"] == 0.0
    assert [row["contaminated"] for row in rows] == [True, False]
    assert found["answers_contaminated_questions"] == 1


def test_eight_words_in_a_row_contaminate_and_seven_do_not() -> None:
    question = Question("1", "a b c d e f g h i j", "a")
    for shared, expected in (("x b c d e f g h i x", 1), ("x b c d e f g h x", 0)):
        _, found = measure([question], [Answer("a", True)], None, [Seen(shared)], AZ, rounds=100)
        assert found["answers_contaminated_questions"] == expected


def test_questions_are_read(tmp_path: Path) -> None:
    rows = [{"id": 1, "question": "q?", "reference": "r", "more": 0}, {"id": "b", "question": "p?", "reference": "s"}]
    (tmp_path / "q.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    assert read_questions(tmp_path / "q.jsonl") == [Question("1", "q?", "r"), Question("b", "p?", "s")]


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ([{"id": "1", "question": "q"}], "line 1: a question needs"),
        ([{"id": "1", "question": "q", "reference": "r"}] * 2, "line 2: a question needs an id of its own"),
        ([], "has no questions"),
    ],
)
def test_questions_that_are_not_whole_are_refused(tmp_path: Path, lines: list[object], what: str) -> None:
    (tmp_path / "q.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    with pytest.raises(UserError, match=what):
        read_questions(tmp_path / "q.jsonl")
