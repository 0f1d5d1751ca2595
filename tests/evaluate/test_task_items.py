import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evaluate.task_rows import EXAM, write_rows

from anadil.errors import UserError
from anadil.evaluate.task_items import Item, check_language, own_texts, read_items, right_choices
from anadil.recipe import Task

Make = Callable[..., Task]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(rows: Any = EXAM, **fields: Any) -> Task:
        path = tmp_path / "exam.jsonl"
        if isinstance(rows, str):
            path.write_text(rows, encoding="utf-8")
        else:
            write_rows(path, rows)
        defaults = {"name": "exam", "path": path, "prompt": "{{question}}\nCavab:", "choices": "choices"}
        return Task.model_validate(defaults | fields)

    return made


def test_a_question_is_what_the_template_makes_of_a_row(make: Make) -> None:
    items, shots = read_items(make(prompt="{{question}}\n{% for c in choices %}- {{c}}\n{% endfor %}", most_items=2))
    assert shots == []
    assert items[0] == Item(
        f"{EXAM[0]['question']}\n- Bakı\n- Gəncə\n- Şəki\n- Quba\n", tuple(EXAM[0]["choices"]), (0,)
    )
    assert [item.right for item in items] == [(0,), (2,)]


def test_numbers_are_choices_too(make: Make) -> None:
    items, _ = read_items(make([{"question": "1 + 1", "choices": [1, 2.5, "2"], "answer": "2"}]))
    assert items[0].choices == ("1", "2.5", "2")
    assert items[0].right == (2,)


def test_closed_book_takes_one_answer_or_several(make: Make) -> None:
    rows = [{"question": "a", "answer": "b"}, {"question": "c", "answer": ["d", 5]}]
    items, _ = read_items(make(rows, choices=None))
    assert [item.accepted for item in items] == [("b",), ("d", "5")]


def test_examples_are_the_first_rows_of_their_own_file(make: Make, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "shots.jsonl", EXAM[3:])
    items, shots = read_items(make(EXAM[:3], shots=2, shots_path=path))
    assert [item.prompt for item in shots] == [row["question"] + "\nCavab:" for row in EXAM[3:5]]
    assert len(items) == 3
    with pytest.raises(UserError, match=r"shots.jsonl has 3 rows, shots = 4"):
        read_items(make(EXAM[:3], shots=4, shots_path=path))
    with pytest.raises(UserError, match=r"shots.jsonl, line 1: this example is the question of .*exam.jsonl, line 4"):
        read_items(make(EXAM, shots=1, shots_path=path))


GOOD = {"question": "Necə?", "choices": ["belə", "elə", "yox"], "answer": 1}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"choices": ["a", "b"], "answer": 0}, "prompt: 'question' is undefined"),
        (GOOD | {"question": None}, "prompt cannot be filled in: a field that it shows is null"),
        (GOOD | {"question": "a\ud83d"}, "prompt holds half of a surrogate pair"),
        ({"question": "a", "answer": 0}, "no field 'choices'"),
        (GOOD | {"choices": "a, b"}, "choices is no list but 'a, b'"),
        (GOOD | {"choices": ["a"]}, "1 choices of at least two"),
        (GOOD | {"choices": ["a", " "]}, "a choice is ' ', no text"),
        (GOOD | {"choices": ["a", None]}, "a choice is None, no text"),
        (GOOD | {"choices": ["a", {"text": "b"}]}, "a choice is {'text': 'b'}, no text"),
        ({"question": "a", "choices": ["a", "b"]}, "no field 'answer'"),
        (GOOD | {"answer": 3}, "answer 3 is none of the 3 choices"),
        (GOOD | {"answer": -1}, "answer -1 is none of the 3 choices"),
        (GOOD | {"answer": True}, "answer True is none of the 3 choices"),
        (GOOD | {"answer": None}, "answer None is none of the 3 choices"),
        (GOOD | {"answer": "elə"}, "answer 'elə' is no index, as in other rows"),
        (GOOD | {"answer": "D"}, "answer 'D' is none of the 3 choices"),
        (GOOD | {"answer": [1]}, "answer [1] is none of the 3 choices"),
    ],
)
def test_a_bad_row_is_named_with_what_is_wrong(make: Make, row: dict[str, Any], said: str) -> None:
    text = "".join(json.dumps(each) + "\n" for each in [GOOD, GOOD, row])
    with pytest.raises(UserError) as caught:
        read_items(make(text))
    assert f"exam.jsonl, line 3: {said}" in caught.value.what
    assert caught.value.hint


@pytest.mark.parametrize(
    ("fields", "said", "hint"),
    [
        ({"prompt": "{{question"}, "prompt = '{{question' is no Jinja template", "double braces"),
        ({"prompt": "{{question / 2}}"}, "prompt cannot be filled in: unsupported operand", "mend the row"),
        ({"prompt": "{{qeustion}}"}, "'qeustion' is undefined", "the row has question, choices, answer"),
        ({"prompt": "{% if question is string %}{% endif %}"}, "the prompt is empty", "fill the fields"),
        ({"prompt": "{{question.__class__.__mro__}}"}, "prompt", "the row has"),
        ({"choices": ["{{choices[0]}}", "{{choices[9]}}"]}, "choices: list object has no element 9", "the row has"),
        ({"answer": "{{choices.index('x')}}"}, "answer cannot be filled in", "mend the row"),
    ],
)
def test_a_bad_template_is_named(make: Make, fields: dict[str, Any], said: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        read_items(make(**fields))
    assert said in caught.value.what
    assert hint in caught.value.hint


def test_files_without_questions_are_named(make: Make, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"exam.jsonl has no rows"):
        read_items(make([]))
    with pytest.raises(UserError, match=r"no file at .*none.jsonl"):
        read_items(make(path=tmp_path / "none.jsonl"))
    with pytest.raises(UserError, match=r"exam.jsonl, line 1: "):
        read_items(make("not json\n"))


def test_indices_from_one_are_told_how_to_count(make: Make) -> None:
    with pytest.raises(UserError) as caught:
        read_items(make([GOOD | {"answer": "1"}, GOOD | {"answer": "3"}]))
    assert "int - 1" in caught.value.hint
    items, _ = read_items(make([GOOD | {"answer": "1"}, GOOD | {"answer": "3"}], answer="{{answer | int - 1}}"))
    assert [item.right for item in items] == [(0,), (2,)]


def rows_of(*answers: Any, choices: list[str]) -> list[tuple[str, list[str], Any]]:
    return [(f"line {number}", choices, answer) for number, answer in enumerate(answers, 1)]


def test_all_rows_say_it_in_one_way() -> None:
    letters = ["C", "A", "B"]
    assert right_choices(rows_of(1, 2, choices=["2", "1", "0"])) == [1, 2]  # numbers are indices
    assert right_choices(rows_of("1", "3", choices=["3", "1", "2"])) == [1, 0]  # 3 is no index: they are texts
    assert right_choices(rows_of(30, 10, choices=["10", "20", "30"])) == [2, 0]
    assert right_choices(rows_of("a", "B)", "c.", choices=["x", "y", "z"])) == [0, 1, 2]
    assert right_choices(rows_of("I\u0307ki", choices=["bir", "İki"])) == [1]
    assert right_choices(rows_of(1.0, choices=["x", "y"])) == [1]
    with pytest.raises(UserError, match="line 1: answer 'A' is as letter choice 0 and as text choice 1"):
        right_choices(rows_of("A", "B", choices=letters))
    with pytest.raises(UserError, match="line 2: answer 'x' is no letter, as in other rows"):
        right_choices(rows_of("A", "x", "B", choices=["x", "y"]))


@given(
    st.lists(st.text("abçdeəİı ", min_size=1).filter(str.strip), min_size=2, max_size=6, unique_by=str.strip), st.data()
)
def test_each_form_finds_the_choice(choices: list[str], data: st.DataObject) -> None:
    choices = [f"söz {choice}" for choice in choices]
    right = data.draw(st.integers(0, len(choices) - 1))
    for said in (right, str(right), "ABCDEF"[right], f" {choices[right]} "):
        assert right_choices([("here", choices, said)]) == [right]


def test_words_that_all_prompts_share_at_their_ends_are_no_part_of_the_question() -> None:
    prompts = ["Oxu və seç. Sual: bu nədir? Cavab:", "Oxu və seç. Sual: o kimdir? Cavab:"]
    assert own_texts(prompts) == ["bu nədir?", "o kimdir?"]
    assert own_texts(prompts[:1]) == prompts[:1]
    assert own_texts([prompts[0]] * 2) == ["", ""]


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=5), min_size=2, max_size=4))
def test_what_is_left_with_what_is_shared_is_the_prompt(texts: list[list[str]]) -> None:
    for own, text in zip(own_texts([" ".join(text) for text in texts]), texts, strict=True):
        assert own in " ".join(text)


TURKISH = [
    "Bugün hava çok güzel, çocuklar bahçede oynuyorlar ve akşama kadar eve dönmeyecekler.",
    "Kütüphaneden aldığım kitabı henüz bitirmedim, çünkü işten eve çok geç geliyorum.",
    "Annem pazardan elma, armut ve biraz da peynir aldı; şimdi mutfakta yemek hazırlıyor.",
]


def test_a_file_in_another_language_is_refused(tmp_path: Path) -> None:
    turkish = [Item(f"Sual: {text} Cavab:", ("a", "b"), (0,)) for text in TURKISH]
    with pytest.raises(UserError, match=r"exam.jsonl: its questions look like tr \(\d+%\), not az") as caught:
        check_language(turkish, "az", tmp_path / "exam.jsonl")
    assert 'language = "tr"' in caught.value.hint
    check_language(turkish, "tr", tmp_path / "exam.jsonl")
    check_language(turkish, "ru", tmp_path / "exam.jsonl")  # the detector does not know it
    check_language([Item("2 + 2 = ?", ("3", "4"), (1,))], "az", tmp_path / "exam.jsonl")
    check_language([Item(row["question"], tuple(row["choices"]), (0,)) for row in EXAM], "az", tmp_path / "exam.jsonl")


def test_labels_that_all_questions_share_do_not_decide_the_language(tmp_path: Path) -> None:
    labels = ("science and technology", "travel and leisure", "politics and the economy", "sports and entertainment")
    items = [Item(str(row["question"]), labels, (0,)) for row in EXAM]
    check_language(items, "az", tmp_path / "exam.jsonl")
