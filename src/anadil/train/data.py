"""What is trained on, in which order: every sample is a pure function of (seed, epoch, index).

So a resumed run needs no state but its step, and any number of processes sees the same global
order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anadil.errors import UserError
from anadil.model.loss import IGNORE_INDEX
from anadil.tokenizer.shards import Shard, TokenShards

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Packed sequences. Positions restart where a document starts, which is what keeps documents apart.

    `labels_BT[b, t]` is the token after `input_ids_BT[b, t]`, or -100 where nothing is to be
    learned.
    """

    input_ids_BT: Tensor
    labels_BT: Tensor
    position_ids_BT: Tensor

    @property
    def labelled(self) -> int:
        """Number of tokens that have a label."""
        return int((self.labels_BT != IGNORE_INDEX).sum())

    def split(self, rows: int) -> list["Batch"]:
        """The same sequences, `rows` at a time."""
        return [self.rows(start, start + rows) for start in range(0, len(self.labels_BT), rows)]

    def rows(self, start: int, stop: int) -> "Batch":
        """The sequences [start, stop) that there are."""
        return Batch(*(x[start:stop] for x in self.tensors()))

    def without_labels(self) -> "Batch":
        """The same sequences, nothing of which is learned."""
        return Batch(self.input_ids_BT, torch.full_like(self.labels_BT, IGNORE_INDEX), self.position_ids_BT)

    def pinned(self) -> "Batch":
        """The same sequences where a GPU can fetch them while it computes."""
        return Batch(*(x.pin_memory() for x in self.tensors()))

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Its fields, in order."""
        return self.input_ids_BT, self.labels_BT, self.position_ids_BT


class Samples(Protocol):
    """An endless sequence of samples, `per_epoch` of them each time over the data."""

    per_epoch: int

    def sample(self, index: int) -> tuple[Ids, Ids, Ids]:
        """Input ids, labels and positions, each int64 [sequence_length], of the sample at this global index."""


def batch(samples: Samples, step: int, rows: int) -> Batch:
    """The `rows` samples of update `step`."""
    columns = zip(*(samples.sample(i) for i in range(step * rows, (step + 1) * rows)), strict=True)
    return Batch(*(torch.from_numpy(np.stack(column)) for column in columns))


@lru_cache(maxsize=2)
def epoch_order(seed: int, epoch: int, size: int) -> Ids:
    """The order of one epoch's `size` samples."""
    return np.random.Generator(np.random.PCG64([seed, epoch])).permutation(size)


class Stream:
    """The documents of one source, shard after shard, as one array of tokens in memory-mapped files."""

    def __init__(self, shards: Sequence[Shard]):
        filled = [shard for shard in shards if shard.tokens]
        self.tokens, self.offsets = [shard.ids for shard in filled], [shard.offsets for shard in filled]
        self.ends = np.cumsum([len(tokens) for tokens in self.tokens], dtype=np.int64)
        self.size = int(self.ends[-1]) if filled else 0

    def read(self, start: int, stop: int) -> tuple[Ids, NDArray[np.bool_]]:
        """Tokens [start, stop) and which of them begin a document."""
        ids, begins = np.empty(stop - start, np.int64), np.zeros(stop - start, np.bool_)
        at = start
        for shard in range(int(np.searchsorted(self.ends, start, "right")), len(self.tokens)):
            first = int(self.ends[shard]) - len(self.tokens[shard])
            end = min(stop, int(self.ends[shard]))
            ids[at - start : end - start] = self.tokens[shard][at - first : end - first]
            low, high = np.searchsorted(self.offsets[shard], (at - first, end - first))
            begins[self.offsets[shard][low:high] + (first - start)] = True
            if (at := end) == stop:
                break
        return ids, begins

    def documents(self) -> list[tuple[int, int]]:
        """Start and stop of every document."""
        starts = self.ends - [len(tokens) for tokens in self.tokens]
        pairs = (zip(o[:-1] + s, o[1:] + s, strict=True) for o, s in zip(self.offsets, starts, strict=True))
        return [(int(a), int(b)) for shard in pairs for a, b in shard]


def window(stream: Stream, index: int, length: int) -> tuple[Ids, Ids, Ids]:
    """Inputs, labels and positions of the index-th window of a stream; the last one is padded, so none is lost.

    Each token of the stream but its first is the label of one window. A document's first token has
    no label: what came before it is another document.
    """
    start = index * length
    ids, begins = stream.read(start, min(start + length + 1, stream.size))
    used = len(ids) - 1
    inputs, labels = np.zeros(length, np.int64), np.full(length, IGNORE_INDEX, np.int64)
    starts = np.zeros(length, np.bool_)
    inputs[:used], starts[:used] = ids[:-1], begins[:-1]
    labels[:used] = np.where(begins[1:], IGNORE_INDEX, ids[1:])
    starts[used : used + 1] = True  # padding is a document of its own
    return inputs, labels, positions(starts)


def positions(starts: NDArray[np.bool_]) -> Ids:
    """Distance of each token from the last start at or before it (or from the first token)."""
    at = np.arange(len(starts))
    return at - np.maximum.accumulate(np.where(starts, at, 0))


class Windows:
    """Windows of `length` tokens of the sources of an encode folder, each source as often as its weight says.

    In an epoch every window of a source of weight 2.25 occurs twice and a quarter of them once
    more; the next epoch takes the next quarter, in an order fixed by the seed. The quarter is
    rounded, but to no less than one window, so that a small source of weight 0.1 is seen, more often
    than its weight says; all epochs have the same size, so that a sample follows from its index.
    """

    def __init__(self, shards: TokenShards, length: int, seed: int, weights: Mapping[str, float] | None = None):
        weighed = {s["name"]: float((weights or {}).get(s["name"], s["weight"])) for s in shards.sources}
        sources = {name: weight for name, weight in weighed.items() if weight > 0}
        self.length, self.seed = length, seed
        self.streams = [Stream(shards.split(name, "train")) for name in sources]
        self.weights = list(sources.values())
        self.windows = [max(0, -(-(stream.size - 1) // length)) for stream in self.streams]
        self.copies = [int(w) * n for w, n in zip(self.weights, self.windows, strict=True)]
        parts = [(w % 1, n) for w, n in zip(self.weights, self.windows, strict=True)]
        self.extra = [max(1, round(part * n)) if part and n else 0 for part, n in parts]
        self.ends = np.cumsum([a + b for a, b in zip(self.copies, self.extra, strict=True)], dtype=np.int64)
        self.per_epoch = int(self.ends[-1]) if sources else 0
        if not self.per_epoch:
            raise UserError(f"{shards.folder} has no text to train on", hint="check the corpus sources")

    def place(self, index: int) -> tuple[int, int]:
        """Source and window of the sample at this global index."""
        epoch, within = divmod(index, self.per_epoch)
        slot = int(epoch_order(self.seed, epoch, self.per_epoch)[within])
        source = int(np.searchsorted(self.ends, slot, "right"))
        slot -= int(self.ends[source]) - self.copies[source] - self.extra[source]
        if slot < self.copies[source]:
            return source, slot % self.windows[source]
        turn = (epoch * self.extra[source] + slot - self.copies[source]) % self.windows[source]
        return source, int(_extra_order(self.seed, source, self.windows[source])[turn])

    def sample(self, index: int) -> tuple[Ids, Ids, Ids]:
        """Inputs, labels and positions of the sample at this global index."""
        source, at = self.place(index)
        return window(self.streams[source], at, self.length)


class Phases:
    """Mixtures of the same sources one after the other; the global batch of an update is that of its phase.

    `parts` gives each phase's share of the `steps` updates and the weights that differ from the sources' own. Every
    phase has an order of its own, from its beginning on.
    """

    def __init__(
        self,
        shards: TokenShards,
        length: int,
        seed: int,
        parts: Sequence[tuple[float, Mapping[str, float]]],
        steps: int,
    ):
        self.windows = [Windows(shards, length, seed + number, weights) for number, (_, weights) in enumerate(parts)]
        ends = np.cumsum([share for share, _ in parts])
        self.starts = [0, *(round(float(end) * steps) for end in ends[:-1])]

    def phase(self, step: int) -> int:
        """The number of the phase that an update is in."""
        return int(np.searchsorted(self.starts, step, "right")) - 1

    def batch(self, step: int, rows: int) -> Batch:
        """The `rows` samples of update `step`."""
        phase = self.phase(step)
        return batch(self.windows[phase], step - self.starts[phase], rows)


@lru_cache(maxsize=64)
def _extra_order(seed: int, source: int, size: int) -> Ids:
    return np.random.Generator(np.random.PCG64([seed, source, 0xE])).permutation(size)
