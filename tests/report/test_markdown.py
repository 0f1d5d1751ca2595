"""report.md, and texts that stay texts in it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tests.report.reading import Page

from anadil.report import write
from anadil.report.markdown_text import escaped, line, quoted, table

MakeRun = Callable[..., Path]
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]) | st.sampled_from(" \n"))
HOSTILE = "<img src=x onerror=alert(1)> ![x](http://x) | `a` $x$ # **b** </table>\n# heading\n- item\n1. item\n> q"


def tokens(text: str) -> list[Any]:
    return list(MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text))


def inline(text: str) -> list[Any]:
    return [child for token in tokens(text) if token.type == "inline" for child in token.children or []]


@given(TEXT)
def test_a_line_is_read_as_it_was_written(text: str) -> None:
    plain = " ".join(text.split())
    found = tokens(line(text))
    assert [token.type for token in found] == (["paragraph_open", "inline", "paragraph_close"] if plain else [])
    assert {child.type for child in inline(line(text))} <= {"text", "text_special"}
    assert "".join(child.content for child in inline(line(text))) == plain


@given(TEXT)
def test_a_quotation_holds_all_lines_and_no_markup(text: str) -> None:
    found = tokens(quoted(text))
    assert {token.type for token in found} <= {
        "blockquote_open", "blockquote_close", "paragraph_open", "paragraph_close", "inline",
    }  # fmt: skip
    words = "".join("\n" if child.type == "hardbreak" else child.content for child in inline(quoted(text)))
    assert words.split() == (text.split() or ["(empty)"])


def test_addresses_are_no_links_where_links_are_made_of_them() -> None:
    assert escaped("https://example.com") == "https\\://example.com"
    assert escaped("www.example.com") == "www\\.example.com"
    assert escaped("a@b.example") == "a\\@b.example"


def test_a_table_keeps_its_cells() -> None:
    found = tokens(table(("a", "b"), [(line("x | y"), 1), ("z", 2)]))
    cells = ["".join(child.content for child in token.children or []) for token in found if token.type == "inline"]
    assert cells == ["a", "b", "x | y", "1", "z", "2"]


def test_it_tells_the_sections_of_the_page(evaluated: MakeRun) -> None:
    folder = evaluated()
    page, found = Page(write(folder)), tokens((folder / "report.md").read_text(encoding="utf-8"))
    titles = [
        found[n + 1].content for n, token in enumerate(found) if (token.type, token.tag) == ("heading_open", "h2")
    ]
    assert titles[0] == f"Verdict: {page.headings[0]}"
    assert titles[1:] == [title for title in page.headings[1:] if title != "Talk to it"]


def test_every_metric_is_in_it(evaluated: MakeRun) -> None:
    folder = evaluated()
    write(folder)
    text = (folder / "report.md").read_text(encoding="utf-8")
    for manifest in folder.glob("*/manifest.json"):
        for name in json.loads(manifest.read_bytes())["metrics"]:
            assert f"| {line(name)} |" in text


def test_hostile_texts_stay_text(evaluated: MakeRun) -> None:
    folder = evaluated()
    record = json.loads((folder / "run.json").read_bytes())
    record["name"] = HOSTILE
    record["recipe"] |= {"base": {"path": HOSTILE, "language": HOSTILE}}
    (folder / "run.json").write_text(json.dumps(record))
    rows = [{"id": "1", "typing": typing, "prompt": HOSTILE, "answer": HOSTILE} for typing in ("as_written", "ascii")]
    (folder / "evaluate/produced.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "evaluate/answers.jsonl").write_text(json.dumps({"question": HOSTILE, "answer": HOSTILE}) + "\n")
    before = tokens((folder / "report.md").read_text()) if (folder / "report.md").exists() else []
    assert not before
    write(folder)
    found = tokens((folder / "report.md").read_text(encoding="utf-8"))
    kinds = {token.type for token in found} | {child.type for token in found for child in token.children or []}
    assert not {"html_block", "html_inline", "link_open", "image", "list_item_open", "fence"} & kinds
    headings = [found[n + 1].content for n, token in enumerate(found) if token.type == "heading_open"]
    assert "heading" not in headings
