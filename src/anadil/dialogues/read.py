"""Conversations as people have them: OpenAI's messages, ShareGPT, Alpaca, a question with its answer.

All become a list of messages as OpenAI's API has them; what is no conversation is refused, with its place.
"""

import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from anadil.corpus.columns import OnRow, read_table_rows
from anadil.corpus.files import kind_of, open_file, text_files
from anadil.corpus.remote import local_copy
from anadil.errors import UserError
from anadil.tokenizer.marks import strings

Message = dict[str, Any]
"""`role` (system, user, assistant, tool), `content`, and perhaps `tool_calls` or `tool_call_id`."""
OnError = Callable[[str, UserError], None]
"""Called with a reason and what was found; it raises to stop, or returns to skip."""

_ROLES = {"system": "system", "developer": "system", "user": "user", "human": "user", "assistant": "assistant",
          "gpt": "assistant", "model": "assistant", "tool": "tool", "observation": "tool"}  # fmt: skip
_PAIRS = (("question", "answer"), ("prompt", "completion"), ("prompt", "response"), ("input", "output"))
_KINDS = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow")
_NAME = re.compile(r"[\w.:-]{1,128}")
_HINT = 'write {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}'


class NoConversation(UserError):
    """A row that is none; `reason` is what it is counted under."""

    def __init__(self, reason: str, what: str, hint: str = _HINT):
        super().__init__(what, hint=hint)
        self.reason = reason


@dataclass(frozen=True)
class Fields:
    """Names of the fields of a question and its answer, in rows that have no list of messages."""

    prompt: str = "prompt"
    answer: str = "answer"


def dialogue_files(place: Path | str, key: str = "sft.data") -> list[Path]:
    """The files at a path or URL; UserError if there are none that can hold dialogues."""
    if isinstance(place, str):
        place = local_copy(place)
    if place.is_file() and kind_of(place, _KINDS) is None:
        raise UserError(f"{key}: {place} is of no known kind", hint=f"known are {', '.join(_KINDS)}, .gz and .zst")
    return text_files(place, key, kinds=_KINDS)


def read_dialogues(
    places: Iterable[Path | str], fields: Fields, on_error: OnError | None = None, key: str = "sft.data"
) -> Iterator[tuple[str, list[Message]]]:
    """(place, messages) of each conversation; what is none is told to `on_error`, without which it is raised."""
    for place in places:
        for file in dialogue_files(place, key):
            for where, row in read_rows(file, partial(on_error, "no_row") if on_error else None):
                try:
                    messages = messages_of(row, fields)
                    check_turns(messages)
                except NoConversation as error:
                    error.what = f"{where}: {error.what}"
                    if on_error is None:
                        raise
                    on_error(error.reason, error)
                else:
                    yield where, messages


def read_rows(path: Path, on_error: OnRow | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, fields) of each row of a jsonl, json, csv, tsv, parquet or Arrow file.

    UserError names a file that cannot be read; one row that cannot is told to `on_error`, without which it is raised.
    """
    if not path.is_file():
        raise UserError(f"no file at {path}", hint="paths in a recipe are relative to the recipe file")
    kind = kind_of(path, _KINDS) or ".jsonl"
    if kind not in (".jsonl", ".json"):
        for number, row in enumerate(read_table_rows(path, kind, on_error), 1):
            yield f"{path}, row {number}", row
        return
    for place, line in _items(path, kind):
        try:
            row = json.loads(line) if isinstance(line, bytes) else line
            if not isinstance(row, dict):
                raise ValueError("not a JSON object")
        except (ValueError, RecursionError) as error:  # of JSON and of UTF-8
            found = UserError(f"{place}: {error}", hint="write one JSON object a line, in UTF-8")
            if on_error is None:
                raise found from error
            on_error(found)
        else:
            yield place, row


def _items(path: Path, kind: str) -> Iterator[tuple[str, Any]]:
    """(place, bytes of a line), or (place, item) of a file that is one array."""
    numbered = ((number, line.removeprefix(b"\xef\xbb\xbf")) for number, line in enumerate(_lines(path), 1))
    lines = ((f"{path}, line {number}", line) for number, line in numbered if line.strip())
    if kind == ".jsonl":
        yield from lines
        return
    held = list(lines)
    if not held or not held[0][1].lstrip().startswith(b"["):
        yield from held
        return
    try:
        items = json.loads(b"".join(line for _, line in held))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: {error}", hint="write one array, or one JSON object a line, in UTF-8") from error
    yield from ((f"{path}, item {number}", item) for number, item in enumerate(items, 1))


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with open_file(path) as lines:
            yield from lines
    except PermissionError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        what = f"{path}: cannot be read to its end: {error}"
        raise UserError(what, hint="the file is damaged or cut short: fetch it again, or leave it out") from error


def messages_of(row: Mapping[str, Any], fields: Fields) -> list[Message]:
    """The messages of a row in any of the formats; NoConversation if it is in none."""
    turns = row.get("messages") or row.get("conversations") or row.get("conversation")
    if isinstance(turns, str):  # a list in a column of text
        turns = _parsed(turns)
    if isinstance(turns, list) and turns:
        return [_message(turn) for turn in turns]
    if isinstance(row.get("instruction"), str) and isinstance(row.get("output"), str):  # Alpaca
        instruction = "\n\n".join(text for key in ("instruction", "input") if (text := str(row.get(key) or "").strip()))
        return _with_system(row, [_said("user", instruction), _said("assistant", row["output"])])
    for prompt, answer in ((fields.prompt, fields.answer), *_PAIRS):
        asked, answered = row.get(prompt), row.get(answer)
        if isinstance(asked, str) and isinstance(answered, str):
            return _with_system(row, [_said("user", asked), _said("assistant", answered)])
        if isinstance(asked, list) and isinstance(answered, list):  # conversations in two parts
            return [_message(turn) for turn in (*asked, *answered)]
    known = f"`messages`, `conversations`, `instruction` and `output`, or {fields.prompt!r} and {fields.answer!r}"
    what = f"no conversation: it has {', '.join(map(str, row)) or 'nothing'}, and none of {known}"
    raise NoConversation("no_conversation", what, hint=f"{_HINT}, or set sft.prompt_field and sft.answer_field")


def check_turns(messages: Sequence[Message]) -> None:
    """NoConversation unless people and assistant take turns, the assistant speaks, and nobody says nothing."""
    if not any(message["role"] == "assistant" for message in messages):
        raise NoConversation("no_assistant", "no message of the assistant: there is nothing to learn")
    before = "nobody"
    for number, message in enumerate(messages, 1):
        role = message["role"]
        if not _may_follow(before, role):
            what = f"roles out of order: message {number} is of {role} and follows {before}"
            raise NoConversation("roles", what, hint="a system message comes first, then user and assistant in turns")
        if message.get("tool_calls") and role != "assistant":
            raise NoConversation("roles", f"message {number}, of {role}, calls a tool: only the assistant does")
        if not (message.get("content") or "").strip() and not message.get("tool_calls"):
            raise NoConversation("empty", f"message {number}, of {role}, is empty")
        if not _is_text(message):
            what = f"message {number}, of {role}, holds what is no text"
            raise NoConversation("no_text", what, hint="half of a surrogate pair, such as \\ud83d, or \\u0000 is none")
        before = "assistant, who calls a tool" if message.get("tool_calls") else role
    if before == "user":
        raise NoConversation("roles", "the last message is the user's: nothing is learned from it, leave it out")


def _may_follow(before: str, role: str) -> bool:
    allowed = {
        "system": {"nobody"},
        "user": {"nobody", "system", "assistant"},
        "assistant": {"user", "tool"},
        "tool": {"assistant, who calls a tool", "tool"},
    }
    return before in allowed[role]


def _message(turn: Any) -> Message:
    if not isinstance(turn, dict):
        raise NoConversation("no_conversation", f"a message is a {type(turn).__name__}, not an object")
    role = turn.get("role", turn.get("from"))
    content = turn.get("content", turn.get("value"))
    if not isinstance(role, str) or role not in _ROLES:
        known = ", ".join(sorted({*_ROLES}))
        raise NoConversation("roles", f"unknown role {role!r}", hint=f"roles are {known}")
    if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        content = "".join(str(part.get("text", "")) for part in content)
    if content is not None and not isinstance(content, str):
        raise NoConversation("no_text", f"a message of {role} is no text but {type(content).__name__}")
    message: Message = {"role": _ROLES[role], "content": content or ""}
    if calls := turn.get("tool_calls"):
        message["tool_calls"] = [_call(call) for call in (calls if isinstance(calls, list) else [calls])]
    if turn.get("tool_call_id"):
        message["tool_call_id"] = _checked(turn["tool_call_id"])
    return message


def _call(call: Any) -> dict[str, Any]:
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict):
        raise NoConversation("no_text", f"a tool call is {call!r}, not an object with a function")
    given = function.get("arguments") or {}
    if not isinstance(given, (str, dict)):
        raise NoConversation("no_text", f"a tool is called with {type(given).__name__}, not with text or an object")
    found = {"type": "function", "function": {"name": _checked(function.get("name")), "arguments": given}}
    return {"id": _checked(call["id"]), **found} if call.get("id") else found


def _checked(name: Any) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        what = f"{name!r} is no name of a tool: letters, digits and . : - _ make one"
        raise NoConversation("tool_name", what, hint="give the tool another name")
    return name


def _said(role: str, text: str) -> Message:
    return {"role": role, "content": text}


def _with_system(row: Mapping[str, Any], messages: list[Message]) -> list[Message]:
    system = row.get("system")
    return [_said("system", system), *messages] if isinstance(system, str) and system.strip() else messages


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_text(message: Message) -> bool:
    """Whether it can be written as JSON: columns hold dates and bytes, and not each escape in JSON is a character."""
    try:
        json.dumps(message, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return not any("\0" in text for text in strings(message))
