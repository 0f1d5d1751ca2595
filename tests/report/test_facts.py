"""What is read from a run folder, and how it is put into words."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anadil.report.estimate import Estimate
from anadil.report.facts import Change, facts
from anadil.report.words import bits, duration, number, part, percent, plain, points, signed, size, words

MakeRun = Callable[..., Path]
LANGUAGES = {"target": "Azerbaijani", "original": "English", "other": "further languages"}


def test_reads_what_the_stages_left(runs: MakeRun) -> None:
    run = facts(runs())
    assert (run.name, run.base, run.revision) == ("telecom-az", "meta-llama/Llama-3.2-1B", "4e20de362430")
    assert run.doubts == []
    assert [change.measure for change in run.changes] == ["tokens_per_word", "bits_per_byte"] * 2
    assert run.changes[1].difference == Estimate(-0.3633, -0.3801, -0.3470)
    assert [change.verdict for change in run.changes] == ["better", "better", "worse", "unclear"]
    assert (len(run.answers), run.answered) == (3, 4)
    assert run.exported == {"hf/": 247_700, "model-q8_0.gguf": 131_000}
    assert all(source.closes for source in run.sources)


def test_a_local_base_is_named_without_its_folder(runs: MakeRun, tmp_path: Path) -> None:
    (tmp_path / "secret" / "my-base").mkdir(parents=True)
    assert facts(runs(base={"path": str(tmp_path / "secret" / "my-base")})).base == "my-base"


def test_curves_pass_over_what_is_no_number(runs: MakeRun) -> None:
    folder = runs()
    with open(folder / "pretrain/metrics.jsonl", "a", encoding="utf-8") as log:
        log.write('{"step": 601, "loss": NaN}\n[1]\n{"step": 602, "loss": 2.5, "note": "x"}\n{"step": 603, "lo')
    loss = next(curve for curve in facts(folder).curves if curve.stage == "pretrain").points["loss"]
    steps = [step for step, _ in loss]
    assert loss[-1] == (602, 2.5)
    assert steps == [*range(1, 17), *range(18, 601), 602]


def test_an_answer_may_hold_any_line_separator(runs: MakeRun) -> None:
    folder = runs()
    row = {"question": "a\u2028b\x85c", "answer": "d\r\ne"}
    (folder / "evaluate/answers.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    (answer,) = facts(folder).answers
    assert (answer.question, answer.adapted, answer.base) == ("a\u2028b\ufffdc", "d\ne", None)


def test_doubts_name_what_is_missing_or_does_not_fit(runs: MakeRun) -> None:
    folder = runs(unfinished="sft")
    accounts = json.loads((folder / "corpus/accounting.json").read_bytes())
    accounts["news"]["read"]["words"] += 1
    (folder / "corpus/accounting.json").write_text(json.dumps(accounts))
    manifest = folder / "tokenizer/manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_bytes()) | {"outputs_digest": "other"}))
    (folder / "evaluate/manifest.json").unlink()
    (folder / "evaluate/started.json").unlink()
    assert facts(folder).doubts == [
        "sft has begun and is not finished.",
        "evaluate has not run.",
        "encode was made from another tokenizer than the one that is here now.",
        "transfer was made from another tokenizer than the one that is here now.",
        "The account of news does not close.",
    ]


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-2.0, -1.0, "better"),
        (1.0, 2.0, "worse"),
        (-1.0, 0.5, "unclear"),
        (0.0, 1.0, "unclear"),
        (-1.0, 0.0, "unclear"),
    ],
)
def test_verdict_follows_the_interval(low: float, high: float, verdict: str) -> None:
    difference = Estimate((low + high) / 2, low, high)
    assert Change("target", "x", "bits_per_byte", Estimate(1.0), Estimate(2.0), difference).verdict == verdict


def test_metrics_in_words() -> None:
    assert words("target_bits_per_byte", LANGUAGES) == "held-out bits per byte, Azerbaijani"
    assert words("base_original_tokens_per_word", LANGUAGES) == "tokens per word, English, base"
    expected = "held-out bits per byte, Azerbaijani, change against the base, 95% interval from"
    assert words("target_bits_per_byte_change_low95", LANGUAGES) == expected
    assert words("some_new_thing", LANGUAGES) == "some new thing"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (128_256, "128,256"),
        (128_256.0, "128,256"),
        (1.4481, "1.448"),
        (-0.3633, "−0.363"),
        (0.00364, "0.0036"),
        (0, "0"),
        (123.456, "123.5"),
        (math.nan, "not a number"),
        (math.inf, "infinite"),
        (None, "–"),
    ],
)
def test_numbers(value: float | None, text: str) -> None:
    assert number(value) == text


def test_units() -> None:
    assert [duration(s) for s in (0.04, 59.9, 60, 3599.9, 7265)] == [
        "0.0 s",
        "59.9 s",
        "1 min 00 s",
        "1 h 00 min",
        "2 h 01 min",
    ]
    assert [size(n) for n in (0, 999, 1000, 999_999, 2_410_230)] == ["0 bytes", "999 bytes", "1 kB", "1 MB", "2.41 MB"]
    assert (percent(-1, 4), percent(1, 0), signed(0.5), signed(-0.5), signed(0)) == (
        "−25.0%",
        "–",
        "+0.500",
        "−0.500",
        "0",
    )


@given(st.text(st.characters(exclude_categories=())))
def test_plain_text_is_encodable_and_has_no_controls(text: str) -> None:
    clean = plain(text)
    clean.encode()
    assert not [c for c in clean if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0]
    assert plain(clean) == clean


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_said_as_such(value: float) -> None:
    assert part(value) == points(value) == bits(value) == number(value)


def test_metrics_of_every_model_and_task_in_words() -> None:
    assert words("pretrain_target_bits_per_byte_step_low95", LANGUAGES) == (
        "held-out bits per byte, Azerbaijani, after pretrain, change against the model before, 95% interval from"
    )
    assert words("base_target_bits_per_byte_of_my_news", LANGUAGES) == (
        "held-out bits per byte, source my_news, Azerbaijani, base"
    )
    assert words("base_task_my_exam_accuracy_high95", LANGUAGES) == "task my_exam: right choices, base, 95% interval to"
    assert words("task_a_contaminated_items", LANGUAGES) == "task a: questions seen in training, items"
    assert words("answers_checked_items", LANGUAGES) == "answers looked through"
