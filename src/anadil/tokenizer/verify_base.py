"""Whether a vocabulary is the base's after the surgery that its surgery.json records, and nothing else."""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from tokenizers import Tokenizer

from anadil.errors import UserError
from anadil.tokenizer.chat import BOS, encode_plain
from anadil.tokenizer.check import Check, not_checked
from anadil.tokenizer.continue_bpe import word_of
from anadil.tokenizer.load import Vocabulary, read_vocabulary, to_bytes
from anadil.tokenizer.prune import check_ids
from anadil.tokenizer.surgery import read_surgery

LLAMA_BPE_SHA256 = "0ef9807a4087ebef797fc749390439009c3b9eda9ad1a097abbe738f486c01e5"
"""By which llama.cpp's converter knows Llama 3's pre-tokenizer: of the ids of its check text with BOS."""

_CHECK_TEXT, _KEPT, _NEW, _LETTERS, _MERGES = "llama.cpp's check", "kept tokens", "new tokens", "letters only", "merges"
_ANOTHER_WAY = "mode replace makes another vocabulary"
_Meaning = tuple[bool, str]
"""Whether a token is an added one, and its text (of an ordinary one in the byte-level alphabet)."""


@dataclass(frozen=True)
class Record:
    """surgery.json: `new` gives the base's ids that spell each new id."""

    mode: str
    new: Mapping[int, Sequence[int]]
    source_tokens: int
    vocab_size: int


def read_record(folder: Path) -> Record | None:
    """The record of a folder's surgery, none where it has none; UserError if it is damaged."""
    if not (folder / "surgery.json").is_file():
        return None
    try:
        data = read_surgery(folder)
        new = {int(identifier): [int(piece) for piece in pieces] for identifier, pieces in data["new"]}
        return Record(str(data["mode"]), new, int(data["source_tokens"]), int(data["vocab_size"]))
    except (ValueError, KeyError, TypeError) as error:
        what = f"cannot read {folder / 'surgery.json'}: {error!r}"
        raise UserError(what, hint="build the tokenizer again") from error


def verify_base(folder: Path, tokenizer: Tokenizer, base: Path | None) -> list[Check]:
    """The checks of a vocabulary's ids, and with `base` of what the surgery kept and made.

    UserError if `base` has no byte-level BPE that can be read, or the record is damaged.
    """
    record = read_record(folder)
    before = read_vocabulary(base) if base else None
    try:
        after = read_vocabulary(folder)
    except UserError as error:
        return [Check("ids", False, error.what)]
    ids = _ids(after, before, record)
    if before is None or record is None or not record.source_tokens:
        why = "no base was given" if before is None else "there is no surgery.json of a surgery on a base"
        return [ids, *(not_checked(name, why) for name in (_CHECK_TEXT, _KEPT, _NEW, _LETTERS, _MERGES))]
    return [
        ids,
        _check_text(before, tokenizer, record),
        _kept(before, after, record),
        _new(before, after, record),
        _letters(after, record),
        _merges(before, after, record),
    ]


def _every_id(vocabulary: Vocabulary) -> Counter[int]:
    return Counter([*vocabulary.tokens.values(), *(int(entry["id"]) for entry in vocabulary.added)])


def _ids(after: Vocabulary, before: Vocabulary | None, record: Record | None) -> Check:
    """Each id once, and none missing that the base has; without a base the missing are only counted."""
    name, ids = "ids", _every_id(after)
    if twice := [identifier for identifier, count in ids.items() if count > 1]:
        return Check(name, False, f"{len(twice):,} ids are of two tokens, first {min(twice)}")
    if record and record.vocab_size != after.size:
        return Check(name, False, f"ids go up to {after.size - 1}, the surgery made {record.vocab_size} entries")
    missing = [identifier for identifier in range(after.size) if identifier not in ids]
    if before and record:
        old = _every_id(before)
        known = [i for i in missing if record.mode != "replace" and i < record.source_tokens and i not in old]
        if lost := sorted(set(missing) - set(known)):
            return Check(name, False, f"{len(lost):,} ids below {after.size} have no token, first {lost[0]}")
    return Check(name, True, f"{after.size:,} rows needed, {len(missing):,} of their ids without a token")


def _check_text(before: Vocabulary, tokenizer: Tokenizer, record: Record) -> Check:
    if record.mode == "replace":
        return not_checked(_CHECK_TEXT, _ANOTHER_WAY)
    expected = check_ids(before)
    if not expected:
        return not_checked(_CHECK_TEXT, "the base's vocabulary is not Llama 3's")
    tokens = {identifier: token for token, identifier in before.tokens.items()}
    text = to_bytes("".join(tokens[identifier] for identifier in expected)).decode()
    ids = [tokenizer.token_to_id(BOS), *encode_plain(tokenizer, text)]
    if sha256(str(ids).encode()).hexdigest() != LLAMA_BPE_SHA256:
        return Check(_CHECK_TEXT, False, f"the check text has {len(ids) - 1} other ids than the base's {len(expected)}")
    return Check(_CHECK_TEXT, True, "the ids of the check text have the hash of llama-bpe")


def _meanings(vocabulary: Vocabulary) -> dict[int, _Meaning]:
    ordinary = {identifier: (False, token) for token, identifier in vocabulary.tokens.items()}
    return ordinary | {identifier: (True, name) for name, identifier in vocabulary.added_ids.items()}


def _kept(before: Vocabulary, after: Vocabulary, record: Record) -> Check:
    """Ids without a token are another check's."""
    old, now = _meanings(before), _meanings(after)
    kept = sorted(i for i in now if i < record.source_tokens and i not in record.new)
    if wrong := [identifier for identifier in kept if now[identifier] != old.get(identifier)]:
        shown = f"first {wrong[0]}: {_shown(now[wrong[0]])}, in the base {_shown(old.get(wrong[0]))}"
        return Check(_KEPT, False, f"{len(wrong):,} of {len(kept):,} kept ids mean something else, {shown}")
    return Check(_KEPT, True, f"{len(kept):,} ids mean what they mean in the base")


def _shown(meaning: _Meaning | None) -> str:
    if meaning is None:
        return "nothing"
    return repr(meaning[1]) if meaning[0] else repr(_text(meaning[1]))


def _text(token: str) -> str:
    return to_bytes(token).decode(errors="backslashreplace")


def _new(before: Vocabulary, after: Vocabulary, record: Record) -> Check:
    old, now = _meanings(before), _meanings(after)
    for identifier in sorted(now):
        pieces = record.new.get(identifier)
        if pieces is None:
            if identifier >= record.source_tokens:
                return Check(_NEW, False, f"id {identifier} is not in the base, and surgery.json does not name it")
        elif not _spells(now[identifier], [old.get(piece) for piece in pieces]):
            said = " + ".join(_shown(old.get(piece)) for piece in pieces[:6])
            return Check(_NEW, False, f"id {identifier} is {_shown(now[identifier])}, surgery.json says {said}")
    return Check(_NEW, True, f"{len(record.new):,} new tokens are spelled by the base's as surgery.json says")


def _spells(meaning: _Meaning, pieces: Sequence[_Meaning | None]) -> bool:
    """A control token is itself under another id, or spelled by the letters of its name."""
    added, token = meaning
    if added and list(pieces) == [meaning]:
        return True
    ordinary = [piece[1] for piece in pieces if piece and not piece[0]]
    return len(ordinary) == len(pieces) and "".join(ordinary) == (word_of(token) if added else token)


def _letters(after: Vocabulary, record: Record) -> Check:
    """Digits, punctuation and white space stay cut as the base cuts them; only a space before a word is allowed."""
    if record.mode == "replace":
        return not_checked(_LETTERS, _ANOTHER_WAY)
    new = [token for token, identifier in after.tokens.items() if identifier in record.new]
    if other := [token for token in new if not _is_word(token)]:
        return Check(
            _LETTERS, False, f"{len(other):,} of {len(new):,} new tokens have others, first {_text(other[0])!r}"
        )
    return Check(_LETTERS, True, f"{len(new):,} new tokens are of letters and marks only")


def _is_word(token: str) -> bool:
    text = to_bytes(token).decode(errors="ignore").removeprefix(" ")  # parts of a character say nothing
    return all(unicodedata.category(character)[0] in "LM" for character in text)


def _merges(before: Vocabulary, after: Vocabulary, record: Record) -> Check:
    """Bases have tokens that their own merges do not make, and keep them; nothing else may be out of reach."""
    beyond, old = set(_unreachable(after)), set(_unreachable(before)) if record.mode != "replace" else set()
    lost = sorted(beyond - old, key=lambda token: after.tokens[token])
    if lost:
        shown = f"first {after.tokens[lost[0]]}: {_text(lost[0])!r}"
        return Check(_MERGES, False, f"no merges make {len(lost):,} of {len(after.tokens):,} tokens, {shown}")
    but = f" but {len(beyond):,}, which the base's do not make either" if beyond else ""
    return Check(_MERGES, True, f"merges make all of {len(after.tokens):,} tokens{but}")


def _unreachable(vocabulary: Vocabulary) -> Iterator[str]:
    model = replace(vocabulary, ignore_merges=False).build().model
    return (token for token in vocabulary.tokens if len(token) > 1 and len(model.tokenize(token)) > 1)
