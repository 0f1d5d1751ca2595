"""What is done with one chunk of a source, by any process: all that needs no other chunk.

The chunk's folder then holds the texts that are still in, those that are out, and in arrays what the decisions about
the whole corpus are made from.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from anadil import durable
from anadil.corpus.account import Account, Count
from anadil.corpus.contamination import Overlaps, overlaps_of
from anadil.corpus.hashing import text_hash
from anadil.corpus.language import letter_shares, load_detector
from anadil.corpus.paragraphs import LanguageFilter, Part
from anadil.corpus.personal_data import Finder, Span, mask
from anadil.corpus.quality import figures
from anadil.corpus.read import Chunk, Document, documents
from anadil.corpus.repair import BEYOND_REPAIR, Repairer
from anadil.corpus.sketch import BANDS, band_keys
from anadil.corpus.words import Words, words_of
from anadil.errors import UserError
from anadil.languages import language_key, load_profile
from anadil.recipe import Corpus, Source

SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "text", "source", "language", "meta")])
REJECTED = SCHEMA.append(pa.field("reason", pa.string())).append(pa.field("detail", pa.string()))
SAMPLES = 20
"""Repairs of each kind that a chunk shows."""
_META = json.JSONEncoder(ensure_ascii=False, sort_keys=True, default=str)
AROUND = 60
"""Characters shown on both sides of a repair."""


@dataclass(frozen=True)
class Job:
    """A chunk, and where what is made of it goes."""

    chunk: Chunk
    source: Source
    number: int
    folder: Path


@dataclass
class _Piece:
    """A document on its way, with its size as it is now."""

    id: str
    text: str
    meta: str
    size: Count


@dataclass
class _Batch:
    """Documents of a chunk: those that are still in, and rows of those that are out."""

    account: Account = field(default_factory=Account)
    pieces: list[_Piece] = field(default_factory=list)
    rejected: list[dict[str, str]] = field(default_factory=list)
    samples: list[dict[str, str]] = field(default_factory=list)


class Worker:
    """Cleans chunks of one source after another; made once a process."""

    def __init__(self, corpus: Corpus):
        self._corpus = corpus
        self._overlaps = overlaps_of(corpus.contamination)
        self._cleaners: dict[str, Cleaner] = {}

    def run(self, job: Job) -> None:
        """Write the folder of a chunk; UserError for what cannot be read, if the recipe says stop."""
        batch = _Batch()
        if job.source.name not in self._cleaners:
            self._cleaners[job.source.name] = Cleaner(self._corpus, job.source)
        cleaner = self._cleaners[job.source.name]
        read = documents(job.chunk, job.source, self._on_error(batch.account))
        cleaner.clean(read, batch)
        with durable.new_folder(job.folder, "chunk") as folder:
            _write(batch, folder, self._overlaps, cleaner, self._corpus)

    def _on_error(self, account: Account) -> Any:
        def on_error(error: UserError) -> None:
            if self._corpus.on_error == "stop":
                raise error
            account.unreadable += 1

        return on_error


class Cleaner:
    """Repairs, tells languages apart and masks, for one source."""

    def __init__(self, corpus: Corpus, source: Source):
        self.profile = load_profile(source.language)
        self._source, self._corpus, self._language = source, corpus, language_key(source.language)
        self._repairer, self._finder = Repairer(self.profile), Finder(self.profile, corpus.own_contacts)
        words, share = corpus.min_words, corpus.min_script_share
        self._min_words = self.profile.thresholds.min_words if words is None else words
        self._min_share = self.profile.thresholds.min_script_share if share is None else share
        detects = corpus.detect_language and self._language in load_detector().languages
        self._filter = LanguageFilter(self.profile) if detects else None

    def clean(self, read: Iterator[Document], batch: _Batch) -> None:
        """Bring documents into the batch, masked, or out of it with a verdict."""
        pieces = [piece for document in read if (piece := self._repaired(document, batch))]
        shares = letter_shares([piece.text for piece in pieces], self.profile)
        for piece, share in zip(pieces, shares, strict=True):
            if share < self._min_share:
                self._reject(piece, "wrong_script", "", batch)
        pieces = [piece for piece, share in zip(pieces, shares, strict=True) if share >= self._min_share]
        parts = self._filter.parts([piece.text for piece in pieces]) if self._filter else [None] * len(pieces)
        for piece, part in zip(pieces, parts, strict=True):
            if part is None or self._take_part(piece, part, batch):
                self._mask(piece, batch)

    def _repaired(self, document: Document, batch: _Batch) -> _Piece | None:
        piece = _Piece(document.id, document.text, "{}", Count.of(document.text))
        if document.meta:
            piece.meta = _META.encode(document.meta)
        batch.account.read.add(piece.size)
        beyond_repair = "\ufffd" in document.text
        for name, fixed in self._repairer.repair(document.text):
            if name == BEYOND_REPAIR:
                beyond_repair = True
                continue
            if name != "line_ends":
                self._show(name, piece, fixed, batch)
            self._change(piece, fixed, "repair", name, batch)
        if verdict := "broken" if beyond_repair else self._verdict(piece):
            self._reject(piece, verdict, "", batch)
            return None
        return piece

    def _verdict(self, piece: _Piece) -> str:
        if not piece.text:
            return "empty"
        return "too_short" if piece.size.words < self._min_words else ""

    def _take_part(self, piece: _Piece, part: Part, batch: _Batch) -> bool:
        """Leave of a document what is in the language; whether that is enough."""
        if not part.text or (part.text != piece.text and len(part.text.split()) < self._min_words):
            self._reject(piece, "wrong_language", part.instead, batch)
            return False
        if part.text != piece.text:
            self._show("other_language", piece, part.text, batch)
            self._change(piece, part.text, "language", "other_language", batch)
        if part.typed_without_letters:
            meta = json.loads(piece.meta) | {"typed": "without letters"}
            piece.meta = _META.encode(meta)
        return True

    def _mask(self, piece: _Piece, batch: _Batch) -> None:
        spans = self._found(piece.text)
        if spans and self._corpus.personal_data == "drop":
            self._reject(piece, "personal_data", ", ".join(sorted({span.kind for span in spans})), batch)
            return
        batch.account.found.update(span.kind for span in spans)
        if spans:
            self._change(piece, mask(piece.text, spans), "personal_data", "masked", batch)
        piece.meta = self._masked(piece.meta)
        batch.pieces.append(piece)

    def _found(self, text: str) -> list[Span]:
        return [] if self._corpus.personal_data == "keep" else self._finder.find(text)

    def _masked(self, text: str) -> str:
        spans = self._found(text) if len(text) > 2 else []
        return mask(text, spans) if spans else text

    def _reject(self, piece: _Piece, verdict: str, detail: str, batch: _Batch) -> None:
        """Out, personal data masked all the same; its size is that before."""
        batch.account.by_verdict[verdict].add(piece.size)
        masked = _Piece(piece.id, self._masked(piece.text), self._masked(piece.meta), piece.size)
        batch.rejected.append(self.row(masked) | {"reason": verdict, "detail": detail})

    def row(self, piece: _Piece) -> dict[str, str]:
        """As it is written."""
        source, language = self.names
        return {"id": piece.id, "text": piece.text, "source": source, "language": language, "meta": piece.meta}

    @property
    def names(self) -> tuple[str, str]:
        """Source and language of all documents."""
        return self._source.name, self._language

    def _change(self, piece: _Piece, after: str, step: str, reason: str, batch: _Batch) -> None:
        size = Count.of(after)
        batch.account.changes[step][reason].add(piece.size.change_to(size))
        piece.text, piece.size = after, size

    def _show(self, name: str, piece: _Piece, after: str, batch: _Batch) -> None:
        if sum(sample["kind"] == name for sample in batch.samples) < SAMPLES:
            old, new = _around(self._masked(piece.text), self._masked(after))  # cut first, half a number would show
            batch.samples.append({"kind": name, "id": piece.id, "before": old, "after": new})


def _around(before: str, after: str) -> tuple[str, str]:
    """The first place where two texts differ, with what stands beside it."""
    begin = next(
        (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    return tuple(text[max(0, begin - AROUND) : begin + AROUND] for text in (before, after))  # type: ignore[return-value]


def _write(batch: _Batch, folder: Path, overlaps: Overlaps, cleaner: Cleaner, corpus: Corpus) -> None:
    texts = [piece.text for piece in batch.pieces]
    folded = [cleaner.profile.fold_for_comparison(text) for text in texts]
    words = words_of(folded)
    sizes = np.array([[piece.size.bytes, piece.size.words] for piece in batch.pieces], np.int64).reshape(-1, 2)
    _write_ngrams(words, sizes[:, 1] >= corpus.near_duplicates.min_words, corpus.near_duplicates.ngram, folder)
    np.save(folder / "figures.npy", figures(texts, words))
    hashes = np.frombuffer(b"".join(map(text_hash, texts)), ">u8").reshape(-1, 2).astype(np.uint64)
    np.save(folder / "hashes.npy", hashes)
    np.save(folder / "sizes.npy", sizes)
    np.save(folder / "contaminated.npy", overlaps.items(words))
    _write_paragraphs(texts, folder, corpus.repeated_paragraph_words)
    names = cleaner.names
    columns = [[piece.id for piece in batch.pieces], texts, *([name] * len(texts) for name in names)]
    kept = pa.table([*columns, [piece.meta for piece in batch.pieces]], schema=SCHEMA)
    pq.write_table(kept, folder / "kept.parquet", compression="none")  # read once, and soon
    pq.write_table(pa.Table.from_pylist(batch.rejected, schema=REJECTED), folder / "rejected.parquet")
    facts = batch.account.as_dict() | {"samples": batch.samples}
    (folder / "account.json").write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")


def _write_ngrams(words: Words, compared: NDArray[np.bool_], length: int, folder: Path) -> None:
    """n-grams and band keys of the texts that are long enough to be compared; the others have none."""
    ngrams, starts = words.only(compared).ngrams(length)
    counts = np.zeros(len(compared), np.int64)
    counts[compared] = np.diff(starts)
    keys = np.zeros((BANDS, len(compared)), np.uint64)
    keys[:, compared] = band_keys(ngrams, starts).T
    np.save(folder / "keys.npy", keys)
    np.save(folder / "ngrams.npy", (ngrams >> np.uint64(32)).astype(np.uint32))
    np.save(folder / "ngram_starts.npy", np.concatenate([[0], np.cumsum(counts)]))


def _write_paragraphs(texts: list[str], folder: Path, least_words: int) -> None:
    """Hashes of the paragraphs long enough to be told from one another, and whose they are."""
    hashes, owners, places = [], [], []
    for number, text in enumerate(texts):
        if least_words:
            for place, paragraph in enumerate(text.split("\n")):
                if len(paragraph) > 4 * least_words and len(paragraph.split()) >= least_words:
                    hashes.append(text_hash(paragraph)[:8])
                    owners.append(number)
                    places.append(place)
    np.save(folder / "paragraphs.npy", np.frombuffer(b"".join(hashes), ">u8").astype(np.uint64))
    np.save(folder / "paragraph_places.npy", np.array([owners, places], np.int32).reshape(2, -1))
