"""Grounded rows from what a team has: a question with passages, and the answer that these allow.

Of three kinds: answered, with the number of the passage; unanswerable, where no passage says it; handed over, where a
person is asked for. Which passages stand beside the right one, and where, follows from the row's number and the seed.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from pathlib import Path

from anadil.corpus.files import kind_of
from anadil.dialogues.passages import Passage, cited
from anadil.dialogues.read import Fields, OnError, dialogue_files, read_dialogues, read_rows
from anadil.errors import UserError
from anadil.languages import LanguageProfile
from anadil.recipe import Grounded

KINDS = ("answered", "unanswerable", "handed_over")
_UNIT = re.compile(r"(?P<name>.*?)\s*\((?P<unit>[^()]+)\)\s*\Z")
_NUMBER = re.compile(r"[0-9]+")
_WORD = re.compile(r"\w{3,}")
_NEAREST = 8
"""Passages most like the right one, among which those beside it are chosen."""


@dataclass(frozen=True)
class GroundedRow:
    """A question with passages and what is to be answered."""

    kind: str
    question: str
    passages: tuple[Passage, ...]
    answer: str


@dataclass(frozen=True)
class _Known:
    """A question whose answer stands in a passage."""

    question: str
    answer: str
    passage: Passage


def grounded_rows(
    settings: Grounded, fields: Fields, profile: LanguageProfile, seed: int, on_error: OnError | None = None
) -> list[GroundedRow]:
    """A row for each question of the FAQ and of the tables; UserError for files without any.

    `on_error` as for `read_dialogues`: of the FAQ.
    """
    known = [*_of_faq(settings.faq, fields, on_error), *_of_tables(settings, profile, seed)]
    if not known:
        if named := [*settings.faq, *settings.tables]:
            what = f"sft.grounded makes no row of {', '.join(map(str, named))}"
            raise UserError(what, hint="a table needs rows below its header, a FAQ questions with answers")
        return []
    passages = list(dict.fromkeys(one.passage for one in known))
    near = _Nearness(passages, profile)
    return [_row(one, near, settings, profile, random.Random(f"{seed} {n}")) for n, one in enumerate(known)]


def _row(
    one: _Known, near: "_Nearness", settings: Grounded, profile: LanguageProfile, rng: random.Random
) -> GroundedRow:
    drawn, words, count = rng.random() - settings.handover_share, profile.grounding, rng.randint(1, settings.passages)
    others = near.to(one.passage, lambda other: not _tells(other, one, profile))
    others = rng.sample(others, min(len(others), count))
    if 0 <= drawn < settings.unanswerable_share and others and profile.refusals.unknown:
        return GroundedRow("unanswerable", one.question, tuple(others), profile.refusals.unknown)
    others = others[: count - 1]
    if drawn < 0 and words.asks_for_person and words.hands_over:
        return GroundedRow("handed_over", rng.choice(words.asks_for_person), tuple(others), words.hands_over)
    shown = [*others, one.passage]
    rng.shuffle(shown)
    return GroundedRow("answered", one.question, tuple(shown), f"{one.answer} {cited(shown.index(one.passage) + 1)}")


def _tells(passage: Passage, one: _Known, profile: LanguageProfile) -> bool:
    """Whether a passage may answer a question too: it holds the same answer, or is about the same."""
    fold = profile.fold_for_comparison
    return fold(one.answer) in fold(passage.text) or fold(one.passage.title) == fold(passage.title)


def _of_faq(places: Sequence[Path], fields: Fields, on_error: OnError | None) -> Iterator[_Known]:
    """Each question of a customer with what was answered; a transcript has several."""
    for _, messages in read_dialogues(places, fields, on_error, key="sft.grounded.faq"):
        for asked, answered in pairwise(messages):
            if asked["role"] == "user" and answered["role"] == "assistant" and answered["content"].strip():
                question, answer = asked["content"].strip(), answered["content"].strip()
                yield _Known(question, answer, Passage(answer, question))


def _of_tables(settings: Grounded, profile: LanguageProfile, seed: int) -> Iterator[_Known]:
    for file in (file for place in settings.tables for file in dialogue_files(place, "sft.grounded.tables")):
        if kind_of(file) in (None, ".jsonl"):
            raise UserError(f"{file}: a table is a csv, tsv or parquet file", hint="or name it in sft.grounded.faq")
        for number, (where, row) in enumerate(read_rows(file)):
            cells = [(column, "" if value is None else str(value).strip()) for column, value in row.items()]
            named, cells = bool(cells and cells[0][1]), [(column, text) for column, text in cells if text]
            if not named or len(cells) < 2:
                found = f"{len(cells)} cells" if named else "no name in the first column"
                what = f"{where}: a row of a table needs a name and a value, it has {found}"
                raise UserError(what, hint="the first column is the name, the others what is known of it")
            for time in range(1 + settings.invented):
                rng = random.Random(f"{seed} {file.name} {number} {time}")
                shown = [cells[0], *((column, _invented(text, rng) if time else text) for column, text in cells[1:])]
                if not time or shown != cells:  # without a number nothing can be invented
                    yield from _of_row(shown, profile, rng, settings.questions_a_row)


def _of_row(
    cells: Sequence[tuple[str, str]], profile: LanguageProfile, rng: random.Random, questions: int
) -> Iterator[_Known]:
    name, words = cells[0][1], profile.grounding
    facts = [(*_unit(column), value) for column, value in cells[1:]]
    passage = Passage("\n".join(f"{column}: {_valued(value, unit)}" for column, unit, value in facts), name)
    for column, unit, value in rng.sample(facts, min(questions, len(facts))):
        question = rng.choice(words.asks_of_table).format(name=name, column=column)
        answer = words.answers_of_table.format(name=name, column=column, value=_valued(value, unit))
        yield _Known(question, answer, passage)


def _invented(text: str, rng: random.Random) -> str:
    """With other numbers of as many digits."""
    return _NUMBER.sub(lambda found: str(rng.randrange(10 ** (len(found[0]) - 1), 10 ** len(found[0]))), text)


def _unit(column: str) -> tuple[str, str]:
    """`price (AZN)` as name and unit."""
    match = _UNIT.fullmatch(column.strip())
    return (match["name"], match["unit"]) if match else (column.strip(), "")


def _valued(value: str, unit: str) -> str:
    return f"{value} {unit}" if unit else value


class _Nearness:
    """Of each passage those that share most of its rarer words: beside it they are hard to tell apart."""

    def __init__(self, passages: Sequence[Passage], profile: LanguageProfile):
        self._passages = passages
        self._words = [set(_WORD.findall(profile.fold_for_comparison(f"{p.title} {p.text}"))) for p in passages]
        self._holders: dict[str, list[int]] = {}
        for number, words in enumerate(self._words):
            for word in sorted(words):
                self._holders.setdefault(word, []).append(number)
        self._places = {passage: number for number, passage in enumerate(passages)}

    def to(self, passage: Passage, suits: Callable[[Passage], bool]) -> list[Passage]:
        """The nearest of those that suit, the most alike first; never itself."""
        number = self._places[passage]
        shared: dict[int, float] = {}
        for word in sorted(self._words[number]):
            holders = self._holders[word]
            if len(holders) <= max(_NEAREST, len(self._passages) // 2):
                for other in holders:
                    shared[other] = shared.get(other, 0.0) + 1 / len(holders)
        shared.pop(number, None)
        ranked = sorted(shared, key=lambda other: (-shared[other], other))
        rest = (other for other in range(len(self._passages)) if other != number and other not in shared)
        return list(islice(filter(suits, (self._passages[other] for other in chain(ranked, rest))), _NEAREST))
