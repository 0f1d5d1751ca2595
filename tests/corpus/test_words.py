"""Word hashes: the same for the same words, wherever they stand; n-grams as a plain loop makes them."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anadil.corpus import words as module
from anadil.corpus.words import words_of

TEXTS = st.lists(st.text(alphabet="aəBİ1 .,\n-«»“”…", max_size=40), max_size=8)


def plain(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


@given(TEXTS)
def test_equal_words_have_equal_hashes_and_others_other_ones(texts: list[str]) -> None:
    found = words_of(texts)
    words = [word for text in texts for word in plain(text.replace("İ", "I"))]
    hashes = words_of([text.replace("İ", "I") for text in texts]).hashes
    assert len(hashes) == len(words)
    assert len(set(hashes.tolist())) == len(set(words))
    assert len(set(zip(words, hashes.tolist(), strict=True))) == len(set(words))
    assert np.diff(found.starts).tolist() == [len(plain(text.replace("İ", "I"))) for text in texts]


@given(TEXTS, st.integers(1, 5))
def test_ngrams_are_those_of_each_text_alone(texts: list[str], length: int) -> None:
    ngrams, starts = words_of(texts).ngrams(length)
    for number, text in enumerate(texts):
        alone, _ = words_of([text]).ngrams(length)
        assert ngrams[starts[number] : starts[number + 1]].tolist() == alone.tolist()
    assert starts[-1] == len(ngrams)


@settings(max_examples=20)
@given(TEXTS)
def test_how_many_texts_are_hashed_at_once_changes_nothing(texts: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BYTES_AT_ONCE", 5)
        few = words_of(texts)
    assert few.hashes.tolist() == words_of(texts).hashes.tolist()
    assert few.starts.tolist() == words_of(texts).starts.tolist()


def test_the_hashes_are_the_same_on_every_machine() -> None:
    """They are written into files that another process reads."""
    assert words_of(["Salam, dünya!"]).hashes.tolist() == words_of(["salam dünya"]).hashes.tolist()
    assert [hash_ % 1000 for hash_ in words_of(["salam dünya"]).hashes.tolist()] == EXPECTED


EXPECTED = [446, 91]


@given(TEXTS, st.data())
def test_the_words_of_some_texts_are_those_of_these_alone(texts: list[str], data: st.DataObject) -> None:
    chosen = np.array([data.draw(st.booleans()) for _ in texts], bool)
    some = words_of(texts).only(chosen)
    alone = words_of([text for text, taken in zip(texts, chosen, strict=True) if taken])
    assert some.hashes.tolist() == alone.hashes.tolist()
    assert some.starts.tolist() == alone.starts.tolist()
