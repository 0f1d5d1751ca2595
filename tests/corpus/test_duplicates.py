"""Copies: exact ones as a dictionary finds them; near ones at the promised rates, and never two that are not alike."""

import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.roads import write_texts

from anadil.corpus.build import build
from anadil.corpus.duplicates import NONE, exact_copies
from anadil.corpus.sketch import band_keys
from anadil.corpus.words import words_of
from anadil.languages import load_profile
from anadil.progress import silent
from anadil.recipe import Corpus, Source

LEXICON = [
    "".join(random.Random(n).choices("abcdefghijklmnopqrstuvwxyz", k=random.Random(n).randint(3, 9)))
    for n in range(4000)
]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans())), st.randoms(use_true_random=False))
def test_exact_copies_are_those_of_a_dictionary(rows: list[tuple[int, int, bool]], rng: random.Random) -> None:
    rank = list(range(len(rows)))
    rng.shuffle(rank)
    hashes = np.array([row[:2] for row in rows], np.uint64).reshape(-1, 2)
    found = exact_copies(hashes, np.array(rank, np.int64), np.array([row[2] for row in rows], bool))
    lowest: dict[tuple[int, int], int] = {}
    for number in sorted(range(len(rows)), key=rank.__getitem__):
        if rows[number][2]:
            lowest.setdefault(rows[number][:2], number)
    for number, row in enumerate(rows):
        first = lowest.get(row[:2], number) if row[2] else number
        assert found[number] == (NONE if first == number else first)


def noisy(text: str, share: float, rng: random.Random) -> str:
    return " ".join(rng.choice(LEXICON) if rng.random() < share else word for word in text.split())


def near_copies_of(folder: Path, words: tuple[int, int], share: float, count: int) -> tuple[float, float]:
    """Share of planted copies that are found, and of those found that were planted."""
    rng = random.Random(f"{words}{share}")
    weights = [1 / (rank + 2) for rank in range(len(LEXICON))]
    some = [" ".join(rng.choices(LEXICON, weights, k=rng.randint(*words))) for _ in range(count)]
    rows = some + [noisy(text, share, rng) for text in some]
    source = Source(name="a", path=write_texts(folder / "a.jsonl", rows), language="en")
    corpus = Corpus(sources=[source], detect_language=False, filter=False, repeated_paragraph_words=0)
    build(corpus, "en", folder / "out", silent())
    found = pq.read_table(folder / "out/rejected/a.parquet").to_pylist()
    copies = {
        row["id"]: row["detail"].split(" ")[0].removeprefix("a/") for row in found if "duplicate" in row["reason"]
    }
    right = sum(original == f"a-{int(copy[2:]) - count}" for copy, original in copies.items())
    return right / count, right / max(1, len(copies))


@pytest.mark.parametrize(
    ("words", "share", "least"),
    [((20, 60), 0.03, 0.99), ((20, 60), 0.05, 0.95), ((61, 300), 0.03, 0.99), ((61, 300), 0.05, 0.95)],
)
def test_near_copies_are_found(tmp_path: Path, words: tuple[int, int], share: float, least: float) -> None:
    recall, precision = near_copies_of(tmp_path, words, share, 1500)
    assert recall >= least
    assert precision >= 0.999


def test_one_text_typed_in_two_ways_is_one(tmp_path: Path) -> None:
    text = "Bu gün şəhərdə hava çox gözəl idi, biz də uşaqlarla birlikdə dənizə getdik və axşama qədər orada qaldıq."
    rows = [text, load_profile("az").fold_ascii(text).upper().rstrip(".")]
    source = Source(name="a", path=write_texts(tmp_path / "a.jsonl", rows), language="az", split="train")
    account = build(Corpus(sources=[source]), "az", tmp_path / "out", silent())["a"]
    assert account.by_verdict["near_duplicate"].documents == 1


@given(st.lists(st.lists(st.integers(0, 30), max_size=30), max_size=6))
def test_a_sketch_does_not_depend_on_neighbours_or_on_order_in_the_text(texts: list[list[int]]) -> None:
    lines = [" ".join(f"w{word}" for word in text) for text in texts]
    ngrams, starts = words_of(lines).ngrams(1)
    keys = band_keys(ngrams, starts)
    for line, key in zip(lines, keys, strict=True):
        again = " ".join(sorted(line.split()))
        alone = band_keys(*words_of([again]).ngrams(1))[0]
        assert key.tolist() == alone.tolist()
