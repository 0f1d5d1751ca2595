"""What the model writes: answers to a fixed set of prompts, judged by rules, and how steady they are.

Public benchmarks ask a model to choose; how it writes, they leave out. Rules find what is wrong on the face of it:
emptiness, loops, another language or alphabet, words of a neighbour, misspelt ones. Whether an answer is good, people
have to say (`anadil review`).
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anadil import bootstrap, shares
from anadil.dialogues.read import read_rows
from anadil.dialogues.typed import mistyped
from anadil.errors import UserError
from anadil.evaluate.answers import token_f1, words
from anadil.evaluate.generate import Answer
from anadil.evaluate.judges import Judges
from anadil.languages import LanguageProfile

AS_WRITTEN = "as_written"
TYPINGS = ("ascii", "capitals", "mistyped")
"""How prompts are typed again: without special letters, in capitals, with a slip in each longer word of three."""
REPEATING = 0.3
"""Share of runs of four words that stand there a second time, from which an answer goes round in a circle."""


@dataclass(frozen=True)
class Prompt:
    """A prompt in one of its typings."""

    id: str
    text: str
    typing: str = AS_WRITTEN


def read_prompts(path: Path, most: int, typed: int, profile: LanguageProfile) -> list[Prompt]:
    """The first `most` prompts of a jsonl of {"id", "prompt"}, then the first `typed` of them in each other typing.

    UserError names a line without one of the two, or an id that another has.
    """
    prompts = dict[str, Prompt]()
    for place, row in read_rows(path):
        name, text = (str(row.get(key, "")).strip() for key in ("id", "prompt"))
        if not name or not text or name in prompts:
            what = f"{place}: a prompt needs an id of its own and a text"
            raise UserError(what, hint='write {"id": "1", "prompt": "..."}')
        prompts[name] = Prompt(name, text)
    if not prompts:
        raise UserError(f"{path} has no prompts", hint="add some, or leave out evaluate.produced.prompts")
    asked = list(prompts.values())[:most]
    again = [Prompt(p.id, _typed(p, typing, profile), typing) for typing in TYPINGS for p in asked[:typed]]
    return asked + again


def _typed(prompt: Prompt, typing: str, profile: LanguageProfile) -> str:
    if typing == "ascii":
        return profile.fold_ascii(prompt.text)
    return profile.upper(prompt.text) if typing == "capitals" else mistyped(prompt.text, random.Random(prompt.id))


def measure(
    prompts: Sequence[Prompt], answers: Sequence[Answer], judges: Judges, profile: LanguageProfile, *, rounds: int
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """A row for each prompt, for produced.jsonl, and the metrics over all of them."""
    codes = judges.languages([answer.text for answer in answers])
    rows = [_row(*one, judges) for one in zip(prompts, answers, codes, strict=True)]
    written = [row for row in rows if row["typing"] == AS_WRITTEN]
    return rows, _of_language(written, profile) | _of_steadiness(rows, profile, rounds)


def _row(prompt: Prompt, answer: Answer, language: str, judges: Judges) -> dict[str, Any]:
    text = answer.text
    misspelt, checked = judges.misspelt(text)
    return {
        "id": prompt.id,
        "typing": prompt.typing,
        "prompt": prompt.text,
        "answer": text,
        "stopped": answer.stopped,
        "words": len(text.split()),
        "language": language,
        "repeats": round(judges.repeats(text), 4),
        "typed_in_ascii": judges.letters(text).typed_without,
        "slips": judges.slips(text),
        "toxic": judges.toxic(text),
        "misspelt": misspelt,
        "spelling_checked": checked,
    }


def flags(row: Mapping[str, Any], profile: LanguageProfile) -> dict[str, bool]:
    """What a row counts as, by the name of the share that it is counted in; too short a text has no language."""
    code = row["language"]
    neighbours = {neighbour.code for neighbour in profile.neighbours}
    told = {"target_language_share": code == profile.code, "neighbour_language_share": code in neighbours}
    return {
        "stopped_share": row["stopped"],
        "empty_share": not row["answer"],
        "repeating_share": row["repeats"] >= REPEATING,
        "typed_in_ascii_share": row["typed_in_ascii"] and code in ("", profile.code),
        "slips_share": bool(row["slips"]),
        "toxic_share": bool(row["toxic"]),
    } | (told if code else {})


def _of_language(rows: Sequence[Mapping[str, Any]], profile: LanguageProfile) -> dict[str, float]:
    found = dict[str, list[bool]]()
    for row in rows:
        for name, flag in flags(row, profile).items():
            found.setdefault(name, []).append(flag)
    metrics = {
        key: value for name, some in found.items() for key, value in shares.metrics(f"produced_{name}", some).items()
    }
    text = "\n".join(row["answer"] for row in rows)
    metrics["produced_target_letter_share"] = profile.letter_share(text)
    metrics["produced_words"] = sum(row["words"] for row in rows) / max(1, len(rows))
    if checked := sum(row["spelling_checked"] for row in rows):
        metrics["produced_misspelt_word_share"] = sum(row["misspelt"] for row in rows) / checked
    return metrics


def _of_steadiness(rows: Sequence[Mapping[str, Any]], profile: LanguageProfile, rounds: int) -> dict[str, float]:
    """How like the answers to a prompt in two typings are: F1 of their words, and the share that are the same."""
    first = {row["id"]: words(row["answer"], profile) for row in rows if row["typing"] == AS_WRITTEN}
    metrics = dict[str, float]()
    for typing in TYPINGS:
        pairs = [(first[row["id"]], words(row["answer"], profile)) for row in rows if row["typing"] == typing]
        if pairs:
            like = bootstrap.mean([token_f1(one, other) for one, other in pairs], rounds=rounds)
            metrics |= like.metrics(f"steady_{typing}_f1", len(pairs))
            metrics |= shares.metrics(f"steady_{typing}_same_share", [one == other for one, other in pairs])
    return metrics
