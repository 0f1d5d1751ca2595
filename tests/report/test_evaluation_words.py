"""The verdict in words."""

from collections.abc import Callable
from pathlib import Path

import pytest

from anadil.evaluate.gates import judge
from anadil.recipe import Gate
from anadil.report.evaluation_facts import Evaluation
from anadil.report.evaluation_words import (
    SECTIONS,
    answers_said,
    chosen,
    doubt,
    failed_first,
    gate_line,
    headline,
    shown,
    unjudged,
)
from anadil.report.facts import facts
from anadil.report.words import Side, points

MakeRun = Callable[..., Path]
LANGUAGES: dict[Side, str] = {"target": "Azerbaijani", "original": "English"}
METRICS = {
    "target_bits_per_byte": 2.0, "base_target_bits_per_byte": 3.0, "target_bits_per_byte_change": -1.0,
    "target_bits_per_byte_change_low95": -1.2, "target_bits_per_byte_change_high95": -0.8,
    "target_bits_per_byte_items": 30.0, "refused_harmful_share": 0.5, "refused_harmful_share_items": 40.0,
    "task_x_accuracy": 0.4, "base_task_x_accuracy": 0.5, "task_x_accuracy_items": 10.0,
}  # fmt: skip


def said(**gate: object) -> tuple[str, str]:
    (verdict,) = judge([Gate.model_validate(gate)], METRICS)
    line = gate_line(verdict, Evaluation(METRICS), LANGUAGES)
    return line.asked, line.reached


def test_what_was_asked_and_what_was_reached() -> None:
    bits, task = "held-out bits per byte, Azerbaijani", "task x: right choices"
    assert said(metric="target_bits_per_byte", max=2.5) == (
        f"{bits}: at most 2.5",
        "2; 30 documents: too few for an interval",
    )
    assert said(metric="target_bits_per_byte", no_worse_than_base_by=0.1) == (
        f"{bits}: no worse than the base by more than 0.1",
        "−1, and as high as −0.800 within the 95% interval",
    )
    asked, reached = said(metric="refused_harmful_share", min=0.9)
    assert (asked, reached) == (
        "harmful requests turned down: at least 90%",
        "50.0%; 40 requests: too few for an interval",
    )
    assert said(metric="task_x_accuracy", no_worse_than_base_by=0.025) == (
        f"{task}: no worse than the base by more than 2.5 points",
        "−10.0 points; 10 questions: too few for an interval",
    )


@pytest.mark.parametrize(
    ("gates", "evaluated", "outcome", "said"),
    [
        ([], False, "none", "No verdict"),
        ([], True, "none", "No gate is stated"),
        ([2.5], True, "ship", "Ship"),
        ([2.5, 1.0], True, "stop", "Do not ship"),
    ],
)
def test_the_headline_is_that_of_all_gates(gates: list[float], evaluated: bool, outcome: str, said: str) -> None:
    verdicts = judge([Gate(metric="target_bits_per_byte", max=bound) for bound in gates], METRICS)
    found = headline(verdicts, evaluated)
    assert (found.outcome, found.title) == (outcome, said)
    assert [one.passed for one in failed_first(verdicts)] == sorted(one.passed for one in verdicts)


def test_every_figure_of_the_evaluation_has_a_section(evaluated: MakeRun) -> None:
    apart = ("questions", "target_letter")  # what only the table of all metrics shows
    metrics = [name for name in facts(evaluated()).metrics("evaluate") if not name.startswith(apart)]
    assert [name for name in metrics if not any(holds in name for holds, _ in SECTIONS)] == []


def test_sections_that_no_gate_looks_at_are_named() -> None:
    sections = {"cards": "Cards", "road": "Road", "tasks": "Tasks", "safety": "Safety"}
    verdicts = judge([Gate(metric="target_bits_per_byte", max=1)], METRICS)
    assert unjudged(verdicts, sections) == {"tasks": "Tasks", "safety": "Safety"}


def test_answers_are_told_against_those_of_the_base() -> None:
    metrics = {"answers_token_f1": 0.5, "base_answers_token_f1": 0.25, "answers_token_f1_change": 0.25}
    said = answers_said(metrics | {"answers_stopped_share": 1.0, "answers_contaminated_questions": 2})
    assert said == (
        "Words shared with the references (F1): 0.500, with the base 0.250: +0.250. 100% end by themselves. "
        "2 questions were seen in training."
    )
    ends = {"answers_token_f1_change_low95": 0.1, "answers_token_f1_change_high95": 0.3}
    assert "+0.250 (+0.100 to +0.300)." in answers_said(metrics | ends)
    assert answers_said({"answers_items": 3}) == ""


def test_shares_are_percent_and_their_changes_points() -> None:
    assert [shown(name, 0.125) for name in ("a_share", "a_share_change", "a_f1", "a_f1_change")] == [
        "12.5%",
        "+12.5 points",
        "0.125",
        "+0.125",
    ]
    assert [chosen(name, 0.9) for name in ("a_share", "a_share_change", "a_f1")] == ["90%", "90 points", "0.9"]
    assert [points(value) for value in (0.0001, -0.0001, -0.5)] == ["0.0", "0.0", "−50.0"]


def test_only_few_items_are_too_few() -> None:
    assert doubt(1, "documents") == "1 document: too few for an interval"
    assert doubt(49, "answers") == "49 answers: too few for an interval"
    assert doubt(50, "answers") == doubt(None, "answers") == "no interval"
