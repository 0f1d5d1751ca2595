"""From the dialogues of a recipe to rows that are learned: read, checked, grounded, typed as people type, rendered."""

import hashlib
import random
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anadil.corpus.personal_data import Finder
from anadil.dialogues.account import Account, Dialogue
from anadil.dialogues.checks import in_language, once, unseen, without_personal_data
from anadil.dialogues.ground import grounded_rows
from anadil.dialogues.passages import Passage
from anadil.dialogues.read import Fields, read_dialogues
from anadil.dialogues.rows import Row, RowMaker
from anadil.dialogues.template import named, template_asked_for
from anadil.errors import UserError
from anadil.languages import LanguageProfile, load_profile
from anadil.recipe import Recipe, Sft
from anadil.tokenizer.marks import mapped
from anadil.tokenizer.template import Template, parse


@dataclass
class Prepared:
    """Rows to learn from, rows that are held out, and the account."""

    rows: list[Row]
    heldout: list[Row]
    account: Account


@dataclass(frozen=True)
class Surroundings:
    """What the rows depend on besides [sft]."""

    profile: LanguageProfile
    seed: int = 0
    system_prompt: str = ""
    questions: Path | None = None
    """Evaluation questions: a dialogue that holds one is left out."""
    own_contacts: Sequence[str] = ()
    language: str = ""
    """Code or path of the profile; none: its code."""

    @classmethod
    def of(cls, recipe: Recipe) -> "Surroundings":
        """Those of a recipe."""
        profile, prompt = load_profile(recipe.language), recipe.serve.system_prompt
        return cls(profile, recipe.seed, prompt, recipe.evaluate.questions, recipe.corpus.own_contacts, recipe.language)


def prepare(settings: Sft, template: Template, around: Surroundings) -> Prepared:
    """The rows of a recipe; UserError for what cannot be learned from, naming the row."""
    account, profile = Account(), around.profile
    dialogues = list(once(all_dialogues(settings, around, account), account))
    dialogues = unseen(dialogues, around.questions, profile, around.language or profile.code, account)
    dialogues = in_language(dialogues, profile, settings.other_languages == "drop", account)
    if settings.personal_data != "keep":
        finder = Finder(profile, around.own_contacts)
        dialogues = list(without_personal_data(dialogues, finder, settings.personal_data == "drop", account))
    split = settings.over_long == "split"
    maker = RowMaker(
        template, profile, settings.sequence_length, split, settings.typed_share, around.system_prompt, account
    )
    rows, heldout = list[Row](), list[Row]()
    for number, one in enumerate(dialogues):
        found = maker.rows(one, random.Random(f"{around.seed} {number}"))
        is_heldout = _share(one, profile) < settings.heldout_share
        (heldout if is_heldout else rows).extend(found)
        account.kept += bool(found)
        account.heldout += bool(found) and is_heldout
    account.learned_tokens = sum(sum(row.rendered.learned[1:]) for row in rows)
    _check(settings, maker.too_long, account)
    assert account.closes, account
    return Prepared(rows, heldout, account)


def all_dialogues(settings: Sft, around: Surroundings, account: Account | None = None) -> Iterator[Dialogue]:
    """The dialogues of the files, and the grounded ones, as they are before any check."""
    account = Account() if account is None else account

    def pass_over(reason: str, error: UserError) -> None:
        if settings.on_error == "stop":
            hint = 'mend the row, or set sft.on_error = "skip" to leave such rows out'
            raise UserError(error.what, hint=f"{error.hint}; {hint}") from error
        account.read += 1
        account.out[reason] += 1

    for place, messages in read_dialogues(settings.data, _fields(settings), pass_over):
        account.read += 1
        yield Dialogue(place, [mapped(message, _nfc) for message in messages])
    made = grounded_rows(settings.grounded, _fields(settings), around.profile, around.seed, pass_over)
    for number, row in enumerate(made, 1):
        account.made[row.kind] += 1
        messages = [{"role": "user", "content": _nfc(row.question)}, {"role": "assistant", "content": _nfc(row.answer)}]
        passages = tuple(Passage(_nfc(one.text), _nfc(one.title)) for one in row.passages)
        yield Dialogue(f"grounded row {number}", messages, row.kind, passages)


def check(settings: Sft, around: Surroundings, base: Path | None) -> None:
    """What can be known before a model is there: every row is a conversation, and the template is one."""
    for _ in all_dialogues(settings, around):
        pass
    text = template_asked_for(settings, base)
    if text is not None:
        with named(settings):
            parse(text)


def _fields(settings: Sft) -> Fields:
    return Fields(settings.prompt_field, settings.answer_field)


def _share(one: Dialogue, profile: LanguageProfile) -> float:
    """A number below 1 that the first question alone sets: what is asked in training is not asked again held out."""
    digest = hashlib.sha256(profile.fold_for_comparison(one.question).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64


def _check(settings: Sft, too_long: Sequence[str], account: Account) -> None:
    if too_long and settings.over_long == "error":
        what = (
            f"{len(too_long)} of {account.all} dialogues are longer than sequence_length = {settings.sequence_length}"
        )
        hint = 'raise sft.sequence_length, or set sft.over_long = "split" or "drop"'
        raise UserError(f"{what} tokens, the first is {too_long[0]}", hint=hint)
    if not account.all:
        files = ", ".join(map(str, settings.data))
        raise UserError(f"no dialogue in {files}", hint="check sft.data")
    if not account.learned_tokens:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(account.out.items()) if count)
        what = f"none of {account.all} dialogues has something to learn: {reasons or 'all are held out'}"
        raise UserError(what, hint="look at them with `anadil sft inspect`; check sft.data and sft.heldout_share")


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
