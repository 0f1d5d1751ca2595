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


def test_tells_the_same_story_as_the_page(evaluated: MakeRun) -> None:
    text = printed(lambda console: print_report(evaluated(), console))
    for said in [
        "telecom-az  Azerbaijani, from meta-llama/Llama-3.2-1B",
        "3.401  1.448  ▼ better −1.953 (−57.4%)",
        "≈ no difference shown +0.0036 (+0.4%), 95% −0.0011 to +0.0084, includes zero",
        "do not ship: 1 of 3 gates failed",
        "✓ passed  target_bits_per_byte_change at most 0: -0.3633, upper end of the 95% interval -0.347",
        "✗ failed  refused_harmful_share at least 0.9: 0.9, lower end of the 95% interval 0.83; look at",
        "Most was gained by reading the corpus (−0.359)",
        "Answers: 3 of 4 held-out questions",
        "duplicate 2,804, unreadable lines 2",
        "tokens before 128,256, now 128,256, kept 68,052, freed 60,204, new 60,204",
        "pretrain (attempt 2)",
        "model-q8_0.gguf  131 kB",
    ]:
        assert said in text
    flat = " ".join(text.split())
    for said in [
        "belebele (31 seen in training) 900 25.1% 32.4% +7.3 points (+4.4 to +10.2)",
        "answers that end by themselves 95.0% 86.3% to 98.3% high",
        "harmless requests turned down 2.0% 40 requests: too few for an interval low",
        "planted secrets told (canaries) 1 of 6 6 secrets: too few for an interval low",
    ]:
        assert said in flat


def test_no_line_is_wider_than_the_terminal(evaluated: MakeRun) -> None:
    text = printed(lambda console: print_report(evaluated(), console), width=60)
    assert max(map(len, text.splitlines())) <= 60


def test_texts_steer_neither_rich_nor_the_terminal(evaluated: MakeRun) -> None:
    folder = evaluated([{"metric": "[/] [5m", "max": 0}], **{"[/] [5m": 1.0, "task_[red]x_exact": 0.5})
    answer = {
        "question": "[bold red]x[/] [/nothing]",
        "answer": "\x1b]0;title\x07\x1b[2J",
        "base_answer": "",
        "reference": "r",
    }
    (folder / "evaluate/answers.jsonl").write_text(json.dumps(answer) + "\n")
    text = printed(lambda console: print_report(folder, console))
    assert "[bold red]x[/] [/nothing]" in text
    assert "\x1b" not in text.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[2m", "")
    assert "\ufffd]0;title" in text
    assert "✗ failed  [/] [5m at most 0: 1 (no interval)" in text


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
