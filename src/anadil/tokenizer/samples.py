"""The texts that vocabularies are measured on: held-out text of the corpus, and what the recipe names beside it."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from anadil.corpus.build import sources, texts
from anadil.corpus.files import SUFFIXES, source_files
from anadil.corpus.hashing import text_hash
from anadil.corpus.read import read
from anadil.corpus.repair import normalise
from anadil.errors import UserError
from anadil.languages import language_key
from anadil.recipe import MeasureOn, Source
from anadil.tokenizer.measure import Sample

MEASURED_BYTES = 2_000_000
"""Of a source's held-out text; of more, a share of the documents is drawn. Texts that a recipe names are read whole."""


def samples(corpus: Path, measure_on: Iterable[MeasureOn]) -> list[Sample]:
    """What there is to measure on; UserError for a name that a source of the corpus has too, or files not there."""
    held = [_held_out(corpus, source) for source in sources(corpus) if source["heldout"]["documents"]]
    taken = {source["name"] for source in sources(corpus)}
    for named in measure_on:
        if named.name in taken:
            what = f"tokenizer.measure_on: a source of the corpus is named {named.name!r} too"
            raise UserError(what, hint="give the texts to measure on another name")
    return held + [Sample(named.name, language_key(named.language), _named(named)) for named in measure_on]


def _held_out(corpus: Path, source: dict[str, Any]) -> Sample:
    share = min(1.0, MEASURED_BYTES / max(source["heldout"]["bytes"], 1))
    held: Callable[[], Iterator[str]] = partial(texts, corpus, source["name"], "heldout")
    return Sample(source["name"], source["language"], lambda: drawn(held(), share))


def drawn(some: Iterable[str], share: float) -> Iterator[str]:
    """About this share of the texts, always the same ones, wherever they stand.

    By the second half of the hash: the first decides what is held out at all.
    """
    return (text for text in some if int.from_bytes(text_hash(text)[8:], "big") < share * 2**64)


def _named(named: MeasureOn) -> Callable[[], Iterator[str]]:
    source = Source(name=named.name, path=named.path, language=named.language, text_field=named.text_field)
    try:
        source_files(source)
    except UserError as error:
        kinds = f"{', '.join(SUFFIXES)} file (plain, .gz or .zst)"
        what = f"tokenizer.measure_on: {named.name!r} has no {kinds} at {named.path}"
        raise UserError(what, hint="a path in a recipe is relative to the recipe file") from error

    def stop(error: UserError) -> None:
        raise error

    return lambda: (normalise(document.text) for document in read(source, stop))
