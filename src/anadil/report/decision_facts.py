"""The tokenizer decision as decision.json tells it. What is null there was not measured, and stays None."""

import math
import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from anadil.errors import UserError
from anadil.languages import load_profile
from anadil.report.estimate import Estimate
from anadil.report.stored import Number, Part, Text, check, read
from anadil.report.words import plain

DECISION = "decision.json"
FEW_WORDS = 2_000
"""Texts of fewer words say little: their figures are shown with a caveat."""
WRITINGS = {
    "as_written": "as written",
    "ascii": "letters folded to ASCII",
    "uppercase": "UPPERCASE",
    "digits": "digits",
    "emoji": "emoji",
    "code": "code",
}
Role = Literal["recommended", "chosen", "base"]


class Measured(Part):
    """One candidate on one text, or on one way of writing it."""

    language: Text = ""
    documents: Number = None
    words: Number = None
    bytes: Number = None
    tokens: Number = None
    tokens_per_word: Number = None
    low95: Number = None
    high95: Number = None
    bytes_per_token: Number = None
    single_token_words: Number = None
    continued_words: Number = None
    round_trip_failures: Number = None

    @property
    def estimate(self) -> Estimate | None:
        """Tokens per word with their interval; of a single document there is none."""
        if self.tokens_per_word is None:
            return None
        alone = self.documents == 1
        return Estimate(self.tokens_per_word, None if alone else self.low95, None if alone else self.high95)


class InLanguage(Measured):
    """One candidate on one language; `change` is relative to the base: 0.01 is 1% more tokens."""

    role: Literal["target", "kept", "other"] = "other"
    change: Number = None
    change_low95: Number = None
    change_high95: Number = None

    @property
    def payment(self) -> Estimate | None:
        """The change with its interval."""
        return None if self.change is None else Estimate(self.change, self.change_low95, self.change_high95)


class Script(Part):
    """Tokens of a script in the base, and those of them that a candidate left."""

    base: Number = None
    left: Number = None


class Candidate(Part):
    """One vocabulary and all that was measured of it."""

    label: Text
    mode: Text = ""
    vocab_size: Number = None
    new_tokens: Number = None
    kept_tokens: Number = None
    freed_tokens: Number = None
    unused_tokens: Number = None
    unreachable_tokens: Number = None
    rare_new_tokens: Number = None
    embedding_parameters: Number = None
    parameters: Number = None
    flops_per_word: Number = None
    seconds_saved_per_million_words: Number = None
    context_gained: Number = None
    build_seconds: Number = None
    dropped_merges: dict[Text, Number] = Field(default_factory=dict)
    domains: dict[Text, Measured] = Field(default_factory=dict)
    writing: dict[Text, Measured] = Field(default_factory=dict)
    languages: dict[Text, InLanguage] = Field(default_factory=dict)
    scripts: dict[Text, Script] = Field(default_factory=dict)

    @property
    def target(self) -> InLanguage:
        """The target language; empty if it was not measured."""
        return next((found for found in self.languages.values() if found.role == "target"), InLanguage())

    @property
    def worst_kept(self) -> tuple[str, InLanguage] | None:
        """Code and figures of the kept language that pays most."""
        kept = [(code, at) for code, at in self.languages.items() if at.role == "kept" and at.change is not None]
        return max(kept, key=lambda pair: pair[1].change or 0.0) if kept else None

    @property
    def round_trip_failures(self) -> float:
        """Texts that decoding did not give back, over all that was measured."""
        parts = (self.domains, self.writing, self.languages)
        return sum(at.round_trip_failures or 0 for part in parts for at in part.values())


class Word(Part):
    """A word and, by label of a candidate, the pieces it is cut into."""

    word: Text
    count: Number = None
    pieces: dict[Text, list[Text]] = Field(default_factory=dict)


class Recommendation(Part):
    """The candidate recommended, and why."""

    label: Text = ""
    reason: Text = ""


class Decision(Part):
    """All candidates, the one recommended and the one that goes on."""

    target: Text = ""
    target_name: Text = ""
    base_label: Text = ""
    chosen: Text = ""
    domains: list[Text] = Field(default_factory=list)
    recommendation: Recommendation = Recommendation()
    candidates: list[Candidate] = Field(default_factory=list)
    words: list[Word] = Field(default_factory=list)

    def find(self, label: str) -> Candidate | None:
        """The candidate of this label."""
        return next((candidate for candidate in self.candidates if candidate.label == label), None)

    @cached_property
    def base(self) -> Candidate | None:
        """The base as it is; None without one."""
        return self.find(self.base_label) if self.base_label else None

    @cached_property
    def subject(self) -> Candidate | None:
        """What the page is about: the recommended one; where that is the base, the best of the others beside it."""
        recommended = self.find(self.recommendation.label)
        if recommended and recommended is not self.base:
            return recommended
        others = [c for c in self.candidates if c is not self.base]
        return min(others, key=lambda c: c.target.tokens_per_word or math.inf, default=self.base)

    @property
    def focus(self) -> list[Candidate]:
        """The candidates that plots and words show by themselves: base, subject, and the chosen one; each once."""
        found = [c for c in (self.base, self.subject, self.find(self.chosen)) if c]
        return list({c.label: c for c in found}.values())

    def roles(self, candidate: Candidate) -> list[Role]:
        """What a candidate is beside being one."""
        labels: dict[Role, str] = {
            "recommended": self.recommendation.label,
            "chosen": self.chosen,
            "base": self.base_label,
        }
        return [role for role, label in labels.items() if label and label == candidate.label]

    def languages(self) -> dict[str, str]:
        """Role of every language measured: the target first, then kept ones, then others."""
        found = {code: at.role for c in self.candidates for code, at in c.languages.items()}
        return dict(sorted(found.items(), key=lambda item: ("target", "kept", "other").index(item[1])))

    def names(self, part: Literal["domains", "writing", "scripts", "dropped_merges"]) -> list[str]:
        """What stands in this part of any candidate: domains in the order of `domains`, ways of writing in ours."""
        found = dict.fromkeys(name for candidate in self.candidates for name in getattr(candidate, part))
        first = [name for name in {"domains": self.domains, "writing": WRITINGS}.get(part, []) if name in found]
        return list(dict.fromkeys([*first, *found]))

    def domain(self, name: str) -> Measured:
        """This text with the first candidate that was measured on it: for its language and size."""
        return next((c.domains[name] for c in self.candidates if name in c.domains), Measured())

    def few_words(self, part: Literal["domains", "writing"]) -> dict[str, float]:
        """Texts, or ways of writing, with fewer than `FEW_WORDS` words, and how many they have."""
        found = {name: at.words for c in self.candidates for name, at in getattr(c, part).items()}
        return {name: count for name, count in found.items() if count is not None and count < FEW_WORDS}

    def telling_words(self) -> Iterator[Word]:
        """The words that base and subject cut differently; all words where there are not both."""
        both = [c.label for c in self.focus[:2]] if self.base and self.subject is not self.base else []
        for word in self.words:
            cut = [word.pieces.get(label) for label in both]
            if not both or (cut[0] != cut[1] and None not in cut):
                yield word


def decision_facts(decision: Mapping[str, Any], where: str = "the decision") -> Decision:
    """The decision, checked; UserError if it is none (`where` names it)."""
    return check(Decision, decision, where, hint="build the tokenizer again to write it anew")


def read_decision(path: Path) -> Decision:
    """decision.json as facts; UserError if the file is missing or no decision."""
    found = read(path, "decision", hint="the stage tokenizer and `anadil tokenizer build` write it")
    return decision_facts(found, str(path))


@cache  # a page asks for the same few names hundreds of times
def language_name(code: str) -> str:
    """A language's English name where there is a profile of it, else the name it was measured under."""
    if not re.fullmatch("[a-z]{2,8}", code):
        return code
    try:
        return plain(load_profile(code).name)
    except UserError:
        return code
