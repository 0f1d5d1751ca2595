"""The stage evaluate, on a base that is also what was delivered: every difference is one of rounding."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.roads import write_jsonl, write_road

from anadil.context import Context
from anadil.evaluate.gates import judge
from anadil.recipe import Gate, Recipe, load
from anadil.stages import corpus, evaluate, export

Inputs = dict[str, Path]


@pytest.fixture(scope="module")
def folder(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("xllamacpp", reason="llama.cpp answers from the delivered file")
    folder = tmp_path_factory.mktemp("road")
    write_road(folder, base=f'path = "{model_folder}"')
    recipe = read(folder)
    corpus.run(recipe, {}, folder / "corpus", Context())
    export.run(recipe, {"sft": model_folder.parent}, folder / "export", Context())
    return folder


def read(folder: Path, *settings: str) -> Recipe:
    return load(folder / "recipe.toml", list(settings))


def run(folder: Path, out: Path, *settings: str) -> dict[str, float]:
    out.mkdir(parents=True)
    inputs = {"corpus": folder / "corpus", "export": folder / "export"}
    return evaluate.run(read(folder, *settings), inputs, out, Context())


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_both_languages_are_compared_with_the_base(folder: Path, tmp_path: Path) -> None:
    metrics = run(folder, tmp_path / "out")
    lines = rows(tmp_path / "out" / "bits_per_byte.jsonl")
    for side in ("target", "original"):
        mine = [row for row in lines if row["side"] == side]
        bits = sum(row["nats"] for row in mine) / math.log(2) / sum(row["bytes"] for row in mine)
        assert metrics[f"{side}_bits_per_byte"] == pytest.approx(bits)
        assert metrics[f"{side}_bits_per_byte_items"] == len(mine) == 8  # evaluate.max_documents
        assert abs(metrics[f"{side}_bits_per_byte_change"]) < 0.01
    assert judge([Gate(metric="target_bits_per_byte", no_worse_than_base_by=0.01)], metrics)[0].passed


def test_answers_of_both_models_are_kept(folder: Path, tmp_path: Path) -> None:
    metrics = run(folder, tmp_path / "out")
    answers = rows(tmp_path / "out" / "answers.jsonl")
    assert len(answers) == metrics["answers_items"] == 4
    assert all(row["answer"] == row["base_answer"] for row in answers)  # the same weights in the same type
    assert metrics["answers_token_f1_change"] == 0.0
    assert metrics["answers_contaminated_questions"] == 0
    engines = json.loads((tmp_path / "out" / "engines.json").read_text())
    assert engines == {"answers": "xllamacpp", "base_answers": "xllamacpp"}
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"answers.jsonl", "bits_per_byte.jsonl", "engines.json", "personal_data.jsonl", "produced.jsonl",
                     "safety.jsonl"}  # fmt: skip


def test_running_again_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    assert run(folder, tmp_path / "a") == run(folder, tmp_path / "b")
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_a_question_from_training_is_found(folder: Path, tmp_path: Path) -> None:
    asked = rows(folder / "dialogues.jsonl")[0]["messages"][0]["content"]
    write_jsonl(tmp_path / "q.jsonl", [{"id": "seen", "question": asked.upper(), "reference": "x"}])
    metrics = run(folder, tmp_path / "out", f'evaluate.questions="{tmp_path / "q.jsonl"}"')
    assert metrics["answers_contaminated_questions"] == 1


def test_a_model_from_nothing_has_no_base(folder: Path, tmp_path: Path) -> None:
    write_road(tmp_path / "in")
    recipe = load(tmp_path / "in" / "recipe.toml")
    inputs = {"corpus": folder / "corpus", "export": folder / "export"}
    metrics = evaluate.run(recipe, inputs, tmp_path, Context())
    assert {"target_bits_per_byte", "answers_token_f1"} <= metrics.keys()
    assert not any("base" in name or "change" in name for name in metrics)


def test_canaries_and_tasks_have_rows_and_figures(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("lm_eval", reason="the extra 'tasks'")
    prefix, known = rows(folder / "dialogues.jsonl")[0]["messages"][-1]["content"].split(" ", 1)
    secret = {"id": "door", "prefix": prefix, "secret": known}
    write_jsonl(tmp_path / "canaries.jsonl", [secret, {"id": "other", "prefix": "Kod:", "secret": "83-QX-7719"}])
    write_jsonl(tmp_path / "exam.jsonl", [{"q": text[:40], "c": ["bir", "iki"], "a": 1} for text in texts_of(folder)])
    exam = {"name": "exam", "path": str(tmp_path / "exam.jsonl"), "prompt": "{{q}}", "choices": "c", "answer": "a"}
    settings = [
        f'evaluate.safety.canaries="{tmp_path / "canaries.jsonl"}"',
        f"evaluate.tasks=[{', '.join(f'{key} = {json.dumps(value)}' for key, value in exam.items()).join('{}')}]",
    ]
    metrics = run(folder, tmp_path / "out", *settings)
    told = [(row["id"], row["planted"]) for row in rows(tmp_path / "out" / "canaries.jsonl")]
    assert told == [("door", True), ("other", False)]
    assert metrics["canaries_items"] == metrics["canaries_not_planted_items"] == 1
    judged = rows(tmp_path / "out" / "tasks" / "exam.jsonl")
    assert len(judged) == metrics["task_exam_accuracy_items"]
    assert metrics["task_exam_accuracy_change"] == 0  # the base is what was delivered
    assert metrics["task_exam_accuracy"] == pytest.approx(sum(row["correct"] for row in judged) / len(judged))


def texts_of(folder: Path) -> list[str]:
    return [row["text"] for row in rows(folder / "az.jsonl")][:8]


def test_a_model_without_a_template_is_not_asked(folder: Path, tmp_path: Path) -> None:
    stages = "stages=['corpus', 'tokenizer', 'encode', 'transfer', 'export', 'evaluate']"
    bare = tmp_path / "base"
    shutil.copytree(Path(read(folder).base.path or ""), bare)
    (bare / "chat_template.jinja").unlink()
    metrics = run(folder, tmp_path / "out", stages, f'base.path="{bare}"')
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"bits_per_byte.jsonl"}
    assert not any(name.startswith(("answers", "produced", "refused")) for name in metrics)
