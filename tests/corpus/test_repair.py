"""Repairs: each does its one thing, twice changes nothing more, and what is whole stays as it is."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anadil.corpus.repair import BEYOND_REPAIR, Repairer
from anadil.languages import load_profile

AZ = Repairer(load_profile("az"))
SENTENCES = (Path(__file__).parent / "labelled/language/open/az.txt").read_text(encoding="utf-8").splitlines()


def repaired(text: str) -> tuple[str, list[str]]:
    names = []
    for name, fixed in AZ.repair(text):
        names.append(name)
        text = fixed
    return text, names


@pytest.mark.parametrize(
    ("broken", "whole", "name"),
    [
        ("kəndə gedən yol".encode().decode("cp1252"), "kəndə gedən yol", "mojibake"),
        (unicodedata.normalize("NFD", "Şəki gözəldir"), "Şəki gözəldir", "nfc"),
        ("sö\u00adz\u200blər\u00a0və", "sözlər və", "invisible"),
        ("mәktәbdә анa dili сavab", "məktəbdə анa dili cavab", "look_alikes"),
        ("Ə\u200bla mən gəl ə n v ə ged ə n adamlar", "Əla mən gələn və gedən adamlar", "split_letters"),
        ("Xəbər budur.\nPaylaş\nBütün hüquqlar qorunur.\nSonu.", "Xəbər budur.\nSonu.", "boilerplate"),
        ("bir\r\niki  \rüç", "bir\niki\nüç", "line_ends"),
    ],
)
def test_each_repair(broken: str, whole: str, name: str) -> None:
    fixed, names = repaired(broken)
    assert name in names
    assert fixed == whole


@pytest.mark.parametrize("text", SENTENCES[:60])
def test_text_read_in_the_wrong_encoding_comes_back(text: str) -> None:
    try:
        wrong = text.encode().decode("cp1252")
    except UnicodeDecodeError:
        wrong = text.encode().decode("latin-1")
    assert repaired(wrong)[0] == unicodedata.normalize("NFC", text) or text.isascii()


def test_words_taken_apart_come_together() -> None:
    """What a PDF program does to ə, ş and ğ: four of five sentences come back whole, 97 of 100 words."""
    whole = words = right = 0
    for sentence in SENTENCES:
        broken = "".join(f" {letter} " if letter in "əşğ" else letter for letter in sentence).replace("  ", " ").strip()
        fixed, _ = repaired(broken)
        whole += fixed == sentence
        words += len(sentence.split())
        right += len(set(sentence.split()) & set(fixed.split()))
    assert whole / len(SENTENCES) >= 0.8
    assert right / words >= 0.97


@pytest.mark.parametrize("text", SENTENCES)
def test_whole_text_stays_as_it_is(text: str) -> None:
    assert repaired(text) == (text, [])


@given(st.text(alphabet="aəşıәсеğ \n.ÉÃ\u00ad\u200b", max_size=60))
def test_repairing_twice_changes_nothing_more(text: str) -> None:
    once, _ = repaired(text)
    twice, names = repaired(once)
    assert set(names) <= {"line_ends", "split_letters"}  # blanks that a repair left at the edges
    assert repaired(twice)[0] == twice or "split_letters" in names


def test_a_russian_sentence_keeps_its_letters() -> None:
    russian = "Он сказал: все хорошо."
    assert repaired(russian) == (russian, [])
    assert repaired(f"Bakıda {russian}")[0] == f"Bakıda {russian}"


def test_what_stays_apart_is_said_so() -> None:
    assert BEYOND_REPAIR in repaired("ə, ş, ğ: ə? ş! ğ; ə - ş - ğ - ə")[1]
    assert BEYOND_REPAIR not in repaired("Bu cümlədə ə hərfi bir dəfə tək durur, qalan sözlər bütövdür.")[1]
