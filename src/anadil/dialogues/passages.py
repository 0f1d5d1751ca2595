"""Passages before a question: one text of them, which the model learns from and is asked with."""

from collections.abc import Sequence
from dataclasses import dataclass

from anadil.languages import LanguageProfile


@dataclass(frozen=True)
class Passage:
    """A piece of what the team knows; answers cite it by its number."""

    text: str
    title: str = ""


def with_passages(question: str, passages: Sequence[Passage], profile: LanguageProfile) -> str:
    """What a customer's turn becomes: the passages, numbered from 1, and then the question. Without any, itself."""
    if not passages:
        return question
    words = profile.grounding
    shown = [f"[{number}] {one.title}\n{one.text}" if one.title else f"[{number}] {one.text}"
             for number, one in enumerate(passages, 1)]  # fmt: skip
    return "\n\n".join([f"{words.passages}:", *shown, f"{words.question}: {question}"])


def cited(number: int) -> str:
    """How an answer names the passage that it rests on."""
    return f"[{number}]"
