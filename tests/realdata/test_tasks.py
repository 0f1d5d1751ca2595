"""Public questions and sentences, asked of the quickstart's base."""

import os
from pathlib import Path
from typing import Any

import pytest

import anadil
from anadil.errors import UserError
from anadil.evaluate.tasks import check
from anadil.languages import load_profile
from anadil.progress import silent
from anadil.recipe import Task
from tests.evaluate.asked import ask

pytest.importorskip("lm_eval", reason="the extra 'tasks'")

DATA = Path(os.environ.get("ANADIL_DATA") or Path(__file__).parents[3] / "shared/data") / "eval"
BASE = Path(anadil.__file__).parent / "quickstart" / "base"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no public texts at {DATA}; set ANADIL_DATA"),
]

TOPICS = {
    "science/technology": "elm və texnologiya", "travel": "səyahət", "politics": "siyasət", "sports": "idman",
    "health": "sağlamlıq", "entertainment": "əyləncə", "geography": "coğrafiya",
}  # fmt: skip


def exam(language: str) -> Task:
    path = DATA / "tumlu_mini" / f"{language}_dev.jsonl"
    return Task(name="exam", path=path, prompt="Sual: {{question}}\nCavab:", choices="choices")


def topics(**fields: Any) -> Task:
    own = {"choices": list(TOPICS.values()), "answer": f"{{{{{list(TOPICS)}.index(category)}}}}"}
    path = DATA / "sib200_flores" / "azj_Latn_dev.jsonl"
    return Task.model_validate({"name": "topics", "path": path, "prompt": "Mətn: {{text}}\nMövzu:"} | own | fields)


def test_exam_questions() -> None:
    lines = list[str]()
    rows, found = ask(BASE, exam("az"), base=BASE, seen=[], lines=lines)
    assert lines == ["  task exam: 35 questions, 50 are needed for an interval"]
    assert found["task_exam_accuracy_items"] == 35
    assert found["task_exam_chance"] == 0.25
    assert found["task_exam_accuracy_change"] == 0
    assert "task_exam_accuracy_low95" not in found
    assert {row["answer"] for row in rows["exam"]} == {0, 1, 2, 3}


def test_topics_of_sentences_with_an_interval() -> None:
    seen = [row["prompt"] for row in ask_for_prompts(topics())]
    rows, found = ask(BASE, topics(), seen=seen[:7])
    assert found["task_topics_accuracy_items"] == 99
    assert found["task_topics_accuracy_low95"] < found["task_topics_accuracy"] < found["task_topics_accuracy_high95"]
    assert found["task_topics_chance"] == pytest.approx(1 / 7)
    assert [row["id"] for row in rows["topics"] if row["contaminated"]] == list(range(7))


def ask_for_prompts(task: Task) -> list[dict[str, Any]]:
    (checked,) = check([task], load_profile("az"), silent())
    return [{"prompt": item.prompt} for item in checked.items]


@pytest.mark.parametrize(("language", "code"), [("tr", "tr"), ("kk", "kk")])
def test_exams_of_neighbours_are_told_apart(language: str, code: str) -> None:
    with pytest.raises(UserError, match=rf"look like {code} \(\d+%\), not az"):
        check([exam(language)], load_profile("az"), silent())
