"""corpus.read: the same documents from every kind of file, and no fault passes unseen."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anadil.corpus.read import Document, read, source_files
from anadil.errors import UserError
from anadil.recipe import Source

ROWS = [{"id": "a", "text": "bir iki", "kind": "x"}, {"id": "b", "text": "üç dörd", "kind": "y"}]


def stop(error: UserError) -> None:
    raise error


def source(path: Path, **settings: str) -> Source:
    return Source(name="s", path=path, language="az", **settings)  # type: ignore[arg-type]


def documents(path: Path, **settings: str) -> list[Document]:
    return list(read(source(path, **settings), stop))


def lines(rows: list[dict[str, str]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.jsonl").write_bytes(lines(ROWS))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines(ROWS)))
    with pa.CompressedOutputStream(str(tmp_path / "c.jsonl.zst"), "zstd") as file:
        file.write(lines(ROWS))
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "d.parquet")
    (tmp_path / "notes.md").write_text("not a corpus file")
    return tmp_path


def test_every_kind_of_file_gives_the_same_documents(folder: Path) -> None:
    expected = [Document("a", "bir iki", {"kind": "x"}), Document("b", "üç dörd", {"kind": "y"})]
    for name in ("a.jsonl", "b.jsonl.gz", "c.jsonl.zst", "d.parquet"):
        assert documents(folder / name) == expected, name
    assert documents(folder) == expected * 4
    assert documents(folder / "*.jsonl*") == expected * 3


def test_a_txt_file_is_one_document(tmp_path: Path) -> None:
    (tmp_path / "story.txt").write_text("Bir\n\niki")
    assert documents(tmp_path) == [Document("story.txt", "Bir\n\niki", {})]


def test_a_conversation_is_its_turns_line_by_line(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Nə?"}, {"role": "assistant", "content": "Bu."}]
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": 1, "messages": messages}) + "\n")
    assert documents(tmp_path, text_field="messages") == [Document("1", "— Nə?\n— Bu.", {})]
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": [{"role": "user"}]}) + "\n")
    with pytest.raises(UserError, match="no text in field 'messages'"):
        documents(tmp_path, text_field="messages")


def test_a_document_without_id_is_named_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'\n{"text": "bir"}\n')
    assert documents(tmp_path / "a.jsonl")[0].id == "a.jsonl:2"


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b'{"text": "bir"}\n{"text": \n', ["line 2", "not JSON"]),
        (b'{"text": "bir"}\n{"text": "\xff"}\n', ["byte 26", "0xff", "UTF-8"]),
        (b'{"body": "bir"}\n', ["line 1", "'text'", "body", "text_field"]),
        (b'{"text": 3}\n', ["line 1", "'text'"]),
        (b"[1]\n", ["line 1", "list"]),
    ],
)
def test_a_line_that_cannot_be_read_stops_or_is_skipped_and_counted(
    tmp_path: Path, data: bytes, names: list[str]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(data + b'{"text": "son"}\n')
    with pytest.raises(UserError) as caught:
        documents(path)
    for name in [str(path), *names]:
        assert name in str(caught.value)
    faults: list[UserError] = []
    texts = [document.text for document in read(source(path), faults.append)]
    assert texts[-1] == "son"
    assert len(faults) == 1


def test_an_archive_cut_short_is_noticed(tmp_path: Path) -> None:
    data = gzip.compress(lines(ROWS * 500))
    (tmp_path / "a.jsonl.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match="damaged or cut short"):
        documents(tmp_path)


def test_a_parquet_file_without_the_column_lists_its_columns(folder: Path) -> None:
    with pytest.raises(UserError, match="id, text, kind"):
        documents(folder / "d.parquet", text_field="body")
    (folder / "d.parquet").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="not a parquet file"):
        documents(folder / "d.parquet")


def test_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'s'"):
        source_files(source(tmp_path / "*.jsonl"))
