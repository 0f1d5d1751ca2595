"""The filter's figures are what a plain count gives; limits fit the text, and hold what is no text."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.roads import make_texts

from anadil.corpus.quality import FIGURES, LEAST_TO_FIT, LEAST_WORDS, fails, figures, fitted_limits
from anadil.corpus.words import words_of

NAMES = list(FIGURES)


def of(texts: list[str]) -> dict[str, list[float]]:
    found = figures(texts, words_of(texts))
    return {name: found[:, number].tolist() for number, name in enumerate(NAMES)}


@given(st.lists(st.lists(st.sampled_from(["bir", "iki", "üç", "dörd"]), max_size=40), min_size=1, max_size=5))
def test_repetitions_are_counted_as_a_counter_does(texts: list[list[str]]) -> None:
    got = of([" ".join(text) for text in texts])
    for number, text in enumerate(texts):
        threes = Counter(zip(text, text[1:], text[2:], strict=False))
        most = max([count for count in threes.values() if count > 2], default=0)
        eights = Counter(tuple(text[place : place + 8]) for place in range(len(text) - 7))
        again = sum(count - 1 for count in eights.values())
        enough = len(text) >= LEAST_WORDS
        assert got["repeated_words"][number] == pytest.approx(most * 3 / max(1, len(text)) if enough else 0)
        assert got["repeated_passages"][number] == pytest.approx(again / max(1, len(text) - 7) if enough else 0)


def test_each_figure_sees_its_own_fault() -> None:
    plain = make_texts("az", 1, 3, words=60)[0]
    bad = {
        "short_words": "a b c ç d e ə f g ğ h x ı i j k q l m n o ö",
        "long_words": "azərbaycanlılaşdırılmayanlardanmısınız " * 3,
        "symbols": "|| == || ## $$ %% ^^ && ** (( )) __ ++ bir iki üç",
        "digits": "12345 67890 12345 67890 12345 bir",
        "repeated_lines": "\n".join([plain, plain, plain]),
        "repeated_words": "çox yaxşı idi " * 20,
        "repeated_passages": f"{plain} {plain}",
        "list_lines": "\n".join(f"- {word}" for word in plain.split()),
        "unfinished_lines": "\n".join(f"{word} …" for word in plain.split()[:6]),
    }
    limits = fitted_limits(np.zeros((0, len(NAMES)), np.float32))
    texts = list(bad.values())
    got = fails(figures(texts, words_of(texts)), limits)
    assert all(got >= 0)
    for name, text in bad.items():
        value, (limit, side) = of([text])[name][0], FIGURES[name]
        assert (value - limit) * side > 0, name
    assert fails(figures([plain], words_of([plain])), limits).tolist() == [-1]


def test_limits_come_from_the_text_where_there_is_enough_of_it() -> None:
    texts = make_texts("az", LEAST_TO_FIT, 3, words=60)
    found = figures(texts, words_of(texts))
    few, many = fitted_limits(found[:-1]), fitted_limits(found)
    assert few == {name: limit for name, (limit, _) in FIGURES.items()}
    assert many["long_words"] != few["long_words"]
    assert (fails(found, many) >= 0).mean() < 0.01
    odd = found[:1].copy()
    odd[0, NAMES.index("long_words")] *= 3
    assert NAMES[fails(odd, many)[0]] == "long_words"


@given(st.lists(st.text(max_size=30), max_size=5))
def test_any_text_has_figures(texts: list[str]) -> None:
    assert np.isfinite(figures(texts, words_of(texts))).all()


def test_a_text_has_the_same_figures_alone_and_among_others() -> None:
    texts = [*make_texts("az", 20, 3, words=30), "", "- bir\n- iki", "1 2 3", ""]
    together = figures(texts, words_of(texts))
    for number, text in enumerate(texts):
        assert figures([text], words_of([text]))[0].tolist() == together[number].tolist()
