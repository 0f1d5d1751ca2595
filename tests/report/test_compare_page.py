"""Two runs on one page."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.report.conftest import lines
from tests.report.reading import Page
from tests.report.test_html import HOSTILE

from anadil.commands.run import compare_runs as compare_command
from anadil.errors import UserError
from anadil.report.compare_facts import compare_runs
from anadil.report.compare_page import write_comparison

MakeRun = Callable[..., Path]


def changed(run: Path, name: str, **recipe: object) -> Path:
    """A copy of a run that was made with other keys and measured a little otherwise."""
    copy = Path(shutil.copytree(run, run.with_name(name)))
    record = json.loads((copy / "run.json").read_bytes())
    record["name"] = name
    record["recipe"] |= recipe
    (copy / "run.json").write_text(json.dumps(record))
    manifest = copy / "evaluate/manifest.json"
    facts = json.loads(manifest.read_bytes())
    facts["metrics"] |= {"target_bits_per_byte": 0.8, "task_belebele_accuracy": 0.4, "refused_harmful_share": 0.95}
    manifest.write_text(json.dumps(facts))
    return copy


def flat(page: Path) -> str:
    return " ".join(Page(page).text.split())


def test_all_that_both_measured_stands_side_by_side(evaluated: MakeRun, tmp_path: Path) -> None:
    a = evaluated()
    page = write_comparison(a, changed(a, "other"), tmp_path / "c.html")
    first = ["Headline figures", "The road, in bits per byte", "Tasks", "What they write", "Safety", "Answers"]
    assert Page(page).headings == [*first, "Recipes", "Time", "Evidence"]
    text = flat(page)
    assert "0.861 → 0.800" in text
    assert "−0.061 (not item by item)" in text  # bits_per_byte.jsonl is not there
    assert "32.4% → 40.0% +7.6 (not item by item)" in text
    assert "4 held-out questions that both were asked" in text


def test_differences_of_the_same_items_have_intervals(evaluated: MakeRun, tmp_path: Path) -> None:
    a = evaluated()
    b = changed(a, "other")
    rows = [{"side": "target", "text_hash": f"{n}", "bytes": 100, "nats": 60.0 + n % 7} for n in range(40)]
    (a / "evaluate/bits_per_byte.jsonl").write_text(lines(rows))
    less = [row | {"nats": float(str(row["nats"])) - 5 - n % 3} for n, row in enumerate(rows)]
    (b / "evaluate/bits_per_byte.jsonl").write_text(lines(less[:-4]))
    text = flat(write_comparison(a, b, tmp_path / "c.html"))
    assert re.search(r"▼ better −0.08\d \(−0.0\d\d to −0.0\d\d\). 36 of 40 documents are in both runs", text)


def test_same_runs_same_bytes(evaluated: MakeRun, tmp_path: Path) -> None:
    a = evaluated()
    b = changed(a, "other")
    one = write_comparison(a, b, tmp_path / "1.html").read_bytes()
    moved = [shutil.copytree(run, tmp_path / "elsewhere" / run.name) for run in (a, b)]
    assert write_comparison(*map(Path, moved), tmp_path / "2.html").read_bytes() == one
    assert str(tmp_path).encode() not in one


def test_only_what_differs_between_the_recipes_is_told(evaluated: MakeRun) -> None:
    a = evaluated()
    b = changed(a, "other", seed=7, evaluate={"questions": "/home/somebody/questions.jsonl"}, gates=[])
    both = compare_runs(a, b)
    keys = {key: (one, other) for key, one, other in both.settings}
    assert keys["seed"][1] == "7"
    assert keys["evaluate.questions"] == ("–", "questions.jsonl")  # never the folder it lies in
    assert keys["gates[refused_harmful_share].min"] == ("0.9", "–")
    assert "name" not in keys
    assert not [key for key in keys if key.startswith(("corpus", "tokenizer"))]
    assert both.doubts == ["The recipes state other gates: their verdicts do not judge the same."]
    assert compare_runs(a, a).settings == ()


def test_files_of_another_content_are_named(evaluated: MakeRun) -> None:
    a = evaluated()
    b = changed(a, "other")
    for run, digest in ((a, "1"), (b, "2")):
        manifest = run / "corpus/manifest.json"
        facts = json.loads(manifest.read_bytes())
        facts["fingerprint_parts"] = {"file news.jsonl": digest, "file same.jsonl": "0", "version": digest}
        manifest.write_text(json.dumps(facts))
    assert compare_runs(a, b).files == ("news.jsonl",)


def test_runs_of_other_languages_are_not_held_against_each_other(evaluated: MakeRun, tmp_path: Path) -> None:
    a = evaluated()
    b = changed(a, "other", language="tr")
    assert any("different languages" in doubt for doubt in compare_runs(a, b).doubts)
    page = Page(write_comparison(a, b, tmp_path / "c.html"))
    assert not {"Headline figures", "The road, in bits per byte"} & set(page.headings)


def test_a_run_without_an_evaluation_can_be_compared(evaluated: MakeRun, runs: MakeRun, tmp_path: Path) -> None:
    page = Page(write_comparison(evaluated(), runs(("corpus",), name="part"), tmp_path / "c.html"))
    assert "in one run only" in page.text
    assert "No verdict" in page.text


def test_hostile_texts_stay_text(evaluated: MakeRun, tmp_path: Path) -> None:
    a = evaluated()
    tasks = [{"name": HOSTILE, "language": "az"}]
    b = changed(a, "other", **{HOSTILE: HOSTILE, "evaluate": {"tasks": tasks}})
    for run in (a, b):
        record = json.loads((run / "run.json").read_bytes())
        record["name"] = HOSTILE
        (run / "run.json").write_text(json.dumps(record))
        answer = {"question": HOSTILE, "answer": HOSTILE, "reference": HOSTILE}
        (run / "evaluate/answers.jsonl").write_text(json.dumps(answer) + "\n")
        manifest = run / "evaluate/manifest.json"
        facts = json.loads(manifest.read_bytes())
        facts["metrics"] |= {HOSTILE: len(run.name), f"task_{HOSTILE}_accuracy": 0.5}
        facts["fingerprint_parts"] = {f"file {HOSTILE}": run.name}
        manifest.write_text(json.dumps(facts))
    path = write_comparison(a, b, tmp_path / "c.html")
    page = Page(path)
    assert not {"script", "img"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert len(page.ids) == len(set(page.ids))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", path.read_text(encoding="utf-8"))
    assert page.text.count("<script>alert(1)</script>") > 10


def test_a_place_for_the_page_is_needed(evaluated: MakeRun, tmp_path: Path) -> None:
    a = evaluated()
    with pytest.raises(UserError, match="no folder"):
        write_comparison(a, a, tmp_path / "none" / "c.html")
    with pytest.raises(UserError, match="is a folder"):
        write_comparison(a, a, tmp_path)
    with pytest.raises(UserError, match="no run at"):
        write_comparison(a, tmp_path, tmp_path / "c.html")


def test_the_command_prints_as_before_and_writes_the_page(
    evaluated: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = evaluated()
    b = changed(a, "other")
    compare_command(a, b, as_json=True, html=tmp_path / "c.html")
    rows = json.loads(capsys.readouterr().out)
    assert {row["metric"] for row in rows} >= {"target_bits_per_byte", "new_tokens"}
    assert Page(tmp_path / "c.html").headings
    compare_command(a, b, as_json=False)
    assert "−0.061" in capsys.readouterr().out
    compare_command(a, b, as_json=False, html=tmp_path / "c.html")
    assert f"Both on one page: {tmp_path / 'c.html'}" in capsys.readouterr().out.replace("\n", " ")
