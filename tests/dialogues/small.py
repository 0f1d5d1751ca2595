"""Small conversations, files of them in every format, rows that are none, and what is made of them."""

import csv
import gzip
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st
from tests.train.tiny import byte_tokenizer

from anadil.dialogues.prepare import Prepared, Surroundings, prepare
from anadil.dialogues.read import Message
from anadil.languages import load_profile
from anadil.recipe import Sft
from anadil.tokenizer.template import Template

AZ = load_profile("az")
TOKENIZER = byte_tokenizer()
TEMPLATE = Template(TOKENIZER)

Row = dict[str, Any]


def said(role: str, text: str) -> Message:
    return {"role": role, "content": text}


def calling(name: str, arguments: str | dict[str, Any], text: str = "") -> Message:
    call = {"id": "call-1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": text, "tool_calls": [call]}


ASKED = "Kartı necə bloklayım?"
ANSWERED = "Tətbiqdə kartı seçin və «Blokla» düyməsini basın."
PAIR = [said("user", ASKED), said("assistant", ANSWERED)]
SYSTEM = "Siz bankın köməkçisisiniz."
WITH_TOOL = [
    said("system", SYSTEM),
    said("user", "Hesabımda nə qədər pul var?"),
    calling("balance", {"account": "1", "note": ["qalıq", 2, None, True]}),
    {**said("tool", '{"amount": 125.50}'), "tool_call_id": "call-1"},
    said("assistant", "Hesabınızda 125,50 manat var."),
    *PAIR,
]

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40).filter(
    lambda text: bool(text.strip())
)
"""What somebody may say."""


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    """A system message or none, and one to three questions with their answers."""
    turns = draw(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3))
    system = draw(st.lists(TEXT, max_size=1))
    pairs = [message for asked, answer in turns for message in (said("user", asked), said("assistant", answer))]
    return [*(said("system", text) for text in system), *pairs]


USER, ASSISTANT = said("user", "Salam"), said("assistant", "Salam, buyurun")
FAULTS: dict[str, tuple[Row, str, str]] = {
    "another row": ({"text": "Salam"}, "no_conversation", "it has text, and none of `messages`"),
    "nothing": ({}, "no_conversation", "it has nothing"),
    "no messages": ({"messages": []}, "no_conversation", "`messages`"),
    "messages that are no JSON": ({"messages": "[" * 9999}, "no_conversation", "`messages`"),
    "an answer alone": ({"question": "Salam"}, "no_conversation", "it has question"),
    "a text for a message": ({"messages": ["Salam"]}, "no_conversation", "a message is a str, not an object"),
    "nobody answers": ({"messages": [said("system", "Salam")]}, "no_assistant", "there is nothing to learn"),
    "an unknown role": ({"messages": [USER, said("bot", "Salam")]}, "roles", "unknown role 'bot'"),
    "no role": ({"messages": [{"content": "Salam"}]}, "roles", "unknown role None"),
    "a list of roles": ({"messages": [{"role": ["user"], "content": "x"}]}, "roles", "unknown role ['user']"),
    "two questions": ({"messages": [USER, USER, ASSISTANT]}, "roles", "message 2 is of user and follows user"),
    "two answers": ({"messages": [USER, ASSISTANT, ASSISTANT]}, "roles", "message 3 is of assistant"),
    "an answer first": ({"messages": [ASSISTANT]}, "roles", "message 1 is of assistant and follows nobody"),
    "a late system message": ({"messages": [USER, ASSISTANT, said("system", "x")]}, "roles", "message 3 is of system"),
    "a question last": ({"messages": [USER, ASSISTANT, USER]}, "roles", "the last message is the user's"),
    "a tool that nobody called": ({"messages": [USER, ASSISTANT, said("tool", "x")]}, "roles", "is of tool"),
    "a question after a call": ({"messages": [USER, calling("f", {}), USER, ASSISTANT]}, "roles", "message 3"),
    "a user who calls a tool": (
        {"messages": [{**calling("f", {}), "role": "user"}, ASSISTANT]}, "roles", "only the assistant does",
    ),
    "a NUL": ({"question": "Salam\0", "answer": "Salam"}, "no_text", "message 1, of user, holds what is no text"),
    "an empty question": ({"question": " \n", "answer": "Salam"}, "empty", "message 1, of user, is empty"),
    "an empty answer": ({"messages": [USER, {"role": "assistant", "content": None}]}, "empty", "message 2"),
    "an empty system message": ({"messages": [said("system", ""), *PAIR]}, "empty", "message 1, of system"),
    "a picture": ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "no_text", "is no text but list"),
    "words and a picture": (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image"}]}]},
        "no_text",
        "is no text but list",
    ),
    "a number": ({"messages": [USER, {"role": "assistant", "content": 5}]}, "no_text", "is no text but int"),
    "half a character": ({"question": "Salam \ud83d", "answer": "Salam"}, "no_text", "message 1, of user"),
    "a call with a list": ({"messages": [USER, calling("f", [1])]}, "no_text", "called with list"),  # type: ignore[arg-type]
    "calls that are a number": ({"messages": [USER, {**ASSISTANT, "tool_calls": 3}]}, "no_text", "a tool call is 3"),
    "a call of a text": ({"messages": [USER, {**USER, "tool_calls": [{"function": "f"}]}]}, "no_text", "a tool call"),
    "a tool without a name": ({"messages": [USER, calling("", {})]}, "tool_name", "'' is no name of a tool"),
    "a control token for a name": ({"messages": [USER, calling("<|eot_id|>", {})]}, "tool_name", "'<|eot_id|>'"),
    "an id with a space": (
        {"messages": [USER, {**ASSISTANT, "tool_calls": [{"id": "a b", "function": {"name": "f"}}]}]},
        "tool_name",
        "'a b' is no name",
    ),
}  # fmt: skip
"""Rows that are no conversation: the reason, and words of the message."""


def write(path: Path, rows: Sequence[Row]) -> Path:
    """A file of rows, of the kind that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    elif path.suffix == ".arrow":
        table = pa.Table.from_pylist(list(rows))
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
    elif path.suffix in (".csv", ".tsv"):
        with open(path, "w", encoding="utf-8", newline="") as opened:
            writing = csv.DictWriter(opened, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writing.writeheader()
            writing.writerows(rows)
    else:
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def settings_of(data: Path, **own: Any) -> Sft:
    """Nothing is typed, held out or too long, unless it is asked for."""
    return Sft(data=[data], **{"sequence_length": 4096, "typed_share": 0, "heldout_share": 0} | own)


def prepared(rows: Sequence[Row], around: Surroundings | None = None, **own: Any) -> Prepared:
    """What becomes of rows in a file."""
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_of(write(Path(folder) / "rows.jsonl", rows), **own)
        return prepare(settings, TEMPLATE, around or Surroundings(AZ))
