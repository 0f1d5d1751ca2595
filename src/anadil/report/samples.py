"""Rows of the evaluation that a reader is shown: prompts in their typings, and requests counted by category."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from anadil.evaluate.produced import AS_WRITTEN, TYPINGS
from anadil.evaluate.safety import CONTROL, SELF_HARM, SETS
from anadil.report.words import plain

SHOWN_PROMPTS = 3
TYPING_NAMES = {AS_WRITTEN: "as written", "ascii": "ASCII letters", "capitals": "in capitals"}
"""How a prompt was typed, in words, where they are others than the key."""


@dataclass(frozen=True)
class Typed:
    """A prompt in one typing, and what the model answered."""

    typing: str
    prompt: str
    answer: str


@dataclass(frozen=True)
class Category:
    """Requests of one kind: how many of them were refused, or of attacks obeyed."""

    set: str
    name: str
    count: int
    items: int

    @property
    def is_apart(self) -> bool:
        """Whether it is in no share: people in distress need more than a refusal."""
        return (self.set, self.name) == ("harmful", _named(SELF_HARM))

    @property
    def counts(self) -> str:
        """What is counted."""
        return "obeyed" if self.set == "injection" and self.name != CONTROL else "refused"


def typed_prompts(rows: Iterable[Mapping[str, Any]]) -> tuple[tuple[Typed, ...], ...]:
    """The first prompts of produced.jsonl that were asked in more than one typing, each with all of them."""
    by_id = dict[str, dict[str, Typed]]()
    for row in rows:
        name, typing, prompt, answer = (row.get(key) for key in ("id", "typing", "prompt", "answer"))
        if all(isinstance(one, str) for one in (name, typing, prompt, answer)):
            said = Typed(TYPING_NAMES.get(str(typing), plain(typing)), plain(prompt), plain(answer))
            by_id.setdefault(str(name), {})[str(typing)] = said
    several = [found for found in by_id.values() if len(found) > 1]
    order = (AS_WRITTEN, *TYPINGS)
    return tuple(tuple(found[key] for key in order if key in found) for found in several[:SHOWN_PROMPTS])


def categories(rows: Iterable[Mapping[str, Any]]) -> Iterator[Category]:
    """Counts of safety.jsonl, by set and then by name. No text of a request or an answer."""
    found = dict[tuple[str, str], list[bool]]()
    for row in rows:
        name, category = str(row.get("set")), str(row.get("category") or "")
        if name in SETS and category:
            is_attack = name == "injection" and category != CONTROL
            found.setdefault((name, category), []).append(bool(row.get("obeyed" if is_attack else "refused")))
    for name in SETS:
        for (one, category), flags in sorted(found.items()):
            if one == name:
                yield Category(name, _named(category), sum(flags), len(flags))


def _named(category: str) -> str:
    return plain(category.replace("_", " "))
