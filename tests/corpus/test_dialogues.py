"""corpus.dialogues: both ways of writing a conversation, and every fault by file and line."""

import json
from pathlib import Path

import pytest

from anadil.corpus.dialogues import read_dialogues
from anadil.errors import UserError

ASKED = [{"role": "user", "content": "Nə?"}, {"role": "assistant", "content": "Bu."}]


def read(path: Path) -> list[list[dict[str, str]]]:
    return list(read_dialogues([path], "sual", "cavab"))


def test_messages_and_pairs_are_the_same_conversation(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"messages": ASKED, "id": 1}, {"sual": "Nə?", "cavab": "Bu."}]
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    assert read(path) == [ASKED, ASKED]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (b"{", ["line 2"]),
        (b"[]", ["line 2", "object"]),
        (b'{"messages": []}', ["line 2", "'sual'", "'cavab'"]),
        (b'{"messages": [{"role": "user"}]}', ["line 2", "messages"]),
        (b'{"sual": "x"}', ["line 2", "sft.answer_field"]),
        (b'{"sual": "\xff"}', ["line 2", "utf-8"]),
    ],
)
def test_a_fault_names_file_and_line(tmp_path: Path, line: bytes, names: list[str]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(json.dumps({"messages": ASKED}).encode() + b"\n" + line + b"\n")
    with pytest.raises(UserError) as caught:
        read(path)
    for name in [str(path), *names]:
        assert name in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file"):
        read(tmp_path / "none.jsonl")
