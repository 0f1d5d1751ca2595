"""What is reviewed: questions that two models answered, and in which order and on which side a reviewer sees them."""

import hashlib
import json
import random
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from anadil.dialogues.read import read_rows
from anadil.errors import UserError

BASE = "base"
"""Instead of a second run: the base of the first."""
ASKED = {"answers.jsonl": "question", "produced.jsonl": "prompt"}
"""Files of the stage evaluate that hold answers, and where each keeps the question."""

Said = dict[tuple[str, str], str]
"""(file, question) -> answer"""


@dataclass(frozen=True)
class Pair:
    """A question with the answers of A and of B; `system` is what was said to both before it."""

    question: str
    a: str
    b: str
    system: str = ""

    @cached_property
    def key(self) -> str:
        """The same for the same texts: votes are on these, whatever later runs answer."""
        parts = json.dumps([self.system, self.question, self.a, self.b], ensure_ascii=False)
        return hashlib.sha256(parts.encode()).hexdigest()[:32]

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation that was answered."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, {"role": "user", "content": self.question}]


@dataclass(frozen=True)
class Pairs:
    """The pairs that are shown, and how many more questions have the same answer twice: ties that nobody has to see."""

    shown: list[Pair]
    identical: int


@dataclass(frozen=True)
class Placed:
    """A pair as a reviewer sees it."""

    pair: Pair
    a_is_left: bool


def find_pairs(run_a: Path, run_b: Path | None) -> Pairs:
    """What both runs answered; `run_b` None is the base of A. UserError where there is nothing to compare."""
    if run_b and run_a.resolve() == run_b.resolve():
        hint = f"name another run, or `{BASE}` for the base of the first"
        raise UserError(f"{run_a} and {run_b} are the same run", hint=hint)
    said_a, said_b = _said(run_a, "answer"), _said(run_b or run_a, "answer" if run_b else "base_answer")
    if not (common := [place for place in said_a if place in said_b]):
        raise _nothing_in_common(run_a, run_b, has_b=bool(said_b))
    system = _system_prompt(run_a)
    system = system if run_b is None or system == _system_prompt(run_b) else ""
    pairs = {(place[1], said_a[place], said_b[place]): None for place in common}
    shown = [Pair(*texts, system) for texts in pairs if _plain(texts[1]) != _plain(texts[2])]
    return Pairs(shown, len(pairs) - len(shown))


def place(pairs: Sequence[Pair], reviewer: str, seed: int) -> list[Placed]:
    """The pairs in this reviewer's own order, A on the left in half of them (one more or less where they are odd)."""
    drawn = random.Random(f"{seed} {reviewer}")
    ordered = sorted(pairs, key=lambda pair: pair.key)  # whatever order the files have
    drawn.shuffle(ordered)
    first = drawn.randrange(2)
    sides = [(first + number) % 2 == 0 for number in range(len(ordered))]
    drawn.shuffle(sides)
    return [Placed(pair, a_is_left) for pair, a_is_left in zip(ordered, sides, strict=True)]


def _said(run: Path, field: str) -> Said:
    """What a model answered; the first time where it was asked twice. UserError where the run has no answers at all."""
    found: Said = {}
    files = [run / "evaluate" / name for name in ASKED if (run / "evaluate" / name).is_file()]
    if not files:
        hint = "set evaluate.questions in its recipe, then run that to the end: anadil run RECIPE"
        raise UserError(f"{run} has no answers: there is no {run / 'evaluate' / next(iter(ASKED))}", hint=hint)
    for file in files:
        for question, answer in _rows(file, field):
            found.setdefault((file.name, question), answer)
    return found


def _rows(file: Path, field: str) -> Iterator[tuple[str, str]]:
    for where, row in read_rows(file):
        question, answer = row.get(ASKED[file.name]), row.get(field)
        if answer is None and field == "base_answer":
            continue
        if not isinstance(question, str) or not isinstance(answer, str):
            what = f"{where}: `{ASKED[file.name]}` and `{field}` have to be text"
            raise UserError(what, hint="the stage evaluate writes this file: run it again")
        yield _text(question), _text(answer)


def _nothing_in_common(run_a: Path, run_b: Path | None, *, has_b: bool) -> UserError:
    if run_b is None and not has_b:
        hint = "a base without chat tokens answers nothing: name another run"
        return UserError(f"{run_a} has no answers of its base", hint=hint)
    what = f"{run_a} and {run_b or BASE} answered no question that is the same"
    return UserError(what, hint="give both recipes the same evaluate.questions")


def _system_prompt(run: Path) -> str:
    facts: dict[str, Any] = json.loads((run / "run.json").read_bytes())
    return str(facts["recipe"].get("serve", {}).get("system_prompt", ""))


def _text(text: str) -> str:
    """Without halves of surrogate pairs, which JSON can name and UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode()


def _plain(answer: str) -> str:
    return unicodedata.normalize("NFC", answer).strip()
