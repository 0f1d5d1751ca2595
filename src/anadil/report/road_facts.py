"""The road in bits per byte: every model from the base to what is served, on the same held-out text."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from anadil.report.estimate import Estimate, estimate, items
from anadil.report.words import Side

MEASURE = "bits_per_byte"
BASE, SERVED = "base_", ""
FULL = "unquantised_"
NAMES: dict[str, tuple[str, str, str]] = {
    BASE: ("base", "the base, as it was published", ""),
    "transfer_": ("transfer", "moved to the new vocabulary, nothing read yet", "moving to the new vocabulary"),
    "pretrain_": ("pretrain", "after reading the corpus", "reading the corpus"),
    FULL: ("sft", "fine-tuned on dialogues, in full precision", "fine-tuning"),
    SERVED: ("served", "the file that is served", "storing it in fewer bits"),
}
"""Prefix of the metrics of each model, in the order in which they are made: its short name, what it is, and what led
there from the one before."""
EXPORTED = ("export", "as exported, in full precision", "export")
"""What is before quantising, where there was no fine-tuning."""


@dataclass(frozen=True)
class Stop:
    """One model on the road: where it is, and how that differs from the model before it and from the base."""

    prefix: str
    name: str
    explained: str
    did: str  # what led here from the model before
    at: Estimate
    step: Estimate | None
    change: Estimate | None


@dataclass(frozen=True)
class Road:
    """The stops of one language; `items` documents were measured."""

    side: Side
    language: str
    items: int | None
    stops: tuple[Stop, ...]

    @property
    def first(self) -> Stop:
        """The base, or without one the first model that was made."""
        return self.stops[0]

    @property
    def last(self) -> Stop:
        """What is served."""
        return self.stops[-1]

    @property
    def change(self) -> Estimate:
        """From the first to the last."""
        return self.last.change or Estimate(self.last.at.value - self.first.at.value)

    def at(self, prefix: str) -> Stop | None:
        """The model of this prefix, if it is on this road."""
        return next((stop for stop in self.stops if stop.prefix == prefix), None)


@dataclass(frozen=True)
class Domain:
    """The held-out documents of one source, with the base and with what is served."""

    side: Side
    language: str
    source: str
    items: int | None
    before: Estimate | None
    after: Estimate
    change: Estimate | None


def roads(metrics: Mapping[str, float], languages: Mapping[Side, str], stages: Sequence[str]) -> Iterator[Road]:
    """The road of each language of which more than one model was measured."""
    sides: tuple[Side, ...] = ("target", "original")
    for side in sides:
        name = f"{side}_{MEASURE}"
        there = [prefix for prefix in NAMES if estimate(metrics, f"{prefix}{name}")]
        if len(there) > 1:
            stops = tuple(_stops(metrics, name, there, stages))
            yield Road(side, languages[side], items(metrics, name), stops)


def _stops(metrics: Mapping[str, float], name: str, there: list[str], stages: Sequence[str]) -> Iterator[Stop]:
    tuned = NAMES[FULL] if "sft" in stages else EXPORTED
    for before, prefix in pairwise(["", *there]):
        short, explained, did = tuned if prefix == FULL else NAMES[prefix]
        if prefix == SERVED and FULL not in there:
            did = tuned[-1]
        full, is_first = f"{prefix}{name}", prefix == there[0]
        change = estimate(metrics, f"{full}_change")
        step = change if before == BASE else estimate(metrics, f"{full}_step")  # since the base, both are one
        at = estimate(metrics, full)
        assert at, "it was found among the metrics"
        yield Stop(prefix, short, explained, did, at, None if is_first else step, change)


def domains(metrics: Mapping[str, float], languages: Mapping[Side, str], sources: Iterable[str]) -> Iterator[Domain]:
    """What was measured of each source apart, in the order of the corpus."""
    sides: tuple[Side, ...] = ("target", "original")
    names = list(sources)
    for side in sides:
        for source in names:
            name = f"{side}_{MEASURE}_of_{source}"
            if after := estimate(metrics, name):
                before, change = estimate(metrics, f"{BASE}{name}"), estimate(metrics, f"{name}_change")
                yield Domain(side, languages[side], source, items(metrics, name), before, after, change)
