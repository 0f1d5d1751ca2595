"""languages: casing, folding and letters as each profile says; nothing of a language in code."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anadil.errors import UserError
from anadil.languages import known_languages, load_profile


@pytest.mark.parametrize("code", known_languages())
def test_casing_is_a_bijection_on_the_alphabet(code: str) -> None:
    profile = load_profile(code)
    assert profile.lower(profile.upper(profile.letters)) == profile.letters
    assert len(set(profile.upper(profile.letters))) == len(set(profile.letters))
    assert profile.letters == unicodedata.normalize("NFC", profile.letters)


@pytest.mark.parametrize("code", known_languages())
def test_every_profile_has_the_strings_of_the_page(code: str) -> None:
    assert load_profile(code).page.keys() == load_profile("en").page.keys()
    assert all(load_profile(code).page.values())


def test_azerbaijani_casing_is_not_pythons() -> None:
    profile = load_profile("az")
    assert (profile.lower("İIŞIQ"), profile.upper("iı")) == ("iışıq", "İI")
    assert "İIŞIQ".lower() != profile.lower("İIŞIQ")


@given(st.text("abcçdeəfgğhxıijkqlmnoöprsştuüvyz ABCÇDEƏFGĞHXIİJKQLMNOÖPRSŞTUÜVYZ"))
def test_folding_gives_ascii_of_the_same_length(text: str) -> None:
    folded = load_profile("az").fold_ascii(text)
    assert folded.isascii()
    assert len(folded) == len(text)


def test_letter_share_counts_letters_only() -> None:
    profile = load_profile("az")
    assert profile.letter_share("Şəki, 2024!") == 1.0
    assert profile.letter_share("аб və") == 0.5
    assert profile.letter_share("123 !?") == 0.0
    assert profile.letter_share(unicodedata.normalize("NFD", "çöğ")) == 1.0


def test_a_profile_of_ones_own_and_its_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "xx.toml"
    path.write_text('code = "xx"\nname = "X"\nletters = "ab"\n')
    assert load_profile(str(path)).letters == "ab"
    path.write_text('code = "xx"\nname = "X"\nletters = "ab"\nleters = 1\n')
    with pytest.raises(UserError, match="leters"):
        load_profile(str(path))
    with pytest.raises(UserError, match="known languages: az"):
        load_profile("zz")
