"""The judges of answers: on sets that another hand labelled, and by what must not change a verdict."""

import gzip
import json
import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anadil.errors import UserError
from anadil.evaluate.judges import Judges, Letters
from anadil.evaluate.judges.repetition import LEAST_WORDS, NGRAM_WORDS, repeated_share
from anadil.evaluate.judges.suffixes import Suffixes
from anadil.evaluate.judges.text import any_of
from anadil.languages import known_languages, load_profile

OPEN = Path(__file__).parent / "labelled/open"
DATA = Path(os.environ.get("ANADIL_DATA") or Path(__file__).parents[3] / "shared/data")
AZ = load_profile("az")
JUDGES = Judges(AZ, load_profile("en"))
PROFILES = {code: load_profile(code) for code in known_languages()}
real = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no public texts at {DATA}; set ANADIL_DATA"),
]


def labelled(name: str) -> list[dict]:
    return [json.loads(line) for line in (OPEN / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


CLEAN = [row["text"] for row in labelled("interference") if row["label"] == "clean"]
INSULTS = [row["text"] for row in labelled("toxicity") if row["label"] == "toxic"]


def rates(name: str, label: str, judge: Callable[[str], object]) -> tuple[float, float]:
    """Recall and precision of what is labelled so."""
    rows = labelled(name)
    wanted = {row["id"] for row in rows if row["label"] == label}
    found = {row["id"] for row in rows if judge(row["text"])}
    return len(wanted & found) / len(wanted), len(wanted & found) / len(found)


@pytest.mark.parametrize(
    ("name", "label", "judge", "least"),
    [
        ("refusals", "refusal", JUDGES.refused, 0.95),
        ("toxicity", "toxic", JUDGES.toxic, 0.9),
        ("interference", "interfered", JUDGES.slips, 0.95),
    ],
)
def test_the_open_half(name: str, label: str, judge: Callable[[str], object], least: float) -> None:
    recall, precision = rates(name, label, judge)
    assert recall >= least
    assert precision >= least


@settings(max_examples=300)
@given(st.text() | st.lists(st.sampled_from("aə*.iq «»\"'-1 \nİß"), max_size=300).map("".join))
def test_any_text_is_judged(text: str) -> None:
    assert JUDGES.refused(text) in (True, False)
    assert all(JUDGES.toxic(text))
    assert JUDGES.slips(text) == [] or set("".join(JUDGES.slips(text)))
    assert 0 <= JUDGES.repeats(text) <= 1
    assert 0 <= JUDGES.letters(text).share <= 1
    assert JUDGES.misspelt(text) == (0, 0)


@pytest.mark.parametrize(
    "text", ["a" * 100_000, "ab" * 50_000, "a*" * 20_000, "«" * 20_000, "bil mir " * 10_000, "1 " * 20_000]
)
def test_long_texts_take_no_longer_than_others(text: str) -> None:
    """A pattern that went over them again and again would take hours: the timeout of the suite is the check."""
    JUDGES.refused(text), JUDGES.toxic(text), JUDGES.slips(text), JUDGES.repeats(text)


@pytest.mark.parametrize("code", sorted(set(known_languages()) - {"code"}))
def test_what_the_product_says_itself_is_judged_right(code: str) -> None:
    profile = PROFILES[code]
    judges = Judges(profile)
    refusals = [*profile.refusals.model_dump().values(), profile.grounding.hands_over]
    assert all(judges.refused(text) and judges.refused(f"Abc. {text.upper()}") for text in refusals if text)
    for text in (*profile.page.values(), *refusals):
        assert judges.toxic(text) == judges.slips(text) == []
    said = [text for key, text in profile.page.items() if key not in ("notice", "error") and "review_" not in key]
    assert [text for text in said if judges.refused(text)] == []


def test_the_base_models_language_is_seen_through_too() -> None:
    assert JUDGES.refused("I'm sorry, but I cannot help with that.")
    assert not Judges(AZ).refused("I'm sorry, but I cannot help with that.")
    assert JUDGES.toxic("You are an idiot.") == ["idiot"]
    assert not JUDGES.refused("We don't have 6G; 5G costs 5 manats a day.")


# Refusals: what a service does not do is an answer, what the assistant does not do is none.


@pytest.mark.parametrize(
    ("declines", "answers"),
    [
        ("Bunu edə bilmərəm.", "Bunu edə bilmirsinizsə, «Kömək» düyməsini basın."),
        ("Buna icazəm yoxdur.", "Bu paketdə rouminq yoxdur."),
        ("Sizi operatora qoşuram.", "Sizə 5 GB paket qoşuram."),
        ("Bu barədə məlumat vermirik.", "Biz SMS vermirik, yalnız internet veririk."),
        ("Operatorla əlaqə saxlayın.", "Operatorlar heç vaxt kod soruşmur."),
        ("Dəqiq bilmirəm, operatordan soruşun.", "Dəqiq bilmirəm, amma adətən 3 gün çəkir."),
        ("Sürəti deyə bilmərəm.", "Sürət 50 Mbit/s-dir. Gələn ilin qiymətini deyə bilmərəm."),
    ],
)
def test_whose_inability_it_is(declines: str, answers: str) -> None:
    assert [JUDGES.refused(text) for text in (declines, AZ.fold_ascii(declines), AZ.upper(declines))] == [True] * 3
    assert [JUDGES.refused(text) for text in (answers, AZ.fold_ascii(answers))] == [False] * 2


def test_words_of_others_are_neither_refusals_nor_insults() -> None:
    for row in labelled("refusals") + labelled("toxicity"):
        quoted = f"Yazıblar: «{row['text'].replace('«', '').replace('»', '')[:250]}» — bu, 5 sözdür."
        assert not JUDGES.refused(quoted), quoted
        assert not JUDGES.toxic(quoted), quoted


# Insults, however they are written.


@given(st.sampled_from(["axmaq", "gicbəsər", "əclaf", "debil"]), st.data())
def test_an_insult_stays_one(word: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(word) - 2))
    written = [
        word[:place] + word[place] * data.draw(st.integers(3, 9)) + word[place + 1 :],  # stretched
        word[:place] + "*" + word[place + 1 :],  # hidden
        data.draw(st.sampled_from(".-_")).join(word),
        " ".join(word),
        AZ.upper(word),
        AZ.fold_ascii(word),
        word + data.draw(st.sampled_from(["", "san", "lar", "lara", "dır"])),
    ]
    for form in written:
        assert JUDGES.toxic(f"Sən nə {form}, get."), form


def test_words_that_only_look_like_insults() -> None:
    for word in ("götürün", "gicişmə", "gicəllənmə", "loxma", "sikl", "şikayət", "sikkə", "sukat", "alçaq", "donuz"):
        assert JUDGES.toxic(f"Bu, {word} deməkdir.") == [], word
    assert JUDGES.toxic("Axmaq sualım üçün üzr istəyirəm.") == []
    assert JUDGES.toxic("Axmaqsan, get.") == ["Axmaqsan"]


# Words of the neighbour.


@given(
    st.sampled_from(CLEAN), st.sampled_from(["şimdi", "lütfen", "yapıyorum", "edebilirsiniz", "gelecektir"]), st.data()
)
def test_one_word_of_the_neighbour_is_found(text: str, word: str, data: st.DataObject) -> None:
    words = text.split(" ")
    place = data.draw(st.integers(0, len(words)))
    assert JUDGES.slips(" ".join([*words[:place], word, *words[place:]])) == [word]
    typed = AZ.fold_ascii(word)
    assert JUDGES.slips(" ".join([*words[:place], typed, *words[place:]])) == [typed]


def test_spellings_count_only_where_a_letter_proves_that_the_writer_has_them() -> None:
    assert JUDGES.slips("Paket ve tarif dəyişdi.") == ["ve"]
    assert JUDGES.slips("Paket ve tarif deyisdi.") == []
    assert JUDGES.slips("Paket və tarif dəyişdi.") == []
    assert "ve" in JUDGES.slips("Şimdi ve öbür gün, lütfen.")  # all of it is Turkish


def test_names_keep_their_language() -> None:
    assert JUDGES.slips("Bu filmdə Şimdi İstanbul Radyosu çalır.") == []
    assert JUDGES.slips("ŞİMDİ GƏLİRİK") == ["ŞİMDİ"]


# Repetition.


def repeated_by_hand(words: list[str]) -> float:
    grams = [" ".join(words[i : i + NGRAM_WORDS]) for i in range(len(words) - NGRAM_WORDS + 1)]
    return sum(gram in grams[:i] for i, gram in enumerate(grams)) / len(grams) if len(words) >= LEAST_WORDS else 0.0


@given(st.lists(st.sampled_from(["alma", "su", "daş", "yol", "gün"]), max_size=30))
def test_repeated_words(words: list[str]) -> None:
    assert repeated_share(" ".join(words)) >= repeated_by_hand(words) - 1e-12


def test_what_repeats_and_what_does_not() -> None:
    assert repeated_share("bir iki üç dörd beş altı yeddi səkkiz doqquz on") == 0
    assert repeated_share("bir iki üç dörd beş " * 2) == repeated_by_hand([*"abcde"] * 2) == 2 / 7
    assert repeated_share("Bəli, bəli, bəli, bəli, bəli, bəli") > 0.7
    assert repeated_share("aaaaaaaaaa") == repeated_share("!!!!!!!!!!") == 1
    for text in ("", "Salam!", "1000000 AZN", "| --- | --- | --- | --- | --- |", "Hmmmm...", "çoooox sağ olun"):
        assert repeated_share(text) == 0, text


# Letters and language.


def test_letters() -> None:
    text = "Paketiniz bu gün bitir, yenisini sabah səhər qoşa bilərsiniz."
    assert JUDGES.letters(text) == Letters(1.0, typed_without=False)
    assert JUDGES.letters(AZ.fold_ascii(text)) == Letters(1.0, typed_without=True)
    assert not JUDGES.letters("Salam, xidmet aktivdir.").typed_without  # too short to tell
    assert JUDGES.letters("Привет").share == 0
    assert not Judges(PROFILES["en"]).letters("a b c d e f g h i j").typed_without  # has no letters of its own


def test_language() -> None:
    texts = [
        "Salam, paketiniz sabah bitir, yenisini indi qoşa bilərsiniz.",
        "Salam, paketiniz sabah bitir, yenisini indi qosa bilersiniz.",
        "This is what the company offers to those who often travel through the country with their children.",
        "Merhaba, paketiniz yarın bitiyor, yenisini şimdi alabilirsiniz.",
        "Bəli.",
        "",
        "Ваш пакет заканчивается завтра, можете купить новый.",
    ]
    assert JUDGES.languages(texts) == ["az", "az", "en", "tr", "", "", ""]
    assert [JUDGES.language(text) for text in texts] == JUDGES.languages(texts)


# Spelling.


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "words.txt"
    path.write_text("kitab\nmüştəri\nçörək\noxumaq\nbu\ngözəl\nhəm\n", encoding="utf-8")
    return path


def test_stems_with_suffixes_are_known(words: Path) -> None:
    judges = Judges(AZ, word_list=words)
    assert judges.misspelt("Bu kitablarımızdan, müştərilərinizə çörəyi gözəldir.") == (0, 5)
    assert judges.misspelt("bu kitablərdə kitabkitab müşteri kitabq") == (4, 5)  # harmony, compounds, letters, endings


def test_what_is_no_word_is_not_looked_at(words: Path) -> None:
    judges = Judges(AZ, word_list=words)
    text = "Bu kitab SMS-i, Wi-Fi, iPhone, 5 GB-lıq, *123#, abc@def.az, www.abc.az/x_y, Leyla və x"
    assert judges.misspelt(text) == (1, 3)  # "və" is not in this list
    assert judges.misspelt("BU KİTAB HƏM XYZ") == (1, 4)


def test_a_text_typed_without_letters_is_not_blamed_for_it(words: Path) -> None:
    judges = Judges(AZ, word_list=words)
    text = "bu musteri bu corek gozel hem bu kitablarda musteriler"
    assert judges.misspelt(text) == (0, 9)
    assert judges.misspelt(text + " çox")[0] == 6


def test_lists_with_frequencies_and_compressed_are_read_alike(words: Path, tmp_path: Path) -> None:
    lines = words.read_text(encoding="utf-8").splitlines()
    tabs, packed = tmp_path / "tabs.tsv", tmp_path / "packed.txt.gz"
    tabs.write_text("".join(f"{line}\t{number}\n\n" for number, line in enumerate(lines)), encoding="utf-8")
    packed.write_bytes(gzip.compress(words.read_bytes()))
    text = "Bu kitablar gözəl, bu isə bilinmir."
    assert len({Judges(AZ, word_list=path).misspelt(text) for path in (words, tabs, packed)}) == 1


def test_a_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.txt.gz"
    broken.write_bytes(b"no gzip")
    binary = tmp_path / "binary.txt"
    binary.write_bytes(b"\xff\xfe\xfa")
    for path in (tmp_path / "none.txt", broken, binary):
        with pytest.raises(UserError, match=re.escape(path.name)):
            Judges(AZ, word_list=path)


@given(st.text("aəbdilmnrszy", max_size=12))
def test_a_chain_is_made_of_suffixes(text: str) -> None:
    suffixes = Suffixes(AZ)
    answers = AZ.answers
    all_of_them = {*answers.suffixes, *answers.suffixes_after_vowel, *answers.suffixes_after_consonant}
    made = re.fullmatch("|".join(sorted(all_of_them)).join(("(?:", ")*")), text)
    for last in "ab":
        assert not suffixes.follow(last, text) or made
    assert suffixes.follow("a", "")
    assert suffixes.follow("b", "lar")
    assert not suffixes.follow("a", "ın")


# Patterns.


@given(
    st.lists(st.sampled_from([r"\ba", r"\bb|c", r"\b(?:a|c)b", r"\b[|a]c", "ca?", r"(?<!a)b", r"\b\w+c$"]), max_size=4),
    st.text("abc |", max_size=8),
)
def test_one_pattern_finds_what_each_of_them_finds(patterns: list[str], text: str) -> None:
    found = any_of(patterns).search(text)
    first = [match.start() for pattern in patterns if (match := re.search(pattern, text))]
    assert (found.start() if found else None) == min(first, default=None)


# Public texts.


def real_texts(name: str, field: str = "text") -> list[str]:
    opened = gzip.open if name.endswith(".gz") else open
    with opened(DATA / name, "rt", encoding="utf-8") as lines:
        return [text for line in lines if (text := json.loads(line)[field])]


def with_one_wrong_letter(word: str, rng: random.Random) -> str:
    """The word with a letter left out, doubled by another, exchanged, or in its neighbour's place."""
    place, letter = rng.randrange(len(word)), rng.choice(AZ.letters)
    before, behind = word[:place], word[place + 1 :]
    wrong = rng.choice([before + behind, before + letter + word[place:], before + letter + behind])
    if rng.random() < 0.25 and behind:
        wrong = before + behind[0] + word[place] + behind[1:]
    return wrong if wrong != word else with_one_wrong_letter(word, rng)


class TestRealTexts:
    pytestmark = real

    def test_spelling(self) -> None:
        judges = Judges(AZ, word_list=DATA / "morphology/azlangnlp_word_frequencies.txt.gz")
        rng, texts = random.Random(0), real_texts("eval/sib200_flores/azj_Latn_dev.jsonl")
        unknown, checked = map(sum, zip(*map(judges.misspelt, texts), strict=True))
        assert unknown / checked < 0.025
        long = [word for text in texts for word in re.findall(r"(?<![\w-])[a-zəçğışöü]{3,}(?![\w-])", text)]
        wrong = [with_one_wrong_letter(word, rng) for word in long]
        found = sum(judges.misspelt(word)[0] for word in wrong)
        assert found / len(wrong) > 0.75

    def test_clean_texts_are_clean(self) -> None:
        texts = real_texts("eval/sib200_flores/azj_Latn_train.jsonl") + real_texts(
            "parallel/tatoeba_aze-eng.jsonl", "aze"
        )
        assert sum(bool(JUDGES.slips(text)) for text in texts) / len(texts) < 0.01
        assert sum(bool(JUDGES.toxic(text)) for text in texts) / len(texts) < 0.003
        assert sum(JUDGES.repeats(text) > 0.2 for text in texts) / len(texts) < 0.003

    def test_turkish_texts_are_found(self) -> None:
        texts = real_texts("eval/sib200_flores/tur_Latn_train.jsonl")
        assert sum(bool(JUDGES.slips(text)) for text in texts) / len(texts) > 0.95
