"""Packing: no row split, none lost."""

from hypothesis import given
from hypothesis import strategies as st

from anadil.train.pack import Packs, pack

SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=40)


@given(SIZES)
def test_every_size_is_in_one_pack_that_is_not_too_full(sizes: list[int]) -> None:
    packs = pack(sizes, 12)
    assert sorted(i for p in packs for i in p) == list(range(len(sizes)))
    filled = sorted(sum(sizes[i] for i in p) for p in packs)
    assert filled[-1] <= 12
    assert len(packs) < 2 or filled[0] + filled[1] > 12  # two half-empty ones would be one


def row(n: int, first: int, learned_from: int = 1) -> tuple[list[int], list[bool]]:
    return list(range(first, first + n)), [i >= learned_from for i in range(n)]


def labels(packs: Packs) -> list[int]:
    samples = [packs.sample(i) for i in range(packs.per_epoch)]
    return sorted(int(label) for _, row, _ in samples for label in row if label != -100)


@given(SIZES, st.integers(0, 3))
def test_what_is_to_be_learned_is_learned_once_an_epoch(sizes: list[int], seed: int) -> None:
    rows = [row(n + 1, 100 * i, 1 + i % n) for i, n in enumerate(sizes)]
    packs = Packs(rows, 12, seed)
    wanted = [i for ids, learn in rows for i, yes in zip(ids, learn, strict=True) if yes]
    assert labels(packs) == sorted(wanted)


def test_positions_restart_at_each_row_and_at_the_padding() -> None:
    packs = Packs([row(4, 10), row(3, 20)], 8, 0)
    ids, wanted, at = packs.sample(0)
    assert ids.tolist() == [10, 11, 12, 20, 21, 0, 0, 0]
    assert wanted.tolist() == [11, 12, 13, 21, 22, -100, -100, -100]
    assert at.tolist() == [0, 1, 2, 0, 1, 0, 1, 2]
