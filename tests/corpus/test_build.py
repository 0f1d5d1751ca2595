"""corpus: what came in is what went out, by reason; the split belongs to the text, not to the order."""

import json
import unicodedata
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.roads import dirty_texts, make_texts, write_road, write_texts

from anadil.artifact import Hashes
from anadil.corpus.account import Account
from anadil.corpus.build import build, sources, texts
from anadil.corpus.clean import Limits, normalise, sort_out
from anadil.corpus.read import Document
from anadil.errors import UserError
from anadil.languages import load_profile
from anadil.progress import silent
from anadil.recipe import Corpus, Source, load

AZ = load_profile("az")
LIMITS = Limits(min_words=3, min_script_share=0.8, heldout_share=0.3, split="hash")


def verdicts(some: list[str], limits: Limits = LIMITS) -> list[str]:
    return [
        verdict for _, verdict in sort_out([Document(str(i), t, {}) for i, t in enumerate(some)], AZ, limits, set())
    ]


def test_each_reason_is_given() -> None:
    got = verdicts(dirty_texts())
    assert got[2:] == ["duplicate", "duplicate", "empty", "empty", "too_short", "wrong_script"]
    assert set(got[:2]) <= {"train", "heldout"}


@given(st.text())
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(30)))
def test_the_split_does_not_depend_on_the_order(order: list[int]) -> None:
    some = make_texts("az", 30, 5)
    split = dict(zip(some, verdicts(some), strict=True))
    shuffled = [some[i] for i in order]
    assert dict(zip(shuffled, verdicts(shuffled), strict=True)) == split


def test_about_the_asked_share_is_held_out() -> None:
    got = verdicts(make_texts("az", 2000, 7, words=8))
    assert 0.26 < got.count("heldout") / (got.count("heldout") + got.count("train")) < 0.34


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_a_source_can_be_all_of_one_split(split: str) -> None:
    assert set(verdicts(make_texts("az", 20, 8), Limits(3, 0.8, 0.3, split))) == {split}  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.text(), st.sampled_from(["train", "heldout", "empty"]))))
def test_the_account_closes(documents: list[tuple[str, str]]) -> None:
    account = Account()
    for text, verdict in documents:
        account.add(text, verdict)
    assert account.closes()
    account.read.words += 1
    assert not account.closes()


@pytest.fixture
def built(tmp_path: Path) -> tuple[Path, Corpus]:
    recipe = load(write_road(tmp_path / "in"))
    accounts = build(recipe.corpus, "az", tmp_path / "out", silent())
    assert all(account.closes() for account in accounts.values())
    return tmp_path / "out", recipe.corpus


def test_files_hold_what_the_account_says(built: tuple[Path, Corpus]) -> None:
    out, corpus = built
    accounts = json.loads((out / "accounting.json").read_bytes())
    for source in corpus.sources:
        verdict_counts = accounts[source.name]["verdicts"]
        for split in ("train", "heldout"):
            found = list(texts(out, source.name, split))
            assert len(found) == verdict_counts.get(split, {"documents": 0})["documents"]
            assert sum(len(t.encode()) for t in found) == verdict_counts.get(split, {"bytes": 0})["bytes"]
        rejected = pq.read_table(out / "rejected" / f"{source.name}.parquet").to_pylist()
        for reason in {row["reason"] for row in rejected}:
            assert verdict_counts[reason]["documents"] == sum(row["reason"] == reason for row in rejected)
    assert [source["weight"] for source in sources(out)] == [1.0, 1.0, 0.5]


def test_building_twice_gives_the_same_bytes(built: tuple[Path, Corpus], tmp_path: Path) -> None:
    out, corpus = built
    build(corpus, "az", tmp_path / "again", silent())
    files = [file for file in out.rglob("*") if file.is_file()]
    assert len(files) == 3 * 3 + 2
    for file in files:
        assert Hashes().of(file) == Hashes().of(tmp_path / "again" / file.relative_to(out))


def test_duplicates_are_found_across_sources(tmp_path: Path) -> None:
    some = make_texts("az", 10, 1)
    listed = [
        Source(name=name, path=write_texts(tmp_path / f"{name}.jsonl", some), language="az") for name in ("one", "two")
    ]
    accounts = build(Corpus(sources=listed), "az", tmp_path / "out", silent())
    assert accounts["two"].by_verdict["duplicate"].documents == 10


def test_nothing_left_says_why(tmp_path: Path) -> None:
    path = write_texts(tmp_path / "a.jsonl", ["Это не тот алфавит, совсем не тот.", "", "Bir."])
    with pytest.raises(UserError, match=r"empty 1, too_short 1, wrong_script 1") as caught:
        build(Corpus(sources=[Source(name="a", path=path, language="az")]), "az", tmp_path / "out", silent())
    assert "min_words" in caught.value.hint


def test_a_folder_that_is_no_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no corpus") as caught:
        sources(tmp_path)
    assert str(tmp_path) in caught.value.what
    (tmp_path / "sources.json").write_text("{")
    with pytest.raises(UserError, match="is no corpus"):
        sources(tmp_path)
