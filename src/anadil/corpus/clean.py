"""The corpus steps: normalise, filter, remove exact duplicates, split. Each document leaves with a verdict."""

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from anadil.corpus.read import Document
from anadil.languages import LanguageProfile

Verdict = Literal["train", "heldout", "empty", "too_short", "wrong_script", "duplicate"]
KEPT: tuple[Verdict, ...] = ("train", "heldout")


@dataclass(frozen=True)
class Limits:
    """What the filter asks of a document."""

    min_words: int
    min_script_share: float
    heldout_share: float
    split: Literal["hash", "train", "heldout"]


def text_hash(text: str) -> bytes:
    """128-bit hash of a normalised text: equal texts, equal hashes, on every machine."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def normalise(text: str) -> str:
    """NFC, one kind of line end, no blanks at line ends or at the edges, no byte-order mark."""
    text = unicodedata.normalize("NFC", text.replace("\ufeff", "").replace("\r\n", "\n").replace("\r", "\n"))
    return "\n".join(line.rstrip() for line in text.split("\n")).strip()


def sort_out(
    documents: Iterable[Document], profile: LanguageProfile, limits: Limits, seen: set[bytes]
) -> Iterator[tuple[Document, Verdict]]:
    """Give each document, normalised, its verdict. `seen` holds the hashes of all kept texts so far, of all sources.

    Whether a text is held out depends on its hash alone: it stays so when files are added, moved or reordered.
    """
    for document in documents:
        text = normalise(document.text)
        digest = text_hash(text)
        verdict = _verdict(text, digest, profile, limits, seen)
        if verdict in KEPT:
            seen.add(digest)
        yield Document(document.id, text, document.meta), verdict


def _verdict(text: str, digest: bytes, profile: LanguageProfile, limits: Limits, seen: set[bytes]) -> Verdict:
    if not text:
        return "empty"
    if len(text.split()) < limits.min_words:
        return "too_short"
    if profile.letter_share(text) < limits.min_script_share:
        return "wrong_script"
    if digest in seen:
        return "duplicate"
    if limits.split != "hash":
        return limits.split
    return "heldout" if int.from_bytes(digest[:8], "big") < limits.heldout_share * 2**64 else "train"
