"""Bits per byte: the one loss that models with different vocabularies can be compared by.

bits per byte = negative log likelihood of all tokens / (ln 2 x UTF-8 bytes), of the same NFC text. A document is
BOS and its tokens; every byte is scored once, BOS itself never.
"""

import heapq
import json
import math
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from anadil import bootstrap
from anadil.corpus.hashing import text_hash
from anadil.corpus.read import read
from anadil.errors import UserError
from anadil.recipe import Source
from anadil.tokenizer.chat import BOS, control_id, encode_plain
from anadil.tokenizer.load import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MAX_TOKENS = 8192
"""Tokens in one forward pass."""
BASE = "base_"
"""Before the names of the base's metrics."""


@dataclass(frozen=True)
class Scores:
    """Of each document: nats, UTF-8 bytes and tokens, [N] each."""

    nats: NDArray[np.float64]
    bytes: NDArray[np.float64]
    tokens: NDArray[np.float64]

    @property
    def bits(self) -> NDArray[np.float64]:
        """The negative log likelihood in bits."""
        return self.nats / math.log(2)

    def part(self, start: int, stop: int) -> "Scores":
        """The scores of documents [start, stop)."""
        return Scores(self.nats[start:stop], self.bytes[start:stop], self.tokens[start:stop])

    def where(self, mine: NDArray[np.bool_]) -> "Scores":
        """The scores of some documents."""
        return Scores(self.nats[mine], self.bytes[mine], self.tokens[mine])

    @property
    def pair(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What bits per byte are the ratio of."""
        return self.bits, self.bytes


def score(model: Path, documents: Sequence[str], *, device: str = "cpu", threads: int = 0) -> Scores:
    """Score texts with the model in a Hugging Face folder or a GGUF file, in float32 arithmetic.

    Texts are brought to NFC; control tokens typed in them are text. Memory is bounded by `MAX_TOKENS` a pass.
    """
    import torch

    from anadil.model.score import score_documents

    if threads:
        torch.set_num_threads(threads)
    loaded, tokenizer, bos = open_model(model, device)
    texts = [unicodedata.normalize("NFC", text) for text in documents]
    ids = [[bos, *encode_plain(tokenizer, text)] for text in texts]
    nats = score_documents(loaded, ids, max_tokens=MAX_TOKENS)
    sizes = ([len(text.encode()) for text in texts], [len(document) - 1 for document in ids])
    return Scores(np.array(nats, np.float64), *(np.array(size, np.float64) for size in sizes))


def scorer(model: Path, device: str, threads: int) -> tuple[Callable[[Sequence[tuple[str, str]]], list[float]], int]:
    """A function that gives the nats of continuations of texts, [N] for N pairs; and the id that begins a text."""
    import torch

    from anadil.model.score import score_tokens

    if threads:
        torch.set_num_threads(threads)
    loaded, tokenizer, bos = open_model(model, device)

    def score_pairs(pairs: Sequence[tuple[str, str]]) -> list[float]:
        before = [encode_plain(tokenizer, text) for text, _ in pairs]
        ids = [[bos, *first, *encode_plain(tokenizer, text)] for first, (_, text) in zip(before, pairs, strict=True)]
        nats = score_tokens(loaded, ids, max_tokens=MAX_TOKENS)
        return [float(nats_T[len(first) :].sum()) for nats_T, first in zip(nats, before, strict=True)]

    return score_pairs, bos


def bits_per_byte(model: Path, documents: Sequence[str], *, device: str = "cpu") -> list[tuple[float, int]]:
    """(nats, UTF-8 bytes) of each document; see `score`."""
    scores = score(model, documents, device=device)
    return [(float(nats), int(size)) for nats, size in zip(scores.nats, scores.bytes, strict=True)]


def open_model(model: Path, device: str) -> "tuple[PreTrainedModel, Tokenizer, int]":
    """The model in a Hugging Face folder or a GGUF file, its tokenizer, and the id that begins a text."""
    if model.suffix == ".gguf":
        from anadil.export.read_gguf import load_gguf

        loaded, tokenizer = load_gguf(model)
        loaded.to(device)  # type: ignore[arg-type]
        return loaded, tokenizer, control_id(tokenizer, BOS)
    from anadil.model.load import load

    tokenizer = load_tokenizer(model)
    return load(model, device=device), tokenizer, first_id(model, tokenizer)


def first_id(model: Path, tokenizer: Tokenizer) -> int:
    """The id that stands before a document: BOS, or for models that have none (Qwen, GPT-2) their end of text."""
    known = tokenizer.token_to_id(BOS)
    if known is not None:
        return int(known)
    config: dict[str, Any] = json.loads((model / "config.json").read_bytes())
    for key in ("bos_token_id", "eos_token_id"):
        found = config.get(key)
        if found is not None:
            return int(found[0] if isinstance(found, list) else found)
    raise UserError(f"{model} names no token to begin a text with", hint="set bos_token_id in its config.json")


def evaluate_file(model: Path, file: Path, text_field: str = "text", *, device: str = "cpu") -> dict[str, float]:
    """Bits per byte of `model` on a text, jsonl or parquet file, with a 95% interval over its documents.

    In a text file, documents are what blank lines separate. With one document the interval is a point.
    Raises UserError for a file without text.
    """
    texts = [text for text in read_texts(file, text_field) if text]
    if not texts:
        raise UserError(f"{file} has no text", hint="name a file with text; for jsonl, --text-field names the field")
    scores = score(model, texts, device=device)
    interval = bootstrap.ratio(*scores.pair)
    words = sum(len(text.split()) for text in texts)
    return {
        "bits_per_byte": interval.value,
        "low95": interval.low95,
        "high95": interval.high95,
        "documents": len(texts),
        "bytes": int(scores.bytes.sum()),
        "tokens": int(scores.tokens.sum()),
        "tokens_per_word": float(scores.tokens.sum()) / words if words else 0.0,
    }


def read_texts(file: Path, text_field: str) -> Iterator[str]:
    """The documents of a file in NFC, without white space at the ends; UserError if there is no such file."""
    if not file.is_file():
        raise UserError(f"no file at {file}", hint="name a .txt, .jsonl or .parquet file, plain or compressed")
    source = Source(name="text", path=file, language="und", text_field=text_field)
    for document in read(source, _stop):
        is_text = file.name.removesuffix(".gz").removesuffix(".zst").endswith(".txt")
        parts = document.text.replace("\r\n", "\n").split("\n\n") if is_text else [document.text]
        yield from (unicodedata.normalize("NFC", part).strip() for part in parts)


def _stop(error: UserError) -> None:
    raise error


def sample(texts: Iterable[str], limit: int) -> list[str]:
    """At most `limit` of the texts: those of the smallest hashes, so that neither order nor files matter."""
    return heapq.nsmallest(limit, texts, key=text_hash)


def sample_of_domains(texts: Iterable[tuple[str, str]], limit: int) -> list[tuple[str, str]]:
    """`sample` of (domain, text)."""
    return heapq.nsmallest(limit, texts, key=lambda one: text_hash(one[1]))


def metrics(name: str, scores: Mapping[str, Scores], *, rounds: int) -> dict[str, float]:
    """Of models in the order in which they were made: `<prefix><name>_bits_per_byte` each.

    All but the first also have the paired `…_change` since the first, if that is the base; and `…_step`, since the one
    before. The last is what was delivered and has no prefix. Intervals stand where there are documents enough.
    """
    found, items = dict[str, float](), 0
    base, before = scores.get(BASE), None
    for prefix, score in scores.items():
        full, items = f"{prefix}{name}_bits_per_byte", len(score.bytes)
        found |= bootstrap.ratio(*score.pair, rounds=rounds).metrics(full, items)
        for word, earlier in (("change", base), ("step", before)):
            if earlier and earlier is not score and not (word == "step" and earlier is base):
                since = bootstrap.paired_change(earlier.pair, score.pair, rounds=rounds)
                found |= since.metrics(f"{full}_{word}", items)
        before = score
    return found | {f"{name}_bits_per_byte_items": float(items)}


def metrics_of_domains(
    name: str, domains: Sequence[str], score: Scores, base: Scores | None, *, rounds: int
) -> dict[str, float]:
    """`<name>_bits_per_byte_of_<domain>`, with a base `base_…` and `…_change` too, where documents are of several."""
    found = dict[str, float]()
    known = sorted(set(domains))
    for domain in known if len(known) > 1 else []:
        mine = np.array([one == domain for one in domains])
        both = ({BASE: base.where(mine)} if base else {}) | {"": score.where(mine)}
        part = metrics(name, both, rounds=rounds)
        found |= {_of_domain(key, name, domain): value for key, value in part.items()}
    return found


def _of_domain(key: str, name: str, domain: str) -> str:
    full = f"{name}_bits_per_byte"
    return key.replace(full, f"{full}_of_{domain}", 1)
