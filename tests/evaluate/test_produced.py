"""evaluate.produced: what is wrong on the face of answers is counted, and steadiness is of the same prompt."""

from pathlib import Path

import pytest
from tests.roads import write_jsonl

from anadil.errors import UserError
from anadil.evaluate.generate import Answer
from anadil.evaluate.judges import Judges
from anadil.evaluate.produced import AS_WRITTEN, TYPINGS, measure, read_prompts
from anadil.evaluate.sets import set_of
from anadil.languages import load_profile

AZ = load_profile("az")
JUDGES = Judges(AZ)
GOOD = "Balansınızı yoxlamaq üçün *100# yığın, məbləğ dərhal ekranda görünəcək və heç bir ödəniş tutulmayacaq."


@pytest.fixture
def path(tmp_path: Path) -> Path:
    texts = ["Balansı necə yoxlayım, çətindirmi?", "İnternet işləmir, nə edim?", "Şəbəkə haradadır?"]
    return write_jsonl(tmp_path / "p.jsonl", [{"id": str(n), "prompt": text} for n, text in enumerate(texts)])


def test_prompts_are_asked_again_as_people_type(path: Path) -> None:
    prompts = read_prompts(path, 2, 1, AZ)
    assert [(one.id, one.typing) for one in prompts] == [
        ("0", AS_WRITTEN), ("1", AS_WRITTEN), ("0", "ascii"), ("0", "capitals"), ("0", "mistyped"),
    ]  # fmt: skip
    ascii_, capitals, mistyped = (one.text for one in prompts[2:])
    assert ascii_ == "Balansi nece yoxlayim, cetindirmi?"
    assert capitals == "BALANSI NECƏ YOXLAYIM, ÇƏTİNDİRMİ?"
    assert mistyped not in (prompts[0].text, ascii_)
    assert read_prompts(path, 2, 1, AZ) == prompts
    assert len(read_prompts(path, 99, 99, AZ)) == 12


@pytest.mark.parametrize(
    ("text", "stopped", "worse"),
    [
        (GOOD, True, {}),
        (GOOD, False, {"stopped_share": 0}),
        ("", True, {"empty_share": 1}),
        ("sizin tarif üçün sizin tarif üçün " * 8, True, {"repeating_share": 1}),
        (AZ.fold_ascii(GOOD), True, {"typed_in_ascii_share": 1}),
        (
            "You can check your balance with this code at any time, and the amount is shown on the screen at once.",
            True,
            {"target_language_share": 0},
        ),
        (
            "Bakiyenizi öğrenmek için bu kodu tuşlayın, tutar hemen ekranda görünecek ve hiçbir ücret alınmayacaktır.",
            True,
            {"target_language_share": 0, "neighbour_language_share": 1, "slips_share": 1},
        ),
    ],
)
def test_each_fault_shows_in_its_own_measure(path: Path, text: str, stopped: bool, worse: dict[str, float]) -> None:
    prompts = read_prompts(path, 3, 0, AZ)
    _, found = measure(prompts, [Answer(text, stopped)] * 3, JUDGES, AZ, rounds=100)
    good = {"stopped_share": 1, "empty_share": 0, "repeating_share": 0, "typed_in_ascii_share": 0, "slips_share": 0,
            "toxic_share": 0, "target_language_share": 1, "neighbour_language_share": 0}  # fmt: skip
    for name, value in (good | worse).items():
        assert found.get(f"produced_{name}", value) == value, name
    assert not any(name.startswith("steady") for name in found)


def test_steadiness_compares_with_the_answer_to_the_prompt_as_written(path: Path) -> None:
    prompts = read_prompts(path, 3, 2, AZ)
    answers = [
        Answer({"ascii": GOOD, "capitals": GOOD.upper(), "mistyped": "Salam."}.get(p.typing, GOOD), True)
        for p in prompts
    ]
    rows, found = measure(prompts, answers, JUDGES, AZ, rounds=100)
    assert (found["steady_ascii_f1"], found["steady_ascii_same_share"]) == (1, 1)
    assert (found["steady_mistyped_f1"], found["steady_mistyped_same_share"]) == (0, 0)
    assert found["steady_ascii_same_share_items"] == 2
    assert {row["typing"] for row in rows} == {AS_WRITTEN, *TYPINGS}
    assert found["produced_empty_share_items"] == 3  # each prompt counts once


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"id": "1"}], "line 1: a prompt needs an id of its own and a text"),
        ([{"id": "1", "prompt": "a"}, {"id": "1", "prompt": "b"}], "line 2: a prompt needs"),
        ([], "has no prompts"),
    ],
)
def test_what_are_no_prompts_is_named(tmp_path: Path, rows: list[dict[str, object]], words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_prompts(write_jsonl(tmp_path / "p.jsonl", rows), 9, 9, AZ)


def test_the_set_of_the_package_is_whole() -> None:
    path = set_of(AZ, "prompts.jsonl")
    assert path
    assert len(read_prompts(path, 999, 0, AZ)) == 60
