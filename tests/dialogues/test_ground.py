"""dialogues.ground: what a row says stands in the passage that it cites, and nowhere when it says that it does not."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dialogues.small import AZ, PAIR, said, write

from anadil.dialogues.ground import GroundedRow, grounded_rows
from anadil.dialogues.read import Fields
from anadil.errors import UserError
from anadil.languages import LanguageProfile, load_profile
from anadil.recipe import Grounded

FAQ = [
    ("Kartı necə bloklayım?", "Tətbiqdə kartı seçib «Blokla» düyməsini basın."),
    ("Kart neçə günə hazır olur?", "Kart üç iş gününə hazır olur."),
    ("Kartın dəyişdirilməsi pulludur?", "Kartın dəyişdirilməsi 5 manatdır."),
    ("Filial şənbə günü açıqdır?", "Şənbə günü filiallar saat 14:00-a qədər açıqdır."),
    ("Krediti vaxtından əvvəl bağlamaq olar?", "Bəli, krediti istənilən gün cərimə ödəmədən bağlaya bilərsiniz."),
    ("Limiti necə artırım?", "Limiti artırmaq üçün tətbiqdə müraciət göndərin."),
]
TARIFFS = [
    {"Tarif": name, "Aylıq ödəniş (AZN)": price, "İnternet (GB)": size, "SMS": count}
    for name, price, size, count in [
        ("Çinar", "7.50", "3", "100"), ("Palıd", "12", "10", "250"), ("Şam", "20", "35", ""),
        ("Vələs", "31.90", "60", "0"),
    ]
]  # fmt: skip
CITED = re.compile(r"(?P<answer>.*) \[(?P<number>\d+)\]", re.DOTALL)
UNKNOWN, WORDS = AZ.refusals.unknown, AZ.grounding


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("known")
    write(made / "faq.csv", [{"sual": question, "cavab": answer} for question, answer in FAQ])
    write(made / "tariffs.csv", TARIFFS)
    many = [
        {"Xidmət": f"Xidmət N{number}", "Qiymət (AZN)": f"{number}.5", "Müddət": f"{number} gün"}
        for number in range(900)
    ]
    write(made / "many.csv", many)
    return made


def made(profile: LanguageProfile = AZ, seed: int = 1, **own: Any) -> list[GroundedRow]:
    return grounded_rows(Grounded(**{"invented": 0} | own), Fields("sual", "cavab"), profile, seed)


def known(folder: Path) -> dict[str, Any]:
    return {"faq": [folder / "faq.csv"], "tables": [folder / "tariffs.csv"]}


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 999), passages=st.integers(1, 9), questions=st.integers(1, 4),
    unanswerable=st.sampled_from([0, 0.3, 0.9]), handed=st.sampled_from([0, 0.09]),
)  # fmt: skip
def test_each_row_says_what_its_passages_allow(
    folder: Path, seed: int, passages: int, questions: int, unanswerable: float, handed: float
) -> None:
    shares = {"unanswerable_share": unanswerable, "handover_share": handed}
    got = made(seed=seed, **known(folder), passages=passages, questions_a_row=questions, **shares)
    assert len(got) == len(FAQ) + sum(min(questions, len(row) - 1 - list(row.values()).count("")) for row in TARIFFS)
    answers = dict(FAQ)
    for row in got:
        texts = [passage.text for passage in row.passages]
        assert len(texts) == len(set(row.passages)) <= passages
        if row.kind == "handed_over":
            assert row.question in WORDS.asks_for_person
            assert row.answer == WORDS.hands_over
        elif row.kind == "unanswerable":
            assert texts
            assert row.answer == UNKNOWN
            if row.question in answers:
                assert answers[row.question] not in "\n".join(texts)
            else:
                assert not any(passage.title in row.question for passage in row.passages)
        else:
            cited = CITED.fullmatch(row.answer)
            assert cited
            right = row.passages[int(cited["number"]) - 1]
            others = [passage for passage in row.passages if passage != right]
            if row.question in answers:
                assert (right.text, right.title) == (cited["answer"], row.question)
                assert cited["answer"] == answers[row.question]
                assert not any(cited["answer"] in passage.text for passage in others)
            else:
                (fact,) = [fact for fact in right.text.split("\n") if f"{right.title} üçün {fact}." == cited["answer"]]
                column, value = fact.split(": ")
                assert right.title in row.question
                assert column in row.question
                assert value.split()[0] in next(one for one in TARIFFS if one["Tarif"] == right.title).values()
                assert not any(passage.title == right.title for passage in others)
    assert handed or not any(row.kind == "handed_over" for row in got)
    assert unanswerable or not any(row.kind == "unanswerable" for row in got)


def test_a_row_of_a_table_is_a_passage_with_its_units(folder: Path) -> None:
    got = made(tables=[folder / "tariffs.csv"], passages=9, questions_a_row=9, handover_share=0, unanswerable_share=0)
    passages = {passage.title: passage.text for row in got for passage in row.passages}
    assert passages == {
        "Çinar": "Aylıq ödəniş: 7.50 AZN\nİnternet: 3 GB\nSMS: 100",
        "Palıd": "Aylıq ödəniş: 12 AZN\nİnternet: 10 GB\nSMS: 250",
        "Şam": "Aylıq ödəniş: 20 AZN\nİnternet: 35 GB",
        "Vələs": "Aylıq ödəniş: 31.90 AZN\nİnternet: 60 GB\nSMS: 0",
    }
    answers = Counter(row.answer.rsplit(" [", 1)[0] for row in got)
    facts = {f"{name} üçün {fact}." for name, text in passages.items() for fact in text.split("\n")}
    assert answers == Counter(facts)


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet"])
def test_any_table_gives_the_same_rows(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"t.{kind}", [{"Ad": "Çinar", " price (AZN) ": "7.50", "b (c) d": "x", "e": None}])
    (row, *_) = got = made(tables=[path], questions_a_row=9, handover_share=0)
    assert row.passages[0].text == "price: 7.50 AZN\nb (c) d: x"
    assert {one.answer for one in got} == {"Çinar üçün price: 7.50 AZN. [1]", "Çinar üçün b (c) d: x. [1]"}


def test_every_turn_of_a_transcript_is_a_question(tmp_path: Path) -> None:
    turns = [said("system", "Salam"), *PAIR, said("user", " Filial haradadır? "), said("assistant", "Mərkəzdədir.\n")]
    got = made(faq=[write(tmp_path / "a.jsonl", [{"messages": turns}])], handover_share=0, unanswerable_share=0)
    assert [(row.question, row.answer.rsplit(" [", 1)[0]) for row in got] == [
        (PAIR[0]["content"], PAIR[1]["content"]), ("Filial haradadır?", "Mərkəzdədir."),
    ]  # fmt: skip


def test_kinds_have_their_shares_and_the_number_of_passages_tells_nothing(folder: Path) -> None:
    got = made(tables=[folder / "many.csv"], passages=3, unanswerable_share=0.3, handover_share=0.1)
    assert len(got) == 1800
    one = made(tables=[folder / "many.csv"], questions_a_row=1, handover_share=0)
    assert sum("Müddət" in row.question for row in one) == pytest.approx(450, abs=90)
    share = {kind: count / len(got) for kind, count in Counter(row.kind for row in got).items()}
    assert share == pytest.approx({"answered": 0.6, "unanswerable": 0.3, "handed_over": 0.1}, abs=0.035)
    for kind, least in (("answered", 1), ("unanswerable", 1), ("handed_over", 0)):
        counts = Counter(len(row.passages) for row in got if row.kind == kind)
        assert set(counts) == set(range(least, least + 3))
        assert min(counts.values()) > 0.25 * counts.total()
    cited = Counter(row.answer[-2] for row in got if row.kind == "answered" and len(row.passages) == 3)
    assert set(cited) == set("123")
    assert min(cited.values()) > 0.25 * cited.total()
    assert set(WORDS.asks_for_person) == {row.question for row in got if row.kind == "handed_over"}


def test_even_one_passage_may_not_be_the_right_one(folder: Path) -> None:
    got = made(tables=[folder / "many.csv"], passages=1, unanswerable_share=0.3, handover_share=0)
    assert sum(row.kind == "unanswerable" for row in got) / len(got) == pytest.approx(0.3, abs=0.035)
    assert {len(row.passages) for row in got} == {1}


def test_in_a_language_without_the_words_of_a_kind_there_is_none(folder: Path) -> None:
    tables = {"tables": [folder / "many.csv"]}
    got = made(load_profile("en"), **tables, unanswerable_share=0.3, handover_share=0.5)
    assert sum(row.kind == "unanswerable" for row in got) / len(got) == pytest.approx(0.3, abs=0.035)
    assert not any(row.kind == "handed_over" for row in got)
    got = made(load_profile("code"), **tables, unanswerable_share=0.3)
    assert {row.kind for row in got} == {"answered"}


def test_rows_follow_from_the_seed(folder: Path) -> None:
    for files in (known(folder), {"faq": [folder / "faq.csv"]}, {"tables": [folder / "tariffs.csv"], "invented": 2}):
        assert made(seed=5, **files) == made(seed=5, **files)
        assert made(seed=5, **files) != made(seed=6, **files)


def test_without_files_there_are_no_rows() -> None:
    assert made() == []


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999))
def test_what_may_answer_too_never_stands_beside(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Tariffs of one name in two places, a question asked and answered twice, an answer inside another."""
    folder = tmp_path_factory.mktemp("twice")
    table = [{"Tarif": name, "Şəhər": place, "Qiymət": "5"} for name in ("Çinar", "Şam") for place in ("Bakı", "Gəncə")]
    asked = ["Kartı necə bloklayım?", "karti nece bloklayim?", "Kart oğurlanıb, nə edim?"]
    answers = ["Tətbiqdə bloklayın.", "Bizə zəng edin.", "Dərhal tətbiqdə bloklayın. Sonra gəlin."]
    faq = [{"sual": question, "cavab": answer} for question, answer in zip(asked, answers, strict=True)]
    files = {"tables": [write(folder / "t.csv", table)], "faq": [write(folder / "f.csv", faq)]}
    for row in made(seed=seed, **files, passages=9, unanswerable_share=0.5, handover_share=0):
        titles = [AZ.fold_for_comparison(passage.title) for passage in row.passages]
        if row.kind == "answered":
            right = titles[int(row.answer[-2]) - 1]
            assert titles.count(right) == 1
            assert row.question != asked[0] or asked[2] not in [passage.title for passage in row.passages]
        else:
            assert not any(title in AZ.fold_for_comparison(row.question) for title in titles)


def test_beside_the_right_passage_stand_those_most_like_it(tmp_path: Path) -> None:
    topics = {"kart": "Kartın müddəti bir ildir, kart plastikdir", "filial": "Filialın pəncərəsi var, filial geniş"}
    faq = [
        {"sual": f"{topic} {number}?", "cavab": f"{text}{', ətraflı' * (number < 4)}. N{number}"}
        for number in range(9) for topic, text in topics.items()
    ]  # fmt: skip
    got = made(faq=[write(tmp_path / "f.csv", faq)], passages=9, handover_share=0)
    for row in got:
        assert {passage.title.split()[0] for passage in row.passages} == {row.question.split()[0]}
    assert max(len(row.passages) for row in got) > 4


def test_invented_rows_have_other_numbers_and_nothing_else(folder: Path) -> None:
    only = {"tables": [folder / "tariffs.csv"], "questions_a_row": 9, "passages": 1}
    shares = {"unanswerable_share": 0, "handover_share": 0}
    rows, more = made(**only, **shares), made(**only, **shares, invented=60)
    assert len(more) == 61 * len(rows)

    def shapes(some: list[GroundedRow]) -> set[tuple[str, str, str]]:
        return {(row.passages[0].title, *(re.sub("[0-9]", "0", one) for one in (row.passages[0].text, row.answer)))
                for row in some}  # fmt: skip

    assert shapes(more) == shapes(rows)
    assert {(row.answer, row.passages) for row in rows} < {(row.answer, row.passages) for row in more}
    assert len({row.answer for row in more}) > 10 * len(rows)
    for row in more:
        value = row.answer.removesuffix(". [1]").rsplit(": ", 1)[1]
        assert f": {value}" in row.passages[0].text
    digits = Counter(digit for row in more for digit in row.answer if digit.isdecimal())
    assert set(digits) == set("0123456789")


def test_of_a_row_without_numbers_nothing_is_invented(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", [{"Filial": "Nizami", "Gün": "hər gün"}, {"Filial": "Gənclik", "Gün": "5 gün"}])
    names = Counter(row.passages[0].title for row in made(tables=[table], invented=3, passages=1, handover_share=0,
                                                          unanswerable_share=0))  # fmt: skip
    assert names == {"Nizami": 1, "Gənclik": 4}


def test_passages_of_one_name_leave_room_for_others(folder: Path) -> None:
    """However many there are most like the right one: they may not stand beside it."""
    got = made(
        tables=[folder / "tariffs.csv"], questions_a_row=3, invented=40, unanswerable_share=0.3, handover_share=0
    )
    assert sum(row.kind == "unanswerable" for row in got) / len(got) == pytest.approx(0.3, abs=0.06)
    for row in got:
        titles = [passage.title for passage in row.passages]
        if row.kind == "answered":
            assert titles.count(titles[int(row.answer[-2]) - 1]) == 1
        else:
            assert not any(title in row.question for title in titles)


@pytest.mark.parametrize(
    ("name", "rows", "words"),
    [
        ("one.csv", [{"Ad": "Çinar"}], "one.csv, row 1: a row of a table needs a name and a value, it has 1 cells"),
        ("late.csv", [*TARIFFS, dict.fromkeys(TARIFFS[0], "")], "late.csv, row 5: .* no name in the first column"),
        ("nameless.csv", [{"Ad": "", "Qiymət": "5", "SMS": "7"}], "nameless.csv, row 1: .* no name in the first"),
        ("blank.csv", [{"Ad": "Çinar", "Qiymət": "  "}], "blank.csv, row 1: .* it has 1 cells"),
        ("rows.jsonl", [{"Ad": "Çinar", "Qiymət": "5"}], r"rows\.jsonl: a table is a csv, tsv or parquet file"),
        ("tariffs.xlsx", [{"Ad": "Çinar", "Qiymət": "5"}], r"tariffs\.xlsx is of no known kind"),
        ("none.csv", None, r"sft\.grounded\.tables: no .* at .*none\.csv"),
    ],
)  # fmt: skip
def test_a_table_that_is_none_is_named(
    tmp_path: Path, name: str, rows: list[dict[str, str]] | None, words: str
) -> None:
    if rows is not None:
        write(tmp_path / name, rows)
    with pytest.raises(UserError, match=words) as caught:
        made(tables=[tmp_path / name])
    assert caught.value.hint


def test_a_faq_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"sft\.grounded\.faq: no .* at .*none\.csv"):
        made(faq=[tmp_path / "none.csv"])
    with pytest.raises(UserError, match=r"f\.csv, row 2: message 2, of assistant, is empty"):
        made(faq=[write(tmp_path / "f.csv", [{"sual": "Kart?", "cavab": "Bəli."}, {"sual": "Filial?", "cavab": " "}])])
