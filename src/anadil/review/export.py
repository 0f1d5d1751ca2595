"""Votes as preference pairs: what preference training reads."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anadil import durable
from anadil.errors import UserError
from anadil.review.stats import CHOICES
from anadil.review.store import Store


def preferences(store: Store) -> Iterator[dict[str, Any]]:
    """A row for each pair of which more reviewers chose one answer than chose the other, or than chose neither.

    `prompt`, `chosen` and `rejected` are messages. Votes on answers that a run no longer gives count too: that
    somebody preferred a text to another stays true.
    """
    pairs, counts = store.pairs(), defaultdict[str, Counter[str]](Counter)
    for vote in store.votes():
        counts[vote.pair][vote.choice] += 1
    for key, votes in sorted(counts.items()):
        chosen = "a" if votes["a"] > votes["b"] else "b"
        rejected = "b" if chosen == "a" else "a"
        if votes[chosen] > max(votes[rejected], votes["both_good"] + votes["both_bad"]):
            pair, said = pairs[key], {"chosen": votes[chosen], "rejected": votes[rejected]}
            said |= {choice: votes[choice] for choice in CHOICES if choice not in (chosen, rejected)}
            row = {"prompt": pair["messages"], "chosen": _said(pair[chosen]), "rejected": _said(pair[rejected])}
            yield row | {"votes": said}


def _said(answer: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": answer}]


def export(store: Store, path: Path) -> int:
    """Write the preferences as jsonl; how many there are. UserError if there is none."""
    rows = list(preferences(store))
    if not rows:
        hint = "ties are left out; collect more votes:  anadil review RUN_A RUN_B"
        raise UserError(f"{store.path} has no pair of which one answer was preferred", hint=hint)
    durable.write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "review")
    return len(rows)
