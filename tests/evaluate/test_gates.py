import pytest

from anadil.errors import UserError
from anadil.evaluate.gates import judge, ship
from anadil.recipe import Gate

METRICS = {
    "target_bits_per_byte": 1.5,
    "target_bits_per_byte_low95": 1.4,
    "target_bits_per_byte_high95": 1.6,
    "target_bits_per_byte_change": -0.3,
    "target_bits_per_byte_change_low95": -0.5,
    "target_bits_per_byte_change_high95": 0.1,
    "answers_token_f1": 0.3,
    "answers_token_f1_low95": 0.2,
    "answers_token_f1_high95": 0.4,
    "answers_stopped_share": 0.95,
    "answers_token_f1_change": -0.02,
    "answers_token_f1_change_low95": -0.08,
    "answers_token_f1_change_high95": 0.03,
    "task_exam_accuracy": 0.4,
    "base_task_exam_accuracy": 0.5,
    "tokens_per_word": 2.0,
    "base_tokens_per_word": 1.9,
}


@pytest.mark.parametrize(
    ("gate", "passed", "value", "used"),
    [
        ({"metric": "target_bits_per_byte", "max": 1.6}, True, 1.6, "interval"),
        ({"metric": "target_bits_per_byte", "max": 1.55}, False, 1.6, "interval"),
        ({"metric": "answers_token_f1", "min": 0.2}, True, 0.2, "interval"),
        ({"metric": "answers_token_f1", "min": 0.25}, False, 0.2, "interval"),
        ({"metric": "answers_stopped_share", "min": 0.9}, True, 0.95, "point"),
        ({"metric": "answers_stopped_share", "max": 0.9}, False, 0.95, "point"),
        ({"metric": "target_bits_per_byte", "no_worse_than_base_by": 0.1}, True, 0.1, "interval"),
        ({"metric": "target_bits_per_byte", "no_worse_than_base_by": 0.0}, False, 0.1, "interval"),
        ({"metric": "tokens_per_word", "no_worse_than_base_by": 0.2}, True, 0.1, "point"),
        ({"metric": "tokens_per_word", "no_worse_than_base_by": 0.05}, False, 0.1, "point"),
        ({"metric": "answers_token_f1", "no_worse_than_base_by": 0.1}, True, -0.08, "interval"),  # more is better
        ({"metric": "answers_token_f1", "no_worse_than_base_by": 0.05}, False, -0.08, "interval"),
        ({"metric": "task_exam_accuracy", "no_worse_than_base_by": 0.11}, True, -0.1, "point"),
        ({"metric": "task_exam_accuracy", "no_worse_than_base_by": 0.05}, False, -0.1, "point"),
    ],
)
def test_a_gate_is_judged_on_the_bad_end_of_the_interval(
    gate: dict[str, object], passed: bool, value: float, used: str
) -> None:
    verdict = judge([Gate.model_validate(gate)], METRICS)[0]
    assert (verdict.passed, verdict.value, verdict.used) == (passed, pytest.approx(value), used)
    assert verdict.metric == gate["metric"]


def test_the_text_says_what_was_used() -> None:
    gates = [Gate(metric="target_bits_per_byte", max=1.6), Gate(metric="answers_stopped_share", min=0.9)]
    first, second = judge(gates, METRICS)
    assert first.text == "target_bits_per_byte at most 1.6: 1.5, upper end of the 95% interval 1.6"
    assert second.text == "answers_stopped_share at least 0.9: 0.95 (no interval)"


def test_all_must_hold_and_none_says_nothing() -> None:
    good, bad = Gate(metric="answers_stopped_share", min=0.9), Gate(metric="answers_stopped_share", min=0.99)
    assert ship(judge([good, good], METRICS)) is True
    assert ship(judge([good, bad], METRICS)) is False
    assert ship([]) is None


@pytest.mark.parametrize(
    ("metric", "file"),
    [
        ("original_bits_per_byte_change", "bits_per_byte.jsonl"),
        ("task_exam_accuracy", "tasks/"),
        ("answers_token_f1", "answers.jsonl"),
        ("produced_slips_share", "produced.jsonl"),
        ("steady_ascii_f1", "produced.jsonl"),
        ("obeyed_injection_share", "safety.jsonl"),
        ("leaked_personal_data_items", "personal_data.jsonl"),
        ("canaries_said_items", "canaries.jsonl"),
        ("tokens", ""),
    ],
)
def test_a_gate_says_where_the_items_are(metric: str, file: str) -> None:
    assert judge([Gate(metric=metric, max=1)], {metric: 2.0})[0].look_at == file


def test_a_verdict_names_what_was_compared_with_its_bound() -> None:
    metrics = {"x": 3.0, "base_x": 2.0, "y_share": 0.5, "y_share_low95": 0.4, "y_share_high95": 0.6}
    gates = [
        Gate(metric="x", no_worse_than_base_by=2.0),
        Gate(metric="y_share", max=0.7),
        Gate(metric="y_share", min=0.1),
    ]
    found = [(v.measured, v.point, v.relation, v.value) for v in judge(gates, metrics)]
    assert found == [
        ("x_change", 1.0, "at most", 1.0),
        ("y_share", 0.5, "at most", 0.6),
        ("y_share", 0.5, "at least", 0.4),
    ]


def test_what_is_not_a_number_does_not_pass() -> None:
    for bound in ({"max": 1.0}, {"min": 1.0}):
        assert not judge([Gate(metric="x", **bound)], {"x": float("nan")})[0].passed


def test_a_metric_that_was_not_measured_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="'target_bits_per_bite'") as caught:
        judge([Gate(metric="target_bits_per_bite", max=1.0)], METRICS)
    assert "target_bits_per_byte" in caught.value.hint
    with pytest.raises(UserError, match="'answers_token_f1'"):
        judge([Gate(metric="answers_token_f1", max=1.0)], {})


def test_a_comparison_with_a_base_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="'base_answers_stopped_share'"):
        judge([Gate(metric="answers_stopped_share", no_worse_than_base_by=0.1)], METRICS)
