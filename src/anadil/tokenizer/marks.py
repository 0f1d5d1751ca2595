"""Who said what in a rendered template: what is said goes through it between two marks that no text has."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Message = Mapping[str, Any]
"""`role`, `content`, perhaps `tool_calls`, as OpenAI's API has them."""
_MARKS = "".join(map(chr, range(0xFDD0, 0xFDF0)))
"""Unicode's noncharacters: no text should hold one, and most hold none."""


@dataclass(frozen=True)
class Segment:
    """A piece of a rendered conversation, and where in the marked text it begins."""

    start: int
    text: str
    is_said: bool


@dataclass(frozen=True)
class Marked:
    """A rendered conversation with a mark before and one behind everything that was said."""

    text: str
    marks: str

    @property
    def plain(self) -> str:
        """Without the marks."""
        return re.sub(f"[{self.marks}]", "", self.text)

    @cached_property
    def segments(self) -> list[Segment]:
        """All of it, in turns of the template's own and of what was said."""
        found, at = list[Segment](), 0
        for number, piece in enumerate(re.split(f"[{self.marks}]", self.text)):
            found.append(Segment(at, piece, number % 2 == 1))
            at += len(piece) + 1
        return found

    def behind(self, strings: int) -> int:
        """Where the template goes on after so many strings; their marks must be in order."""
        return self.segments[2 * strings].start


def choose_marks(messages: Sequence[Message]) -> str:
    """Two characters that are in none of the messages."""
    text = json.dumps(list(messages), ensure_ascii=False)
    return "".join([mark for mark in _MARKS if mark not in text][:2])


def mapped(message: Message, change: Callable[[str], str]) -> dict[str, Any]:
    """The message with each string that somebody said changed: the content, and what tools are called with."""
    found = dict(message)
    if isinstance(found.get("content"), str):
        found["content"] = change(found["content"])
    if calls := found.get("tool_calls"):
        found["tool_calls"] = [_call(call, change) for call in calls]
    return found


def strings(message: Message) -> int:
    """How many strings of a message were said by somebody."""
    seen: list[str] = []
    mapped(message, lambda text: seen.append(text) or text)  # type: ignore[func-returns-value]
    return len(seen)


def in_order(marked: Marked, expected: int) -> bool:
    """Whether the template wrote each string once, none inside another."""
    found = [sign for sign in marked.text if sign in marked.marks]
    return found == list(marked.marks) * expected


def _call(call: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    function = call["function"]
    return {**call, "function": {**function, "arguments": _deep(function.get("arguments", {}), change)}}


def _deep(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(key): _deep(part, change) for key, part in value.items()}
    return [_deep(part, change) for part in value] if isinstance(value, list) else value


def control_tokens(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, str, bool]]:
    """The text cut at control tokens: where each piece begins, and whether it is one."""
    at = 0
    for number, piece in enumerate(pattern.split(text)):
        if piece:
            yield at, piece, number % 2 == 1
        at += len(piece)
