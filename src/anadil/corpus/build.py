"""The corpus stage's work: chunk by chunk by any number of processes, decided as a whole, written source by source.

What a chunk gives depends on nothing but its text and the recipe: any number of workers gives the same bytes, and a
build that was stopped goes on with the chunks that are missing.
"""

import hashlib
import json
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from anadil import durable
from anadil.corpus.account import KEPT, Account, Count
from anadil.corpus.chunk import SCHEMA, Job, Worker
from anadil.corpus.contamination import overlaps_of
from anadil.corpus.decide import decide
from anadil.corpus.files import source_files
from anadil.corpus.mix import Share, mixed, table
from anadil.corpus.read import Chunk, chunks
from anadil.corpus.store import Store
from anadil.corpus.write import Writer
from anadil.errors import Interrupted, UserError
from anadil.languages import language_key, load_profile
from anadil.progress import Progress
from anadil.recipe import Corpus, Source

__all__ = ["BATCH_DOCUMENTS", "SCHEMA", "build", "sources", "texts"]

BATCH_DOCUMENTS = 1_000
WORK, PLAN = "work", "plan.json"


def build(
    corpus: Corpus,
    target: str,
    out: Path,
    progress: Progress,
    *,
    original: str = "",
    workers: int = 1,
    stop_requested: Callable[[], bool] = lambda: False,
) -> dict[str, Account]:
    """Read all sources of `corpus`, write what is kept and what is not under `out`, and account for every document.

    Raises UserError for what cannot be read, if the recipe says stop, and when nothing is left of the target
    language's training text, with reasons and counts; Interrupted when a stop is asked for: the next time it goes on.
    `original` is the language of the base, if that is another.
    """
    _check_sources(corpus)
    work = out / WORK
    if out.is_dir():
        durable.clean(out)
    _begin(work, corpus)
    folders: dict[str, list[Path]] = {source.name: [] for source in corpus.sources}
    with progress.task("clean", None, "MB") as task:
        for job in _done(_jobs(corpus, work), corpus, workers):
            folders[job.source.name].append(job.folder)
            task.advance(round(_size(job.chunk) / 1e6, 3))
            if stop_requested():
                raise Interrupted("stopped while cleaning; run the same command to go on")
    sources_of_chunks = [source for source in corpus.sources for _ in folders[source.name]]
    store = Store([folder for source in corpus.sources for folder in folders[source.name]])
    progress.line(f"  {store.documents:,} documents are left to be compared")
    decisions = decide(store, sources_of_chunks, corpus)
    writer = Writer(store, decisions, overlaps_of(corpus.contamination).names, corpus.heldout_share, out)
    accounts, begin = dict[str, Account](), 0
    for source in corpus.sources:
        end = begin + len(folders[source.name])
        accounts[source.name] = writer.write(source, range(begin, end), least_words(corpus, source))
        begin = end
    _check_something_left(corpus, target, accounts)
    durable.write_json(out / "limits.json", decisions.limits, "limits")
    durable.write_json(out / "accounting.json", {n: a.as_dict() for n, a in accounts.items()}, "accounting")
    weights = _mix(corpus, accounts, original, progress)
    listed = {"sources": [_facts(s, accounts[s.name], weights[s.name]) for s in corpus.sources]}
    durable.write_json(out / "sources.json", listed, "sources")
    durable.remove(work, "work")
    return accounts


def least_words(corpus: Corpus, source: Source) -> int:
    """Of a document of a source."""
    least = corpus.min_words
    return load_profile(source.language).thresholds.min_words if least is None else least


def _check_sources(corpus: Corpus) -> None:
    """What can be known before anything is read."""
    for source in corpus.sources:
        files = source_files(source)
        if corpus.require_licence and not source.licence.strip():
            hint = "state it as its owner does, or set corpus.require_licence = false"
            raise UserError(f"source {source.name!r} has no licence", hint=hint)
        if source.sha256 and (found := _sha256(files)) != source.sha256:
            what = f"the files of source {source.name!r} have the sha256 {found}, the recipe says {source.sha256}"
            raise UserError(what, hint="get the files that were meant, or put the new hash into the recipe")


def _sha256(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _begin(work: Path, corpus: Corpus) -> None:
    """Keep the chunks of an attempt with the same recipe and files, drop those of any other."""
    stats = [(str(path), path.stat()) for source in corpus.sources for path in source_files(source)]
    files = [[path, stat.st_size, stat.st_mtime_ns] for path, stat in stats]
    profiles = [load_profile(source.language).model_dump(mode="json") for source in corpus.sources]
    plan = {"corpus": corpus.model_dump(mode="json"), "files": files, "profiles": profiles}
    try:
        same = json.loads((work / PLAN).read_bytes()) == json.loads(json.dumps(plan))
    except (OSError, ValueError):
        same = False
    if not same:
        durable.remove(work, "work")
        durable.write_json(work / PLAN, plan, "plan")


def _jobs(corpus: Corpus, work: Path) -> Iterator[Job]:
    for source in corpus.sources:
        for number, chunk in enumerate(chunks(source)):
            yield Job(chunk, source, number, work / f"{source.name}-{number:05d}")


def _size(chunk: Chunk) -> int:
    return len(chunk.data) or sum(path.stat().st_size for path in chunk.files)


def _done(jobs: Iterator[Job], corpus: Corpus, workers: int) -> Iterator[Job]:
    """Each job once it is done, in order; a few are under way in each worker, so that memory stays bounded."""
    first = list(islice(jobs, 2 * workers))
    if workers == 1 or len(first) < 2 * workers:
        worker = Worker(corpus)
        for job in chain(first, jobs):
            if not job.folder.is_dir():
                worker.run(job)
            yield job
        return
    spawn = multiprocessing.get_context("spawn")  # safe beside threads, which torch starts
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start, initargs=(corpus,)) as pool:
        waiting: deque[tuple[Job, Future[None] | None]] = deque()
        try:
            for job in chain(first, jobs):
                waiting.append((job, None if job.folder.is_dir() else pool.submit(_work, job)))
                if len(waiting) > 3 * workers:
                    yield _finished(waiting.popleft())
            while waiting:
                yield _finished(waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _finished(one: tuple[Job, Future[None] | None]) -> Job:
    job, future = one
    if future:
        future.result()
    return job


_worker: Worker | None = None


def _start(corpus: Corpus) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    _worker = Worker(corpus)


def _work(job: Job) -> None:
    assert _worker is not None
    _worker.run(job)


def _check_something_left(corpus: Corpus, target: str, accounts: dict[str, Account]) -> None:
    mine = [accounts[s.name] for s in corpus.sources if s.language == target and s.weight > 0]
    if sum(account.by_verdict["train"].documents for account in mine):
        return
    total: dict[str, int] = {}
    for account in mine:
        for verdict, count in account.by_verdict.items():
            total[verdict] = total.get(verdict, 0) + count.documents
    reasons = (
        ", ".join(f"{reason} {count}" for reason, count in sorted(total.items()) if count) or "no documents at all"
    )
    what = f"no training text in {target!r} is left of {sum(a.read.documents for a in mine)} documents: {reasons}"
    raise UserError(what, hint="check the language of the sources, corpus.min_words and corpus.min_script_share")


def _mix(corpus: Corpus, accounts: dict[str, Account], original: str, progress: Progress) -> dict[str, float]:
    """The weight of each source, shown with what it comes to."""
    counts = {source.name: accounts[source.name].by_verdict["train"] for source in corpus.sources}
    shares = [
        Share(s.name, s.language == original, s.weight, counts[s.name].bytes, counts[s.name].words)
        for s in corpus.sources
    ]
    weights = mixed(shares, corpus.mix)
    progress.line("  one epoch is")
    for line in table(shares, weights):
        progress.line(line)
    return {share.name: weight for share, weight in zip(shares, weights, strict=True)}


def _facts(source: Source, account: Account, weight: float) -> dict[str, Any]:
    splits = {split: vars(account.by_verdict.get(split, Count())) for split in KEPT}
    facts: dict[str, Any] = {"name": source.name, "language": language_key(source.language)}
    facts |= {"licence": source.licence, "weight": weight}
    return facts | {"files": [path.name for path in source_files(source)]} | splits


def texts(corpus: Path, source: str, split: str) -> Iterator[str]:
    """The texts of one source and split of a corpus folder, in order, by batches."""
    with pq.ParquetFile(corpus / "text" / source / f"{split}.parquet") as file:
        for batch in file.iter_batches(batch_size=BATCH_DOCUMENTS, columns=["text"]):
            yield from batch.column(0).to_pylist()


def sources(corpus: Path) -> list[dict[str, Any]]:
    """The sources of a corpus folder, as written by `build`; UserError if it is none."""
    try:
        found: list[dict[str, Any]] = json.loads((corpus / "sources.json").read_bytes())["sources"]
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError) as error:
        hint = "name the folder that `anadil corpus run --out` or the stage corpus wrote"
        raise UserError(f"{corpus} is no corpus: it has no whole sources.json", hint=hint) from error
    return found
