"""The corpus as files: one set per source and split, without repetition, plus weights and the account."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from anadil import durable
from anadil.corpus.account import Account, Count
from anadil.corpus.clean import KEPT, Limits, sort_out
from anadil.corpus.read import Document, read, source_files
from anadil.errors import UserError
from anadil.languages import LanguageProfile, language_key, load_profile
from anadil.progress import Progress
from anadil.recipe import Corpus, Source

SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "text", "source", "language", "meta")])
REJECTED = SCHEMA.append(pa.field("reason", pa.string()))
BATCH_DOCUMENTS = 1_000


def build(corpus: Corpus, target: str, out: Path, progress: Progress) -> dict[str, Account]:
    """Read all sources of `corpus`, write what is kept and what is not under `out`, and account for every document.

    Raises UserError when nothing is left of the target language's training text, with reasons and counts.
    """
    for source in corpus.sources:
        source_files(source)  # a missing one is known before any is read
    seen: set[bytes] = set()
    accounts: dict[str, Account] = {}
    with progress.task("documents", None, "documents") as task:
        for source in corpus.sources:
            accounts[source.name] = account = Account()
            for documents in _sort_source(source, corpus, account, seen, out):
                task.advance(documents)
    _check_something_left(corpus, target, accounts)
    durable.write_json(out / "accounting.json", {n: a.as_dict() for n, a in accounts.items()}, "accounting")
    durable.write_json(
        out / "sources.json", {"sources": [_facts(s, accounts[s.name]) for s in corpus.sources]}, "sources"
    )
    return accounts


def _limits(corpus: Corpus, source: Source, profile: LanguageProfile) -> Limits:
    words, share = corpus.min_words, corpus.min_script_share
    return Limits(
        profile.thresholds.min_words if words is None else words,
        profile.thresholds.min_script_share if share is None else share,
        corpus.heldout_share,
        source.split,
    )


def _sort_source(source: Source, corpus: Corpus, account: Account, seen: set[bytes], out: Path) -> Iterator[int]:
    """Write the files of one source; yields the number of documents of each batch, for progress."""
    profile = load_profile(source.language)

    def on_error(error: UserError) -> None:
        if corpus.on_error == "stop":
            raise error
        account.unreadable += 1

    with ExitStack() as files:
        writers = {
            "train": files.enter_context(_writer(out / "text" / source.name / "train.parquet", SCHEMA)),
            "heldout": files.enter_context(_writer(out / "text" / source.name / "heldout.parquet", SCHEMA)),
            "rejected": files.enter_context(_writer(out / "rejected" / f"{source.name}.parquet", REJECTED)),
        }
        count = 0
        for document, verdict in sort_out(read(source, on_error), profile, _limits(corpus, source, profile), seen):
            account.add(document.text, verdict)
            row = _row(document, source)
            writers[verdict if verdict in KEPT else "rejected"].add(
                row if verdict in KEPT else row | {"reason": verdict}
            )
            count += 1
            if count % BATCH_DOCUMENTS == 0:
                yield BATCH_DOCUMENTS
        yield count % BATCH_DOCUMENTS


def _row(document: Document, source: Source) -> dict[str, str]:
    meta = json.dumps(document.meta, ensure_ascii=False, sort_keys=True, default=str)
    language = language_key(source.language)
    return {"id": document.id, "text": document.text, "source": source.name, "language": language, "meta": meta}


class _Rows:
    """Rows on their way into a parquet file, by batches, so that memory stays bounded."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self.writer, self.schema, self.rows = writer, schema, list[dict[str, str]]()

    def add(self, row: dict[str, str]) -> None:
        self.rows.append(row)
        if len(self.rows) >= BATCH_DOCUMENTS:
            self.flush()

    def flush(self) -> None:
        if self.rows:
            self.writer.write_table(pa.Table.from_pylist(self.rows, schema=self.schema))
            self.rows.clear()


@contextmanager
def _writer(path: Path, schema: pa.Schema) -> Iterator[_Rows]:
    with (
        durable.new_file(path, "corpus") as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        rows = _Rows(writer, schema)
        yield rows
        rows.flush()


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


def _facts(source: Source, account: Account) -> dict[str, Any]:
    splits = {split: vars(account.by_verdict.get(split, Count())) for split in KEPT}
    facts: dict[str, Any] = {"name": source.name, "language": language_key(source.language)}
    facts |= {"licence": source.licence, "weight": source.weight}
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
