"""A strict reader of the pages that reports write."""

from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """A strict reading: every element closed in order, every id once."""

    def __init__(self, page: Path | str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.ids: list[str] = []
        self.exact: list[float] = []
        self.headings: list[str] = []
        self.text = ""
        self.feed(page.read_text(encoding="utf-8") if isinstance(page, Path) else page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.exact += [float(value or "") for name, value in attrs if (tag, name) == ("data", "value")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open[-1:] == ["h2"]:
            self.headings.append(data)
