"""Dialogues of any length packed into sequences of one length, none of them split."""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from anadil.errors import UserError
from anadil.model.loss import IGNORE_INDEX
from anadil.train.data import Ids, epoch_order, positions

Row = tuple[Sequence[int], Sequence[bool]]
"""Token ids of a dialogue, and which of them are to be learned."""


@dataclass(frozen=True)
class Accounting:
    """What became of the rows: read = kept + dropped, truncated ones are among the kept."""

    read: int
    kept: int
    truncated: int
    dropped_over_long: int
    dropped_nothing_to_learn: int
    learned_tokens: int


class Packs:
    """Sequences of `length` tokens, each of one or more whole rows; positions restart at each row."""

    def __init__(self, rows: Sequence[Row], length: int, seed: int, over_long: Literal["truncate", "drop"]):
        self.length, self.seed = length, seed
        self.rows, self.accounting = _fit(rows, length, over_long)
        if not self.rows:
            hint = "raise sequence_length, or check that the dialogues have assistant messages"
            raise UserError(
                f"none of {len(rows)} dialogues has something to learn in {length} tokens",
                hint=hint,
            )
        self.packs = pack([len(ids) - 1 for ids, _ in self.rows], length)
        self.per_epoch = len(self.packs)

    def sample(self, index: int) -> tuple[Ids, Ids, Ids]:
        """Inputs, labels and positions of the sample at this global index."""
        epoch, within = divmod(index, self.per_epoch)
        chosen = self.packs[int(epoch_order(self.seed, epoch, self.per_epoch)[within])]
        inputs, labels = (
            np.zeros(self.length, np.int64),
            np.full(self.length, IGNORE_INDEX, np.int64),
        )
        starts, at = np.zeros(self.length, np.bool_), 0
        for row in chosen:
            ids, learn = (np.asarray(part) for part in self.rows[row])
            span = slice(at, at + len(ids) - 1)
            inputs[span], labels[span] = ids[:-1], np.where(learn[1:], ids[1:], IGNORE_INDEX)
            starts[at] = True
            at = span.stop
        starts[at : at + 1] = True  # padding is a document of its own
        return inputs, labels, positions(starts)


def pack(sizes: Sequence[int], length: int) -> list[list[int]]:
    """Best-fit decreasing: indices of the sizes put together so that no sum exceeds `length`."""
    packs: list[list[int]] = []
    spaces: list[tuple[int, int]] = []  # free tokens and pack, ascending
    for index in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
        found = bisect_left(spaces, (sizes[index], -1))
        free, at = spaces.pop(found) if found < len(spaces) else (length, len(packs))
        if at == len(packs):
            packs.append([])
        packs[at].append(index)
        insort(spaces, (free - sizes[index], at))
    return packs


def _fit(rows: Sequence[Row], length: int, over_long: str) -> tuple[list[Row], Accounting]:
    kept: list[Row] = []
    truncated = dropped = nothing = 0
    for ids, learn in rows:
        long = len(ids) > length + 1
        if long and over_long == "drop":
            dropped += 1
        elif not any(learn[1 : length + 1]):
            nothing += 1
        else:
            truncated += long
            kept.append((ids[: length + 1], learn[: length + 1]))
    learned = sum(sum(learn[1:]) for _, learn in kept)
    return kept, Accounting(len(rows), len(kept), truncated, dropped, nothing, learned)
