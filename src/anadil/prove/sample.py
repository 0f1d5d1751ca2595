"""A small corpus out of a large one: as much text as the rows will see, chosen by hash, and the held-out text."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from anadil import durable
from anadil.corpus.account import Count
from anadil.corpus.build import BATCH_DOCUMENTS, SCHEMA, sources
from anadil.errors import UserError
from anadil.languages import language_key

HELDOUT_BYTES = 2_000_000
_SCALE = 1 << 32


def make_sample(corpus: Path, out: Path, target: str, target_bytes: int, replay: float) -> dict[str, float]:
    """Write a corpus folder to `out`; returns bytes of training text, of the target and of all others.

    Documents of the target of `target_bytes` in all (everything, if there is less), and of the other languages
    `replay` times as much, shared by their sources in proportion to bytes x weight. Which documents does not depend
    on their order. UserError without training or held-out text of the target.
    """
    every = [source for source in sources(corpus) if source["weight"] > 0]
    mine = [source for source in every if source["language"] == language_key(target)]
    others = [source for source in every if source["language"] != language_key(target)]
    _check(mine, target)
    shares = _shares(mine, target_bytes)
    shares |= _shares(others, replay * min(target_bytes, _bytes(mine)))
    with durable.new_folder(out, "sample") as folder:
        facts = [_copy(source, corpus, folder, shares[source["name"]]) for source in [*mine, *others]]
        durable.write_json(folder / "sources.json", {"sources": facts}, "sample")
    found = {fact["name"]: fact["train"]["bytes"] for fact in facts}
    of_target = sum(found[source["name"]] for source in mine)
    return {"target_bytes": of_target, "other_bytes": sum(found.values()) - of_target}


def _check(mine: list[dict[str, Any]], target: str) -> None:
    for split in ("train", "heldout"):
        if not sum(source[split]["bytes"] for source in mine):
            what = f"the corpus has no {split} text of {language_key(target)!r}"
            raise UserError(what, hint="give more text, or a larger share of it to hold out")


def _bytes(every: list[dict[str, Any]]) -> int:
    return sum(int(source["train"]["bytes"]) for source in every)


def _shares(every: list[dict[str, Any]], wanted: float) -> dict[str, float]:
    """Share of each source's documents to take; a weight above others makes a source's share larger."""
    weighted = sum(source["train"]["bytes"] * source["weight"] for source in every)
    return {source["name"]: min(1.0, wanted * source["weight"] / weighted) if weighted else 0.0 for source in every}


def _copy(source: dict[str, Any], corpus: Path, out: Path, share: float) -> dict[str, Any]:
    name = source["name"]
    held = min(1.0, HELDOUT_BYTES / max(source["heldout"]["bytes"], 1))
    splits = {
        split: _copy_split(corpus / "text" / name / f"{split}.parquet", out / "text" / name / f"{split}.parquet", part)
        for split, part in (("train", share), ("heldout", held))
    }
    return {"name": name, "language": source["language"], "licence": source["licence"], "weight": 1.0} | splits


def _copy_split(source: Path, out: Path, share: float) -> dict[str, int]:
    out.parent.mkdir(parents=True, exist_ok=True)
    count = Count()
    with pq.ParquetWriter(out, SCHEMA, compression="zstd") as writer:
        for rows in _rows(source):
            kept = [row for row in rows if _place(row["text"]) < share]
            for row in kept:
                count.add(Count.of(row["text"]))
            if kept:
                writer.write_table(pa.Table.from_pylist(kept, schema=SCHEMA))
    return vars(count)


def _rows(path: Path) -> Iterator[list[dict[str, str]]]:
    if path.is_file():
        with pq.ParquetFile(path) as file:
            yield from (batch.to_pylist() for batch in file.iter_batches(BATCH_DOCUMENTS))


def _place(text: str) -> float:
    """In [0, 1), by the text alone."""
    return int.from_bytes(hashlib.sha256(b"sample" + text.encode()).digest()[:4]) / _SCALE
