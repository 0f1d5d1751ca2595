"""The text of a web page or a PDF file."""

import importlib
from pathlib import Path
from types import ModuleType

from anadil.corpus.files import kind_of
from anadil.errors import UserError


def page_text(path: Path, data: bytes) -> str:
    """The main text of an HTML file, or that of a PDF's pages; UserError for what is none, or is encrypted."""
    return _pdf(path, data) if kind_of(path) == ".pdf" else _html(path, data)


def _html(path: Path, data: bytes) -> str:
    trafilatura = _library("trafilatura", path)
    return trafilatura.extract(data, include_comments=False, favor_recall=True) or ""


def _pdf(path: Path, data: bytes) -> str:
    pdfium = _library("pypdfium2", path)
    try:
        with pdfium.PdfDocument(data) as document:
            pages = [page.get_textpage().get_text_bounded() for page in document]
    except pdfium.PdfiumError as error:
        locked = "password" in str(error).lower()
        what = "is encrypted" if locked else f"not a PDF file: {error}"
        hint = "remove its password" if locked else "fetch the file again"
        raise UserError(f"{path}: {what}", hint=f"{hint}, or leave the file out") from error
    return "\n\n".join(pages)


def _library(name: str, path: Path) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"{path}: reading it needs {name}", hint="pip install 'anadil[pages]'") from error
