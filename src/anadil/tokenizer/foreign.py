"""A base whose tokenizer is no byte-level BPE (Unigram, WordPiece, SentencePiece BPE): enough of it to replace it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tokenizers import Tokenizer

from anadil.tokenizer.load import load_tokenizer, to_bytes


@dataclass(frozen=True)
class Foreign:
    """Such a tokenizer. It can be replaced, not built upon: its tokens are not strings of bytes."""

    tokenizer: Tokenizer

    @cached_property
    def _ids(self) -> dict[str, int]:
        return dict(self.tokenizer.get_vocab(with_added_tokens=True))

    @property
    def size(self) -> int:
        """One more than the highest id."""
        return max(self._ids.values(), default=-1) + 1

    @property
    def count(self) -> int:
        """How many entries it has."""
        return len(self._ids)

    @cached_property
    def added_ids(self) -> dict[str, int]:
        """Ids of the control tokens by their text."""
        found = self.tokenizer.get_added_tokens_decoder()
        return {token.content: identifier for identifier, token in sorted(found.items()) if token.special}

    def spell(self, token: str) -> list[int]:
        """Ids of the base for the bytes of a token (byte-level alphabet): its own cut of the text, or byte by byte.

        A space before a word is what such tokenizers put there anyway. Where neither works the unknown token stands,
        or, without one, the entry of id 0; nowhere is the list empty.
        """
        data = to_bytes(token)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return self._by_bytes(data)
        ids = list(self.tokenizer.encode(text, add_special_tokens=False).ids)
        return ids or self._by_bytes(data)

    def _by_bytes(self, data: bytes) -> list[int]:
        names = [f"<0x{byte:02X}>" for byte in data]
        if data and all(name in self._ids for name in names):
            return [self._ids[name] for name in names]
        unknown: Mapping[str, int] = {name: self._ids[name] for name in ("<unk>", "[UNK]") if name in self._ids}
        return [next(iter(unknown.values()), 0)]


def read_foreign(path: Path) -> Foreign:
    """The tokenizer of a folder or tokenizer.json, of whatever kind the library reads; UserError if it cannot."""
    return Foreign(load_tokenizer(path))
