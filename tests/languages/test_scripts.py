import pytest

from anadil.languages.scripts import is_of_script, known_scripts, script_of


@pytest.mark.parametrize(
    ("character", "script"),
    [("a", "latin"), ("ə", "latin"), ("Ж", "cyrillic"), ("中", "cjk"), ("ة", "arabic"), ("ा", "devanagari"),
     ("𐰀", "old turkic"), ("1", ""), ("-", ""), (" ", ""), ("\u0301", ""), ("ʼ", "")],
)  # fmt: skip
def test_script_of_a_character(character, script):
    assert script_of(character) == script


@pytest.mark.parametrize(
    ("text", "of_it"),
    [(" Дом", True), ("дом-2", True), ("е\u0301", True), ("дoм", False), ("dom", False), ("12", False), ("", False)],
)
def test_a_text_is_of_a_script_if_all_its_letters_are(text, of_it):
    assert is_of_script(text, "cyrillic") is of_it


def test_known_scripts_have_names_that_people_use():
    assert {"latin", "cyrillic", "greek", "arabic", "hebrew", "georgian", "cjk", "hangul"} <= set(known_scripts())
    assert "kelvin" not in known_scripts()
