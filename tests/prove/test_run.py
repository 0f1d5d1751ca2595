"""prove: end to end on a small base, stopped and resumed, and nothing done twice."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.roads import make_texts, write_texts
from tests.transfer.test_rows import SHAPE

from anadil.context import Context
from anadil.errors import Interrupted, UserError
from anadil.model.load import copy_companions, from_shape, save
from anadil.prove import rows
from anadil.prove.run import prove
from anadil.recipe import Base, Candidate, Corpus, Keep, MeasureOn, Optimisation, Proof, Source, Tokenizer
from anadil.tokenizer.count import count_words
from anadil.tokenizer.surgery import Size, build, pre_tokenizer_of

LABELS = ["keep", "inplace-30", "extend-40", "replace-520"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base that has seen English words only, and texts."""
    folder = tmp_path_factory.mktemp("prove")
    words = count_words(make_texts("en", 60, 1), pre_tokenizer_of(None)).words
    build(None, "replace", words, [], Size(vocab_size=400, min_pair_count=1), folder / "tokenizer")
    (folder / "base").mkdir()
    save(from_shape(SHAPE, 400, seed=3), folder / "base")
    copy_companions(folder / "tokenizer", folder / "base")
    for language, documents in (("az", 200), ("en", 80)):
        write_texts(folder / f"{language}.jsonl", make_texts(language, documents, 1))
    write_texts(folder / "more.jsonl", make_texts("az", 12, 9))
    return folder


def proof_of(place: Path, **changes: Any) -> Proof:
    sources = [Source(name=code, path=place / f"{code}.jsonl", language=code) for code in ("az", "en")]
    given = {
        "base": Base(path=str(place / "base")),
        "language": "az",
        "corpus": Corpus(sources=sources, heldout_share=0.2),
        "tokenizer": Tokenizer(
            mode="keep",
            candidates=[
                Candidate(mode="inplace", new_tokens=30),
                Candidate(mode="extend", new_tokens=40),
                Candidate(mode="replace", vocab_size=520),
            ],
            keep=[Keep(language="en")],
            keep_min_count=50,
            target_min_count=500,
            min_pair_count=1,
            measure_on=[MeasureOn(name="more", path=place / "more.jsonl", language="az")],
        ),
        "training": Optimisation(
            sequence_length=32, global_batch_tokens=128, learning_rate=1e-2, precision="float32", checkpoint_every=2
        ),
        "megabytes": [0.001, 0.002],
        "documents": 10,
        "seeds": 2,
    }
    return Proof(**(given | changes))


@pytest.fixture(scope="module")
def done(place: Path) -> Path:
    prove(proof_of(place), place / "out", Context())
    return place / "out"


def test_every_candidate_is_measured_at_equal_text_and_at_equal_seconds(done: Path) -> None:
    facts = json.loads((done / "proof.json").read_bytes())
    assert [candidate["label"] for candidate in facts["candidates"]] == LABELS
    points = ["start", "0.001 MB", "seconds of 0.001 MB", "0.002 MB", "seconds of 0.002 MB"]
    for candidate in facts["candidates"]:
        assert sorted(candidate["languages"]["az"]) == sorted(points)
        assert all(v["low95"] <= v["value"] <= v["high95"] for v in candidate["languages"]["en"].values())
        assert sum(bucket["bytes"] for bucket in candidate["by_frequency"]) > 0
    compared = {(c["language"], c["label"], c["at"]) for c in facts["comparisons"]}
    assert compared == {(lang, label, at) for lang in ("az", "en") for label in LABELS[1:] for at in points[1:]}
    keep = facts["candidates"][0]
    assert keep["points"]["seconds of 0.002 MB"] == keep["points"]["0.002 MB"]
    assert facts["domains"]["more"] == {"language": "az", "documents": 10}


def test_the_bytes_of_the_buckets_are_those_of_the_documents(done: Path) -> None:
    """Every vocabulary spells the same documents."""
    facts = json.loads((done / "proof.json").read_bytes())
    assert len({sum(bucket["bytes"] for bucket in c["by_frequency"]) for c in facts["candidates"]}) == 1


def test_the_start_is_the_base_itself_and_training_helps(done: Path) -> None:
    facts = json.loads((done / "proof.json").read_bytes())
    keep = facts["candidates"][0]["languages"]["az"]
    assert keep["0.002 MB"]["value"] < keep["start"]["value"]


def test_a_second_run_does_nothing_and_says_the_same(place: Path, done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (done / "proof.json").read_bytes()

    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(rows, "train", never)
    monkeypatch.setattr(rows, "time_steps", never)
    prove(proof_of(place), done, Context())
    assert (done / "proof.json").read_bytes() == before


def test_stopped_and_resumed_gives_the_same_measurements(place: Path, done: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(done, out)
    row = out / "rows" / "inplace-30-seed2"
    whole = {path.name: path.read_bytes() for path in (row / "points").iterdir()}
    shutil.rmtree(row)
    asked = iter(range(1, 100))
    with pytest.raises(Interrupted):
        prove(proof_of(place), out, Context(stop_requested=lambda: next(asked) >= 3))
    assert not (row / "row.json").exists()
    prove(proof_of(place), out, Context())
    assert {path.name: path.read_bytes() for path in (row / "points").iterdir()} == whole
    assert (out / "proof.json").read_bytes() == (done / "proof.json").read_bytes()


def test_seeds_can_be_added_and_what_is_there_stays(place: Path, done: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(done, out)
    stamps = {path: path.stat().st_mtime_ns for path in (out / "rows").rglob("row.json")}
    facts = prove(proof_of(place, seeds=3), out, Context())
    assert len(list((out / "rows").iterdir())) == 3 * len(LABELS)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert all(len(one["by_seed"]) == 3 for one in facts["comparisons"])


def test_other_settings_are_refused_and_named(place: Path, done: Path) -> None:
    before = (done / "proof.json").read_bytes()
    with pytest.raises(UserError, match="other settings: documents, replay"):
        prove(proof_of(place, documents=11, replay=0.5), done, Context())
    assert (done / "proof.json").read_bytes() == before


def test_too_little_text_says_how_much_there_is(place: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"has 0\.0\d MB of training text in the target language, 30 are asked"
    ) as error:
        prove(proof_of(place, megabytes=[30.0]), tmp_path / "out", Context())
    assert "--megabytes 0.0" in error.value.hint
