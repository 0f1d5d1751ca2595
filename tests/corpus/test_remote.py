"""Sources elsewhere: copied once, copied again where they changed, and used from the copy where nothing answers."""

import gzip
import json
from pathlib import Path

import fsspec
import pytest
from tests.roads import make_texts

from anadil.corpus import remote
from anadil.corpus.build import build
from anadil.corpus.files import source_files
from anadil.corpus.read import read
from anadil.errors import UserError
from anadil.progress import silent
from anadil.recipe import Corpus, Source

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANADIL_CACHE", str(tmp_path / "cache"))
    remote.local_copy.cache_clear()


def put(name: str, texts: list[str]) -> None:
    lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts).encode()
    with fsspec.open(f"memory://{name}", "wb") as file:
        file.write(gzip.compress(lines) if name.endswith(".gz") else lines)


def found(url: str) -> list[str]:
    remote.local_copy.cache_clear()
    one = Source(name="s", url=url, language="az")
    return [document.text for document in read(one, _raise)]


def _raise(error: UserError) -> None:
    raise error


@pytest.mark.parametrize("path", ["/bucket/a", "/bucket/a/*.jsonl*", "/bucket/**/*.jsonl*", "/bucket/a/1.jsonl"])
def test_a_file_a_folder_and_a_glob(path: str) -> None:
    put("/bucket/a/1.jsonl", ["bir"])
    put("/bucket/a/2.jsonl.gz", ["iki"])
    assert found(f"memory:/{path}") == (["bir"] if path.endswith("1.jsonl") else ["bir", "iki"])


def test_it_is_copied_once_and_again_where_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put("/bucket/b/1.jsonl", ["bir"])
    put("/bucket/b/2.jsonl", ["iki"])
    url, fetched = "memory://bucket/b", list[str]()
    system = fsspec.filesystem("memory")
    get_file = type(system).get_file
    monkeypatch.setattr(
        type(system), "get_file", lambda self, name, *rest: (fetched.append(name), get_file(self, name, *rest))[1]
    )
    assert found(url) == found(url) == ["bir", "iki"]
    assert len(fetched) == 2
    put("/bucket/b/2.jsonl", ["yeni"])
    system.rm("/bucket/b/1.jsonl")
    assert found(url) == ["yeni"]
    assert len(fetched) == 3
    (copy,) = (tmp_path / "cache/sources").iterdir()
    (next(copy.glob("*.jsonl"))).unlink()
    assert found(url) == ["yeni"]  # a lost copy is fetched again

    def gone(*arguments: object, **rest: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(type(system), "ukey", gone)
    assert found(url) == ["yeni"]
    with pytest.raises(UserError, match="cannot read memory://bucket/never"):
        found("memory://bucket/never")


def test_a_corpus_from_elsewhere(tmp_path: Path) -> None:
    put("/bucket/c/1.jsonl", make_texts("az", 30, 1))
    source = Source(name="s", url="memory://bucket/c/*.jsonl", language="az", split="train")
    accounts = build(Corpus(sources=[source], detect_language=False), "az", tmp_path / "out", silent())
    assert accounts["s"].by_verdict["train"].documents == 30
    assert [path.name for path in source_files(source)] == ["1.jsonl"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("hf://org/name", "names no data set"),
        ("hf://datasets/org/name", "names no commit"),
        ("hf://datasets/org/name@main/train.parquet", "main is no commit"),
        (f"hf://datasets/org/name@{COMMIT}", f"cannot fetch hf://datasets/org/name@{COMMIT}"),
        ("nowhere://bucket/a", "cannot read nowhere://bucket/a"),
    ],
)
def test_what_cannot_be_fetched_is_named(url: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=message):
        found(url)


def test_a_data_set_of_the_hub_is_read_from_its_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "hub/datasets--org--name/snapshots" / COMMIT / "data"
    folder.mkdir(parents=True)
    (folder / "train.jsonl").write_text('{"text": "bir"}\n')
    (folder / "README.txt").write_text("no text of it")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert found(f"hf://datasets/org/name@{COMMIT}/data/*.jsonl") == ["bir"]


@pytest.mark.parametrize("settings", [{}, {"url": "s3://b/a", "path": "a"}, {"url": "bucket/a"}])
def test_a_source_lies_in_one_place(settings: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"either path or url|no protocol"):
        Source(name="s", language="az", **settings)  # type: ignore[arg-type]
