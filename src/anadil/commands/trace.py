"""Where a document is: in the corpus, in which shards, and in which models; for requests to delete it."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from anadil.artifact import StageFolder
from anadil.corpus.account import KEPT
from anadil.errors import UserError
from anadil.tokenizer.shards import TokenShards

TRAINED = ("pretrain", "sft", "export")
"""Stages after `encode` whose models come from its shards."""


@dataclass(frozen=True)
class Place:
    """A shard that holds a document, as tokens `begin` to `end` of it."""

    shard: str
    document: int
    begin: int
    end: int


@dataclass(frozen=True)
class Trace:
    """What became of one document in one run."""

    run: str
    id: str
    source: str
    verdict: str
    """`train`, `heldout`, or why it was rejected."""
    detail: str = ""
    places: list[Place] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    """Documents that were taken out as copies of it: their text is here too."""


def trace(identifier: str, folders: list[Path], *, as_json: bool) -> None:
    """Print all that runs (or corpus folders) know of a document; UserError if none knows it."""
    found = [one for folder in folders for one in traces(identifier, folder)]
    if not found:
        looked = ", ".join(map(str, folders)) or "no run"
        what = f"no document {identifier!r} in {looked}"
        raise UserError(what, hint="ids are those of the sources, or file:line where a source has none")
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False))
        return
    for one in found:
        print("\n".join(_lines(one)))


def _lines(one: Trace) -> Iterator[str]:
    yield f"{one.id} of source {one.source}, in {one.run}:"
    if one.verdict in KEPT:
        yield f"  in the corpus: {'for training' if one.verdict == 'train' else 'held out, no model learned from it'}"
    else:
        yield f"  not in the corpus: {one.verdict.replace('_', ' ')}{f', {one.detail}' if one.detail else ''}"
        if "duplicate" in one.verdict:
            yield f"  its text is there as {one.detail.split(' ')[0]}: trace that too"
        yield "  its text is in rejected/ of the corpus, personal data masked"
    for place in one.places:
        yield f"  {place.shard}: document {place.document}, tokens {place.begin:,} to {place.end:,}"
    if one.models:
        yield f"  models trained on it: {', '.join(one.models)}"
    if one.copies:
        yield f"  taken out as copies of it: {', '.join(one.copies)}"


def traces(identifier: str, folder: Path) -> Iterator[Trace]:
    """Every document of that id (two sources may have one each) in a run folder or a corpus folder."""
    corpus = folder / "corpus" if (folder / "corpus").is_dir() else folder
    for rejected in sorted((corpus / "rejected").glob("*.parquet")):
        for row in _rows(rejected, identifier):
            yield Trace(folder.name, identifier, row["source"], row["reason"], row["detail"] or "")
    for source in sorted((corpus / "text").glob("*")):
        for split in KEPT:
            for number in _numbers(source / f"{split}.parquet", identifier):
                places = list(_places(folder, source.name, split, number))
                models = _models(folder, source.name) if split == "train" and places else []
                copies = sorted(_copies(corpus, f"{source.name}/{identifier}"))
                yield Trace(folder.name, identifier, source.name, split, "", places, models, copies)


def _rows(path: Path, identifier: str) -> list[dict[str, Any]]:
    columns = ["id", "source", "reason", "detail"]
    found: list[dict[str, Any]] = pq.read_table(path, columns=columns, filters=[("id", "=", identifier)]).to_pylist()
    return found


def _copies(corpus: Path, name: str) -> Iterator[str]:
    for rejected in (corpus / "rejected").glob("*.parquet"):
        table = pq.read_table(rejected, columns=["id", "source", "detail"])
        mine = pc.or_(pc.equal(table["detail"], name), pc.starts_with(table["detail"], f"{name} ("))
        yield from (f"{row['source']}/{row['id']}" for row in table.filter(mine).to_pylist())


def _numbers(path: Path, identifier: str) -> list[int]:
    """Places of a document in a split, in order: the same as in the shards."""
    if not path.is_file():
        return []
    ids = pq.read_table(path, columns=["id"])["id"]
    numbers: list[int] = pc.indices_nonzero(pc.equal(ids, identifier)).to_pylist()
    return numbers


def _places(folder: Path, source: str, split: str, number: int) -> Iterator[Place]:
    """The shard with a document; none where nothing is encoded, or the source is not."""
    encode = folder / "encode"
    if StageFolder(encode).manifest is None:
        return
    shards = TokenShards(encode)
    if not any(entry["name"] == source for entry in shards.sources):
        return
    for shard in shards.split(source, split):
        if number < shard.documents:
            begin, end = int(shard.offsets[number]), int(shard.offsets[number + 1])
            yield Place(str(shard.path.relative_to(folder)), number, begin, end)
            return
        number -= shard.documents


def _models(folder: Path, source: str) -> list[str]:
    """Models of a run that were trained on a source: none, if its weight is zero."""
    weights = {entry["name"]: float(entry["weight"]) for entry in TokenShards(folder / "encode").sources}
    done = (name for name in TRAINED if StageFolder(folder / name).manifest is not None)
    return [str(folder / name) for name in done] if weights.get(source, 0) > 0 else []
