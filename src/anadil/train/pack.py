"""Dialogues of any length packed into sequences of one length, none of them split."""

from bisect import bisect_left, insort
from collections.abc import Sequence

import numpy as np

from anadil.model.loss import IGNORE_INDEX
from anadil.train.data import Ids, epoch_order, positions

Row = tuple[Sequence[int], Sequence[bool]]
"""Token ids of a dialogue, and which of them are to be learned."""


class Packs:
    """Sequences of `length` tokens, each of one or more whole rows; positions restart at each row.

    The last token of a row is a label only, so a row may have one more than `length`.
    """

    def __init__(self, rows: Sequence[Row], length: int, seed: int):
        self.length, self.seed, self.rows = length, seed, rows
        self.packs = pack([len(ids) - 1 for ids, _ in rows], length)
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
