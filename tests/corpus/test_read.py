"""corpus.read: the same documents from every kind of file, and no fault passes unseen."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anadil.corpus.files import source_files
from anadil.corpus.read import Document, read
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
        (b'{"text": "bir \\ud83d"}\n', ["line 1", "surrogate"]),
        (b'{"text": "bir", "author": ["\\uD83D"]}\n', ["line 1", "surrogate"]),
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


def test_a_whole_surrogate_pair_is_a_character(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "\\ud83d\\ude00"}\n')
    assert [d.text for d in documents(tmp_path)] == ["\N{GRINNING FACE}"]


def skipped(path: Path, **settings: str) -> tuple[list[Document], list[str]]:
    """The documents that are left, and what was complained of."""
    faults: list[UserError] = []
    return list(read(source(path, **settings), faults.append)), [str(fault) for fault in faults]


def test_half_a_text_is_no_document(tmp_path: Path) -> None:
    data = gzip.compress(" ".join(str(number) for number in range(5_000)).encode())
    (tmp_path / "a.txt.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match="damaged or cut short"):
        documents(tmp_path)
    kept, faults = skipped(tmp_path)
    assert (kept, len(faults)) == ([], 1)


@pytest.mark.parametrize("name", ["a.jsonl", "d.parquet"])
def test_a_file_that_may_not_be_read_is_not_called_damaged(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **settings: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("anadil.corpus.read.open_file", refuse)
    monkeypatch.setattr("pyarrow.parquet.ParquetFile", refuse)
    with pytest.raises(UserError, match="no permission") as caught:
        skipped(folder / name)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "kind"), [([1, 2], "int64"), ([b"bir", b"iki"], "binary"), ([["bir"], ["iki"]], "list<")]
)
def test_a_parquet_column_that_is_no_text_is_named_with_its_type(
    tmp_path: Path, values: list[object], kind: str
) -> None:
    pq.write_table(pa.table({"text": values}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=f"column 'text' is of type {kind}"):
        documents(tmp_path)
    kept, faults = skipped(tmp_path)
    assert (kept, len(faults)) == ([], 1)


def test_parquet_text_of_every_kind_is_read(tmp_path: Path) -> None:
    for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        pq.write_table(pa.table({"text": pa.array(["bir", None], kind)}), tmp_path / "a.parquet")
        assert [document.text for document in documents(tmp_path)] == ["bir", ""]
    turns = [[{"role": "user", "content": "Nə?"}]]
    pq.write_table(pa.table({"text": turns}), tmp_path / "a.parquet")
    assert [document.text for document in documents(tmp_path)] == ["— Nə?"]


def test_parquet_rows_that_are_no_text_stop_or_are_skipped(tmp_path: Path) -> None:
    latin = pa.array([b"bir", b"\xff", b"son"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": latin}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="row 2: not UTF-8"):
        documents(tmp_path)
    kept, faults = skipped(tmp_path)
    assert ([document.text for document in kept], len(faults)) == (["bir", "son"], 1)


def test_a_damaged_parquet_page_stops_or_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"text": [f"sətir {number}" for number in range(5_000)]})
    pq.write_table(table, path, compression="zstd", use_dictionary=False, row_group_size=1_000)
    data = bytearray(path.read_bytes())
    middle = pq.read_metadata(path).row_group(3).column(0)
    start = middle.data_page_offset + 40
    data[start : start + 200] = bytes(200)
    path.write_bytes(data)
    with pytest.raises(UserError, match="cannot be read past row"):
        documents(tmp_path)
    kept, faults = skipped(tmp_path)
    assert len(faults) == 1
    assert [document.text for document in kept] == table["text"].to_pylist()[: len(kept)]
