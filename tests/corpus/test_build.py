"""corpus: what came in is what went out, by reason; the same bytes by any number of workers, stopped or not."""

import json
import os
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.roads import dirty_texts, make_texts, write_jsonl, write_road, write_texts

from anadil.artifact import Hashes
from anadil.corpus import build as building
from anadil.corpus.account import KEPT, Account, Count
from anadil.corpus.build import build, sources, texts
from anadil.corpus.repair import normalise
from anadil.errors import Interrupted, UserError
from anadil.progress import silent
from anadil.recipe import Corpus, Source, load


def corpus_of(folder: Path, some: list[str], **settings: object) -> Corpus:
    own = {name: settings.pop(name) for name in ("split", "language") if name in settings}
    source = Source(name="a", path=write_texts(folder / "a.jsonl", some), **{"language": "az"} | own)
    return Corpus(sources=[source], **{"detect_language": False, "filter": False, "min_words": 3} | settings)


def built_texts(folder: Path, some: list[str], **settings: object) -> dict[str, str]:
    """Every text that is in the files, with its verdict."""
    corpus = corpus_of(folder, some, **settings)
    build(corpus, "az", folder / "out", silent())
    rejected = pq.read_table(folder / "out/rejected/a.parquet").to_pylist()
    return {row["id"]: row["reason"] for row in rejected} | {
        row["id"]: split for split in KEPT for row in pq.read_table(folder / f"out/text/a/{split}.parquet").to_pylist()
    }


def test_each_reason_is_given(tmp_path: Path) -> None:
    got = built_texts(tmp_path, dirty_texts())
    verdicts = [got[f"a-{number}"] for number in range(8)]
    assert verdicts[2:] == ["duplicate", "duplicate", "empty", "empty", "too_short", "wrong_script"]
    assert set(verdicts[:2]) <= set(KEPT)


@given(st.text())
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)


def test_the_split_does_not_depend_on_the_order(tmp_path: Path) -> None:
    some = make_texts("az", 60, 5)
    first = built_texts(tmp_path / "one", some, heldout_share=0.3)
    second = built_texts(tmp_path / "two", some[::-1], heldout_share=0.3)
    assert [first[f"a-{n}"] for n in range(60)] == [second[f"a-{59 - n}"] for n in range(60)]
    assert {"train", "heldout"} == set(first.values())


def test_about_the_asked_share_is_held_out(tmp_path: Path) -> None:
    got = list(built_texts(tmp_path, make_texts("az", 2000, 7, words=8), heldout_share=0.3).values())
    assert 0.26 < got.count("heldout") / (got.count("heldout") + got.count("train")) < 0.34


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_a_source_can_be_all_of_one_split(tmp_path: Path, split: str) -> None:
    some = write_texts(tmp_path / "b.jsonl", make_texts("az", 20, 9))
    listed = [
        Source(name="a", path=write_texts(tmp_path / "a.jsonl", make_texts("az", 20, 8)), language="az", split=split)
    ]
    listed += [Source(name="b", path=some, language="az", split="train")]
    accounts = build(Corpus(sources=listed, detect_language=False), "az", tmp_path / "out", silent())
    assert accounts["a"].by_verdict[split].documents == 20


@given(
    st.lists(
        st.tuples(st.sampled_from(["train", "heldout", "empty", "duplicate"]), st.integers(0, 9), st.integers(0, 9))
    ),
    st.lists(st.tuples(st.sampled_from(["repair", "language"]), st.integers(-3, 3), st.integers(-3, 3))),
)
def test_an_account_closes_or_says_that_it_does_not(documents: list[tuple], changes: list[tuple]) -> None:
    account = Account()
    for verdict, size, words in documents:
        account.read.add(Count(1, size, words))
        account.by_verdict[verdict].add(Count(1, size, words))
    for step, size, words in changes:
        account.changes[step]["reason"].add(Count(1, size, words))
        account.by_verdict["train"].add(Count(0, size, words))
    assert account.closes()
    assert Account.from_dict(json.loads(json.dumps(account.as_dict()))).as_dict() == account.as_dict()
    *_, (_, _, _, _, left) = account.steps()
    kept = [account.by_verdict[split] for split in KEPT]
    assert [left.documents, left.bytes, left.words] == [
        sum(getattr(count, unit) for count in kept) for unit in ("documents", "bytes", "words")
    ]
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
        for split in KEPT:
            found = list(texts(out, source.name, split))
            assert len(found) == verdict_counts.get(split, {"documents": 0})["documents"]
            assert sum(len(t.encode()) for t in found) == verdict_counts.get(split, {"bytes": 0})["bytes"]
        rejected = pq.read_table(out / "rejected" / f"{source.name}.parquet").to_pylist()
        for reason in {row["reason"] for row in rejected}:
            assert verdict_counts[reason]["documents"] == sum(row["reason"] == reason for row in rejected)
    assert [source["weight"] for source in sources(out)] == [1.0, 1.0, 0.5]
    assert not (out / "work").exists()


def files_of(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): Hashes().of(file) for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def many_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anadil.corpus.read.CHUNK_BYTES", 6_000)


def messy(folder: Path) -> Corpus:
    """Two sources with copies within and across them, and lines that cannot be read."""
    some = make_texts("az", 150, 1, words=20)
    first = write_texts(folder / "a.jsonl", some + some[:5] + dirty_texts())
    second = write_texts(folder / "b.jsonl", [text + " Yenə." for text in some[20:40]] + make_texts("az", 80, 2))
    with open(second, "ab") as file:
        file.write(b'{"text": "\xff"}\n')
    listed = [Source(name=path.stem, path=path, language="az") for path in (first, second)]
    return Corpus(sources=listed, detect_language=False, on_error="skip", heldout_share=0.2)


def test_any_number_of_workers_gives_the_same_bytes(tmp_path: Path, many_chunks: None) -> None:
    corpus = messy(tmp_path)
    for workers in (1, 2, 4):
        accounts = build(corpus, "az", tmp_path / str(workers), silent(), workers=workers)
    one, two, four = (files_of(tmp_path / name) for name in ("1", "2", "4"))
    assert one == two == four
    assert accounts["b"].by_verdict["near_duplicate"].documents == 20
    assert accounts["b"].unreadable == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_little_is_read_ahead(tmp_path: Path, many_chunks: None, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    path = write_texts(tmp_path / "a.jsonl", make_texts("az", 400, 1, words=20))
    corpus = Corpus(sources=[Source(name="a", path=path, language="az")], detect_language=False)
    read = building.chunks
    taken, ahead = 0, list[int]()

    def counted(source: Source) -> Iterator[building.Chunk]:
        nonlocal taken
        for chunk in read(source):
            taken += 1
            yield chunk

    def finished() -> bool:
        ahead.append(taken - len(ahead))
        return False

    monkeypatch.setattr(building, "chunks", counted)
    build(corpus, "az", tmp_path / "out", silent(), workers=workers, stop_requested=finished)
    assert len(ahead) > 10
    assert max(ahead) <= 4 * workers


def test_a_build_that_was_stopped_goes_on_and_ends_the_same(
    tmp_path: Path, many_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = messy(tmp_path)
    build(corpus, "az", tmp_path / "whole", silent())
    asked = iter([False, False, True])
    with pytest.raises(Interrupted):
        build(corpus, "az", tmp_path / "out", silent(), stop_requested=lambda: next(asked))
    done = {path.name for path in (tmp_path / "out/work").iterdir()}
    assert len(done) == 4  # three chunks and the plan
    made: list[str] = []
    run = building.Worker.run
    monkeypatch.setattr(building.Worker, "run", lambda self, job: (made.append(job.folder.name), run(self, job))[1])
    build(corpus, "az", tmp_path / "out", silent())
    assert not done & set(made)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


KILLED = """
import sys
from pathlib import Path
import anadil.corpus.read as read
read.CHUNK_BYTES = 6_000
sys.path.insert(0, {tests!r})
from tests.corpus.test_build import messy
from anadil.corpus.build import build
from anadil.progress import silent
if __name__ == "__main__":
    build(messy(Path({folder!r})), "az", Path({folder!r}) / "out", silent(), workers={workers})
"""


@pytest.mark.parametrize(
    ("failpoint", "workers"),
    [("chunk.write:torn@3", 1), ("chunk.rename:kill@4", 1), ("corpus.fsync:kill@3", 1), ("accounting.rename:kill", 1),
     pytest.param("work.remove:kill", 2, marks=pytest.mark.slow)],
)  # fmt: skip
def test_killed_at_any_step_it_ends_the_same(tmp_path: Path, many_chunks: None, failpoint: str, workers: int) -> None:
    script = tmp_path / "build.py"
    root = str(Path(__file__).parents[2])
    script.write_text(KILLED.format(tests=root, folder=str(tmp_path), workers=workers))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, str(Path(root) / "src")])}
    command = [sys.executable, str(script)]
    died = subprocess.run(command, env=environment | {"ANADIL_FAILPOINT": failpoint}, capture_output=True, timeout=120)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert subprocess.run(command, env=environment, capture_output=True, timeout=120).returncode == 0
    build(messy(tmp_path / "again"), "az", tmp_path / "whole", silent())
    whole, out = files_of(tmp_path / "whole"), files_of(tmp_path / "out")
    assert {k: v for k, v in out.items() if not k.startswith(".")} == whole


def test_another_recipe_does_not_take_what_the_one_before_left(tmp_path: Path, many_chunks: None) -> None:
    corpus = messy(tmp_path)
    asked = iter([False, True])
    with pytest.raises(Interrupted):
        build(corpus, "az", tmp_path / "out", silent(), stop_requested=lambda: next(asked))
    other = corpus.model_copy(update={"min_words": 25})
    build(other, "az", tmp_path / "out", silent())
    build(other, "az", tmp_path / "whole", silent())
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_of_copies_the_held_out_one_stays_or_the_first_or_the_longest(tmp_path: Path) -> None:
    some = make_texts("az", 10, 1)
    longer = [text + " Və daha iki söz." for text in some]
    paths = {name: write_texts(tmp_path / f"{name}.jsonl", rows) for name, rows in (("one", some), ("two", longer))}

    def left(**settings: object) -> list[int]:
        splits = settings.pop("splits", ["train", "train"])
        listed = [
            Source(name=name, path=path, language="az", split=split)
            for (name, path), split in zip(paths.items(), splits, strict=True)
        ]
        corpus = Corpus(sources=listed, detect_language=False, **settings)
        accounts = build(corpus, "az", tmp_path / "out", silent())
        return [sum(accounts[name].by_verdict[split].documents for split in KEPT) for name in paths]

    assert left() == [10, 0]
    assert left(keep_copy="longest") == [0, 10]
    with pytest.raises(UserError, match="no training text"):
        left(splits=["train", "heldout"])


def test_a_copy_names_what_it_is_one_of(tmp_path: Path) -> None:
    some = make_texts("az", 30, 3)
    built_texts(tmp_path, [*some, some[4], some[5] + " Yenə."])
    rejected = {row["id"]: row["detail"] for row in pq.read_table(tmp_path / "out/rejected/a.parquet").to_pylist()}
    assert rejected["a-30"] == "a/a-4"
    assert rejected["a-31"].startswith("a/a-5 (0.9")


def test_paragraphs_that_another_document_has_are_cut(tmp_path: Path) -> None:
    some = make_texts("az", 30, 3, words=40)
    notice = make_texts("az", 1, 77, words=30)[0]
    with_notice = [f"{text}\n{notice}" for text in some]
    verdicts = built_texts(tmp_path, [*with_notice, notice])
    found = list(texts(tmp_path / "out", "a", "train")) + list(texts(tmp_path / "out", "a", "heldout"))
    assert sum(notice in text for text in found) == 1
    assert verdicts["a-30"] == "repeated_elsewhere"


@pytest.mark.parametrize("action", ["mask", "drop", "keep"])
def test_personal_data_is_masked_dropped_or_kept_also_in_what_is_rejected(tmp_path: Path, action: str) -> None:
    some = make_texts("az", 20, 3)
    rows = [{"id": f"a-{n}", "text": text, "sender": "ayan@mail.az"} for n, text in enumerate(some)]
    rows[3]["text"] += " Mənə yazın: ayan.m@mail.az, tel. 050 123 45 67."
    rows[4]["text"] = "Ayan, ayan.m@mail.az"
    source = Source(name="a", path=write_jsonl(tmp_path / "a.jsonl", rows), language="az")
    corpus = Corpus(sources=[source], detect_language=False, personal_data=action)
    account = build(corpus, "az", tmp_path / "out", silent())["a"]
    assert account.closes()
    found = [pq.read_table(file).to_pylist() for file in (tmp_path / "out").rglob("*.parquet")]
    written = json.dumps(found, ensure_ascii=False)
    assert ("mail.az" in written) == ("123 45 67" in written) == (action == "keep")
    assert account.found == ({"email": 1, "phone": 1} if action == "mask" else {})
    assert account.by_verdict["personal_data"].documents == (action == "drop")


@pytest.mark.parametrize("shift", range(0, 24, 3))
def test_a_sample_of_a_repair_shows_no_part_of_a_number(tmp_path: Path, shift: int) -> None:
    """The sample is cut out around the repair, wherever that cuts."""
    card = "4169 7388 5239 1238"
    text = f"{card} {'söz ' * 10}{'x' * shift} yum\u00adşaq {'söz ' * 10}{'x' * shift} {card} son sözlər də var"
    built_texts(tmp_path, [text, *make_texts("az", 20, 3)])
    (sample,) = json.loads((tmp_path / "out/samples/a.json").read_bytes())
    assert sample["kind"] == "invisible"
    assert not any(digit in sample["before"] + sample["after"] for digit in "0123456789")


def test_nothing_left_says_why(tmp_path: Path) -> None:
    path = write_texts(tmp_path / "a.jsonl", ["Это не тот алфавит, совсем не тот.", "", "Bir."])
    with pytest.raises(UserError, match=r"empty 1, too_short 1, wrong_script 1") as caught:
        build(Corpus(sources=[Source(name="a", path=path, language="az")]), "az", tmp_path / "out", silent())
    assert "min_words" in caught.value.hint


def test_a_source_without_a_licence_or_with_other_files_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, make_texts("az", 20, 1), require_licence=True)
    with pytest.raises(UserError, match="source 'a' has no licence"):
        build(corpus, "az", tmp_path / "out", silent())
    source = corpus.sources[0].model_copy(update={"sha256": "0" * 64, "licence": "CC0"})
    with pytest.raises(UserError, match=r"have the sha256 [0-9a-f]{64}, the recipe says 0000") as caught:
        build(corpus.model_copy(update={"sources": [source]}), "az", tmp_path / "out", silent())
    found = str(caught.value).split("sha256 ")[1][:64]
    right = corpus.model_copy(update={"sources": [source.model_copy(update={"sha256": found})]})
    build(right, "az", tmp_path / "out", silent())
