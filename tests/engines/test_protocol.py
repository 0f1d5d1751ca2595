from collections.abc import Generator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anadil.engines.protocol import Detokenizer, Token, cut_at_stop, text_of
from tests.engines.tiny import vocabulary

TOKENIZER = vocabulary().build()


def tokens(pieces: list[str]) -> Generator[Token, None, None]:
    for number, piece in enumerate(pieces):
        yield Token(piece, number, finish="length" if number == len(pieces) - 1 else None)


@given(st.text())
def test_text_comes_back_whole(text: str) -> None:
    detokenizer = Detokenizer(TOKENIZER)
    pieces = [detokenizer.push(i) for i in TOKENIZER.encode(text, add_special_tokens=False).ids]
    assert "".join(pieces) == text


@given(st.lists(st.integers(0, TOKENIZER.get_vocab_size() + 5)))
def test_any_ids_give_whole_characters(ids: list[int]) -> None:
    detokenizer = Detokenizer(TOKENIZER)
    text = "".join(detokenizer.push(i) for i in ids)
    assert text.encode().decode() == text
    assert not any(name in text for name in vocabulary().added_ids)


def test_half_an_emoji_waits_for_its_other_half() -> None:
    detokenizer = Detokenizer(TOKENIZER)
    assert [detokenizer.push(byte) for byte in vocabulary_ids("🙂")] == ["", "", "", "🙂"]


def vocabulary_ids(text: str) -> list[int]:
    ids = TOKENIZER.encode(text, add_special_tokens=False).ids
    assert len(ids) == len(text.encode())
    return ids


@given(
    st.lists(st.text("ab", max_size=3), min_size=1, max_size=12),
    st.lists(st.text("ab", min_size=1, max_size=4), max_size=3),
)
def test_an_answer_ends_before_the_first_stop_string(pieces: list[str], stop: list[str]) -> None:
    whole = "".join(pieces)
    answer = list(cut_at_stop(tokens(pieces), stop))
    text = text_of(iter(answer))
    found = [string for string in stop if string in whole]
    assert whole.startswith(text)
    assert text == whole or not any(string in text for string in stop)
    assert bool(found) == (text != whole)
    assert [token.finish for token in answer] == [None] * (len(answer) - 1) + ["stop" if found else "length"]


def test_nothing_of_a_stop_string_is_shown_before_it_is_complete() -> None:
    shown = [token.text for token in cut_at_stop(tokens(["Sal", "am\n", "\nUs", "er: x"]), ["\nUser:"])]
    assert shown == ["Sal", "am", "\n", ""]


def test_a_stop_string_closes_the_engine() -> None:
    inner = tokens(["a", "b", "c"])
    assert [token.text for token in cut_at_stop(inner, ["b"])] == ["a", ""]
    with pytest.raises(StopIteration):
        next(inner)
