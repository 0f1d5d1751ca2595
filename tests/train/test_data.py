"""The order of the data: pure, complete, each source as often as its weight says."""

import tempfile
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.train.tiny import BOS, EOS, tokens_folder

from anadil.errors import UserError
from anadil.tokenizer.shards import TokenShards
from anadil.train.data import Phases, Stream, Windows, batch, positions

SHARDS = [["bir", "iki üç dörd"], ["beş" * 9, ""], ["altı"]]


@cache
def folder(weights: tuple[float, ...] = (1.0,)) -> Path:
    made = Path(tempfile.mkdtemp())
    return tokens_folder(made, {f"s{i}": ("az", w, SHARDS, []) for i, w in enumerate(weights)})


def shards(weights: tuple[float, ...] = (1.0,)) -> TokenShards:
    return TokenShards(folder(weights))


def stream() -> Stream:
    return Windows(shards(), 4, 0).streams[0]


def all_tokens() -> list[int]:
    texts = [text for shard in SHARDS for text in shard]
    return [t for text in texts for t in (BOS, *_ids(text), EOS)]


def _ids(text: str) -> list[int]:
    from tests.train.tiny import byte_tokenizer

    return list(byte_tokenizer().encode(text, add_special_tokens=False).ids)


@given(bounds=st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted))
def test_a_stream_reads_across_its_shards(bounds: list[int]) -> None:
    whole = all_tokens()
    start, stop = (min(b, len(whole)) for b in bounds)
    ids, begins = stream().read(start, stop)
    assert ids.tolist() == whole[start:stop]
    assert begins.tolist() == [token == BOS for token in whole[start:stop]]


def test_documents_are_found() -> None:
    whole = all_tokens()
    found = [whole[a:b] for a, b in stream().documents()]
    assert len(found) == 5
    assert all(document[0] == BOS and document[-1] == EOS for document in found)
    assert [token for document in found for token in document] == whole


@pytest.mark.parametrize("length", [1, 4, 7, 1000])
def test_every_token_is_a_label_once_but_the_first_of_a_document(length: int) -> None:
    windows, whole = Windows(shards(), length, 0), all_tokens()
    seen = []
    for i in sorted(range(windows.per_epoch), key=lambda i: windows.place(i)[1]):
        ids, labels, at = windows.sample(i)
        assert len(ids) == len(labels) == len(at) == length
        seen += [int(label) for label in labels if label != -100]
        starts = np.flatnonzero(ids == BOS)
        assert not at[starts].any()
    assert seen == [token for token in whole if token != BOS]


@given(
    weights=st.lists(st.floats(0.01, 3.5), min_size=1, max_size=3),
    seed=st.integers(0, 5),
    epoch=st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_an_epoch_has_each_window_as_often_as_its_weight(weights: list[float], seed: int, epoch: int) -> None:
    windows = Windows(shards(tuple(weights)), 4, seed)
    places = [windows.place(epoch * windows.per_epoch + i) for i in range(windows.per_epoch)]
    counts = Counter(places)
    for source, weight in enumerate(weights):
        n = windows.windows[source]
        times = [counts[source, at] for at in range(n)]
        assert set(times) <= {int(weight), int(weight) + 1}
        assert sum(times) == int(weight) * n + (max(1, round(weight % 1 * n)) if weight % 1 else 0)


def test_epochs_take_turns_with_the_fraction() -> None:
    windows = Windows(shards((0.5,)), 4, 1)
    both = Counter(windows.place(i)[1] for i in range(2 * windows.per_epoch))
    assert max(both.values()) - min(both[at] for at in range(windows.windows[0])) <= 1


def test_a_small_source_of_a_small_weight_is_seen_in_turn() -> None:
    windows = Windows(shards((1.0, 0.001)), 4, 1)
    n = windows.windows[1]
    places = [windows.place(i) for i in range(n * windows.per_epoch)]
    assert sorted(at for source, at in places if source == 1) == [*range(n)]


def test_a_sample_is_a_function_of_seed_and_index_alone() -> None:
    first, second = Windows(shards((1.5,)), 4, 1), Windows(shards((1.5,)), 4, 1)
    backwards = {i: second.place(i) for i in (40, 17, 5, 0)}
    assert backwards == {i: first.place(i) for i in (0, 5, 17, 40)}
    other = Windows(shards((1.5,)), 4, 2)
    everything = range(first.per_epoch)
    assert [first.place(i) for i in everything] != [other.place(i) for i in everything]
    next_epoch = [first.place(first.per_epoch + i) for i in everything]
    assert [first.place(i) for i in everything] != next_epoch


def test_batches_follow_each_other_and_split_without_loss() -> None:
    windows = Windows(shards(), 4, 1)
    made = batch(windows, 2, 3)
    assert [row.tolist() for row in made.labels_BT] == [windows.sample(i)[1].tolist() for i in (6, 7, 8)]
    parts = made.split(2)
    assert [len(part.labels_BT) for part in parts] == [2, 1]
    assert sum(part.labelled for part in parts) == made.labelled


@given(st.lists(st.booleans(), max_size=30))
def test_positions_count_from_the_last_start(starts: list[bool]) -> None:
    expected, at = [], -1
    for start in starts:
        at = 0 if start else at + 1
        expected.append(at)
    assert positions(np.array(starts, bool)).tolist() == expected


def test_no_text_is_an_error(tmp_path: Path) -> None:
    made = tokens_folder(tmp_path, {"s": ("az", 0.0, [["salam"]], [])})
    with pytest.raises(UserError, match="no text"):
        Windows(TokenShards(made), 4, 0)


def test_phases_follow_each_other_each_with_its_weights() -> None:
    parts = [(0.75, {}), (0.25, {"s0": 0.0, "s1": 3.0})]
    phases = Phases(shards((1.0, 0.5)), 4, 1, parts, steps=8)
    assert [phases.phase(step) for step in range(8)] == [0] * 6 + [1] * 2
    first, second = phases.windows
    assert (first.weights, second.weights) == ([1.0, 0.5], [3.0])
    same = batch(first, 5, 2)
    assert all(bool((a == b).all()) for a, b in zip(phases.batch(5, 2).tensors(), same.tensors(), strict=True))
    begins = batch(second, 0, 2)
    assert all(bool((a == b).all()) for a, b in zip(phases.batch(6, 2).tensors(), begins.tensors(), strict=True))


def test_one_phase_is_the_corpus_itself() -> None:
    phases, windows = Phases(shards((1.5,)), 4, 3, [(1.0, {})], steps=9), Windows(shards((1.5,)), 4, 3)
    for step in range(9):
        pair = zip(phases.batch(step, 3).tensors(), batch(windows, step, 3).tensors(), strict=True)
        assert all(bool((a == b).all()) for a, b in pair)


def test_rows_that_are_there_and_a_batch_without_labels() -> None:
    whole = batch(Windows(shards(), 4, 1), 0, 5)
    assert [len(part.labels_BT) for part in whole.split(2)] == [2, 2, 1]
    assert len(whole.rows(4, 9).labels_BT) == 1
    assert whole.without_labels().labelled == 0
