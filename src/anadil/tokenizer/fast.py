"""Fast encoding with `gigatoken`, where it was shown to give the ids that `tokenizers` gives; else `tokenizers`.

Three guards, since two libraries are two implementations: both encode every distinct pre-token of a corpus
(`compare`); texts with a character that was not seen to be of the same kind for both, or with an added token that is
meant to be recognised in text, go to `tokenizers`; and whoever encodes much compares some whole documents
(`Encoder.differing`).
gigatoken is given the vocabulary without its added tokens, so that control tokens typed in text stay text.
"""

import importlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from anadil.environment import available_cores
from anadil.tokenizer.characters import Ranges, alike_characters, revealing_json
from anadil.tokenizer.load import load_tokenizer, to_bytes
from anadil.tokenizer.shards import sha256_of

FILE = "agreement.json"
_BATCH_TEXTS = 2048
_LONG_CHARACTERS = 4096
"""A batch comes back as one matrix as wide as its longest text; a text longer than this is encoded by itself."""
_RENEW_BYTES = 256 << 20
"""gigatoken remembers every distinct word for ever, about 100 bytes each; after so much text it is loaded anew."""
_WORDS_AT_ONCE = 8192

Ids = NDArray[np.uint32]


@dataclass(frozen=True)
class Agreement:
    """What comparing gigatoken with `tokenizers` on one tokenizer.json gave."""

    library: str
    """As "gigatoken 0.10.0"; empty where it is not installed or does not read this tokenizer."""
    words: int
    """Distinct pre-tokens that both encoded."""
    differing: int
    """How many of them, and of the control tokens' names, got different ids."""
    tokenizer_sha256: str
    reference: str = ""
    """As "tokenizers 0.23.3"."""
    alike: Ranges = ()
    """Characters beyond ASCII that both take for the same kinds, as runs of code points; no others were looked at."""

    def to_json(self) -> dict[str, Any]:
        """The content of agreement.json in a tokenizer folder."""
        return asdict(self)


@dataclass(frozen=True)
class Encoded:
    """Ids of some texts, one after the other, and how many each text has. No BOS, no EOS."""

    ids: Ids
    lengths: NDArray[np.int64]

    def split(self) -> list[Ids]:
        """The ids of each text, as views."""
        ends = np.cumsum(self.lengths).tolist()
        return [self.ids[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def read_agreement(folder: Path) -> Agreement | None:
    """The agreement.json of a tokenizer folder; None where there is none that can be read."""
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        alike = tuple((int(first), int(last)) for first, last in content.pop("alike"))
        return Agreement(**content, alike=alike)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def compare(folder: Path, words: Iterable[str]) -> Agreement:
    """Encode every distinct pre-token of `words` (byte-level alphabet) with both libraries; writes nothing.

    Pre-tokens that are no whole UTF-8 text cannot stand in a text by themselves: they are left out and not counted.
    Then the names of the control tokens, and around what each character of the words is split. Empty `library` where
    gigatoken is not installed or does not read this tokenizer.
    """
    sha256, reference = sha256_of(folder / "tokenizer.json"), _version("tokenizers")
    fast = Fast.load(folder)
    if fast is None:
        return Agreement("", 0, 0, sha256, reference)
    slow = load_tokenizer(folder)
    texts = [text for word in set(words) if (text := _text(word)) is not None]
    count, differing = _differing(fast, slow, iter(texts))
    names = (f"{before}{name}{after}" for name in _added(fast.config) for before in ("", "a ") for after in ("", "a"))
    differing += _differing(fast, slow, names)[1]
    characters = {character for character in set().union(*texts) if not character.isascii()}
    alike = _alike(json.dumps(fast.config["pre_tokenizer"]), characters)
    return Agreement(_version("gigatoken"), count, differing, sha256, reference, alike)


class Encoder:
    """Ids of texts as `tokenizers` gives them, control tokens typed in text being text; BOS and EOS are not added.

    gigatoken does the work where `agreement` was made with this very tokenizer.json and these versions of both
    libraries and found no difference.
    """

    def __init__(self, folder: Path, agreement: Agreement | None) -> None:
        self.tokenizer = load_tokenizer(folder)
        self._folder, self._agreement = folder, agreement

    @property
    def library(self) -> str:
        """As "gigatoken 0.10.0"; empty where `tokenizers` does all."""
        return _version("gigatoken") if self._fast else ""

    @cached_property
    def _fast(self) -> "Fast | None":  # loaded when first needed: who only looks at the vocabulary is spared it
        return Fast.load(self._folder) if self._agreement and _holds(self._agreement, self._folder) else None

    @cached_property
    def _odd(self) -> "_Odd":
        assert self._fast is not None
        assert self._agreement is not None
        return _Odd(self._fast.config, self._agreement.alike)

    def encode_batch(self, texts: list[str]) -> list[Ids]:
        """uint32 ids of each text."""
        return self.encode(texts).split()

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Ids of all texts in one array; batches side by side on all cores, but for a worker process, which has one."""
        batches = [list(texts[start : start + _BATCH_TEXTS]) for start in range(0, len(texts), _BATCH_TEXTS)]
        if self._fast:
            self._fast.renew(sum(map(len, texts)))
        threads = 1 if os.environ.get("TOKENIZERS_PARALLELISM") == "false" else min(available_cores(), len(batches))
        if not self._fast or threads < 2:
            return _join([self._encode(batch) for batch in batches])
        with ThreadPoolExecutor(threads) as pool:  # gigatoken lets go of the interpreter while it encodes
            return _join(list(pool.map(self._encode, batches)))

    def reference(self, texts: Sequence[str]) -> Encoded:
        """The same with `tokenizers`, always."""
        return _reference(self.tokenizer, list(texts))

    def differing(self, texts: Sequence[str], encoded: Encoded, places: Iterable[int]) -> int:
        """How many of the texts at `places` have other ids in `encoded` than `tokenizers` gives."""
        some, found = list(places), encoded.split()
        right = self.reference([texts[place] for place in some]).split()
        return sum(not np.array_equal(found[place], ids) for place, ids in zip(some, right, strict=True))

    def _encode(self, texts: list[str]) -> Encoded:
        if self._fast is None:
            return self.reference(texts)
        odd = self._odd.places(texts)
        if not odd:
            return self._fast.encode(texts)
        even = sorted(set(range(len(texts))) - set(odd))
        parts = [(even, self._fast.encode([texts[i] for i in even])), (odd, self.reference([texts[i] for i in odd]))]
        return _merge(len(texts), parts)


class Fast:
    """gigatoken for a byte-level BPE without normalizer, told of no added tokens; BOS is never added."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self._json = json.dumps({**config, "added_tokens": [], "post_processor": None})
        self._backend = self._load()
        self._bytes = 0

    @staticmethod
    def load(folder: Path) -> "Fast | None":
        """None where gigatoken is not installed or does not read this tokenizer.json."""
        config = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        if config.get("normalizer") is not None or not _version("gigatoken"):
            return None
        try:
            return Fast(config)
        except (ImportError, ValueError, TypeError, RuntimeError, OSError):
            return None

    def _load(self) -> Any:
        return importlib.import_module("gigatoken").Tokenizer.from_json(self._json)

    def encode(self, texts: list[str]) -> Encoded:
        """Ids of texts, on the calling thread."""
        long = [place for place, text in enumerate(texts) if len(text) > _LONG_CHARACTERS]
        if not long:
            return self._together(texts)
        short = [place for place, text in enumerate(texts) if len(text) <= _LONG_CHARACTERS]
        alone = [([place], self._together([texts[place]])) for place in long]
        return _merge(len(texts), [(short, self._together([texts[place] for place in short])), *alone])

    def _together(self, texts: list[str]) -> Encoded:
        matrix, lengths = self._backend.encode_batch_padded(texts, 0)
        return Encoded(matrix[np.arange(matrix.shape[1]) < lengths[:, None]], lengths)

    def renew(self, size: int) -> None:
        """To be called before `size` characters are encoded: forgets what was remembered once that is too much."""
        if self._bytes > _RENEW_BYTES:
            self._backend, self._bytes = None, 0  # two at once would need twice the memory
            self._backend = self._load()
        self._bytes += size


class _Odd:
    """Finds the texts that `tokenizers` has to encode."""

    def __init__(self, config: dict[str, Any], alike: Ranges) -> None:
        # with `encode_special_tokens` the special ones are text, the others are still recognised
        self._names = [entry["content"] for entry in config["added_tokens"] if not entry["special"]]
        self._unlike = np.ones(sys.maxunicode + 1, np.bool_)
        for first, last in ((0, 0x7F), *alike):
            self._unlike[first : last + 1] = False

    def places(self, texts: list[str]) -> list[int]:
        """Indices of those texts."""
        joined = "".join(texts)
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4")
        hits = np.flatnonzero(self._unlike[codes])
        ends = np.cumsum([len(text) for text in texts])
        odd = set(np.searchsorted(ends, hits, side="right").tolist())
        if self._named(joined):
            odd |= {place for place, text in enumerate(texts) if self._named(text)}
        return sorted(odd)

    def _named(self, text: str) -> bool:
        return any(name in text for name in self._names)


def _reference(tokenizer: Tokenizer, texts: list[str]) -> Encoded:
    encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    pieces = [np.array(encoding.ids, np.uint32) for encoding in encodings]
    return _concatenate(pieces)


def _concatenate(pieces: list[Ids]) -> Encoded:
    lengths = np.array([len(piece) for piece in pieces], np.int64)
    return Encoded(np.concatenate(pieces) if pieces else np.empty(0, np.uint32), lengths)


def _join(parts: list[Encoded]) -> Encoded:
    if not parts:
        return _concatenate([])
    return Encoded(np.concatenate([p.ids for p in parts]), np.concatenate([p.lengths for p in parts]))


def _merge(count: int, parts: list[tuple[list[int], Encoded]]) -> Encoded:
    """Texts that were encoded in several parts, in their order again: (places, ids) of each part."""
    pieces: list[Ids] = [np.empty(0, np.uint32)] * count
    for places, encoded in parts:
        for place, ids in zip(places, encoded.split(), strict=True):
            pieces[place] = ids
    return _concatenate(pieces)


@cache
def _version(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return ""


def _holds(agreement: Agreement, folder: Path) -> bool:
    return (
        bool(agreement.library)
        and agreement.differing == 0
        and agreement.library == _version("gigatoken")
        and agreement.reference == _version("tokenizers")
        and agreement.tokenizer_sha256 == sha256_of(folder / "tokenizer.json")
    )


def _text(word: str) -> str | None:
    try:
        return to_bytes(word).decode()
    except UnicodeDecodeError:
        return None


def _added(config: dict[str, Any]) -> list[str]:
    return [entry["content"] for entry in config["added_tokens"] if entry["special"]]


def _differing(fast: Fast, slow: Tokenizer, texts: Iterator[str]) -> tuple[int, int]:
    """(texts, how many of them got different ids)."""
    count = differing = 0
    while batch := list(islice(texts, _WORDS_AT_ONCE)):
        count += len(batch)
        pairs = zip(fast.encode(batch).split(), _reference(slow, batch).split(), strict=True)
        differing += sum(not np.array_equal(one, other) for one, other in pairs)
    return count, differing


def _alike(pre_tokenizer: str, characters: set[str]) -> Ranges:
    """Of these characters, for a pre-tokenizer in JSON."""
    content = revealing_json(pre_tokenizer)
    fast, slow = Fast(json.loads(content)), Tokenizer.from_str(content)
    return alike_characters(
        characters,
        lambda texts: [ids.tolist() for ids in fast.encode(texts).split()],
        lambda texts: [encoding.ids for encoding in slow.encode_batch_fast(texts, add_special_tokens=False)],
    )
