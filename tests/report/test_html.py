"""The HTML report: the same numbers as the manifests, harmless, self-contained, reproducible."""

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.report.conftest import lines
from tests.report.reading import Page

from anadil.errors import UserError
from anadil.report import write
from anadil.report.words import plain

MakeRun = Callable[..., Path]
LAST, ROAD = ["Time and cost", "Evidence"], "The road, in bits per byte"
USE = ["Talk to it", *LAST]
HOSTILE = '</style></title><script>alert(1)</script><img src=x onerror="alert(2)">\'"&{{ 7*7 }}\x1b[31m\x00\u202e'


def test_numbers_are_those_of_the_manifests(evaluated: MakeRun) -> None:
    folder = evaluated()
    exact = set(Page(write(folder)).exact)
    for manifest in folder.glob("*/manifest.json"):
        for name, value in json.loads(manifest.read_bytes())["metrics"].items():
            assert value in exact, name
    for account in json.loads((folder / "corpus/accounting.json").read_bytes()).values():
        assert {count["documents"] for count in account["verdicts"].values()} <= exact


def test_same_files_same_bytes_wherever_they_lie(evaluated: MakeRun, tmp_path: Path) -> None:
    folder = evaluated()
    copy = shutil.copytree(folder, tmp_path / "elsewhere" / "other-name")
    assert write(folder).read_bytes() == write(copy).read_bytes()
    assert (folder / "report.md").read_bytes() == (copy / "report.md").read_bytes()
    assert str(tmp_path) not in write(folder).read_text() + (folder / "report.md").read_text()


def test_page_is_well_formed_and_loads_nothing(evaluated: MakeRun) -> None:
    page = Page(path := write(evaluated()))
    assert len(page.ids) == len(set(page.ids))
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
    values = [value for name, value in page.attributes if name in ("src", "href", "xlink:href", "style", "action")]
    assert not [value for value in values if "//" in value or "url(h" in value]
    named = {value for name, value in page.attributes if name in ("aria-labelledby", "xlink:href", "clip-path")}
    referred = {value.removeprefix("url(").removesuffix(")").removeprefix("#") for value in named}
    assert referred <= set(page.ids)
    inside = {value[1:] for name, value in page.attributes if name == "href" and value.startswith("#")}
    assert len(inside) > 5
    assert inside <= set(page.ids)
    assert "http" not in re.sub(r"http-equiv|http://www.w3.org/[\w/]+", "", path.read_text())


def test_hostile_texts_stay_text(evaluated: MakeRun) -> None:
    folder = evaluated()
    record = json.loads((folder / "run.json").read_bytes())
    record["name"] = HOSTILE
    record["recipe"] |= {"language": HOSTILE, "base": {"path": HOSTILE, "revision": HOSTILE, "language": HOSTILE}}
    record["recipe"]["corpus"]["sources"][0] |= {"licence": HOSTILE, "weight": HOSTILE, "language": HOSTILE}
    record["recipe"]["corpus"]["sources"][1]["name"] = HOSTILE
    record["recipe"]["evaluate"]["tasks"].append({"name": HOSTILE, "language": HOSTILE})
    record["recipe"]["gates"].append({"metric": plain(HOSTILE), "max": 1})
    (folder / "run.json").write_text(json.dumps(record))
    answer = {"question": HOSTILE, "answer": HOSTILE, "base_answer": HOSTILE, "reference": "\ud800"}
    (folder / "evaluate/answers.jsonl").write_text(json.dumps(answer) + "\n")
    typed = [
        {"id": HOSTILE, "typing": typing, "prompt": HOSTILE, "answer": HOSTILE} for typing in ("as_written", HOSTILE)
    ]
    (folder / "evaluate/produced.jsonl").write_text(lines(typed))
    request = {"set": "harmful", "category": HOSTILE, "request": HOSTILE, "answer": HOSTILE, "refused": HOSTILE}
    (folder / "evaluate/safety.jsonl").write_text(json.dumps(request) + "\n")
    for manifest in folder.glob("*/manifest.json"):
        facts = json.loads(manifest.read_bytes())
        named = [f"task_{HOSTILE}_accuracy", f"target_bits_per_byte_of_{HOSTILE}"]
        facts["metrics"] |= dict.fromkeys([HOSTILE, *named], 1.5)
        facts["environment"][HOSTILE] = HOSTILE
        facts["inputs"][HOSTILE] = HOSTILE
        facts["outputs"][HOSTILE] = {"bytes": 1}
        manifest.write_text(json.dumps(facts))
    accounts = {HOSTILE: {"read": {}, "verdicts": {HOSTILE: {"documents": 3}}}}
    (folder / "corpus/accounting.json").write_text(json.dumps(accounts))
    path = write(folder)
    page = Page(path)
    assert not {"script", "img"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", path.read_text(encoding="utf-8"))
    assert page.text.count("<script>alert(1)</script>") > 20
    assert "{{ 7*7 }}" in page.text


@pytest.mark.parametrize(
    ("stages", "headings"),
    [
        (("corpus",), ["Corpus", *LAST]),
        (("corpus", "tokenizer"), ["Before and after", "Vocabulary", "Corpus", *LAST]),
        (("corpus", "pretrain"), ["Training", "Corpus", *LAST]),
        (("export", "evaluate"), ["No gate is stated", "Before and after", ROAD, "Forgetting", "Answers", *USE]),
    ],
)
def test_a_shorter_recipe_has_a_shorter_report(runs: MakeRun, stages: tuple[str, ...], headings: list[str]) -> None:
    assert Page(write(runs(stages))).headings == headings


def test_a_run_without_any_stage_done_says_so(runs: MakeRun) -> None:
    page = Page(write(runs(("corpus",), unfinished="corpus")))
    assert "corpus has begun and is not finished." in page.text
    assert "Evidence" not in page.headings


def test_all_that_was_measured_has_a_section(evaluated: MakeRun) -> None:
    headings = Page(write(evaluated())).headings
    first = ["Do not ship", "Before and after", ROAD, "Forgetting", "Tasks", "What it writes", "Safety", "Answers"]
    assert headings == [*first, "Talk to it", "Training", "Vocabulary", "Corpus", *LAST]


@pytest.mark.parametrize(
    ("absent", "missing"),
    [
        (("task_",), "Tasks"),
        (("produced", "steady"), "What it writes"),
        (("refused", "leaked", "personal", "canaries"), "Safety"),
    ],
)
def test_what_was_not_measured_has_no_section(evaluated: MakeRun, absent: tuple[str, ...], missing: str) -> None:
    assert missing in Page(write(evaluated())).headings
    assert missing not in Page(write(evaluated([], absent, name="less"))).headings


def test_gates_say_what_was_asked_what_was_reached_and_where_to_look(evaluated: MakeRun) -> None:
    page = Page(write(evaluated()))
    flat = " ".join(page.text.split())
    assert "1 of 3 gates failed." in flat
    failed = "✗ failed harmful requests turned down: at least 90% Reached: 90.0%, and as low as 83.0% within the 95%"
    assert failed in flat
    assert flat.index("✗ failed") < flat.index("✓ passed")  # what failed comes first
    assert "Look at: Safety, evaluate/safety.jsonl" in flat
    assert "task belebele: right choices: no worse than the base Reached: +7.3 points" in flat
    assert "No gate looks at: Forgetting, What it writes, Answers." in flat


def test_ship_only_where_gates_were_stated_and_all_hold(evaluated: MakeRun) -> None:
    assert Page(write(evaluated([{"metric": "leaked_personal_data_items", "max": 0}]))).headings[0] == "Ship"
    assert Page(write(evaluated([]))).headings[0] == "No gate is stated"


def test_without_an_evaluation_there_is_no_verdict(runs: MakeRun) -> None:
    folder = runs(unfinished="evaluate", gates=[{"metric": "target_bits_per_byte", "max": 9.0}])
    assert Page(write(folder)).headings[0] == "No verdict"


def test_no_text_of_a_request_is_shown(evaluated: MakeRun) -> None:
    folder = evaluated()
    both = write(folder).read_text(encoding="utf-8") + (folder / "report.md").read_text(encoding="utf-8")
    assert "unshown" not in both
    assert "self harm" in both


def test_too_few_items_for_an_interval_is_said(evaluated: MakeRun) -> None:
    flat = " ".join(Page(write(evaluated())).text.split())
    for said in ("40 questions: too few", "48 answers: too few", "40 requests: too few"):
        assert said in flat


def test_figures_that_are_no_numbers_are_left_out(evaluated: MakeRun) -> None:
    folder = evaluated(produced_stopped_share=math.nan, target_bits_per_byte=math.inf, steady_ascii_f1=-math.inf)
    page = Page(write(folder))
    assert "What it writes" in page.headings
    assert "Answers that end by themselves" not in page.text


def test_an_interval_with_zero_is_no_difference(runs: MakeRun) -> None:
    flat = " ".join(Page(write(runs())).text.split())
    assert (
        "≈ no difference shown +0.0036 (+0.4%); 95% interval of the change −0.0011 to +0.0084, which includes zero."
        in flat
    )
    assert "▼ better −0.363 (−29.7%); 95% interval of the change −0.380 to −0.347." in flat


def test_without_a_base_there_is_no_before(runs: MakeRun) -> None:
    folder = runs(base={"shape": {}, "language": "en"})
    for stage in ("tokenizer", "evaluate"):
        manifest = folder / stage / "manifest.json"
        facts = json.loads(manifest.read_bytes())
        facts["metrics"] = {k: v for k, v in facts["metrics"].items() if "base" not in k and "change" not in k}
        manifest.write_text(json.dumps(facts))
    text = Page(write(folder)).text
    assert "Trained from nothing, without a base." in text
    assert text.count("No base to compare with.") == 4


def test_no_run_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run at"):
        write(tmp_path)
