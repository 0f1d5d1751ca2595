"""Batches made ahead: in order, with their errors, and no thread left behind."""

import threading

import pytest
import torch

from anadil.train.data import Batch
from anadil.train.prefetch import AHEAD, Prefetch


def numbered(step: int) -> Batch:
    return Batch(*(torch.full((1, 2), step) for _ in range(3)))


def test_batches_come_in_order_from_the_step_asked_for() -> None:
    assert [int(batch.input_ids_BT[0, 0]) for batch in Prefetch(numbered, 3, 9)] == [3, 4, 5, 6, 7, 8]


def test_an_error_is_raised_where_its_batch_is_asked_for() -> None:
    def breaks(step: int) -> Batch:
        if step == 2:
            raise ValueError("shard 7")
        return numbered(step)

    batches = iter(Prefetch(breaks, 0, 5))
    assert [int(next(batches).input_ids_BT[0, 0]) for _ in range(2)] == [0, 1]
    with pytest.raises(ValueError, match="shard 7"):
        next(batches)


def test_a_few_are_made_ahead_and_none_after_it_is_closed() -> None:
    made, enough = [], threading.Event()

    def watched(step: int) -> Batch:
        made.append(step)
        if step == AHEAD:
            enough.set()
        return numbered(step)

    prefetch = Prefetch(watched, 0, 1000)
    assert enough.wait(10)
    prefetch.close()
    assert len(made) <= 2 * AHEAD + 2
    assert not any(thread.name == "prefetch" for thread in threading.enumerate())


def test_waiting_is_counted() -> None:
    gate = threading.Event()

    def slow(step: int) -> Batch:
        gate.wait(0.05)
        return numbered(step)

    prefetch = Prefetch(slow, 0, 2)
    assert len(list(prefetch)) == 2
    assert prefetch.waited_seconds > 0.05
