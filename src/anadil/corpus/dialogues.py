"""Dialogues and questions: jsonl files of conversations."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from anadil.errors import UserError

Message = dict[str, str]
"""`role` (system, user or assistant) and `content`."""


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, object) of each line that is not empty; UserError names a line that is not a JSON object in UTF-8."""
    if not path.is_file():
        raise UserError(f"no file at {path}", hint="paths in a recipe are relative to the recipe file")
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            place = f"{path}, line {number}"
            try:
                row = json.loads(line.decode())
            except ValueError as error:  # of JSON and of UTF-8
                raise UserError(f"{place}: {error}", hint="write one JSON object a line, in UTF-8") from error
            if not isinstance(row, dict):
                raise UserError(f"{place}: not a JSON object", hint="write one JSON object a line")
            yield place, row


def read_dialogues(paths: Iterable[Path], prompt_field: str, answer_field: str) -> Iterator[list[Message]]:
    """The conversations in jsonl files: `{"messages": [...]}`, or one question and answer in the fields named."""
    for path in paths:
        for place, row in read_rows(path):
            yield _messages(row, place, prompt_field, answer_field)


def _messages(row: dict[str, Any], place: str, prompt_field: str, answer_field: str) -> list[Message]:
    prompt, answer = row.get(prompt_field), row.get(answer_field)
    if "messages" not in row and isinstance(prompt, str) and isinstance(answer, str):
        return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    messages = row.get("messages")
    if isinstance(messages, list) and messages and all(_is_message(message) for message in messages):
        return [{"role": message["role"], "content": message["content"]} for message in messages]
    what = f"{place}: neither a list `messages` of role and content nor {prompt_field!r} and {answer_field!r}"
    hint = 'write {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}'
    raise UserError(what, hint=f"{hint}, or set sft.prompt_field and sft.answer_field")


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), str) for key in ("role", "content"))
