"""The report in a terminal, and two runs side by side."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from anadil.errors import UserError
from anadil.report import print_report
from anadil.report.compare import Row, compare, print_comparison

MakeRun = Callable[..., Path]


def printed(show: Callable[[Console], None], width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, force_terminal=True, color_system=None)
    show(console)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_tells_the_same_story_as_the_page(runs: MakeRun) -> None:
    text = printed(lambda console: print_report(runs(), console, [(True, "held"), (False, "broken")]))
    for said in [
        "telecom-az  Azerbaijani, from meta-llama/Llama-3.2-1B",
        "3.401  1.448  ▼ better −1.953 (−57.4%)",
        "≈ no difference shown +0.0036 (+0.4%), 95% −0.0011 to +0.0084, includes zero",
        "✓ passed  held",
        "✗ failed  broken",
        "Answers: 3 of 4 held-out questions",
        "duplicate 2,804, unreadable lines 2",
        "tokens before 128,256, now 128,256, kept 68,052, freed 60,204, new 60,204",
        "pretrain (attempt 2)",
        "model-q8_0.gguf  131 kB",
    ]:
        assert said in text


def test_no_line_is_wider_than_the_terminal(runs: MakeRun) -> None:
    text = printed(lambda console: print_report(runs(), console, [(True, "word " * 40)]), width=60)
    assert max(map(len, text.splitlines())) <= 60


def test_texts_steer_neither_rich_nor_the_terminal(runs: MakeRun) -> None:
    folder = runs()
    answer = {
        "question": "[bold red]x[/] [/nothing]",
        "answer": "\x1b]0;title\x07\x1b[2J",
        "base_answer": "",
        "reference": "r",
    }
    (folder / "evaluate/answers.jsonl").write_text(json.dumps(answer) + "\n")
    text = printed(lambda console: print_report(folder, console, [(False, "[/] \x1b[5m")]))
    assert "[bold red]x[/] [/nothing]" in text
    assert "\x1b" not in text.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[2m", "")
    assert "\ufffd]0;title" in text


@pytest.mark.parametrize("stages", [("corpus",), ("export", "evaluate"), ("pretrain",)])
def test_missing_stages_give_less(runs: MakeRun, stages: tuple[str, ...]) -> None:
    whole = printed(lambda console: print_report(runs(), console))
    part = printed(lambda console: print_report(runs(stages, name="part"), console))
    assert len(part) < len(whole)
    assert ("Corpus" in part) == ("corpus" in stages)
    assert ("Training" in part) == ("pretrain" in stages)


def test_comparison_has_every_metric_of_either_run(runs: MakeRun) -> None:
    a = runs()
    b = Path(shutil.copytree(a, a.with_name("b")))
    manifest = b / "evaluate/manifest.json"
    facts = json.loads(manifest.read_bytes())
    facts["metrics"] |= {"target_bits_per_byte": 0.8, "added": 7.0}
    del facts["metrics"]["questions"]
    manifest.write_text(json.dumps(facts))
    rows = {(row.stage, row.metric): row for row in compare(a, b)}
    assert rows["evaluate", "target_bits_per_byte"].difference == 0.8 - 0.8612
    assert rows["evaluate", "added"] == Row("evaluate", "added", None, 7.0, None, "added")
    assert rows["evaluate", "questions"].b is None
    assert rows["corpus", "read_documents"].difference == 0
    assert json.loads(json.dumps([vars(row) for row in rows.values()]))
    text = printed(lambda console: print_comparison(list(rows.values()), "[a]", "b", console))
    assert "[a]" in text
    assert "−0.061" in text
    assert "same" in text


def test_comparison_with_nothing_is_a_user_error(runs: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run at"):
        compare(runs(), tmp_path / "none")
