"""Tables, pages and long texts: the same documents, in chunks of any size; what cannot be read is said and counted."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.corpus.documents import pdf

from anadil.corpus import read as reading
from anadil.corpus.read import Document, chunks, documents, read
from anadil.errors import UserError
from anadil.recipe import Source

ROWS = [
    {"id": "1", "text": "Birinci sətir,\nikinci sətir", "kind": "x"},
    {"id": "2", "text": '"Dırnaqda" üç; dörd', "kind": ""},
]


def source(path: Path, **settings: object) -> Source:
    return Source(name="s", path=path, language="az", **settings)  # type: ignore[arg-type]


def found(path: Path, **settings: object) -> tuple[list[Document], list[str]]:
    faults: list[UserError] = []
    kept = list(read(source(path, **settings), faults.append))
    return kept, [fault.what for fault in faults]


def quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


@pytest.mark.parametrize("kind", ["csv", "tsv", "arrow file", "arrow stream"])
def test_tables_of_every_kind_give_the_same_documents(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind.split()[0]}"
    if kind.startswith("arrow"):
        table = pa.Table.from_pylist(ROWS)
        new = pa.ipc.new_file if kind == "arrow file" else pa.ipc.new_stream
        with new(str(path), table.schema) as writer:
            writer.write_table(table)
    else:
        mark = "," if kind == "csv" else "\t"
        lines = [mark.join(ROWS[0]), *(mark.join(quoted(value) for value in row.values()) for row in ROWS)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    kept, faults = found(path)
    assert [(one.id, one.text) for one in kept] == [(row["id"], row["text"]) for row in ROWS]
    assert kept[0].meta == {"kind": "x"}
    assert faults == []


def test_a_column_of_texts_that_begins_with_numbers_is_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\n1\n2\nüç\n", encoding="utf-8")
    assert [one.text for one in found(tmp_path)[0]] == ["1", "2", "üç"]


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.arrow"])
def test_a_table_without_the_column_lists_its_columns(tmp_path: Path, name: str) -> None:
    table = pa.table({"body": ["bir"], "n": [1]})
    if name.endswith("csv"):
        (tmp_path / name).write_text("body,n\nbir,1\n")
    elif name.endswith("parquet"):
        pq.write_table(table, tmp_path / name)
    else:
        with pa.ipc.new_file(str(tmp_path / name), table.schema) as writer:
            writer.write_table(table)
    kept, faults = found(tmp_path)
    assert kept == []
    assert faults == [f"{tmp_path / name}: no column 'text' (it has: body, n)"]


def test_a_page_gives_its_text_and_not_its_menu(tmp_path: Path) -> None:
    story = " ".join(["Bu məqalə kəndin tarixindən və adamlarından danışır."] * 8)
    menu = "<nav><ul><li><a href='/'>Ana səhifə</a></li><li><a href='/x'>Əlaqə</a></li></ul></nav>"
    page = (
        f"<html><head><title>t</title></head><body>{menu}<article><h1>Kənd</h1><p>{story}</p></article></body></html>"
    )
    (tmp_path / "a.html").write_text(page, encoding="utf-8")
    ((one,), faults) = found(tmp_path)
    assert story in one.text
    assert "Ana səhifə" not in one.text
    assert (one.id, faults) == ("a.html", [])


def test_a_pdf_gives_its_text_and_a_locked_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf("Salam, bu bir sinaqdir."))
    (tmp_path / "b.pdf").write_bytes(pdf("Gizli.", locked=True))
    (tmp_path / "c.pdf").write_bytes(b"%PDF-1.4 and nothing more")
    kept, faults = found(tmp_path)
    assert [one.text.strip() for one in kept] == ["Salam, bu bir sinaqdir."]
    assert f"{tmp_path / 'b.pdf'}: is encrypted" in faults[0]
    assert "c.pdf: not a PDF file" in faults[1]


@pytest.mark.parametrize(
    ("documents_are", "texts"),
    [("file", ["Bir\niki\n\nüç\n"]), ("line", ["Bir", "iki", "üç"]), ("blank_line", ["Bir\niki", "üç"])],
)
def test_what_a_document_is_in_a_txt_file(tmp_path: Path, documents_are: str, texts: list[str]) -> None:
    (tmp_path / "a.txt").write_text("Bir\niki\n\nüç\n", encoding="utf-8")
    assert [one.text for one in found(tmp_path, documents=documents_are)[0]] == texts


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    texts=st.lists(st.text(alphabet="aə \u2028", max_size=30), max_size=12),
    size=st.integers(3, 60),
    documents_are=st.sampled_from(["line", "blank_line", "jsonl"]),
)
def test_where_chunks_are_cut_changes_nothing(tmp_path: Path, texts: list[str], size: int, documents_are: str) -> None:
    jsonl = documents_are == "jsonl"
    path = tmp_path / ("a.jsonl" if jsonl else "a.txt")
    lines = [json.dumps({"text": text}) for text in texts] if jsonl else texts
    path.write_text(("\n" if documents_are != "blank_line" else "\n\n").join(lines), encoding="utf-8")
    one = source(path, **({} if jsonl else {"documents": documents_are}))
    whole = list(read(one, _raise))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "CHUNK_BYTES", size)
        parts = [list(documents(chunk, one, _raise)) for chunk in chunks(one)]
    assert [document for part in parts for document in part] == whole


def _raise(error: UserError) -> None:
    raise error


def test_a_line_that_is_too_long_is_passed_over_without_being_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "CHUNK_BYTES", 100)
    monkeypatch.setattr(reading, "LONGEST_LINE", 1000)
    rows = [json.dumps({"id": str(n), "text": "söz " * (2000 if n == 1 else 2)}) for n in range(4)]
    (tmp_path / "a.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    kept, faults = found(tmp_path)
    assert [one.id for one in kept] == ["0", "2", "3"]
    assert faults == [f"{tmp_path / 'a.jsonl'}, line 2: is longer than 0 MB"]


@pytest.mark.parametrize("content", ["", "\n\n", " \n"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.txt", "a.csv"])
def test_an_empty_file_has_no_documents_or_an_empty_one(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    kept, faults = found(tmp_path)
    assert "".join(one.text for one in kept).strip() == ""
    assert len(faults) == (name == "a.csv")


def test_nested_json_is_no_text_unless_its_field_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": {"body": "bir iki"}}) + "\n")
    kept, faults = found(tmp_path)
    assert kept == []
    assert "no text in field 'text'" in faults[0]
