"""dialogues.typed: as many customers type, and nothing but that."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dialogues.small import AZ

from anadil.dialogues import typed
from anadil.dialogues.typed import as_typed
from anadil.languages import load_profile

LETTERS = AZ.letters + AZ.upper(AZ.letters)
OWN = st.text(st.sampled_from(LETTERS + " \n0123456789.,?!-<|>_@"), max_size=60)
SEEDS = st.integers(0, 10_000)
SENTENCE = "Şəhərdəki Çıraq filialı İyun ayında 15 manata GÖZƏL kart verirmi?"


@pytest.mark.parametrize("always", [False, True])
@given(text=st.one_of(st.text(), OWN), seed=SEEDS)
def test_digits_and_signs_stay(always: bool, text: str, seed: int) -> None:
    def signs(text: str) -> list[str]:
        return [one for one in text if one.isdecimal() or (one.isascii() and not one.isalpha())]

    with pytest.MonkeyPatch.context() as patch:
        for name in ("_HASTY", "_SLIPS") if always else ():
            patch.setattr(typed, name, 1.0)
        assert signs(as_typed(text, AZ, random.Random(seed))) == signs(text)


@given(text=OWN, seed=SEEDS)
def test_a_folded_text_is_ascii_and_the_others_keep_their_letters(text: str, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typed, "_HASTY", 0.0)
        for folded, small in ((1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0)):
            patch.setattr(typed, "_FOLDED", folded)
            patch.setattr(typed, "_SMALL", small)
            got = as_typed(text, AZ, random.Random(seed))
            if folded:
                assert got.isascii()
            want = AZ.lower(text) if small else text
            assert got == (AZ.fold_ascii(want) if folded or not small else want)


@given(text=OWN, seed=SEEDS)
def test_in_haste_words_lose_double_or_swap_one_letter_within(text: str, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, share in (("_FOLDED", 0.0), ("_SMALL", 0.0), ("_HASTY", 1.0), ("_SLIPS", 1.0)):
            patch.setattr(typed, name, share)
        got = as_typed(text, AZ, random.Random(seed))
    before, after = ([*typed._WORD.finditer(one)] for one in (text, got))
    words = [match.group() for match in before]
    assert typed._WORD.sub("", text) == typed._WORD.sub("", got) or any(len(word) == 4 for word in words)
    if len(before) == len(after):
        for one, other in zip(words, (match.group() for match in after), strict=True):
            assert other[0] == one[0]
            assert abs(len(other) - len(one)) <= 1
            assert sum(max(0, one.count(letter) - other.count(letter)) for letter in set(one)) <= 1


def test_the_shares_are_as_they_say() -> None:
    got = [as_typed(SENTENCE, AZ, random.Random(seed)) for seed in range(4000)]
    folded = typed._FOLDED + (1 - typed._FOLDED) * (1 - typed._SMALL) * (1 - typed._HASTY)
    assert abs(sum(text.isascii() for text in got) / 4000 - folded) < 0.03
    assert abs(sum(text[0] in "şs" for text in got) / 4000 - typed._SMALL) < 0.03
    plain = {change(SENTENCE) for change in (AZ.fold_ascii, AZ.lower, lambda text: AZ.fold_ascii(AZ.lower(text)), str)}
    words = len(typed._WORD.findall(SENTENCE))
    slipped = typed._HASTY * (1 - (1 - typed._SLIPS) ** words)
    assert abs(sum(text not in plain for text in got) / 4000 - slipped) < 0.03


@given(text=st.text(), seed=SEEDS)
def test_the_same_seed_types_the_same(text: str, seed: int) -> None:
    assert as_typed(text, AZ, random.Random(seed)) == as_typed(text, AZ, random.Random(seed))


@given(text=OWN, seed=SEEDS)
def test_what_has_no_letters_stays(text: str, seed: int) -> None:
    bare = "".join(one for one in text if not one.isalpha())
    assert as_typed(bare, AZ, random.Random(seed)) == bare


def test_other_languages_fold_their_own_letters() -> None:
    kazakh = load_profile("kk")
    got = {as_typed("Қалай өзгертемін?", kazakh, random.Random(seed)) for seed in range(60)}
    assert kazakh.fold_ascii("Қалай өзгертемін?") in got
