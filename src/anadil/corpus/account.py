"""Counting: what came in equals what went out, by reason, in documents, bytes and words."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Count:
    """Documents, UTF-8 bytes and whitespace-separated words."""

    documents: int = 0
    bytes: int = 0
    words: int = 0

    def add(self, text: str) -> None:
        """Count one text."""
        self.documents += 1
        self.bytes += len(text.encode())
        self.words += len(text.split())


@dataclass
class Account:
    """One source: what was read, and where each document went. Sizes are those of the normalised text."""

    read: Count = field(default_factory=Count)
    by_verdict: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    unreadable: int = 0

    def add(self, text: str, verdict: str) -> None:
        """Count one document with its verdict."""
        self.read.add(text)
        self.by_verdict[verdict].add(text)

    def closes(self) -> bool:
        """Whether the parts sum up to what was read."""
        parts = list(self.by_verdict.values())
        return all(
            sum(getattr(part, unit) for part in parts) == getattr(self.read, unit)
            for unit in ("documents", "bytes", "words")
        )

    def as_dict(self) -> dict[str, Any]:
        """For accounting.json."""
        verdicts = {name: vars(count) for name, count in sorted(self.by_verdict.items())}
        return {"read": vars(self.read), "verdicts": verdicts, "unreadable_lines": self.unreadable}
