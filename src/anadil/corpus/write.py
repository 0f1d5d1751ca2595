"""The corpus as files: of each source what is kept, by split, and what is not, with the reason."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from anadil import durable
from anadil.corpus.account import Account, Count
from anadil.corpus.chunk import REJECTED, SCHEMA
from anadil.corpus.decide import VERDICTS, Decisions
from anadil.corpus.duplicates import NONE, Numbers
from anadil.corpus.hashing import text_hash
from anadil.corpus.store import Store
from anadil.recipe import Source

SAMPLES = "samples"


@dataclass(frozen=True)
class Writer:
    """Writes the sources of a store."""

    store: Store
    decisions: Decisions
    items: tuple[str, ...]
    """Names of the evaluation sets' items."""
    heldout_share: float
    out: Path

    def write(self, source: Source, chunks: range, least_words: int) -> Account:
        """One source's files; its account counts what is written, not what was decided."""
        account, samples = Account(), list[dict[str, str]]()
        text, folder = self.out / "text" / source.name, self.out / "rejected"
        with (
            _parquet(text / "train.parquet", SCHEMA) as train,
            _parquet(text / "heldout.parquet", SCHEMA) as heldout,
            _parquet(folder / f"{source.name}.parquet", REJECTED) as rejected,
        ):
            for chunk in chunks:
                facts = self.store.account(chunk)
                account.add(Account.from_dict(facts))
                samples += facts["samples"]
                rejected.write_table(pq.read_table(self.store.folders[chunk] / "rejected.parquet"))
                table, reasons, details = self._judged(chunk, least_words, account)
                splits = self._splits(chunk, table, source)
                for name, writer in (("train", train), ("heldout", heldout)):
                    chosen = (reasons == "") & (splits == name)
                    writer.write_table(table.filter(pa.array(chosen)))
                    account.by_verdict[name].add(_sizes(table, chosen))
                out = reasons != ""
                for reason in np.unique(reasons[out]).tolist():
                    account.by_verdict[reason].add(_sizes(table, reasons == reason))
                kept = table.filter(pa.array(out)).append_column("reason", pa.array(reasons[out], pa.string()))
                rejected.write_table(kept.append_column("detail", pa.array(details[out], pa.string())))
        rows = sorted(samples, key=lambda sample: (sample["kind"], text_hash(sample["after"])))
        durable.write_json(self.out / SAMPLES / f"{source.name}.json", _few_of_each(rows), "samples")
        return account

    def _judged(self, chunk: int, least_words: int, account: Account) -> tuple[pa.Table, Any, Any]:
        """The documents of a chunk as they are in the end, with reason (empty for what stays) and detail."""
        table = pq.read_table(self.store.folders[chunk] / "kept.parquet")
        begin, end = self.store.starts[chunk : chunk + 2].tolist()
        numbers = self.decisions.verdicts[begin:end]
        reasons = np.array([VERDICTS[number] for number in numbers.tolist()], dtype=object)
        details = np.full(end - begin, "", dtype=object)
        self._explain(begin, end, reasons, details)
        texts: dict[int, str] = {}
        for document in range(begin, end):
            if document in self.decisions.cuts:
                row = document - begin
                before = str(table["text"][row])
                texts[row] = after = _without(before, self.decisions.cuts[document])
                if len(after.split()) < least_words:
                    texts.pop(row)
                    reasons[row] = "repeated_elsewhere"
                else:
                    change = Count.of(before).change_to(Count.of(after))
                    account.changes["duplicates"]["repeated_paragraphs"].add(change)
        if texts:
            column = [texts.get(row, text) for row, text in enumerate(table["text"].to_pylist())]
            table = table.set_column(table.schema.get_field_index("text"), "text", pa.array(column, pa.string()))
        return table, reasons, details

    def _explain(self, begin: int, end: int, reasons: Any, details: Any) -> None:
        copies = np.flatnonzero(self.decisions.copy_of[begin:end] != NONE)
        originals, names = self._originals
        places = np.searchsorted(originals, self.decisions.copy_of[begin:end][copies])
        for row, name in zip(copies.tolist(), names.take(pa.array(places)).to_pylist(), strict=True):
            share = float(self.decisions.similarity[begin + row])
            details[row] = name + (f" ({share:.2f})" if reasons[row] == "near_duplicate" else "")
        for row in np.flatnonzero(reasons == "contaminated").tolist():
            details[row] = self.items[int(self.decisions.contaminated[begin + row])]

    @cached_property
    def _originals(self) -> tuple[Numbers, pa.Array]:
        """The documents that others are copies of, sorted, and their names: read once, for copies are far apart."""
        numbers = np.unique(self.decisions.copy_of[self.decisions.copy_of != NONE])
        return numbers, self.store.names(numbers)

    def _splits(self, chunk: int, table: pa.Table, source: Source) -> Any:
        """Whether a text is held out depends on its hash alone: it stays so when files are added, moved, reordered."""
        if source.split != "hash":
            return np.full(table.num_rows, source.split, dtype=object)
        hashes = np.load(self.store.folders[chunk] / "hashes.npy")[:, 0].copy()
        for row, document in enumerate(range(*self.store.starts[chunk : chunk + 2].tolist())):
            if document in self.decisions.cuts:  # it is another text now
                hashes[row] = int.from_bytes(text_hash(str(table["text"][row]))[:8], "big")
        return np.where(hashes.astype(np.float64) < self.heldout_share * 2**64, "heldout", "train").astype(object)


def _without(text: str, lines: list[int]) -> str:
    gone = set(lines)
    return "\n".join(line for place, line in enumerate(text.split("\n")) if place not in gone).strip()


def _sizes(table: pa.Table, chosen: Any) -> Count:
    texts = table["text"].filter(pa.array(chosen))
    size = pc.sum(pc.binary_length(texts)).as_py() or 0
    return Count(len(texts), size, sum(len(text.split()) for text in texts.to_pylist()))


def _few_of_each(samples: list[dict[str, str]]) -> list[dict[str, str]]:
    """The first twenty of each kind."""
    seen: dict[str, int] = {}
    found = []
    for sample in samples:
        seen[sample["kind"]] = seen.get(sample["kind"], 0) + 1
        if seen[sample["kind"]] <= 20:
            found.append(sample)
    return found


@contextmanager
def _parquet(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    with (
        durable.new_file(path, "corpus") as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        yield writer
