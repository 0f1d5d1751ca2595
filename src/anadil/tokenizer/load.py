"""A base's tokenizer as data (byte-level BPE only), and the plain Hugging Face folder we write.

Tokens are kept in the byte-level alphabet that GPT-2 introduced: one printable character per byte, so that
every token, also a part of a UTF-8 character, is a string and every string of bytes is a sequence of tokens.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from tokenizers.pre_tokenizers import PreTokenizer

from anadil import durable
from anadil.errors import UserError
from anadil.tokenizer.chat import BOS, CHAT_TEMPLATE, CONTROL_TOKENS, EOS, PAD

LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN_SPLIT = LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")
GPT2_SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_KINDS = {
    "Unigram": "a Unigram (SentencePiece) tokenizer",
    "WordPiece": "a WordPiece tokenizer",
    "WordLevel": "a word-level tokenizer",
}
_SENTENCEPIECE = "a SentencePiece BPE tokenizer (byte fallback)"
_HINT = "take a base with a byte-level BPE tokenizer (Llama 3, Qwen, SmolLM, GPT-2 kind), or mode = replace"

Merge = tuple[str, str]


@cache
def byte_alphabet() -> tuple[str, ...]:
    """The character of each byte 0..255 in the byte-level alphabet (GPT-2's `bytes_to_unicode`)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return tuple(chr(b) if b in printable else chr(next(others)) for b in range(256))


@cache
def _byte_of() -> dict[str, int]:
    return {character: byte for byte, character in enumerate(byte_alphabet())}


def to_bytes(token: str) -> bytes:
    """The bytes of a token written in the byte-level alphabet; KeyError if it is not."""
    table = _byte_of()
    return bytes(table[character] for character in token)


def from_bytes(data: bytes) -> str:
    """Write bytes in the byte-level alphabet."""
    table = byte_alphabet()
    return "".join(table[byte] for byte in data)


@dataclass(frozen=True)
class Vocabulary:
    """A byte-level BPE vocabulary as plain data.

    `tokens` maps ordinary tokens (byte-level alphabet) to ids; `merges` are in order of rank; `added` are the
    entries that the tokenizer recognises whole in text, control tokens among them; `pre_tokenizer` is its JSON.
    """

    tokens: Mapping[str, int]
    merges: Sequence[Merge]
    added: Sequence[Mapping[str, Any]]
    pre_tokenizer: Mapping[str, Any]
    ignore_merges: bool

    @property
    def size(self) -> int:
        """One more than the highest id: the rows that a model needs."""
        ids = [*self.tokens.values(), *self.added_ids.values()]
        return max(ids, default=-1) + 1

    @property
    def count(self) -> int:
        """How many entries it has."""
        return len(self.tokens) + len(self.added)

    @property
    def added_ids(self) -> dict[str, int]:
        """Ids of the added tokens by their text."""
        return {str(entry["content"]): int(entry["id"]) for entry in self.added}

    @cached_property
    def model(self) -> models.BPE:
        """The bare model: it cuts words of the byte-level alphabet, whatever else they hold."""
        return models.BPE(vocab=dict(self.tokens), merges=list(self.merges), ignore_merges=self.ignore_merges)

    def to_json(self) -> dict[str, Any]:
        """The `tokenizer.json` of this vocabulary: no normalizer, BOS put by the post-processor."""
        added = sorted(self.added, key=lambda entry: int(entry["id"]))
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [dict(entry) for entry in added],
            "normalizer": None,
            "pre_tokenizer": dict(self.pre_tokenizer),
            "post_processor": _post_processor(self.added_ids.get(BOS)),
            "decoder": _setup()["decoder"],
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": self.ignore_merges,
                "vocab": dict(sorted(self._model_tokens().items(), key=lambda item: item[1])),
                "merges": [list(merge) for merge in self.merges],
            },
        }

    def _model_tokens(self) -> dict[str, int]:
        """Tokens of the BPE model. The library numbers added tokens on from the count of the model's tokens, whatever
        id the file gives, unless the model has them too; so where that gives other ids, it has them too."""
        first = len(self.tokens)
        follow = sorted(self.added_ids.values()) == list(range(first, first + len(self.added)))
        return dict(self.tokens) if follow else {**self.tokens, **self.added_ids}

    def build(self) -> Tokenizer:
        """A `tokenizers.Tokenizer` in which control tokens typed in text stay text."""
        tokenizer = Tokenizer.from_str(json.dumps(self.to_json()))
        tokenizer.encode_special_tokens = True
        return tokenizer


def _post_processor(bos: int | None) -> dict[str, Any] | None:
    """Puts BOS before the text; llama.cpp's hash of a pre-tokenizer counts on it."""
    if bos is None:
        return None
    special = {"SpecialToken": {"id": BOS, "type_id": 0}}
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    return {
        "type": "TemplateProcessing",
        "single": [special, first],
        "pair": [special, first, special, second],
        "special_tokens": {BOS: {"id": BOS, "ids": [bos], "tokens": [BOS]}},
    }


@cache
def _setup() -> dict[str, Any]:
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(LLAMA3_SPLIT), behavior="isolated")
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, level])
    tokenizer.decoder = decoders.ByteLevel()
    loaded: dict[str, Any] = json.loads(tokenizer.to_str())
    return loaded


def llama3_pre_tokenizer() -> dict[str, Any]:
    """JSON of Llama 3's split into words, followed by the byte-level alphabet."""
    return dict(_setup()["pre_tokenizer"])


def build_pre_tokenizer(spec: Mapping[str, Any]) -> PreTokenizer:
    """The object that a `pre_tokenizer` entry of a tokenizer.json describes."""
    shell = {**_setup(), "pre_tokenizer": dict(spec)}
    built: PreTokenizer = Tokenizer.from_str(json.dumps(shell)).pre_tokenizer
    return built


def added_token(text: str, identifier: int) -> dict[str, Any]:
    """An entry of `added_tokens` for a control token."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": identifier, "content": text, **flags, "special": True}


def read_vocabulary(path: Path) -> Vocabulary:
    """Read a tokenizer folder or a tokenizer.json.

    UserError when there is none, when it is not JSON, or when it is not a byte-level BPE (naming its kind).
    """
    file = _tokenizer_file(path)
    data = _read_json(file)
    if found := _other_kind(data):
        raise UserError(f"{file} is {found}", hint=_HINT)
    merges = [_pair(merge) for merge in data["model"]["merges"]]
    added = data.get("added_tokens") or []
    contents = {entry["content"] for entry in added}
    tokens = {token: identifier for token, identifier in data["model"]["vocab"].items() if token not in contents}
    ignore_merges = bool(data["model"].get("ignore_merges"))
    vocabulary = Vocabulary(tokens, merges, added, data["pre_tokenizer"], ignore_merges)
    _check_bytes(file, vocabulary)
    return vocabulary


def other_kind(path: Path) -> str | None:
    """What kind of tokenizer a folder has, in words, if it is not a byte-level BPE; UserError if unreadable."""
    return _other_kind(_read_json(_tokenizer_file(path)))


def _read_json(file: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        data["model"].get("type")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"cannot read the tokenizer {file}: {error}"
        raise UserError(what, hint="download the base again; it is a damaged or other file") from error
    return data


def load_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a folder that we wrote; control tokens typed in text stay text. UserError if unreadable."""
    file = _tokenizer_file(path)
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises bare Exception for every fault of the file
        what = f"cannot read the tokenizer {file}: {error}"
        raise UserError(what, hint="build the tokenizer again") from error
    tokenizer.encode_special_tokens = True
    return tokenizer


def _tokenizer_file(path: Path) -> Path:
    file = path / "tokenizer.json" if path.is_dir() else path
    if file.is_file() and file.suffix != ".model":
        return file
    if file.suffix == ".model" or (path / "tokenizer.model").is_file():
        raise UserError(f"{path} has a tokenizer.model (SentencePiece or tiktoken) and no tokenizer.json", hint=_HINT)
    raise UserError(f"there is no tokenizer.json in {path}", hint="give the folder of a Hugging Face model")


def _pair(merge: Any) -> Merge:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _other_kind(data: Mapping[str, Any]) -> str | None:
    model = data["model"]
    kind = model.get("type", "BPE" if "merges" in model else "unknown")
    level = [part for part in _parts(data.get("pre_tokenizer")) if part.get("type") == "ByteLevel"]
    if kind != "BPE":
        return _KINDS.get(kind, f"a tokenizer of kind {kind}")
    if model.get("byte_fallback"):
        return _SENTENCEPIECE
    if not level:
        return "a BPE tokenizer that does not work on bytes"
    if level[0].get("add_prefix_space"):
        return "a byte-level BPE that adds a space before every text"
    if model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
        return "a BPE tokenizer with word-part marks"
    if (normalizer := (data.get("normalizer") or {}).get("type", "NFC")) != "NFC":
        return f"a byte-level BPE that changes the text first (normalizer {normalizer})"
    return None


def _parts(pre_tokenizer: Any) -> list[Mapping[str, Any]]:
    if not pre_tokenizer:
        return []
    return list(pre_tokenizer.get("pretokenizers", [pre_tokenizer]))


def _check_bytes(file: Path, vocabulary: Vocabulary) -> None:
    missing = [byte for byte, character in enumerate(byte_alphabet()) if character not in vocabulary.tokens]
    if missing:
        what = f"{file} lacks {len(missing)} of the 256 byte tokens, first 0x{missing[0]:02x}"
        raise UserError(what, hint=_HINT)


def _check_ids(vocabulary: Vocabulary, written: str) -> None:
    """The library must see the ids we mean, and none of the control tokens in text."""
    tokenizer = Tokenizer.from_str(written)
    tokenizer.encode_special_tokens = True
    expected = {**vocabulary.tokens, **vocabulary.added_ids}
    assert tokenizer.get_vocab(with_added_tokens=True) == expected, "the library numbers the tokens otherwise"
    for entry in vocabulary.added:
        name = entry["content"]
        if entry["special"] and entry["id"] in tokenizer.encode(name, add_special_tokens=False).ids:
            what = f"the base's control token {name!r} cannot be told from the same word in text"
            raise UserError(what, hint="take another base, or rename that token in its tokenizer.json")


def write_folder(vocabulary: Vocabulary, out: Path) -> None:
    """Write tokenizer.json, tokenizer_config.json and chat_template.jinja: what `AutoTokenizer` loads."""
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": EOS,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
    }
    missing = [name for name in CONTROL_TOKENS if name not in vocabulary.added_ids]
    assert not missing, f"control tokens missing: {missing}"
    written = json.dumps(vocabulary.to_json(), indent=2, ensure_ascii=False)
    _check_ids(vocabulary, written)
    durable.write_text(out / "chat_template.jinja", CHAT_TEMPLATE, "tokenizer")
    durable.write_json(out / "tokenizer_config.json", config, "tokenizer")
    durable.write_text(out / "tokenizer.json", written + "\n", "tokenizer")
