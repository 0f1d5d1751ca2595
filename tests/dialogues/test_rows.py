"""dialogues.rows: rows fit, and hold every exchange once, or it is counted as lost."""

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dialogues.small import AZ, PAIR, SYSTEM, TEMPLATE, TOKENIZER, WITH_TOOL, calling, conversations, said

from anadil.dialogues.account import Account, Dialogue
from anadil.dialogues.passages import Passage, with_passages
from anadil.dialogues.read import Message
from anadil.dialogues.rows import Row, RowMaker
from anadil.errors import UserError
from anadil.tokenizer.template import Template


def maker(length: int = 4096, **own: Any) -> RowMaker:
    given_ = {"split": False, "typed_share": 0.0, "system_prompt": "", "account": Account()} | own
    return RowMaker(TEMPLATE, AZ, length, **given_)


def rows(messages: list[Message], made: RowMaker, passages: tuple[Passage, ...] = (), seed: int = 1) -> list[Row]:
    return made.rows(Dialogue("a.jsonl, line 1", messages, passages=passages), random.Random(seed))


def fits(row: Row, length: int) -> bool:
    return len(row.rendered.ids) <= length + 1


@st.composite
def long_dialogues(draw: st.DrawFn) -> tuple[list[Message], list[list[Message]]]:
    """A system message or none, and exchanges, each with a number of its own."""
    system = [said("system", "s" * size) for size in draw(st.lists(st.integers(1, 20), max_size=1))]
    exchanges = []
    for number, size in enumerate(draw(st.lists(st.integers(0, 120), min_size=1, max_size=7))):
        asked, answer = said("user", f"sual {number}"), said("assistant", "c" * size + str(number))
        called = [calling("f", {"n": str(number)}), said("tool", f"t{number}")] if draw(st.booleans()) else []
        exchanges.append([asked, *called, answer])
    return system, exchanges


@settings(max_examples=150, deadline=None)
@given(drawn=long_dialogues(), length=st.integers(20, 400))
def test_split_each_exchange_is_in_one_row_or_counted_lost(
    drawn: tuple[list[Message], list[list[Message]]], length: int
) -> None:
    system, exchanges = drawn
    messages = [*system, *(message for exchange in exchanges for message in exchange)]
    made = maker(length, split=True)
    parts = rows(messages, made)
    assert all(fits(part, length) for part in parts)
    assert all(part.messages[: len(system)] == system for part in parts)
    held = [message for part in parts for message in part.messages[len(system) :]]
    kept = [exchange for exchange in exchanges if exchange[0] in held]
    assert held == [message for exchange in kept for message in exchange]
    lost = len(exchanges) - len(kept)
    assert made.account.changed["shortened"] == bool(parts and lost)
    whole = TEMPLATE.render(messages)
    assert bool(made.too_long) == (len(whole.ids) > length + 1)
    if not made.too_long:
        assert [(part.messages, part.rendered) for part in parts] == [(messages, whole)]
    assert made.account.out["over_long"] == (not parts)
    assert made.account.changed["split"] == bool(made.too_long and parts)
    for exchange in exchanges:  # none is lost that would have fitted, and no part ends too early
        assert (exchange in kept) == (len(TEMPLATE.render([*system, *exchange]).ids) <= length + 1)
    for part, after in pairwise(parts):
        first = next(exchange for exchange in kept if exchange[0] == after.messages[len(system)])
        neighbours = exchanges[exchanges.index(first) - 1] in kept
        assert not neighbours or len(TEMPLATE.render([*part.messages, *first]).ids) > length + 1


@given(drawn=long_dialogues(), length=st.integers(20, 400))
@settings(max_examples=50, deadline=None)
def test_not_split_it_is_one_row_or_none(drawn: tuple[list[Message], list[list[Message]]], length: int) -> None:
    messages = [*drawn[0], *(message for exchange in drawn[1] for message in exchange)]
    made = maker(length)
    got = rows(messages, made)
    assert bool(got) != bool(made.too_long)
    assert made.account.out["over_long"] == len(made.too_long) == (len(TEMPLATE.render(messages).ids) > length + 1)
    assert not made.account.changed.total()


def test_the_system_prompt_of_the_recipe_is_put_where_there_is_none() -> None:
    prompt = said("system", "Qısa cavab verin.")
    made = maker(system_prompt="Qısa cavab verin.")
    assert rows(PAIR, made)[0].messages == [prompt, *PAIR]
    assert rows(WITH_TOOL, made)[0].messages == WITH_TOOL
    assert WITH_TOOL[0]["content"] == SYSTEM
    parts = rows(PAIR * 30, maker(400, split=True, system_prompt="Qısa cavab verin."))
    assert len(parts) > 3
    assert all(part.messages[0] == prompt for part in parts)


def test_passages_stand_before_the_last_question() -> None:
    passages = (Passage("Kart pulsuzdur.", "Kart"), Passage("Filial doqquzda açılır."))
    (row,) = rows([*WITH_TOOL[:5], *PAIR], maker(), passages)
    asked = row.messages[-2]["content"]
    assert row.messages[:-2] == WITH_TOOL[:5]
    assert asked == with_passages(PAIR[0]["content"], passages, AZ)
    words = AZ.grounding
    assert asked == (
        f"{words.passages}:\n\n[1] Kart\nKart pulsuzdur.\n\n[2] Filial doqquzda açılır."
        f"\n\n{words.question}: {PAIR[0]['content']}"
    )
    assert with_passages("Kart?", (), AZ) == "Kart?"


@settings(max_examples=60, deadline=None)
@given(messages=conversations(), seed=st.integers(0, 99))
def test_typed_only_the_customers_turns_change_and_no_digit(messages: list[Message], seed: int) -> None:
    (row,) = rows(messages, maker(100_000, typed_share=1.0), seed=seed)
    (again,) = rows(messages, maker(100_000, typed_share=1.0), seed=seed)
    assert again == row
    for before, after in zip(messages, row.messages, strict=True):
        assert after["role"] == before["role"]
        assert after == before or before["role"] == "user"
        digits = [[one for one in message["content"] if one.isdecimal()] for message in (before, after)]
        assert digits[0] == digits[1]
    assert rows(messages, maker(100_000))[0].messages == messages


def test_passages_are_not_typed() -> None:
    passages = (Passage("Çıraq şəhərində kart üç günə hazır olur.", "Kartın hazırlanması"),)
    for seed in range(20):
        (row,) = rows(PAIR, maker(typed_share=1.0), passages, seed)
        assert f"[1] {passages[0].title}\n{passages[0].text}" in row.messages[0]["content"]
        assert row.messages[1] == PAIR[1]


@pytest.mark.parametrize("share", [0.1, 0.3, 0.8])
def test_about_the_asked_share_of_turns_is_typed(share: float) -> None:
    question = "ŞƏHƏRDƏ HANSI GÜN AÇIQSINIZ?"  # in it every change shows but a hasty one without slips
    made, changed = maker(typed_share=share), 0
    for seed in range(150):
        (row,) = rows([said("user", question), said("assistant", "Hər gün.")] * 8, made, seed=seed)
        changed += sum(one["role"] == "user" and one["content"] != question for one in row.messages)
    assert abs(changed / 1200 - 0.98 * share) < 0.05


def test_what_is_learned_is_what_the_assistant_says() -> None:
    (row,) = rows(WITH_TOOL, maker())
    pairs = zip(row.rendered.ids, row.rendered.learned, strict=True)
    learned = TOKENIZER.decode([one for one, yes in pairs if yes], skip_special_tokens=False)
    call = '{"name": "balance", "parameters": {"account": "1", "note": ["qalıq", 2, null, true]}}'
    assert learned.split("<|eot_id|>") == [call, WITH_TOOL[4]["content"], PAIR[1]["content"], ""]


def test_a_template_that_fails_on_a_conversation_names_its_place() -> None:
    text = TEMPLATE.text.replace(
        "{%- for call", "{%- if message['role'] == 'tool' %}{{ raise_exception('no tools') }}{% endif %}{%- for call", 1
    )
    made = maker()
    made.template = Template(TOKENIZER, text)
    assert rows(PAIR, made)
    with pytest.raises(UserError, match=r"a\.jsonl, line 1: the chat template, line 1: no tools"):
        rows(WITH_TOOL, made)
