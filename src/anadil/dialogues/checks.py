"""Which dialogues are not learned from: said twice, asked in an evaluation, in another language, with personal data."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from anadil.corpus.contamination import overlaps_of
from anadil.corpus.language import load_detector
from anadil.corpus.paragraphs import LanguageFilter
from anadil.corpus.personal_data import Finder, mask
from anadil.corpus.words import words_of
from anadil.dialogues.account import Account, Dialogue
from anadil.dialogues.passages import Passage
from anadil.errors import UserError
from anadil.languages import LanguageProfile
from anadil.recipe import EvaluationSet
from anadil.tokenizer.marks import mapped

LEAST_WORDS = 10
"""Of an answer, for its language to be told."""


def once(dialogues: Iterable[Dialogue], account: Account) -> Iterator[Dialogue]:
    """Each conversation once."""
    seen = set[str]()
    for one in dialogues:
        key = repr((one.messages, one.passages))
        if key in seen:
            account.out["duplicate"] += 1
            continue
        seen.add(key)
        yield one


def unseen(
    dialogues: list[Dialogue], questions: Path | None, profile: LanguageProfile, language: str, account: Account
) -> list[Dialogue]:
    """Without those that hold a question on which the model will be measured, or its answer, however typed."""
    if questions is None:
        return dialogues
    if not questions.is_file():
        raise UserError(f"no questions at {questions}", hint="check evaluate.questions")
    table = EvaluationSet(name="questions", path=questions, fields=["question", "reference"], language=language)
    texts = [profile.fold_for_comparison(one.text) for one in dialogues]
    items = overlaps_of([table]).items(words_of(texts)).tolist()
    kept = [one for one, item in zip(dialogues, items, strict=True) if item < 0]
    account.out["in_evaluation"] += len(dialogues) - len(kept)
    return kept


def in_language(dialogues: list[Dialogue], profile: LanguageProfile, drop: bool, account: Account) -> list[Dialogue]:
    """Count the answers in other languages; without them if they are to be dropped."""
    if profile.code not in load_detector().languages:
        return dialogues
    kept, parts = [], LanguageFilter(profile).parts([one.answers for one in dialogues])
    for one, part in zip(dialogues, parts, strict=True):
        other = one.kind == "given" and not part.text and len(one.answers.split()) >= LEAST_WORDS
        account.languages[part.instead or "unknown"] += other
        if other and drop:
            account.out["other_language"] += 1
        else:
            kept.append(one)
    return kept


def without_personal_data(
    dialogues: Iterable[Dialogue], finder: Finder, drop: bool, account: Account
) -> Iterator[Dialogue]:
    """With what is personal masked in messages and passages; without those that hold any if they are to be dropped."""
    for one in dialogues:
        found, answers = 0, one.answers

        def masked(text: str) -> str:
            nonlocal found
            spans = finder.find(text)
            found += len(spans)
            return mask(text, spans) if spans else text

        one.messages = [mapped(message, masked) for message in one.messages]
        one.passages = tuple(Passage(masked(passage.text), masked(passage.title)) for passage in one.passages)
        if found and drop:
            account.out["personal_data"] += 1
            continue
        account.changed["masked"] += bool(found)
        account.changed["answer_masked"] += one.answers != answers
        yield one
