"""dialogues.read: a conversation is the same in every format; what is none is refused, by file, line and reason."""

import gzip
import json
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.dialogues.small import (
    ANSWERED,
    ASKED,
    FAULTS,
    PAIR,
    SYSTEM,
    TEXT,
    WITH_TOOL,
    Row,
    calling,
    conversations,
    said,
    write,
)  # fmt: skip

from anadil.dialogues.read import (
    Fields,
    Message,
    NoConversation,
    check_turns,
    dialogue_files,
    messages_of,
    read_dialogues,
    read_rows,
)  # fmt: skip
from anadil.errors import UserError

FIELDS = Fields("sual", "cavab")


def read(path: Path) -> list[list[Message]]:
    return [messages for _, messages in read_dialogues([path], FIELDS)]


def shared(messages: list[Message]) -> list[Row]:
    names = {"user": "human", "assistant": "gpt", "tool": "observation"}
    return [{"from": names.get(one["role"], one["role"]), "value": one["content"]} for one in messages]


def in_parts(messages: list[Message]) -> list[Row]:
    """The content cut in two."""
    return [
        {"role": role, "content": [{"type": "text", "text": text[:3]}, {"type": "text", "text": text[3:]}]}
        for role, text in ((one["role"], one["content"]) for one in messages)
    ]


FORMS: dict[str, Row] = {
    "OpenAI": {"messages": PAIR, "id": 1},
    "content in parts": {"messages": in_parts(PAIR)},
    "JSON text": {"messages": json.dumps(PAIR)},
    "ShareGPT": {"conversations": shared(PAIR)},
    "one conversation": {"conversation": PAIR, "messages": None},
    "Alpaca": {"instruction": ASKED, "input": "", "output": ANSWERED},
    "Alpaca without input": {"instruction": ASKED, "output": ANSWERED},
    "question and answer": {"question": ASKED, "answer": ANSWERED},
    "prompt and completion": {"prompt": ASKED, "completion": ANSWERED},
    "prompt and response": {"prompt": ASKED, "response": ANSWERED},
    "input and output": {"input": ASKED, "output": ANSWERED},
    "own names": {"sual": ASKED, "cavab": ANSWERED, "messages": ""},
    "two lists": {"prompt": PAIR[:1], "completion": PAIR[1:]},
}
KINDS = ["jsonl", "jsonl.gz", "json", "csv", "tsv", "parquet", "arrow"]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_conversation(tmp_path: Path, form: str) -> None:
    assert read(write(tmp_path / "a.jsonl", [FORMS[form]])) == [PAIR]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["own names", "question and answer", "Alpaca", "JSON text"])
def test_every_kind_of_file_holds_the_same(tmp_path: Path, kind: str, form: str) -> None:
    assert read(write(tmp_path / f"a.{kind}", [FORMS[form]] * 3)) == [PAIR] * 3


def test_parquet_holds_lists_of_messages_too(tmp_path: Path) -> None:
    rows = [FORMS["OpenAI"], FORMS["ShareGPT"], FORMS["two lists"], FORMS["content in parts"]]
    for number, row in enumerate(rows):
        assert read(write(tmp_path / f"{number}.parquet", [row])) == [PAIR]
    both = [{"messages": PAIR, "conversations": None}, {"messages": None, "conversations": shared(PAIR)}]
    assert read(write(tmp_path / "both.parquet", both)) == [PAIR, PAIR]


@settings(max_examples=50, deadline=None)
@given(conversation=conversations())
def test_any_conversation_is_read_as_it_was_written(
    conversation: list[Message], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("a") / "a.jsonl"
    text = json.dumps(conversation)
    cut = next(place for place, one in enumerate(conversation) if one["role"] == "assistant")
    halves = {"prompt": conversation[:cut], "completion": conversation[cut:]}
    rows = [{"messages": conversation}, {"conversations": shared(conversation)}, {"messages": text}, halves]
    assert read(write(path, [*rows, {"messages": in_parts(conversation)}])) == [conversation] * 5


@given(instruction=TEXT, given_=st.one_of(st.none(), st.text()), output=TEXT, system=TEXT)
def test_alpaca_asks_with_its_input_below(instruction: str, given_: str | None, output: str, system: str) -> None:
    row = {"instruction": instruction, "input": given_, "output": output, "system": system}
    below = (given_ or "").strip()
    asked = f"{instruction.strip()}\n\n{below}" if below else instruction.strip()
    assert messages_of(row, FIELDS) == [said("system", system), said("user", asked), said("assistant", output)]


def test_a_pair_may_have_a_system_message() -> None:
    for row in (FORMS["own names"], FORMS["Alpaca"], FORMS["question and answer"]):
        assert messages_of(row | {"system": SYSTEM}, FIELDS) == [said("system", SYSTEM), *PAIR]
        assert messages_of(row | {"system": " "}, FIELDS) == PAIR


def test_own_names_come_before_others() -> None:
    row = {"question": "Başqa sual", "answer": "Başqa cavab", "sual": ASKED, "cavab": ANSWERED}
    assert messages_of(row, FIELDS) == PAIR
    assert messages_of(row, Fields()) != PAIR


def test_calls_of_tools_stay_as_they_are() -> None:
    assert messages_of({"messages": WITH_TOOL}, FIELDS) == WITH_TOOL
    check_turns(WITH_TOOL)
    as_text = [calling("balance", '{"account": "1"}')]
    assert messages_of({"messages": as_text}, FIELDS) == as_text


def test_roles_have_other_names_and_a_call_may_be_bare() -> None:
    bare = [{"name": "balance", "arguments": {"account": "1"}}]
    turns = [
        said("developer", SYSTEM), said("human", ASKED), {"role": "model", "content": None, "tool_calls": bare},
        {"from": "observation", "value": "125.50"}, said("gpt", ANSWERED),
    ]  # fmt: skip
    got = messages_of({"messages": turns}, FIELDS)
    assert [one["role"] for one in got] == ["system", "user", "assistant", "tool", "assistant"]
    assert got[2]["tool_calls"] == [{"type": "function", "function": bare[0]}]
    check_turns(got)


@pytest.mark.parametrize("given_", [None, "", {}])
def test_a_tool_may_be_called_without_arguments(given_: Any) -> None:
    calls = [{"function": {"name": "balance", "arguments": given_}}, {"function": {"name": "balance"}}]
    (message,) = messages_of({"messages": [{**said("assistant", ""), "tool_calls": calls}]}, FIELDS)
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == [{}, {}]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_conversation_is_named_or_told(tmp_path: Path, fault: str) -> None:
    row, reason, words = FAULTS[fault]
    path = write(tmp_path / "a.jsonl", [{"messages": PAIR}, row, {"messages": PAIR}])
    with pytest.raises(NoConversation) as caught:
        read(path)
    assert caught.value.reason == reason
    assert str(caught.value).startswith(f"{path}, line 2: ")
    assert words in caught.value.what
    assert caught.value.hint
    told: list[tuple[str, str]] = []
    left = list(read_dialogues([path], FIELDS, lambda reason, error: told.append((reason, error.what))))
    assert left == [(f"{path}, line 1", PAIR), (f"{path}, line 3", PAIR)]
    assert told == [(reason, caught.value.what)]


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet"])
def test_in_a_table_the_row_is_named(tmp_path: Path, kind: str) -> None:
    rows = [{"sual": ASKED, "cavab": ANSWERED}, {"sual": ASKED, "cavab": None}]
    path = write(tmp_path / f"a.{kind}", rows)
    with pytest.raises(UserError, match=r"row 2: .*it has sual, cavab"):
        read(path)


def test_dates_and_bytes_in_a_column_are_no_text(tmp_path: Path) -> None:
    for number, value in enumerate([b"x", date(2024, 5, 1)]):
        calls = [{"name": "f", "arguments": {"value": value}}]
        turns = [said("user", ASKED), {**said("assistant", ANSWERED), "tool_calls": calls}]
        with pytest.raises(NoConversation, match="message 2, of assistant, holds what is no text"):
            read(write(tmp_path / f"{number}.parquet", [{"messages": turns}]))


@pytest.mark.parametrize(
    ("line", "words"),
    [(b"{", "Expecting"), (b"[]", "not a JSON object"), (b'{"sual": "\xff"}', "utf-8"), (b"[" * 9999, "recursion")],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: bytes, words: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(json.dumps({"messages": PAIR}).encode() + b"\n\n" + line + b"\n")
    with pytest.raises(UserError, match=words) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}, line 3: ")


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_a_row_that_cannot_be_read_is_passed_over_where_it_may_be(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, [FORMS["own names"]] * 2)
    head, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([head, b'{"a": 1,\n' if name == "a.jsonl" else b'one,"two,2",3,4\n', *rest]))
    told: list[tuple[str, str]] = []
    found = read_dialogues([path], FIELDS, lambda reason, error: told.append((reason, str(error))))
    assert [messages for _, messages in found] == [PAIR] * 2
    [(reason, words)] = told
    assert reason == "no_row"
    assert words.startswith(f"{path}, {'line 2' if name == 'a.jsonl' else 'row 1'}: ")
    assert name == "a.jsonl" or " cells where the header has " in words


@pytest.mark.parametrize("encoding", ["cp1254", "utf-16"])
def test_a_table_of_another_encoding_says_how_to_save_it(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"sual,cavab\n{'Kart'},{'ğüşıç'}\n", encoding=encoding)
    with pytest.raises(UserError, match=r"a\.csv: .*UTF(?s:.*)save the file as UTF-8"):
        read(path)


def test_json_is_an_array_or_lines(tmp_path: Path) -> None:
    row, path = FORMS["own names"], tmp_path / "a.json"
    path.write_text("\ufeff\n" + json.dumps([row, row], indent=1))
    assert read(path) == [PAIR] * 2
    path.write_text(f"{json.dumps(row)}\n{json.dumps(row)}\n")
    assert read(path) == [PAIR] * 2
    path.write_text(json.dumps([row, 1]))
    with pytest.raises(UserError, match=r"a\.json, item 2: not a JSON object"):
        read(path)
    path.write_text(json.dumps([row])[:-1])
    with pytest.raises(UserError, match=r"a\.json: .*line 1"):
        read(path)


def test_a_file_cut_short_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl.gz", [FORMS["OpenAI"]] * 9)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"a\.jsonl\.gz: cannot be read to its end"):
        read(path)
    path = write(tmp_path / "a.parquet", [FORMS["OpenAI"]] * 9)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"a\.parquet: not a parquet file, or cut short"):
        read(path)


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.csv"):
        path = write(tmp_path / name, [FORMS["own names"]])
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        assert read(path) == [PAIR]


def test_empty_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n \n" + json.dumps({"messages": PAIR}).encode() + b"\n\n"))
    assert [place for place, _ in read_rows(path)] == [f"{path}, line 3"]


def test_a_folder_gives_its_files_of_rows_in_order(tmp_path: Path) -> None:
    for name in ("b.csv", "a.jsonl.gz", "sub/c.tsv"):
        write(tmp_path / name, [FORMS["own names"]])
    (tmp_path / "readme.txt").write_text("Salam")
    assert [file.name for file in dialogue_files(tmp_path)] == ["a.jsonl.gz", "b.csv", "c.tsv"]
    assert read(tmp_path) == [PAIR] * 3


@pytest.mark.parametrize("name", ["none.jsonl", "folder", "notes.txt"])
def test_where_there_are_no_files_of_rows_the_key_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("Salam")
    with pytest.raises(UserError, match=r"sft\.grounded\.faq: .*" + name) as caught:
        dialogue_files(tmp_path / name, "sft.grounded.faq")
    assert ".jsonl, .json, .csv, .tsv, .parquet, .arrow" in str(caught.value)
    with pytest.raises(UserError, match=r"sft\.data: "):
        read(tmp_path / name)
    with pytest.raises(UserError, match="no file at"):
        list(read_rows(tmp_path / "none.jsonl"))


KEYS = st.sampled_from(
    ["messages", "conversations", "role", "from", "content", "value", "tool_calls", "function", "name", "arguments",
     "id", "tool_call_id", "type", "text", "instruction", "input", "output", "prompt", "completion", "sual", "cavab",
     "system"]
)  # fmt: skip
WORDS = st.one_of(
    st.sampled_from(["user", "assistant", "tool", "system", "text", "[]", "[1]", "f"]), st.text(max_size=3)
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS, st.characters()),
    lambda parts: st.one_of(st.lists(parts, max_size=2), st.dictionaries(KEYS, parts, max_size=3)),
    max_leaves=6,
)
CALLS = st.one_of(ANYTHING, st.lists(st.fixed_dictionaries({"function": ANYTHING}), max_size=2))
TURNS = st.fixed_dictionaries(
    {"role": st.one_of(st.sampled_from(["system", "user", "assistant", "tool"]), ANYTHING)},
    optional={"content": st.one_of(WORDS, ANYTHING), "tool_calls": CALLS, "tool_call_id": ANYTHING},
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    row=st.one_of(
        st.dictionaries(KEYS, ANYTHING, max_size=4), st.fixed_dictionaries({"messages": st.lists(TURNS, max_size=4)})
    )
)
def test_any_row_is_a_conversation_or_is_refused_with_a_reason(row: Row) -> None:
    messages: list[Message] = []
    with suppress(NoConversation):  # any other error is a bug
        found = messages_of(row, FIELDS)
        check_turns(found)
        messages = found
    json.dumps(messages, ensure_ascii=False).encode()
    for before, message in zip([None, *messages], messages, strict=False):
        assert message["role"] in {"system", "user", "assistant", "tool"}
        assert isinstance(message["content"], str)
        assert before is None or before["role"] != message["role"] or message["role"] == "tool"
        assert message["content"].strip() or message["tool_calls"]
        assert all(isinstance(call["function"]["arguments"], (str, dict)) for call in message.get("tool_calls", []))
    assert not messages or messages[-1]["role"] != "user"


def test_a_csv_of_semicolons_is_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "qa.csv"
    path.write_text("question;answer\nNeçəyədir?;12,50 AZN.\n", encoding="utf-8-sig")
    [(_, messages)] = read_dialogues([path], Fields())
    assert [message["content"] for message in messages] == ["Neçəyədir?", "12,50 AZN."]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_what_is_not_what_its_name_says_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(b"aaaa")
    with pytest.raises(UserError, match=r"a\.jsonl\.\w+: cannot be read to its end"):
        list(read_rows(path))
