"""Documents of a corpus to look at: kept, rejected with the reason, repaired, copies beside their originals."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from anadil.corpus.build import BATCH_DOCUMENTS, sources
from anadil.errors import UserError
from anadil.report.words import plain

KINDS = ("kept", "rejected", "repaired", "copies")
SHOWN = 400


def inspect(folder: Path, kinds: list[str], reason: str, source: str, count: int, seed: int) -> None:
    """Print `count` documents of each kind, drawn at random. UserError for what is no corpus, source or reason."""
    corpus = folder / "corpus" if (folder / "corpus").is_dir() else folder
    names = [entry["name"] for entry in sources(corpus)]
    if source and source not in names:
        raise UserError(f"no source {source!r} in {corpus}", hint=f"sources are {', '.join(names)}")
    chosen = [source] if source else names
    rng, console = random.Random(seed), Console(highlight=False)
    for kind in kinds or KINDS:
        total, drawn = _drawn(_of_kind(corpus, chosen, kind, reason), count, rng)
        if reason and kind == "rejected" and not total:
            known = sorted({row["reason"] for row in _rejected(corpus, names)})
            raise UserError(f"nothing was rejected as {reason!r}", hint=f"reasons are {', '.join(known) or 'none'}")
        console.print(Text(f"\n{kind}: {total:,}", style="bold"))
        for row, said in drawn:
            shown = _repair(row) if kind == "repaired" else _document(row, said)
            console.print(Padding(shown, (0, 0, 1, 2)))


_Found = tuple[dict[str, Any], str]
"""A row, and what is said of it."""


def _drawn(rows: Iterator[_Found], count: int, rng: random.Random) -> tuple[int, list[_Found]]:
    """How many there are, and `count` of them, each as likely as another (Vitter's reservoir): few are held at once."""
    total, drawn = 0, list[_Found]()
    for total, row in enumerate(rows, 1):
        if len(drawn) < count:
            drawn.append(row)
        elif (place := rng.randrange(total)) < count:
            drawn[place] = row
    rng.shuffle(drawn)
    return total, drawn


def _of_kind(corpus: Path, names: list[str], kind: str, reason: str) -> Iterator[_Found]:
    if kind == "kept":
        for name in names:
            for split, said in (("train", "training"), ("heldout", "held out")):
                yield from ((row, said) for row in _rows(corpus / "text" / name / f"{split}.parquet"))
    elif kind == "repaired":
        for name in names:
            samples = json.loads((corpus / "samples" / f"{name}.json").read_bytes())
            yield from ((sample | {"source": name}, "") for sample in samples)
    else:
        copies = kind == "copies"
        for row in _rejected(corpus, names):
            if ("duplicate" in row["reason"]) == copies and (copies or reason in ("", row["reason"])):
                yield row, row["reason"].replace("_", " ") + (f": {row['detail']}" if row["detail"] else "")


def _rejected(corpus: Path, names: list[str]) -> Iterator[dict[str, Any]]:
    for name in names:
        yield from _rows(corpus / "rejected" / f"{name}.parquet")


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_DOCUMENTS):
            yield from batch.to_pylist()


def _document(row: dict[str, Any], said: str) -> RenderableType:
    text = plain(row["text"])
    head = Text.assemble((f"{row['source']}/{row['id']}", "cyan"), "  ", (said, "yellow"))
    return Group(head, Text(text if len(text) <= SHOWN else text[:SHOWN].rstrip() + " …"))


def _repair(sample: dict[str, Any]) -> RenderableType:
    head = Text.assemble(
        (f"{sample['source']}/{sample['id']}", "cyan"), "  ", (sample["kind"].replace("_", " "), "yellow")
    )
    before = Text.assemble(("- ", "red"), plain(sample["before"]))
    return Group(head, before, Text.assemble(("+ ", "green"), plain(sample["after"])))
