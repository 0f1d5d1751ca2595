from itertools import islice

import pytest

from anadil.languages import load_profile
from anadil.tokenizer.measure import Sample
from anadil.tokenizer.writing import EMOJI, SNIPPETS, numbers, writings


@pytest.fixture
def ways():
    target = Sample("target", "az", lambda: ["İlk iş 15 yanvar, 012-345.", "Söz."])
    return {way.name: list(way.texts()) for way in writings(load_profile("az"), target, with_code=True)}


def test_each_way_is_the_profiles(ways):
    assert ways["ascii"] == ["Ilk is 15 yanvar, 012-345.", "Soz."]
    assert ways["uppercase"] == ["İLK İŞ 15 YANVAR, 012-345.", "SÖZ."]
    assert ways["digits"][:2] == ["15 012-345.", ""]
    assert ways["emoji"] == EMOJI.split()
    assert ways["code"] == list(SNIPPETS)


def test_code_of_the_corpus_takes_the_place_of_ours():
    target = Sample("target", "az", list)
    assert "code" not in [way.name for way in writings(load_profile("az"), target, with_code=False)]


def test_numbers_are_the_same_for_the_same_seed_and_of_many_forms():
    profile = load_profile("az")
    made = list(numbers(profile))
    assert made == list(numbers(profile))
    assert made != list(numbers(profile, seed=2))
    assert all(any(character.isdigit() for character in text) for text in made)
    assert {separator for text in made for separator in profile.digit_separators if separator in text} == set(
        profile.digit_separators
    )


def test_emoji_hold_what_is_hard():
    for part in ("\u200d", "\ufe0f", "\u20e3", "\U0001f3fd", "\U0001f1e6\U0001f1ff", "\U000e007f"):
        assert part in EMOJI


def test_texts_are_read_anew_each_time(ways):
    target = Sample("target", "az", lambda: iter(["Bir 1."]))
    for way in writings(load_profile("az"), target, with_code=True):
        assert list(islice(way.texts(), 3)) == list(islice(way.texts(), 3))
