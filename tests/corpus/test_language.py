"""Telling Azerbaijani from its neighbours, typed with its letters or without: on sentences written for this."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anadil.corpus.language import blocks, letter_shares, load_detector
from anadil.corpus.paragraphs import MINE, LanguageFilter, _passages
from anadil.languages import load_profile

LABELLED = Path(__file__).parent / "labelled/language"
AZ = load_profile("az")
LIMITS = {"az": (0.975, 1), "az_ascii": (0.90, 1), "tr": (0, 0.01), "tr_ascii": (0, 0.01), "crh": (0, 0.02),
          "tk": (0, 0.02), "uz": (0, 0.02), "ru": (0, 0.02)}  # fmt: skip


@pytest.mark.parametrize("name", LIMITS)
def test_sentences_are_told_apart(name: str) -> None:
    texts = (LABELLED / "open" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    kept = sum(bool(part.text) for part in LanguageFilter(AZ).parts(texts)) / len(texts)
    least, most = LIMITS[name]
    assert least <= kept <= most


def test_of_mixed_documents_the_part_in_the_language_stays() -> None:
    rows = [json.loads(line) for line in (LABELLED / "open/mixed.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = ["\n".join(part["text"] for part in row["paragraphs"]) for row in rows]
    mine, others = [], []
    for row, found in zip(rows, LanguageFilter(AZ).parts(texts), strict=True):
        for part in row["paragraphs"]:
            (mine if part["language"] == "az" else others).append(part["text"] in found.text)
    assert np.mean(mine) >= 0.98
    assert np.mean(others) <= 0.02


def test_what_is_typed_without_letters_is_said_so() -> None:
    typed = "Salam, men sizin musterinizem ve internetim iki gundur ki islemir, zehmet olmasa komek edin."
    with_letters = "Salam, mən sizin müştərinizəm və internetim iki gündür ki işləmir, zəhmət olmasa kömək edin."
    found = LanguageFilter(AZ).parts([typed, with_letters])
    assert [part.typed_without_letters for part in found] == [True, False]


def test_what_goes_is_named_by_its_language() -> None:
    russian, turkish = "Это совсем другой язык, и он тут не нужен.", "Bugün hava çok güzel, değil mi arkadaşlar?"
    found = LanguageFilter(AZ).parts([turkish, russian])
    assert (found[0].text, found[0].instead) == ("", "tr")
    assert found[1].text == ""


@given(st.lists(st.text(alphabet="abçəğ ıqц.1\n😀", max_size=30), max_size=6))
def test_letter_shares_are_the_profiles(texts: list[str]) -> None:
    assert letter_shares(texts, AZ).tolist() == pytest.approx([AZ.letter_share(text) for text in texts])


@given(st.lists(st.text(alphabet="abçəğ ıq.\n", max_size=30), min_size=1, max_size=6))
def test_a_text_scores_the_same_alone_and_among_others(texts: list[str]) -> None:
    detector = load_detector()
    together = detector.share_of("az", texts)
    for text, share in zip(texts, together, strict=True):
        assert detector.share_of("az", [text])[0] == pytest.approx(share, abs=1e-5)


@given(st.lists(st.text(max_size=9), max_size=9), st.integers(1, 12))
def test_blocks_hold_every_text_once(texts: list[str], size: int) -> None:
    assert [text for block in blocks(texts, size) for text in block] == texts


@given(st.lists(st.text(alphabet="aə .", max_size=90), min_size=1, max_size=6))
def test_passages_are_the_text(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert "\n".join(_passages(text)) == text


def test_the_detector_is_small_and_knows_the_neighbours() -> None:
    detector = load_detector()
    assert {"az", "tr", "crh", "tk", "uz", "en"} <= detector.languages
    assert 0 < MINE < 1
