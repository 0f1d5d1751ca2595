"""What the code needs to know of a language. Everything that differs between languages is data in these files.

A profile is `languages/<code>.toml` here, or any file of that form named in the recipe.
"""

import hashlib
import json
import re
import tomllib
import unicodedata
from collections.abc import Collection, Iterator
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from anadil.errors import UserError


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


RegularExpression = Annotated[str, AfterValidator(_compiles)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Identity(_Table):
    """A kind of identity number or document."""

    pattern: RegularExpression = Field(description="regular expression; its first group, if it has one, is the number")
    context: list[str] = Field(
        default=[], description="words, lowercase, one of which must begin a word near it; none: no such word"
    )
    reach: int = Field(default=110, description="characters before it, and half as many behind it, that are near")


class PersonalData(_Table):
    """Personal data as this country writes it. E-mail, IP, cards and bank accounts are the same everywhere."""

    phone_regions: list[str] = Field(default=[], description="two-letter codes of countries whose numbers are national")
    phone_context: list[str] = Field(
        default=[], description="words, lowercase, near which a number without its first digits is a phone's"
    )
    capital_area_code: str = Field(default="", description="area code that people of the capital leave out")
    old_trunk: str = Field(default="", description="first digits of long-distance calls as older people write them")
    identity: list[Identity] = Field(default=[], description="identity numbers and documents")
    guests: list[str] = Field(
        default=[], description="languages of people from abroad, whose numbers are found near words of theirs or ours"
    )
    numbering: list[str] = Field(
        default=[],
        description="words, lowercase, beside which 10.2.3.1 is no network address: article, version",
    )
    ordinals: list[str] = Field(default=[], description="endings, after a hyphen, that make a number an ordinal one")


class Neighbour(_Table):
    """A language that detectors mistake for this one."""

    code: str
    marks: list[str] = Field(default=[], description="words or letters that this language never has")
    words: list[RegularExpression] = Field(
        default=[],
        description="regular expressions of whole words, or of two with a blank, in small letters folded by ascii_fold,"
        " that no answer in this language has",
    )
    spellings: list[RegularExpression] = Field(
        default=[],
        description="the same in small letters as written, for texts with a letter that only this language has",
    )


class Refusals(_Table):
    """Answers of the chatbot that are not the model's."""

    unknown: str = ""
    out_of_scope: str = ""
    unsafe: str = ""


class Grounding(_Table):
    """Words of a question that is asked with passages, and of the rows that such answers are learned from."""

    passages: str = Field(default="Information", description="what stands above the passages")
    question: str = Field(default="Question", description="what stands before the question")
    asks_of_table: list[str] = Field(
        default=["{name}: {column}?"], description="questions about a cell, with {name} and {column}"
    )
    answers_of_table: str = Field(
        default="{name}, {column}: {value}.", description="their answer, with {name}, {column} and {value}"
    )
    asks_for_person: list[str] = Field(default=[], description="how customers ask for a person instead of a program")
    hands_over: str = Field(default="", description="what is said to them")


class Answers(_Table):
    """What the judges of generated answers know. Patterns are regular expressions, sought in small letters folded by
    `ascii_fold`; `toxic` and `suffixes` are plain."""

    refuses: list[RegularExpression] = Field(
        default=[], description="patterns of a sentence whose speaker declines, or does not know"
    )
    hands_over: list[RegularExpression] = Field(
        default=[], description="patterns of a sentence whose speaker passes the user on, whatever else is said"
    )
    evades: list[RegularExpression] = Field(
        default=[],
        description="patterns of a sentence that names who may help, or what is not told; refuses if all else is empty",
    )
    empty: list[RegularExpression] = Field(
        default=[], description="patterns of a sentence that says nothing: greeting, regret, request to wait"
    )
    taken_back: list[RegularExpression] = Field(
        default=[], description="patterns of a part, behind a refusal, that begins to answer all the same"
    )
    seeming: list[RegularExpression] = Field(
        default=[], description="patterns that only look like a refusal and are left out before the others are sought"
    )
    idle_numbers: list[RegularExpression] = Field(
        default=[], description="patterns of numbers that answer nothing: whom to ring, how long to wait"
    )
    toxic: list[str] = Field(
        default=[], description="insults, as written; suffixes may follow, and letters may be hidden in them"
    )
    toxic_phrases: list[RegularExpression] = Field(
        default=[], description="patterns of insults and threats that no single word shows"
    )
    harmless: list[RegularExpression] = Field(
        default=[], description="patterns that hold an insult and are none; left out before insults are sought"
    )
    suffixes: list[str] = Field(default=[], description="suffixes, as written, in each form that they take")
    suffixes_after_vowel: list[str] = Field(default=[], description="those that only follow a vowel")
    suffixes_after_consonant: list[str] = Field(default=[], description="those that only follow a consonant")
    harmony: list[str] = Field(
        default=[], description="groups of vowels; those of a suffix are of the group of the vowel before it"
    )
    softened: dict[str, str] = Field(
        default={}, description="last letter of a stem before a vowel -> the letter in its dictionary form"
    )


class Thresholds(_Table):
    """Limits of the corpus filter."""

    min_words: int = Field(default=5, description="documents of fewer words are rejected")
    min_script_share: float = Field(default=0.6, description="least share of letters that are the language's")
    prose: bool = Field(default=True, description="whether lists, tables and repetitions are no text; not so in code")


class LanguageProfile(_Table):
    """One language. `letters` is the lowercase alphabet; everything else has a usable default."""

    version: int = 1
    code: str
    name: str = Field(description="its name in English")
    own_name: str = Field(default="", description="its name in the language itself")
    letters: str
    casing_pairs: list[tuple[str, str]] = Field(default=[], description="lower, upper where Unicode's default is wrong")
    look_alikes: dict[str, str] = Field(default={}, description="foreign letter -> the letter it is meant to be")
    ascii_fold: dict[str, str] = Field(
        default={},
        description="letter -> what people type without it: ASCII in Latin scripts, in others letters of the keyboard",
    )
    apostrophes: list[str] = Field(default=["'"], description="characters used as an apostrophe; the first is standard")
    digit_separators: list[str] = Field(default=[" ", "."], description="characters between groups of digits")
    personal_data: PersonalData = PersonalData()
    neighbours: list[Neighbour] = []
    page: dict[str, str] = Field(default={}, description="strings of the chat page, terminal chat and review page")
    refusals: Refusals = Refusals()
    grounding: Grounding = Grounding()
    answers: Answers = Answers()
    eval_sets: dict[str, str] = Field(default={}, description="task -> name of the public evaluation set")
    boilerplate: list[RegularExpression] = Field(
        default=[], description="regular expressions of whole lines that pages repeat: menus, share buttons, notices"
    )
    thresholds: Thresholds = Thresholds()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for problem in _problems(self):
            raise ValueError(problem)
        return self

    @cached_property
    def _lower(self) -> dict[int, str]:
        return {ord(upper): lower for lower, upper in self.casing_pairs}

    @cached_property
    def _upper(self) -> dict[int, str]:
        return {ord(lower): upper for lower, upper in self.casing_pairs}

    @cached_property
    def _fold(self) -> dict[int, str]:
        pairs = {ord(letter): plain for letter, plain in self.ascii_fold.items()}
        return pairs | {ord(self.upper(letter)): plain.upper() for letter, plain in self.ascii_fold.items()}

    @cached_property
    def alphabet(self) -> frozenset[str]:
        """The letters in both cases."""
        return frozenset(self.letters) | frozenset(self.upper(self.letters))

    def lower(self, text: str) -> str:
        """Lowercase as this language does it: in Azerbaijani I -> ı and İ -> i."""
        return text.translate(self._lower).lower()

    def upper(self, text: str) -> str:
        """Uppercase as this language does it: in Azerbaijani i -> İ."""
        return text.translate(self._upper).upper()

    def fold_ascii(self, text: str) -> str:
        """The text as typed on a keyboard without this language's letters; ASCII only where the script is Latin."""
        return text.translate(self._fold)

    def fold_for_comparison(self, text: str) -> str:
        """Small letters, and those that people type others for as these: one text typed in two ways becomes one."""
        text = text.replace("İ", "i").lower()
        if not text.isascii():
            for letter, plain in self.ascii_fold.items():
                text = text.replace(letter, plain)
        return text

    def letter_share(self, text: str) -> float:
        """Share of the alphabetic characters of `text` that are this language's; 0 for a text without letters."""
        letters = [c for c in unicodedata.normalize("NFC", text) if c.isalpha()]
        return sum(c in self.alphabet for c in letters) / len(letters) if letters else 0.0


def _problems(profile: LanguageProfile) -> Iterator[str]:
    """What is wrong with the letters of a profile, the field first."""
    single = {"casing_pairs": [one for pair in profile.casing_pairs for one in pair]}
    single |= {
        "look_alikes": [*profile.look_alikes, *profile.look_alikes.values()],
        "ascii_fold": [*profile.ascii_fold],
    }
    for field, entries in single.items():
        yield from (f"{field}: {one!r} is not one character (in the form NFC)" for one in entries if len(one) != 1)
    if unicodedata.normalize("NFC", profile.letters) != profile.letters:
        yield "letters: not in the form NFC"
    for letter in profile.letters:
        yield from _letter_problems(profile, letter)
    yield from (
        f"ascii_fold: {one!r} is not among the letters" for one in profile.ascii_fold if one not in profile.letters
    )
    yield from (
        f"look_alikes: {one!r} is a letter of the language" for one in profile.look_alikes if one in profile.alphabet
    )


def _letter_problems(profile: LanguageProfile, letter: str) -> Iterator[str]:
    upper = profile.upper(letter)
    if unicodedata.category(letter)[0] not in "LM":
        yield f"letters: {letter!r} is no letter"
    if profile.letters.count(letter) > 1 and not unicodedata.combining(letter):
        yield f"letters: {letter!r} stands there twice"
    if profile.lower(letter) != letter:
        yield f"letters: {letter!r} is not lowercase"
    elif len(upper) != 1:
        yield f"casing_pairs: the capital of {letter!r} is {upper!r}; give a pair with the one letter that it should be"
    elif profile.lower(upper).casefold() != letter.casefold():  # casefold: σ and ς have one capital, which is right
        yield f"casing_pairs: {letter!r} -> {upper!r} -> {profile.lower(upper)!r}; give a pair for each of the two"


def known_languages() -> list[str]:
    """Codes of the profiles that come with the package."""
    return sorted(f.name.removesuffix(".toml") for f in resources.files(__name__).iterdir() if f.name.endswith(".toml"))


def profile_source(code_or_path: str) -> Path:
    """The file of a profile, by language code or by path; UserError if there is none."""
    path = Path(code_or_path)
    if path.suffix != ".toml":
        path = Path(str(resources.files(__name__))) / f"{code_or_path}.toml"
    if not path.is_file():
        hint = f"known languages: {', '.join(known_languages())}; or name the path of a profile of your own (.toml)"
        raise UserError(f"no profile for language {code_or_path!r}", hint=hint)
    return path


def profile_digest(code_or_path: str, *, without: Collection[str] = ()) -> str:
    """sha256 of what a profile says, but for the tables in `without`: what a stage does not read does not change it."""
    said = load_profile(code_or_path).model_dump(mode="json", exclude=set(without))
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def language_key(code_or_path: str) -> str:
    """What files call a language: its code, or the file name of a profile of one's own, wherever that lies."""
    return Path(code_or_path).name


def load_profile(code_or_path: str) -> LanguageProfile:
    """Read a language profile, by code (`az`) or path (`./mine.toml`)."""
    path = profile_source(code_or_path)
    try:
        return LanguageProfile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid TOML: {error}", hint="mend the file at the place named") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        what = ": ".join(filter(None, [str(path), key, first["msg"].removeprefix("Value error, ")]))
        raise UserError(what, hint="docs/languages.md says of every field what it holds") from error
