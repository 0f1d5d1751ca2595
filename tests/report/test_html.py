"""The HTML report: the same numbers as the manifests, harmless, self-contained, reproducible."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.report.reading import Page

from anadil.errors import UserError
from anadil.report import write

MakeRun = Callable[..., Path]
HOSTILE = '</style></title><script>alert(1)</script><img src=x onerror="alert(2)">\'"&{{ 7*7 }}\x1b[31m\x00\u202e'


def test_numbers_are_those_of_the_manifests(runs: MakeRun) -> None:
    folder = runs()
    exact = set(Page(write(folder)).exact)
    for manifest in folder.glob("*/manifest.json"):
        for name, value in json.loads(manifest.read_bytes())["metrics"].items():
            assert value in exact, name
    for account in json.loads((folder / "corpus/accounting.json").read_bytes()).values():
        assert {count["documents"] for count in account["verdicts"].values()} <= exact


def test_same_files_same_bytes_wherever_they_lie(runs: MakeRun, tmp_path: Path) -> None:
    folder = runs()
    copy = shutil.copytree(folder, tmp_path / "elsewhere" / "other-name")
    verdicts = [(True, "held"), (False, "broken")]
    assert write(folder, verdicts).read_bytes() == write(copy, verdicts).read_bytes()
    assert str(tmp_path) not in write(folder, verdicts).read_text()


def test_page_is_well_formed_and_loads_nothing(runs: MakeRun) -> None:
    page = Page(write(runs(), [(True, "a"), (False, "b")]))
    assert len(page.ids) == len(set(page.ids))
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
    values = [value for name, value in page.attributes if name in ("src", "href", "xlink:href", "style", "action")]
    assert not [value for value in values if "//" in value or "url(h" in value]
    named = {value for name, value in page.attributes if name in ("aria-labelledby", "xlink:href", "clip-path")}
    referred = {value.removeprefix("url(").removesuffix(")").removeprefix("#") for value in named}
    assert referred <= set(page.ids)
    assert "http" not in re.sub(r"http-equiv|http://www.w3.org/[\w/]+", "", write(runs()).read_text())


def test_hostile_texts_stay_text(runs: MakeRun) -> None:
    folder = runs()
    record = json.loads((folder / "run.json").read_bytes())
    record["name"] = HOSTILE
    record["recipe"] |= {"language": HOSTILE, "base": {"path": HOSTILE, "revision": HOSTILE, "language": HOSTILE}}
    record["recipe"]["corpus"]["sources"][0] |= {"licence": HOSTILE, "weight": HOSTILE, "language": HOSTILE}
    (folder / "run.json").write_text(json.dumps(record))
    answer = {"question": HOSTILE, "answer": HOSTILE, "base_answer": HOSTILE, "reference": "\ud800"}
    (folder / "evaluate/answers.jsonl").write_text(json.dumps(answer) + "\n")
    for manifest in folder.glob("*/manifest.json"):
        facts = json.loads(manifest.read_bytes())
        facts["metrics"][HOSTILE] = 1.5
        facts["environment"][HOSTILE] = HOSTILE
        facts["inputs"][HOSTILE] = HOSTILE
        facts["outputs"][HOSTILE] = {"bytes": 1}
        manifest.write_text(json.dumps(facts))
    accounts = {HOSTILE: {"read": {}, "verdicts": {HOSTILE: {"documents": 3}}}}
    (folder / "corpus/accounting.json").write_text(json.dumps(accounts))
    path = write(folder, [(False, HOSTILE)])
    page = Page(path)
    assert not {"script", "img"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", path.read_text(encoding="utf-8"))
    assert page.text.count("<script>alert(1)</script>") > 10
    assert "{{ 7*7 }}" in page.text


@pytest.mark.parametrize(
    ("stages", "headings"),
    [
        (("corpus",), ["Corpus", "Time", "Evidence"]),
        (("corpus", "tokenizer"), ["Before and after", "Vocabulary", "Corpus", "Time", "Evidence"]),
        (("corpus", "pretrain"), ["Training", "Corpus", "Time", "Evidence"]),
        (("export", "evaluate"), ["Before and after", "Answers", "Talk to it", "Time", "Evidence"]),
    ],
)
def test_a_shorter_recipe_has_a_shorter_report(runs: MakeRun, stages: tuple[str, ...], headings: list[str]) -> None:
    assert Page(write(runs(stages))).headings == headings


def test_a_run_without_any_stage_done_says_so(runs: MakeRun) -> None:
    page = Page(write(runs(("corpus",), unfinished="corpus")))
    assert "corpus has begun and is not finished." in page.text
    assert "Evidence" not in page.headings


def test_gates_show_their_verdicts(runs: MakeRun) -> None:
    page = Page(write(runs(), [(True, "small enough"), (False, "too large")]))
    flat = " ".join(page.text.split())
    assert "✓ passed small enough" in flat
    assert "✗ failed too large" in flat
    assert "Gates" not in Page(write(runs())).headings


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
