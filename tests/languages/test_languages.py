"""languages: casing, folding and letters as each profile says; nothing of a language in code."""

import json
import os
import re
import sysconfig
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.roads import write_texts

from anadil.corpus.build import build
from anadil.corpus.personal_data import Finder
from anadil.errors import UserError
from anadil.languages import LanguageProfile, known_languages, load_profile, profile_source
from anadil.languages.scripts import script_of
from anadil.progress import silent
from anadil.recipe import Corpus, Source

PROFILES = {code: load_profile(code) for code in known_languages()}
CHATTED_IN = sorted(PROFILES.keys() - {"code"})  # nobody chats in program code: no strings, no refusals
LATIN = [code for code, profile in PROFILES.items() if {script_of(c) for c in profile.letters} == {"latin"}]
SAMPLES = {"az": "azj_Latn", "en": "eng_Latn", "et": "est_Latn", "fi": "fin_Latn", "kk": "kaz_Cyrl", "tr": "tur_Latn"}
DATA = Path(os.environ.get("ANADIL_DATA") or "ANADIL_DATA is not set") / "eval" / "sib200_flores"


def test_the_profiles_that_come_with_the_package() -> None:
    assert set(PROFILES) == {"az", "code", "en", "et", "fi", "kk", "ru", "tr"}
    assert all(profile.code == code for code, profile in PROFILES.items())
    assert sorted(PROFILES.keys() - set(LATIN)) == ["kk", "ru"]


@pytest.mark.parametrize("code", PROFILES)
def test_letters_are_a_lowercase_alphabet(code: str) -> None:
    profile, letters = PROFILES[code], PROFILES[code].letters
    assert profile.lower(letters) == letters == unicodedata.normalize("NFC", letters)
    assert len(set(letters)) == len(letters)
    assert len({script_of(letter) for letter in letters}) == 1  # no look-alike slipped in


@pytest.mark.parametrize("code", PROFILES)
def test_casing_is_a_bijection_on_the_alphabet(code: str) -> None:
    profile = PROFILES[code]
    assert profile.lower(profile.upper(profile.letters)) == profile.letters
    assert len(set(profile.upper(profile.letters))) == len(set(profile.letters))


@pytest.mark.parametrize("code", LATIN)
def test_folding_leaves_ascii_where_the_script_is_latin(code: str) -> None:
    profile = PROFILES[code]
    folded = profile.fold_ascii(profile.letters + profile.upper(profile.letters))
    assert folded.isascii()
    assert folded.upper() == profile.fold_ascii(profile.upper(profile.letters)) * 2


@pytest.mark.parametrize("code", sorted(PROFILES.keys() - set(LATIN)))
def test_folding_stays_within_the_alphabet_elsewhere(code: str) -> None:
    profile = PROFILES[code]
    folded = profile.fold_ascii(profile.letters)
    assert set(folded) == set(profile.letters) - profile.ascii_fold.keys()
    assert profile.fold_ascii(folded) == folded


@pytest.mark.parametrize("code", PROFILES)
def test_look_alikes_lead_from_outside_the_alphabet_into_it(code: str) -> None:
    profile = PROFILES[code]
    for foreign, meant in profile.look_alikes.items():
        assert foreign not in profile.alphabet
        assert meant in profile.alphabet
        assert foreign.isupper() == meant.isupper()


@pytest.mark.parametrize("code", sorted(set(CHATTED_IN) - {"az", "en"}))  # az: only the frequent ones; en: none
def test_no_twin_of_the_other_script_is_forgotten(code: str) -> None:
    """The pairs of one shape, both ways: a letter of the alphabet is reached from its twin."""
    latin, cyrillic = "aceopxABCEHKMOPTX", "асеорхАВСЕНКМОРТХ"
    for foreign, meant in zip(latin + cyrillic, cyrillic + latin, strict=True):
        if meant in PROFILES[code].alphabet:
            assert PROFILES[code].look_alikes[foreign] == meant


@pytest.mark.parametrize("code", CHATTED_IN)
def test_every_language_has_the_strings_of_the_chat_page(code: str) -> None:
    page = PROFILES[code].page
    assert page.keys() - of_review(code) == PROFILES["az"].page.keys() - of_review("az")
    assert all(text == text.strip() and text for text in page.values())
    assert all(PROFILES[code].refusals.model_dump().values())
    assert [key for key, text in page.items() if text.endswith("…")] == ["placeholder", "thinking"]


def of_review(code: str) -> set[str]:
    return {key for key in PROFILES[code].page if key.startswith("review_")}


@pytest.mark.parametrize("code", CHATTED_IN)
def test_the_strings_of_the_review_page_are_all_there_or_none(code: str) -> None:
    """A page half in English would be worse than one in English; what is filled in is the same everywhere."""
    assert of_review(code) in (set(), of_review("en"))
    assert of_review(code) or code not in ("az", "en", "tr")
    for key in of_review(code):
        fields = [sorted(re.findall(r"{\w+}", PROFILES[one].page[key])) for one in (code, "en")]
        assert fields[0] == fields[1], key


@pytest.mark.parametrize("code", sorted(set(CHATTED_IN) - {"en"}))
def test_no_string_was_left_in_english_or_typed_without_its_letters(code: str) -> None:
    profile = PROFILES[code]
    shown = profile.page | profile.refusals.model_dump()
    english = PROFILES["en"].page | PROFILES["en"].refusals.model_dump()
    assert [key for key, text in shown.items() if text == english[key]] == []
    assert profile.letter_share(" ".join(shown.values())) == 1.0


@pytest.mark.parametrize("code", PROFILES)
def test_marks_of_neighbours_are_not_the_languages_own(code: str) -> None:
    profile = PROFILES[code]
    shown = " ".join([*profile.page.values(), *profile.refusals.model_dump().values()])
    own = set(re.findall(r"\w+", profile.lower(shown)))
    for neighbour in profile.neighbours:
        assert neighbour.marks
        assert neighbour.code != code
        for mark in neighbour.marks:
            assert mark == unicodedata.normalize("NFC", mark) == mark.lower()
            assert mark not in (profile.alphabet if len(mark) == 1 else own)


@pytest.mark.parametrize("code", PROFILES)
def test_names_of_evaluation_sets_are_of_one_form(code: str) -> None:
    for name in PROFILES[code].eval_sets.values():
        assert re.fullmatch(r"(sib200|belebele):[a-z]{3}_[A-Z][a-z]{3}|tumlu:[a-z]{2}", name)


PHONES = {
    "az": ["+994 50 123 45 67", "050 123 45 67", "012 123-45-67", "+994501234567"],
    "et": ["+372 5123 4567", "+3726123456", "5123 4567", "51234567", "512 3456", "612 3456"],
    "fi": ["+358 40 123 4567", "040 1234567", "0401234567", "040-123 4567", "0400 123 456", "050 123 45 67",
           "+358 (0)45 123 4567", "09 123 4567", "(09) 234 5678", "013 234 567"],
    "kk": ["+7 701 123 45 67", "8 (777) 123-45-67", "87471234567", "8 (7172) 55-00-00", "+77071234567"],
    "ru": ["+7 916 123-45-67", "8 (495) 123-45-67", "89161234567", "8 (4852) 12-34-56", "8 (49631) 2-34-56"],
    "tr": ["+90 532 123 45 67", "0532 123 45 67", "0 (212) 123 45 67", "05321234567", "+90 (312) 123 4567",
           "(0532) 123 4567"],
}  # fmt: skip
NO_PHONES = {
    "az": ["12 345 678", "2024-05-06", "1234567"],
    "et": ["12 345 678", "2024", "1 512 345", "512 345", "10.5123456", "512345678", "39001010077"],
    "fi": ["12.10.2024", "05-12-2024", "09 12 2024", "040", "1040 123 4567", "0800 123 456", "010 123 4567", "02.30"],
    "kk": ["8 701 123", "12 345 678", "900101300017", "87011234567890"],
    "ru": ["8 800 555-35-35", "8 916 123", "4509 123456", "891612345678"],
    "tr": ["0 800 123 45 67", "12.345.678", "10000000146", "0532 123 45", "053212345678"],
}
# The first of each is the published specimen of its kind, or made up with a right check digit; none is a person's.
IDENTITIES = {
    "az": ["5ABC12D", "1AZ2B3C"],
    "et": ["37605030299", "60001019906"],
    "fi": ["131052-308T", "010594Y9032", "020504A902E", "020516C903K"],
    "kk": ["900101300017", "000229650000"],
    "ru": ["4509 123456", "45 09 123456", "45 09 № 123456", "112-233-445 95", "112-233-445-95", "500100732259"],
    "tr": ["10000000146"],
}
NO_IDENTITIES = {
    "az": ["ABCDEFG", "1234567", "5IBC12D", "5ABC12DE"],
    "et": ["37613030299", "97605030299", "3760503029", "376050302990", "37605320299"],
    "fi": ["321052-308T", "131352-308T", "131052-308G", "131052 308T", "131052-3081T", "131052G308T"],
    "kk": ["901301300017", "900132300017", "900101900017", "90010130001", "9001013000170", "900140000017"],
    "ru": ["4509123456", "450 123456", "11223344595", "112-233-445", "5001007322", "5001007322599", "2024 12345"],
    "tr": ["10000000145", "01000000146", "1000000014", "100000001460"],
}


@pytest.mark.parametrize("code", PHONES)
def test_phone_numbers_of_each_country(code: str) -> None:
    word = PROFILES[code].personal_data.phone_context[0]
    assert [text for text in PHONES[code] if not _found(code, "phone", text, word)] == []
    assert [text for text in NO_PHONES[code] if _found(code, "phone", text)] == []


@pytest.mark.parametrize("code", IDENTITIES)
def test_identity_numbers_of_each_country(code: str) -> None:
    word = next((word for one in PROFILES[code].personal_data.identity for word in one.context), "")
    assert [text for text in IDENTITIES[code] if not _found(code, "identity", text, word)] == []
    assert [text for text in NO_IDENTITIES[code] if _found(code, "identity", text, word)] == []


def test_personal_data_has_examples_for_every_country_that_has_patterns() -> None:
    having = {code for code, profile in PROFILES.items() if profile.personal_data.phone_regions}
    assert having == PHONES.keys() == NO_PHONES.keys() == IDENTITIES.keys() == NO_IDENTITIES.keys()
    for code in having:
        data = PROFILES[code].personal_data
        assert all(re.fullmatch("[A-Z]{2}", region) for region in data.phone_regions)
        words = [*data.phone_context, *data.numbering, *(word for kind in data.identity for word in kind.context)]
        assert all(word == PROFILES[code].lower(word) for word in words)


def _found(code: str, kind: str, text: str, word: str = "") -> bool:
    """The number is found within a sentence, all of it, beside a word that may say what it is."""
    sentence = f"Abc {word} {text}, abc."
    return any(
        span.kind == kind and sentence[span.begin : span.end] == text for span in Finder(PROFILES[code]).find(sentence)
    )


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_dir(), reason="ANADIL_DATA does not name the folder of public texts")
@pytest.mark.parametrize("code", SAMPLES)
def test_real_text_is_of_the_languages_letters(code: str, tmp_path: Path) -> None:
    lines = (DATA / f"{SAMPLES[code]}_dev.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    profile = PROFILES[code]
    assert profile.letter_share("\n".join(texts)) >= 0.95
    assert kept(code, texts, tmp_path) >= len(texts) - 1  # one of them says the same as another
    words = set(re.findall(r"\w+", profile.lower("\n".join(texts))))
    marks = {mark for neighbour in profile.neighbours for mark in neighbour.marks if len(mark) > 1}
    assert words & marks == set()


def kept(code: str, texts: list[str], folder: Path, **settings: Any) -> int:
    """How many of some texts a corpus keeps."""
    source = Source(name="a", path=write_texts(folder / "a.jsonl", texts), language=code, split="train")
    return (
        build(Corpus(sources=[source], **settings), code, folder / "out", silent())["a"].by_verdict["train"].documents
    )


def test_code_as_a_language_loses_nothing(tmp_path: Path) -> None:
    profile = PROFILES["code"]
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("[a-c]*.py"))
    texts = [file.read_text(encoding="utf-8") for file in files] + ["x = 1\n", "import os\n"]
    assert kept("code", texts, tmp_path, personal_data="keep", repeated_paragraph_words=0) == len(texts)
    assert profile.letter_share("\n".join(texts)) > 0.999
    commented = "def f(сумма):\n    return сумма  # складывает\n"
    assert profile.letter_share(commented) < profile.thresholds.min_script_share  # what the limit is there for


def test_azerbaijani_casing_is_not_pythons() -> None:
    profile = PROFILES["az"]
    assert (profile.lower("İIŞIQ"), profile.upper("iı")) == ("iışıq", "İI")
    assert "İIŞIQ".lower() != profile.lower("İIŞIQ")


def test_kazakh_folds_to_the_russian_keyboard_not_to_ascii() -> None:
    assert PROFILES["kk"].fold_ascii("Қазақ тілінің ӘҢГІМЕСІ") == "Казак тилинин АНГИМЕСИ"


def test_turkish_folds_circumflexes_and_the_dotted_capital() -> None:
    assert PROFILES["tr"].fold_ascii("İstanbul'da kâğıt, RÜZGÂR") == "Istanbul'da kagit, RUZGAR"


@pytest.mark.parametrize("code", ["az", "tr", "kk", "fi"])
@given(data=st.data())
def test_folding_gives_one_character_for_one(code: str, data: st.DataObject) -> None:
    profile = PROFILES[code]
    text = data.draw(st.text(sorted(profile.alphabet | set(" 1’.-"))))
    folded = profile.fold_ascii(text)
    assert len(folded) == len(text)
    assert profile.fold_ascii(folded) == folded
    assert {c for c in folded if c.isalpha()} <= profile.alphabet | set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def test_letter_share_counts_letters_only() -> None:
    profile = PROFILES["az"]
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


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('letters = "abC"', "letters: 'C' is not lowercase"),
        ('letters = "a, b"', "letters: ',' is no letter"),
        ('letters = "aba"', "letters: 'a' stands there twice"),
        ('letters = "ae\u0301"', "letters: not in the form NFC"),
        ('letters = "asß"', "casing_pairs: the capital of 'ß' is 'SS'"),
        ('letters = "abıi"', "casing_pairs: 'ı' -> 'I' -> 'i'"),
        ('letters = "ab"\ncasing_pairs = [["a", "AA"]]', "casing_pairs: 'AA' is not one character"),
        ('letters = "ab"\nascii_fold = { "č" = "c" }', "ascii_fold: 'č' is not among the letters"),
        ('letters = "ab"\nlook_alikes = { "а" = "aa" }', "look_alikes: 'aa' is not one character"),
        ('letters = "ab"\nlook_alikes = { "b" = "a" }', "look_alikes: 'b' is a letter of the language"),
        (
            'letters = "ab"\npersonal_data = { identity = [{ pattern = "(1" }] }',
            r"personal_data.identity.0.pattern: not a regular expression",
        ),
    ],
)
def test_what_cannot_be_a_profile_is_refused_by_field(lines: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "xx.toml"
    path.write_text(f'code = "xx"\nname = "X"\n{lines}\n', encoding="utf-8")
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        load_profile(str(path))
    assert caught.value.hint is not None
    assert "docs/languages.md" in caught.value.hint


def test_a_letter_with_two_small_forms_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "el.toml"
    path.write_text('code = "el"\nname = "Greek"\nletters = "αςσ"\n', encoding="utf-8")
    profile = load_profile(str(path))
    assert profile.letter_share("ΣΑΣ σας") == 1.0


@pytest.mark.parametrize("code", PROFILES)
def test_the_files_say_nothing_twice(code: str) -> None:
    """TOML refuses a key given twice; lists do not."""
    table = tomllib.loads(profile_source(code).read_text(encoding="utf-8"))
    for values in (table.get("apostrophes", []), table.get("digit_separators", [])):
        assert len(set(values)) == len(values)
    assert LanguageProfile.model_validate(table) == PROFILES[code]
