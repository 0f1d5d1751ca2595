"""Evaluation items in training text are found, however their letters are typed; other text is not taken for them."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.roads import make_texts, write_jsonl, write_texts

from anadil.corpus.build import build
from anadil.corpus.contamination import overlaps_of
from anadil.corpus.words import words_of
from anadil.errors import UserError
from anadil.languages import load_profile
from anadil.progress import silent
from anadil.recipe import Corpus, EvaluationSet, Source

QUESTIONS = [
    {"question": "Azərbaycanın ən böyük gölü hansı rayonun ərazisində yerləşir?", "choices": ["Sarısu gölü", "Göygöl"]},
    {"question": "Şirvanşahlar sarayı hansı əsrdə və kim tərəfindən tikilmişdir?", "choices": ["on beşinci"]},
]


def test_items_are_found_folded_shouted_and_in_the_middle(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "exam.jsonl", QUESTIONS)
    table = EvaluationSet(name="exam", path=path, fields=["question", "choices"], language="az")
    fold = load_profile("az").fold_for_comparison
    some = make_texts("az", 4, 3)
    texts = [
        f"{some[0]} Azərbaycanın ən böyük gölü hansı rayonun ərazisində yerləşir? {some[1]}",
        "AZƏRBAYCANIN ƏN BÖYÜK GÖLÜ HANSI RAYONUN ƏRAZİSİNDƏ YERLƏŞİR",
        "sirvansahlar sarayi hansi esrde ve kim terefinden tikilmisdir",
        "Sarısu gölü haqqında bir neçə söz: bu göl çox böyükdür və gözəldir.",
        some[2],
    ]
    found = overlaps_of([table])
    items = found.items(words_of([fold(text) for text in texts])).tolist()
    assert [found.names[item] if item >= 0 else "" for item in items] == ["exam:1", "exam:1", "exam:2", "", ""]


def test_hits_are_removed_and_listed(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "exam.jsonl", QUESTIONS)
    some = make_texts("az", 20, 3)
    some[7] += " " + str(QUESTIONS[1]["question"])
    source = Source(name="a", path=write_texts(tmp_path / "a.jsonl", some), language="az")
    table = EvaluationSet(name="exam", path=path)
    corpus = Corpus(sources=[source], detect_language=False, filter=False, contamination=[table])
    account = build(corpus, "az", tmp_path / "out", silent())["a"]
    assert account.by_verdict["contaminated"].documents == 1
    rows = pq.read_table(tmp_path / "out/rejected/a.parquet").to_pylist()
    assert [(row["id"], row["reason"], row["detail"]) for row in rows] == [("a-7", "contaminated", "exam:2")]


@pytest.mark.parametrize(
    ("content", "message"),
    [("{\n", "line 1: not JSON"), ('{"frage": "?"}\n', r"none of the fields question, answer, text \(it has: frage\)")],
)
def test_a_set_that_cannot_be_read_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "exam.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        overlaps_of([EvaluationSet(name="exam", path=path)])
    with pytest.raises(UserError, match="no evaluation set at"):
        overlaps_of([EvaluationSet(name="exam", path=tmp_path / "none.jsonl")])
