"""A proof as proof.json tells it: rows of training with each vocabulary, measured at the same points."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field

from anadil.report.decision_facts import language_name
from anadil.report.estimate import Estimate
from anadil.report.stored import Number, Part, Text, check, read

PROOF = "proof.json"
BASE = "keep"
"""The candidate that all others are held against: the base's own vocabulary."""
START = "start"
FEW_DOCUMENTS = 50


class Measured(Part):
    """Bits per byte, mean over seeds, with their interval over documents."""

    value: Number = None
    low95: Number = None
    high95: Number = None

    @property
    def estimate(self) -> Estimate | None:
        return None if self.value is None else Estimate(self.value, self.low95, self.high95)


class Bucket(Part):
    """The target's tokens that occur so often in the training text: `start` times or more."""

    start: Number = Field(default=None, alias="from")
    tokens: Number = None
    bytes: Number = None
    bits: Number = None

    @property
    def bits_per_byte(self) -> float | None:
        return self.bits / self.bytes if self.bytes and self.bits is not None else None


class FullCorpus(Part):
    """One time over the whole training text: how long, and what might come of it."""

    megabytes: Number = None
    seconds: Number = None
    bits_per_byte: Number = None


class Candidate(Part):
    """One vocabulary: its points are updates by name, its languages bits per byte by language and point."""

    label: Text
    vocab_size: Number = None
    seconds_per_step: Number = None
    tokens_per_second: Number = None
    points: dict[Text, Number] = Field(default_factory=dict)
    epochs: Number = None
    languages: dict[Text, dict[Text, Measured]] = Field(default_factory=dict)
    by_frequency: list[Bucket] = Field(default_factory=list)
    full_corpus: FullCorpus = FullCorpus()

    def at(self, language: str, point: str) -> Estimate | None:
        """Bits per byte; None where they were not measured."""
        return self.languages.get(language, {}).get(point, Measured()).estimate

    def seconds(self, point: str) -> float | None:
        """Seconds in updates until a point, measurements left out."""
        updates = self.points.get(point)
        return None if updates is None or self.seconds_per_step is None else updates * self.seconds_per_step

    def byte_share(self, bucket: Bucket) -> float | None:
        """Share of the target's bytes that the tokens of a bucket spell."""
        whole = sum(one.bytes or 0 for one in self.by_frequency)
        return bucket.bytes / whole if whole and bucket.bytes is not None else None


class Comparison(Part):
    """Bits per byte of a candidate against those of `keep`, on the same documents; `share` is relative to `keep`."""

    language: Text = ""
    label: Text
    at: Text = ""
    keep: Number = None
    share: Number = None
    change: Number = None
    low95: Number = None
    high95: Number = None
    by_seed: list[Number] = Field(default_factory=list)

    @property
    def estimate(self) -> Estimate | None:
        """The change; below zero is better."""
        return None if self.change is None else Estimate(self.change, self.low95, self.high95)

    @property
    def shares(self) -> Estimate | None:
        """The change and its interval as shares of what `keep` has."""
        if self.share is None or not self.keep:
            return None
        low, high = (None if end is None else end / self.keep for end in (self.low95, self.high95))
        return Estimate(self.share, low, high)

    @property
    def seeds_disagree(self) -> bool:
        """Whether the candidate is better with one order of the text and worse with another."""
        known = [one for one in self.by_seed if one is not None]
        return bool(known) and min(known) < 0 < max(known)


class Domain(Part):
    """Held-out texts."""

    language: Text = ""
    documents: Number = None


class Training(Part):
    """How every row was trained."""

    learning_rate: Number = None
    sequence_length: Number = None
    global_batch_tokens: Number = None
    precision: Text = ""


class Settings(Part):
    """What was asked for."""

    megabytes: list[Number] = Field(default_factory=list)
    replay: Number = None
    seeds: Number = None
    training: Training = Training()


class Verdict(Part):
    """Go or not, with which candidate, and what speaks against each of the others."""

    go: bool = False
    label: Text = ""
    against: dict[Text, Text] = Field(default_factory=dict)
    limit: float | None = None


class Proof(Part):
    """All candidates, their comparisons with `keep`, and the verdict."""

    target: Text = ""
    target_name: Text = ""
    base: Text = ""
    settings: Settings = Settings()
    candidates: list[Candidate] = Field(default_factory=list)
    domains: dict[Text, Domain] = Field(default_factory=dict)
    comparisons: list[Comparison] = Field(default_factory=list)
    verdict: Verdict = Verdict()

    @property
    def target_said(self) -> str:
        """The target language as people call it."""
        return self.target_name or self.target or "the target language"

    @cached_property
    def sizes(self) -> list[str]:
        """The sizes of text after which all were measured, as points are named, the smallest first."""
        return [f"{size:g} MB" for size in sorted({size for size in self.settings.megabytes if size is not None})]

    @property
    def last(self) -> str:
        """The largest size."""
        return self.sizes[-1] if self.sizes else ""

    @cached_property
    def keep(self) -> Candidate | None:
        """The base's own vocabulary."""
        return next((one for one in self.candidates if one.label == BASE), None)

    @cached_property
    def others(self) -> list[Candidate]:
        """All but `keep`."""
        return [one for one in self.candidates if one.label != BASE]

    @cached_property
    def subject(self) -> Candidate | None:
        """The candidate of the verdict; where that is to stay with `keep`, the one that came closest."""
        changes = {one.label: self.compared(one.label, self.target, seconds_of(self.last)) for one in self.others}
        known = {label: found.change for label, found in changes.items() if found and found.change is not None}
        label = self.verdict.label if self.verdict.go else min(known, key=lambda name: known[name], default="")
        return next((one for one in self.others if one.label == label), None)

    @cached_property
    def kept(self) -> list[str]:
        """Codes of the languages measured beside the target."""
        found = dict.fromkeys(code for one in self.candidates for code in one.languages)
        return [code for code in found if code != self.target]

    @property
    def full_megabytes(self) -> float | None:
        """Training text of the target in the whole corpus."""
        return next((full for one in self.candidates if (full := one.full_corpus.megabytes) is not None), None)

    @property
    def seeds(self) -> int:
        """Orders of the text that rows were trained with."""
        return max((len(one.by_seed) for one in self.comparisons), default=0)

    def compared(self, label: str, language: str, at: str) -> Comparison | None:
        """A candidate against `keep` at a point; None where they were not compared."""
        return self._by_place.get((label, language, at))

    @cached_property
    def _by_place(self) -> dict[tuple[str, str, str], Comparison]:
        return {(one.label, one.language, one.at): one for one in self.comparisons}

    def worst_kept(self, label: str) -> Comparison | None:
        """Of the languages to keep the one that loses most, at equal seconds of the largest size."""
        found = [self.compared(label, code, seconds_of(self.last)) for code in self.kept]
        return max((one for one in found if one and one.share is not None), key=lambda c: c.share or 0.0, default=None)

    def documents(self, language: str) -> float:
        """How many held-out documents of a language were measured on."""
        return sum(one.documents or 0 for one in self.domains.values() if one.language == language)

    def named(self, code: str) -> str:
        """A language as people call it; the target as the proof calls it."""
        return self.target_said if code == self.target else language_name(code)


def seconds_of(size: str) -> str:
    """The point at which a row has trained as long as `keep` had after so much text."""
    return f"seconds of {size}"


def proof_facts(proof: Mapping[str, Any], where: str = "the proof") -> Proof:
    """The proof, checked; UserError if it is none (`where` names it)."""
    return check(Proof, proof, where, hint="run `anadil prove` again to write it anew")


def read_proof(path: Path) -> Proof:
    """proof.json as facts; UserError if the file is missing or no proof."""
    return proof_facts(read(path, "proof", hint="`anadil prove` writes it"), str(path))
