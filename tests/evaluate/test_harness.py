from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.evaluate.asked import AZ, Noted, ask
from tests.evaluate.task_rows import BELEBELE, INCLUDE, PIQA, write_rows
from tests.evaluate.test_tasks import score_by_hand

from anadil.errors import UserError
from anadil.evaluate.tasks import check
from anadil.progress import silent
from anadil.recipe import Task

pytest.importorskip("lm_eval")

Make = Callable[..., Task]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(harness: str, rows: Sequence[dict[str, Any]], **fields: Any) -> Task:
        path = write_rows(tmp_path / "rows.jsonl", rows)
        return Task.model_validate({"name": "known", "harness": harness, "path": path} | fields)

    return made


def by_hand(folder: Path, row: dict[str, Any]) -> list[float]:
    return [score_by_hand(folder, row["prompt"], f" {choice}") for choice in row["choices"]]


def test_belebele_is_asked_of_local_rows(make: Make, model_folder: Path) -> None:
    rows, found = ask(model_folder, make("belebele_azj_Latn", BELEBELE))
    assert rows["known"][0]["prompt"] == (
        "P: Leyla hər səhər məktəbə piyada gedir. Məktəb evlərindən on dəqiqəlik məsafədədir.\n"
        "Q: Leyla məktəbə necə gedir?\nA: Piyada\nB: Avtobusla\nC: Velosipedlə\nD: Metro ilə\nAnswer:"
    )
    assert [row["answer"] for row in rows["known"]] == [0, 1, 2, 3, 0]
    for row in rows["known"]:
        assert row["choices"] == ["A", "B", "C", "D"]
        assert row["logprobs"] == pytest.approx(by_hand(model_folder, row), abs=1e-4)
    assert found["task_known_accuracy"] == found["task_known_raw_accuracy"]
    assert (found["task_known_accuracy_items"], found["task_known_chance"]) == (5, 0.25)


def test_include_is_a_group_whose_parts_share_a_file(make: Make, model_folder: Path) -> None:
    lines = list[str]()
    rows, found = ask(model_folder, make("include_base_44_azerbaijani", INCLUDE), lines=lines)
    assert lines[0] == "  task known: 1 rows belong to no part of include_base_44_azerbaijani and are not asked"
    asked = {row["prompt"].split("\n")[0]: row["answer"] for row in rows["known"]}
    assert asked == {row["question"]: row["answer"] for row in INCLUDE[:4]}
    assert found["task_known_accuracy_items"] == 4
    rows, _ = ask(model_folder, make("include_base_44_azerbaijani_stem", INCLUDE))
    assert [row["prompt"].split("\n")[0] for row in rows["known"]] == [row["question"] for row in INCLUDE[:2]]


def test_global_piqa_is_asked_of_local_rows(make: Make, model_folder: Path) -> None:
    rows, found = ask(model_folder, make("global_piqa_nonparallel_cloze_azj_latn", PIQA))
    for row, given in zip(rows["known"], PIQA, strict=True):
        assert row["choices"] == [given["solution0"], given["solution1"]]
        assert (row["prompt"], row["answer"]) == (given["prompt"], given["label"])
        assert row["logprobs"] == pytest.approx(by_hand(model_folder, row), abs=1e-4)
    assert found["task_known_chance"] == 0.5


def test_examples_come_from_the_task_or_from_a_file_of_their_own(
    make: Make, model_folder: Path, tmp_path: Path
) -> None:
    shots = write_rows(tmp_path / "shots.jsonl", BELEBELE[:2])
    shown = make("belebele_azj_Latn", BELEBELE[2:], shots=2, shots_path=shots)
    rows, _ = ask(model_folder, shown)
    bare, _ = ask(model_folder, make("belebele_azj_Latn", BELEBELE))
    before = "".join(f"{row['prompt']} {'ABCD'[row['answer']]}\n\n" for row in bare["known"][:2])
    expected = by_hand(model_folder, rows["known"][0] | {"prompt": before + rows["known"][0]["prompt"]})
    assert rows["known"][0]["logprobs"] == pytest.approx(expected, abs=1e-4)
    with pytest.raises(UserError, match=r"shots.jsonl has 2 rows for 3 examples"):
        check([make("belebele_azj_Latn", BELEBELE[2:], shots=3, shots_path=shots)], AZ, silent())
    with pytest.raises(UserError, match=r"shots.jsonl has a row that .*rows.jsonl has too"):
        check([make("belebele_azj_Latn", BELEBELE[1:], shots=1, shots_path=shots)], AZ, silent())


def test_examples_of_another_split_need_a_file(make: Make) -> None:
    row = {"question": "2 + 2?", "choices": ["3", "4", "5", "6"], "answer": 1, "subject": "x"}
    task = make("mmlu_abstract_algebra", [row]).model_copy(update={"shots": 1})
    with pytest.raises(UserError, match="mmlu_abstract_algebra shows 1 examples of its split 'dev'") as caught:
        check([task], AZ, silent())
    assert "shots_path" in caught.value.hint
    check([make("mmlu_abstract_algebra", [row])], AZ, silent())


@pytest.mark.parametrize(
    ("harness", "rows", "said", "hint"),
    [
        ("belebele_aze_Latn", BELEBELE, "has no task 'belebele_aze_Latn'", "belebele_azj_Latn"),
        ("global_piqa_nonparallel_generation_azj_latn", PIQA, "is not multiple_choice but generate_until", "_cloze"),
        ("squadv2", PIQA, "squadv2 of the harness is not multiple_choice but a program", "multiple choice"),
        ("belebele_azj_Latn", PIQA, "does not fit belebele_azj_Latn", "facebook/belebele azj_Latn"),
        ("belebele_azj_Latn", [], "rows.jsonl has no rows", "add questions"),
        ("belebele_azj_Latn", [*BELEBELE, {"question": "a"}], "line 6: no field 'flores_passage'", "mend the row"),
        ("belebele_azj_Latn", [BELEBELE[0] | {"correct_answer_num": "5"}], "does not fit belebele_azj_Latn", "rows"),
        ("belebele_azj_Latn", [*BELEBELE, BELEBELE[0] | {"correct_answer_num": "5"}], "question 5 of belebele", "mend"),
        ("global_piqa_nonparallel_cloze_azj_latn", [*PIQA, PIQA[0] | {"label": 2}], "question 5 of global", "mend"),
        ("global_piqa_nonparallel_cloze_azj_latn", [PIQA[0], PIQA[1] | {"label": "1"}], "does not fit global", "rows"),
        ("global_piqa_nonparallel_cloze_azj_latn", [PIQA[0] | {"label": 2}], "does not fit global", "rows"),
        ("global_piqa_nonparallel_cloze_azj_latn", [*PIQA, PIQA[0] | {"solution0": ""}], "is no text", "mend"),
        ("include_base_44_azerbaijani", INCLUDE[4:], "has no rows for include_base_44_azerbaijani", "include-base-44"),
        ("belebele", BELEBELE, "the parts of belebele would all ask the same rows", "name one of them"),
    ],
)
def test_what_cannot_be_asked_is_refused(make: Make, harness: str, rows: Any, said: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        check([make(harness, rows)], AZ, silent())
    assert said in caught.value.what
    assert hint in caught.value.hint


def test_what_cannot_be_fetched_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    import huggingface_hub.constants

    for module in (huggingface_hub.constants, datasets.config):
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", True)
    task = Task(name="known", harness="belebele_azj_Latn", hub=True)
    with pytest.raises(UserError, match="the data set of belebele_azj_Latn, facebook/belebele, cannot be fetched"):
        check([task], AZ, silent())


def test_the_hub_is_out_of_reach_only_meanwhile() -> None:
    import datasets
    import huggingface_hub.constants

    from anadil.evaluate.harness import quietly

    before = huggingface_hub.constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    with quietly():
        assert huggingface_hub.constants.HF_HUB_OFFLINE
        assert datasets.config.HF_HUB_OFFLINE
        with pytest.raises(ConnectionError, match=r"[Oo]ffline|reach"):
            datasets.load_dataset("facebook/belebele", "azj_Latn")
    after = huggingface_hub.constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    assert after == before


def test_few_questions_of_the_harness_are_said_to_be_few(make: Make) -> None:
    lines = list[str]()
    check([make("belebele_azj_Latn", BELEBELE, most_items=3)], AZ, Noted(lines))
    assert lines == ["  task known: 3 questions, 50 are needed for an interval"]
