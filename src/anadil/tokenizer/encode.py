"""Corpus text to token shards, in parallel and restartable.

Which row groups make up a shard depends on the corpus alone, so the files are the same bytes for any number of
workers, and whichever library encodes. A shard is its ids, its offsets and, last, a marker; one with a marker is not
encoded again. Where the fast library encodes, some documents of every shard are encoded by the other one too, and
a single difference makes it encode the whole shard; the marker and the metrics say so.
"""

import ctypes
import hashlib
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tokenizers import Tokenizer

from anadil import durable
from anadil.corpus.build import sources as read_sources
from anadil.errors import Interrupted
from anadil.progress import Progress, silent
from anadil.tokenizer.chat import BOS, EOS, control_id
from anadil.tokenizer.fast import Encoded, Encoder, read_agreement
from anadil.tokenizer.shards import TokenShards, dtype_of, sha256_of

SPLITS = ("train", "heldout")
SHARD_BYTES = 64 << 20
"""Uncompressed parquet bytes from which on a shard is full; small enough to redo one after a crash."""
_BATCH_DOCUMENTS = 256
_CHECK_FIRST, _CHECK_LATER = 16, 256
"""One in so many documents of a shard's first batch, and of the later ones, is encoded by both libraries."""


@dataclass
class _Written:
    """What went into a shard's ids, and how the fast encoding of it was checked."""

    offsets: list[NDArray[np.int64]]
    text_bytes: int = 0
    fast_documents: int = 0
    checked: int = 0
    differing: int = 0


@dataclass(frozen=True)
class ShardPlan:
    """One shard to make: some row groups of one parquet file. Plain data, sent to a worker process."""

    parquet: Path
    parquet_footer: str
    """sha256 of the file's footer: sizes, counts and extremes of every column of every row group."""
    row_groups: tuple[int, ...]
    tokenizer: Path
    tokenizer_sha256: str
    vocab_size: int
    out: Path
    name: str
    """Path below `out` without ending: tokens/<source>/<split>-NNNNN."""
    bytes: int
    """Size of the row groups, for progress."""

    @property
    def marker(self) -> Path:
        return self.out / f"{self.name}.json"

    def made_from(self) -> dict[str, Any]:
        """What the shard depends on; a marker that says otherwise is of another corpus or tokenizer."""
        return {
            "parquet_footer": self.parquet_footer,
            "row_groups": list(self.row_groups),
            "tokenizer_sha256": self.tokenizer_sha256,
        }


def encode(
    corpus: Path,
    tokenizer: Path,
    out: Path,
    workers: int = 1,
    progress: Progress | None = None,
    stop_requested: Callable[[], bool] = lambda: False,
    shard_bytes: int = SHARD_BYTES,
) -> dict[str, float]:
    """Encode the train and heldout text of a corpus folder into `out`; returns metrics.

    Documents become BOS + ids + EOS; control tokens typed in text stay text. Raises Interrupted when a stop is
    asked for: finished shards stay and are not encoded again.
    """
    sources = read_sources(corpus)
    plans = {
        (source["name"], split): plan_shards(corpus, source["name"], split, tokenizer, out, shard_bytes)
        for source in sources
        for split in SPLITS
    }
    every = [plan for some in plans.values() for plan in some]
    _run(every, workers, progress or silent(), stop_requested)
    _write_index(sources, plans, tokenizer, out)
    return _metrics(out) | _fast_metrics(every)


def plan_shards(corpus: Path, source: str, split: str, tokenizer: Path, out: Path, shard_bytes: int) -> list[ShardPlan]:
    """The shards of one split of one source: none where the corpus has no text for it."""
    parquet = corpus / "text" / source / f"{split}.parquet"
    if not parquet.is_file():
        return []
    sha256 = sha256_of(tokenizer / "tokenizer.json")
    size = vocab_size(_encoder(tokenizer, sha256).tokenizer)
    return [
        ShardPlan(
            parquet=parquet,
            parquet_footer=_footer_sha256(parquet),
            row_groups=rows,
            tokenizer=tokenizer,
            tokenizer_sha256=sha256,
            vocab_size=size,
            out=out,
            name=f"tokens/{source}/{split}-{place:05d}",
            bytes=row_bytes,
        )
        for place, (rows, row_bytes) in enumerate(_row_groups(parquet, shard_bytes))
    ]


def vocab_size(tokenizer: Tokenizer) -> int:
    """One more than the highest id."""
    return max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1


def _footer_sha256(parquet: Path) -> str:
    with open(parquet, "rb") as file:
        file.seek(-8, os.SEEK_END)  # length of the footer, 4 bytes, and the magic PAR1
        length = int.from_bytes(file.read(4), "little")
        file.seek(-8 - length, os.SEEK_END)
        return hashlib.sha256(file.read(length)).hexdigest()


def _row_groups(parquet: Path, shard_bytes: int) -> list[tuple[tuple[int, ...], int]]:
    """Row groups of each shard, in file order, with their uncompressed bytes."""
    metadata = pq.read_metadata(parquet)
    shards: list[tuple[tuple[int, ...], int]] = []
    rows: list[int] = []
    size = 0
    for group in range(metadata.num_row_groups):
        rows.append(group)
        size += metadata.row_group(group).total_byte_size
        if size >= shard_bytes or group == metadata.num_row_groups - 1:
            shards.append((tuple(rows), size))
            rows, size = [], 0
    return shards


def _run(plans: list[ShardPlan], workers: int, progress: Progress, stop_requested: Callable[[], bool]) -> None:
    todo = [plan for plan in plans if not _is_done(plan)]
    with progress.task("encode", sum(plan.bytes for plan in todo), "bytes") as task:
        for plan in _finished(todo, workers, stop_requested):
            task.advance(plan.bytes)
            task.note(plan.name)
    if stop_requested() and not all(_is_done(plan) for plan in plans):
        raise Interrupted("stopped while encoding; finished shards are kept")


def _finished(plans: list[ShardPlan], workers: int, stop_requested: Callable[[], bool]) -> Iterator[ShardPlan]:
    if workers <= 1 or len(plans) <= 1:
        for plan in plans:
            if stop_requested():
                return
            encode_shard(plan)
            yield plan
        return
    spawn = multiprocessing.get_context("spawn")  # safe beside threads, which tokenizers and torch start
    with ProcessPoolExecutor(min(workers, len(plans)), mp_context=spawn, initializer=_start_worker) as pool:
        futures = {pool.submit(encode_shard, plan): plan for plan in plans}
        for future in as_completed(futures):
            if stop_requested():
                pool.shutdown(wait=True, cancel_futures=True)
                return
            future.result()
            yield futures[future]


def _die_with_parent() -> None:
    """Workers of a killed run must not go on writing into its folder, which is free for the next run by then."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides


def _start_worker() -> None:
    _die_with_parent()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def _is_done(plan: ShardPlan) -> bool:
    try:
        marker = json.loads(plan.marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    files = (plan.out / marker["file"], plan.out / marker["offsets"])
    known = marker.get("made_from") == plan.made_from() and "fast_encoding" in marker
    return known and all(file.is_file() for file in files)


@cache
def _encoder(folder: Path, sha256: str) -> Encoder:
    del sha256  # part of the key: a worker may outlive a tokenizer
    return Encoder(folder, read_agreement(folder))


def encode_shard(plan: ShardPlan) -> None:
    """Make one shard: ids and offsets, then its marker."""
    durable.remove(plan.marker, "shard")
    ids_path, offsets_path = plan.out / f"{plan.name}.bin", plan.out / f"{plan.name}.offsets.npy"
    with durable.new_file(ids_path, "shard") as temporary:
        written = _write(plan, temporary, fast=True)
        if differing := written.differing:
            checked = written.checked
            written = _write(plan, temporary, fast=False)
            written.differing, written.checked = differing, checked
    offsets = np.concatenate(written.offsets)
    with durable.new_file(offsets_path, "shard") as temporary, open(temporary, "wb") as file:
        np.save(file, offsets)
    marker = {
        "file": f"{plan.name}.bin",
        "offsets": f"{plan.name}.offsets.npy",
        "tokens": int(offsets[-1]),
        "documents": len(offsets) - 1,
        "bytes": written.text_bytes,
        "sha256": sha256_of(ids_path),
        "made_from": plan.made_from(),
        "fast_encoding": {
            "documents": written.fast_documents,
            "checked": written.checked,
            "differences": written.differing,
        },
    }
    durable.write_json(plan.marker, marker, "shard")


def _write(plan: ShardPlan, path: Path, fast: bool) -> _Written:
    """Write the ids of a shard, from the beginning, with the fast library where it may be used or without."""
    encoder = _encoder(plan.tokenizer, plan.tokenizer_sha256)
    fast = fast and bool(encoder.library)
    bos, eos = control_id(encoder.tokenizer, BOS), control_id(encoder.tokenizer, EOS)
    dtype = dtype_of(plan.vocab_size)
    written = _Written([np.zeros(1, np.int64)])
    with open(path, "wb") as file:
        for place, texts in enumerate(_texts(plan.parquet, plan.row_groups)):
            encoded = encoder.encode(texts) if fast else encoder.reference(texts)
            ids, ends = _framed(encoded, bos, eos)
            ids.astype(dtype).tofile(file)
            written.offsets.append(written.offsets[-1][-1] + ends)
            written.text_bytes += sum(len(text.encode()) for text in texts)
            if fast:
                some = range(0, len(texts), _CHECK_LATER if place else _CHECK_FIRST)
                written.fast_documents += len(texts)
                written.checked += len(some)
                written.differing += encoder.differing(texts, encoded, some)
        file.flush()
    return written


def _framed(encoded: Encoded, bos: int, eos: int) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """BOS + ids + EOS of every document in one array, and where each document ends in it."""
    ends = np.cumsum(encoded.lengths + 2)
    starts = ends - encoded.lengths - 2
    ids = np.empty(len(encoded.ids) + 2 * len(ends), np.uint32)
    between = np.ones(len(ids), np.bool_)
    between[starts] = between[ends - 1] = False
    ids[starts], ids[ends - 1], ids[between] = bos, eos, encoded.ids
    return ids, ends


def _texts(parquet: Path, row_groups: tuple[int, ...]) -> Iterator[list[str]]:
    with pq.ParquetFile(parquet) as file:
        for batch in file.iter_batches(_BATCH_DOCUMENTS, row_groups=list(row_groups), columns=["text"]):
            if batch.num_rows:
                yield batch.column(0).to_pylist()


def _write_index(
    sources: list[dict[str, Any]],
    plans: dict[tuple[str, str], list[ShardPlan]],
    folder: Path,
    out: Path,
) -> None:
    sha256 = sha256_of(folder / "tokenizer.json")
    tokenizer = _encoder(folder, sha256).tokenizer
    size = vocab_size(tokenizer)
    entries = []
    counts = np.zeros(size, np.float64)
    for source in sources:
        splits = {split: [_entry(plan) for plan in plans[source["name"], split]] for split in SPLITS}
        about = {key: source[key] for key in ("name", "language", "weight")}
        entries.append({**about, "train_words": source.get("train", {}).get("words", 0), "splits": splits})
        for shard in splits["train"]:
            ids = np.fromfile(out / shard["file"], dtype_of(size))
            counts += float(source["weight"]) * np.bincount(ids, minlength=size)
    with durable.new_file(out / "token_counts.npy", "encode") as temporary, open(temporary, "wb") as file:
        np.save(file, np.rint(counts).astype(np.int64))
    index = {
        "tokenizer_sha256": sha256,
        "vocab_size": size,
        "dtype": dtype_of(size).name,
        "bos": control_id(tokenizer, BOS),
        "eos": control_id(tokenizer, EOS),
        "sources": entries,
    }
    durable.write_json(out / "shards.json", index, "encode")


def _entry(plan: ShardPlan) -> dict[str, Any]:
    """A shard's entry in shards.json: the same whichever library encoded it."""
    marker = _marker(plan)
    del marker["made_from"], marker["fast_encoding"]
    return marker


def _marker(plan: ShardPlan) -> dict[str, Any]:
    marker: dict[str, Any] = json.loads(plan.marker.read_text(encoding="utf-8"))
    return marker


def _metrics(out: Path) -> dict[str, float]:
    shards = TokenShards(out)
    metrics: dict[str, float] = {"vocabulary_tokens": shards.vocab_size}
    for split in SPLITS:
        every = [shard for source in shards.sources for shard in shards.split(source["name"], split)]
        metrics[f"{split}_documents"] = sum(shard.documents for shard in every)
        metrics[f"{split}_tokens"] = sum(shard.tokens for shard in every)
        metrics[f"{split}_bytes"] = sum(shard.bytes for shard in every)
    return metrics


def _fast_metrics(plans: list[ShardPlan]) -> dict[str, float]:
    """Documents that the fast library encoded, those checked, and differences (their shards were encoded again)."""
    facts = [_marker(plan)["fast_encoding"] for plan in plans]
    return {
        f"fast_encoding_{name}": sum(fact[name] for fact in facts) for name in ("documents", "checked", "differences")
    }
