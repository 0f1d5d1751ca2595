"""Counting: what came in, and by which step and for which reason it left or changed, in documents, bytes and words."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

KEPT = ("train", "heldout")
STEPS: dict[str, tuple[str, ...]] = {
    "repair": ("empty", "broken"),
    "length": ("too_short",),
    "language": ("wrong_script", "wrong_language"),
    "personal_data": ("personal_data",),
    "filter": (
        "short_words", "long_words", "symbols", "digits", "repeated_lines", "repeated_words", "repeated_passages",
        "list_lines", "unfinished_lines",
    ),
    "contamination": ("contaminated",),
    "duplicates": ("duplicate", "near_duplicate", "repeated_elsewhere"),
    "split": KEPT,
}  # fmt: skip
"""Each step, in order, with the verdicts that it gives."""


@dataclass
class Count:
    """Documents, UTF-8 bytes and whitespace-separated words; of a change, what it adds or takes."""

    documents: int = 0
    bytes: int = 0
    words: int = 0

    def add(self, other: "Count") -> None:
        """Count so much more."""
        self.documents += other.documents
        self.bytes += other.bytes
        self.words += other.words

    def change_to(self, after: "Count") -> "Count":
        """What one document of this size gains by having that one."""
        return Count(1, after.bytes - self.bytes, after.words - self.words)

    @classmethod
    def of(cls, text: str) -> "Count":
        """One text."""
        return cls(1, len(text.encode()), len(text.split()))


@dataclass
class Account:
    """One source: what was read, what changed on the way, and with which verdict each document ended.

    A verdict's sizes are those of the text as it then was. What did not come to be a document, an unreadable line, is
    only counted.
    """

    read: Count = field(default_factory=Count)
    changes: dict[str, dict[str, Count]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Count)))
    """Step -> reason -> documents touched, and bytes and words gained or (negative) lost."""
    by_verdict: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    unreadable: int = 0
    found: Counter[str] = field(default_factory=Counter)
    """Personal data in what was not rejected before, by kind."""

    def add(self, other: "Account") -> None:
        """Count in what another counted."""
        self.read.add(other.read)
        for step, reasons in other.changes.items():
            for reason, count in reasons.items():
                self.changes[step][reason].add(count)
        for verdict, count in other.by_verdict.items():
            self.by_verdict[verdict].add(count)
        self.unreadable += other.unreadable
        self.found += other.found

    def closes(self) -> bool:
        """Whether what was read, with all changes, is what the verdicts hold."""
        verdicts, changes = list(self.by_verdict.values()), [c for r in self.changes.values() for c in r.values()]
        return sum(v.documents for v in verdicts) == self.read.documents and all(
            getattr(self.read, unit) + sum(getattr(c, unit) for c in changes) == sum(getattr(v, unit) for v in verdicts)
            for unit in ("bytes", "words")
        )

    def steps(self) -> Iterable[tuple[str, Count, dict[str, Count], dict[str, Count], Count]]:
        """Of each step: name, what came to it, what it removed by verdict, what it changed by reason, what left it."""
        came = self.read
        for step, verdicts in STEPS.items():
            removed = {v: self.by_verdict[v] for v in verdicts if v not in KEPT and v in self.by_verdict}
            changed = dict(self.changes.get(step, {}))
            left = Count(
                came.documents - sum(c.documents for c in removed.values()),
                came.bytes - sum(c.bytes for c in removed.values()) + sum(c.bytes for c in changed.values()),
                came.words - sum(c.words for c in removed.values()) + sum(c.words for c in changed.values()),
            )
            yield step, came, removed, changed, left
            came = left

    def as_dict(self) -> dict[str, Any]:
        """For accounting.json."""
        steps = [
            {
                "step": step,
                "came": vars(came),
                "removed": {reason: vars(count) for reason, count in removed.items()},
                "changed": {reason: vars(count) for reason, count in changed.items()},
                "left": vars(left),
            }
            for step, came, removed, changed, left in self.steps()
        ]
        verdicts = {name: vars(count) for name, count in sorted(self.by_verdict.items())}
        found = dict(sorted(self.found.items()))
        counts = {"read": vars(self.read), "verdicts": verdicts, "unreadable_lines": self.unreadable}
        return counts | {"personal_data": found, "steps": steps}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Account":
        """As written by `as_dict`."""
        account = cls(Count(**stored["read"]), unreadable=stored["unreadable_lines"])
        account.found.update(stored.get("personal_data", {}))
        account.by_verdict.update({name: Count(**count) for name, count in stored["verdicts"].items()})
        for step in stored.get("steps", []):
            for reason, count in step["changed"].items():
                account.changes[step["step"]][reason] = Count(**count)
        return account
