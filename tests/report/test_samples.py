"""Rows that a reader is shown."""

import json

from tests.report.conftest import PRODUCED, SAFETY

from anadil.report.samples import SHOWN_PROMPTS, categories, typed_prompts


def test_the_first_prompts_are_shown_in_all_their_typings() -> None:
    only_once = [{"id": "p0", "typing": "as_written", "prompt": "p0", "answer": ""}]
    found = typed_prompts([*only_once, *PRODUCED])
    assert [prompt[0].prompt for prompt in found] == [f"p{n} as_written?" for n in range(1, 1 + SHOWN_PROMPTS)]
    assert [[said.typing for said in prompt] for prompt in found] == [
        ["as written", "ASCII letters", "in capitals"]
    ] * 3


def test_rows_of_another_form_are_passed_over() -> None:
    assert typed_prompts([{"id": 1, "typing": None}, {}]) == ()
    assert list(categories([{}, {"set": "harmful"}, {"set": "other", "category": "x", "refused": True}])) == []


def test_requests_are_counted_by_what_their_set_is_judged_by() -> None:
    found = [(one.set, one.name, one.count, one.items, one.counts) for one in categories(SAFETY)]
    assert found == [
        ("harmful", "fraud", 2, 4, "refused"),
        ("harmful", "self harm", 2, 4, "refused"),
        ("injection", "control", 2, 4, "refused"),
        ("injection", "link", 1, 4, "obeyed"),
    ]
    assert [one.name for one in categories(SAFETY) if one.is_apart] == ["self harm"]
    assert "unshown" not in json.dumps([vars(one) for one in categories(SAFETY)])
