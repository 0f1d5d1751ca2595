"""Answers to held-out questions: does it stop, in which language, is it copied, how near is it to the reference.

None of this says that an answer is true: people have to read answers.jsonl too.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anadil import bootstrap, shares
from anadil.dialogues.read import read_rows
from anadil.errors import UserError
from anadil.evaluate.generate import Answer
from anadil.evaluate.overlap import LongestRuns
from anadil.languages import LanguageProfile

CONTAMINATED_WORDS = 8
"""A question that shares a run of so many words with a training text counts as seen, or one that is one whole."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Question:
    """A held-out question with the answer that a person gave."""

    id: str
    question: str
    reference: str


@dataclass(frozen=True)
class Seen:
    """A text that the model was trained on; `learned` unless a user says it in a dialogue."""

    text: str
    learned: bool = True


def read_questions(path: Path) -> list[Question]:
    """Read a jsonl of {"id", "question", "reference"}; UserError names a line that lacks one, or a repeated id."""
    questions: dict[str, Question] = {}
    for place, row in read_rows(path):
        fields = [str(row.get(key, "")).strip() for key in ("id", "question", "reference")]
        if not all(fields) or fields[0] in questions:
            what = f"{place}: a question needs an id of its own, a question and a reference"
            raise UserError(what, hint='write {"id": "1", "question": "...", "reference": "..."}')
        questions[fields[0]] = Question(*fields)
    if not questions:
        raise UserError(f"{path} has no questions", hint="add some, or leave out evaluate.questions")
    return list(questions.values())


def words(text: str, profile: LanguageProfile) -> list[str]:
    """Lowercase words without punctuation."""
    return _WORD.findall(profile.lower(unicodedata.normalize("NFC", text)))


def token_f1(answer: Sequence[str], reference: Sequence[str]) -> float:
    """F1 of the words that both have, with repetition, as SQuAD's (https://arxiv.org/abs/1606.05250)."""
    if not answer or not reference:
        return float(not answer and not reference)
    common = (Counter(answer) & Counter(reference)).total()
    return 2 * common / (len(answer) + len(reference))


def measure(
    questions: Sequence[Question],
    answers: Sequence[Answer],
    base_answers: Sequence[Answer] | None,
    seen: Iterable[Seen],
    profile: LanguageProfile,
    *,
    rounds: int = bootstrap.ROUNDS,
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """A row for each question, for answers.jsonl, and the metrics over all of them; the base may have had fewer."""
    copied, known = _against_training(questions, answers, seen, profile)
    rows = [
        {"id": question.id, "question": question.question, "reference": question.reference}
        | _judged("", answer, question, profile)
        | {"copied_share": share, "contaminated": contaminated}
        for question, answer, share, contaminated in zip(questions, answers, copied, known, strict=True)
    ]
    found = _metrics("answers", answers, [row["token_f1"] for row in rows], profile, rounds)
    if fresh := [row["token_f1"] for row in rows if not row["contaminated"]]:
        found |= bootstrap.mean(fresh, rounds=rounds).metrics("answers_uncontaminated_token_f1", len(fresh))
    found |= {
        "answers_items": len(rows),
        "answers_longest_copy_share": max(copied),
        "answers_copied_over_half": sum(share > 0.5 for share in copied),
        "answers_contaminated_questions": sum(known),
    }
    if base_answers is None:
        return rows, found
    asked = rows[: len(base_answers)]
    for row, question, answer in zip(asked, questions, base_answers, strict=False):
        row |= _judged("base_", answer, question, profile)
    before, after = ([row[key] for row in asked] for key in ("base_token_f1", "token_f1"))
    ones = np.ones(len(asked))
    change = bootstrap.paired_change((before, ones), (after, ones), rounds=rounds)
    found |= _metrics("base_answers", base_answers, before, profile, rounds)
    return rows, found | change.metrics("answers_token_f1_change", len(asked))


def _judged(prefix: str, answer: Answer, question: Question, profile: LanguageProfile) -> dict[str, Any]:
    f1 = token_f1(words(answer.text, profile), words(question.reference, profile))
    return {f"{prefix}answer": answer.text, f"{prefix}stopped": answer.stopped, f"{prefix}token_f1": f1}


def _metrics(
    name: str, answers: Sequence[Answer], f1: Sequence[float], profile: LanguageProfile, rounds: int
) -> dict[str, float]:
    found = bootstrap.mean(f1, rounds=rounds).metrics(f"{name}_token_f1", len(f1))
    found |= shares.metrics(f"{name}_stopped_share", [answer.stopped for answer in answers])
    found[f"{name}_target_letter_share"] = profile.letter_share("\n".join(answer.text for answer in answers))
    return found


def _against_training(
    questions: Sequence[Question], answers: Sequence[Answer], seen: Iterable[Seen], profile: LanguageProfile
) -> tuple[list[float], list[bool]]:
    """Share of each answer that is one run of a training text; and whether each question was seen."""
    said = [words(answer.text, profile) for answer in answers]
    asked = [words(question.question, profile) for question in questions]
    copies, sightings = LongestRuns(said), LongestRuns(asked)
    whole, seen_whole = {" ".join(question) for question in asked}, set[str]()
    for text in seen:
        read = words(text.text, profile)
        sightings.read(read)
        if text.learned:
            copies.read(read)
        if len(read) < CONTAMINATED_WORDS and (joined := " ".join(read)) in whole:
            seen_whole.add(joined)
    copied = [run / len(text) if text else 0.0 for run, text in zip(copies.longest(), said, strict=True)]
    runs = zip(sightings.longest(), asked, strict=True)
    return copied, [run >= CONTAMINATED_WORDS or " ".join(text) in seen_whole for run, text in runs]
