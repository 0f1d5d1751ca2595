"""Dialogues as rows of ids that fit a sequence."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anadil.dialogues.account import Account, Dialogue
from anadil.dialogues.passages import with_passages
from anadil.dialogues.read import Message
from anadil.dialogues.typed import as_typed
from anadil.errors import UserError
from anadil.languages import LanguageProfile
from anadil.tokenizer.template import Rendered, Template


@dataclass
class Row:
    """What is learned from, as ids; and the messages that it was made of, for people."""

    place: str
    kind: str
    messages: list[Message]
    rendered: Rendered


@dataclass
class RowMaker:
    """Renders dialogues; `too_long` holds the places of those that do not fit in `length` tokens and their labels."""

    template: Template
    profile: LanguageProfile
    length: int
    split: bool
    typed_share: float
    system_prompt: str
    account: Account

    def __post_init__(self) -> None:
        self.too_long: list[str] = []

    def rows(self, one: Dialogue, rng: random.Random) -> list[Row]:
        """One row, several where a long dialogue is split, none where it is left out."""
        messages = [self._typed(message, rng) for message in one.messages]
        if one.passages:
            last = max(place for place, message in enumerate(messages) if message["role"] == "user")
            shown = with_passages(messages[last]["content"], one.passages, self.profile)
            messages[last] = {**messages[last], "content": shown}
        if self.system_prompt and messages[0]["role"] != "system":
            messages = [{"role": "system", "content": self.system_prompt}, *messages]
        whole = self._rendered(one, messages)
        if self._fits(whole):
            return [whole]
        self.too_long.append(one.place)
        found = list(self._split(one, messages)) if self.split else []
        parts = [row for row in found if row]
        self.account.out["over_long"] += not parts
        self.account.changed["split"] += bool(parts)
        self.account.changed["shortened"] += bool(parts) and None in found
        return parts

    def _typed(self, message: Message, rng: random.Random) -> Message:
        if message["role"] != "user" or rng.random() >= self.typed_share:
            return message
        return {**message, "content": as_typed(message["content"], self.profile, rng)}

    def _rendered(self, one: Dialogue, messages: list[Message]) -> Row:
        try:
            return Row(one.place, one.kind, messages, self.template.render(messages))
        except UserError as error:
            raise UserError(f"{one.place}: {error.what}", hint=error.hint) from error

    def _fits(self, row: Row) -> bool:
        return len(row.rendered.ids) <= self.length + 1  # the last token is a label only

    def _split(self, one: Dialogue, messages: Sequence[Message]) -> Iterator[Row | None]:
        """Each part begins with a question, after the system message, and has as many as fit; None for one too long."""
        system = [message for message in messages[:1] if message["role"] == "system"]
        part: list[Message] = []
        last: Row | None = None
        for exchange in _exchanges(messages[len(system) :]):
            longer = self._rendered(one, [*system, *part, *exchange])
            if last and not self._fits(longer):
                yield last
                part, longer = [], self._rendered(one, [*system, *exchange])
            fits = self._fits(longer)
            part, last = ([*part, *exchange], longer) if fits else ([], None)
            if not fits:
                yield None
        if last:
            yield last


def _exchanges(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """A question with all that follows it, up to the next one."""
    part: list[Message] = []
    for message in messages:
        if message["role"] == "user" and part:
            yield part
            part = []
        part.append(message)
    if part:
        yield part
