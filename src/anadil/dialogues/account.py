"""What becomes of dialogues: each is kept, or counted under the reason why it is not."""

from collections import Counter
from dataclasses import dataclass, field

from anadil.dialogues.passages import Passage
from anadil.dialogues.read import Message


@dataclass
class Dialogue:
    """A conversation on its way; the passages belong to its last question."""

    place: str
    messages: list[Message]
    kind: str = "given"
    passages: tuple[Passage, ...] = ()

    @property
    def text(self) -> str:
        """All that is said in it and stands before it."""
        passages = (f"{p.title}\n{p.text}" for p in self.passages)
        return "\n".join([*(m["content"] for m in self.messages), *passages])

    @property
    def answers(self) -> str:
        """What the assistant says."""
        return "\n".join(m["content"] for m in self.messages if m["role"] == "assistant")

    @property
    def question(self) -> str:
        """What is asked first."""
        return next((str(m["content"]) for m in self.messages if m["role"] == "user"), "")


@dataclass
class Account:
    """Counts of dialogues: read and made = kept and out. Those changed are among the kept, the held-out ones too."""

    read: int = 0
    made: Counter[str] = field(default_factory=Counter)
    """Grounded ones, by kind."""
    out: Counter[str] = field(default_factory=Counter)
    """By reason."""
    changed: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    """Of answers in another language than the target's."""
    kept: int = 0
    heldout: int = 0
    learned_tokens: int = 0
    """In one epoch."""

    @property
    def all(self) -> int:
        """Dialogues that there were."""
        return self.read + self.made.total()

    @property
    def closes(self) -> bool:
        """Whether each is accounted for."""
        return self.all == self.kept + self.out.total()

    def metrics(self) -> dict[str, float]:
        """Flat, for a manifest; only what there is."""
        found = {"read_dialogues": self.read, "kept_dialogues": self.kept, "heldout_dialogues": self.heldout}
        for name, counts in (("made", self.made), ("out", self.out), ("changed", self.changed)):
            found |= {f"{name}_{kind}_dialogues": count for kind, count in sorted(counts.items()) if count}
        return {name: float(count) for name, count in found.items()} | {
            "learned_tokens_per_epoch": float(self.learned_tokens)
        }
