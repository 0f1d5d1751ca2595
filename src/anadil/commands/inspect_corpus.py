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

from anadil.corpus.account import KEPT
from anadil.corpus.build import sources
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
        found = list(_of_kind(corpus, chosen, kind, reason))
        if reason and kind == "rejected" and not found:
            known = sorted({row["reason"] for row in _rejected(corpus, names)})
            raise UserError(f"nothing was rejected as {reason!r}", hint=f"reasons are {', '.join(known) or 'none'}")
        console.print(Text(f"\n{kind}: {len(found):,}", style="bold"))
        for shown in rng.sample(found, min(count, len(found))):
            console.print(Padding(shown, (0, 0, 1, 2)))


def _of_kind(corpus: Path, names: list[str], kind: str, reason: str) -> Iterator[RenderableType]:
    if kind == "kept":
        paths = (corpus / "text" / name / f"{split}.parquet" for name in names for split in KEPT)
        for path in paths:
            for row in pq.read_table(path).to_pylist():
                yield _document(row, "training" if path.stem == "train" else "held out")
    elif kind == "repaired":
        for name in names:
            for sample in json.loads((corpus / "samples" / f"{name}.json").read_bytes()):
                yield _repair(name, sample)
    else:
        copies = kind == "copies"
        for row in _rejected(corpus, names):
            if ("duplicate" in row["reason"]) == copies and (copies or reason in ("", row["reason"])):
                yield _document(row, row["reason"].replace("_", " ") + (f": {row['detail']}" if row["detail"] else ""))


def _rejected(corpus: Path, names: list[str]) -> Iterator[dict[str, Any]]:
    for name in names:
        yield from pq.read_table(corpus / "rejected" / f"{name}.parquet").to_pylist()


def _document(row: dict[str, Any], said: str) -> RenderableType:
    text = plain(row["text"])
    head = Text.assemble((f"{row['source']}/{row['id']}", "cyan"), "  ", (said, "yellow"))
    return Group(head, Text(text if len(text) <= SHOWN else text[:SHOWN].rstrip() + " …"))


def _repair(source: str, sample: dict[str, str]) -> RenderableType:
    head = Text.assemble((f"{source}/{sample['id']}", "cyan"), "  ", (sample["kind"].replace("_", " "), "yellow"))
    before = Text.assemble(("- ", "red"), plain(sample["before"]))
    return Group(head, before, Text.assemble(("+ ", "green"), plain(sample["after"])))
