"""Whether a tokenizer folder is what its users count on: libraries load it as it is, and no text is lost.

Each check stands alone, so that one fault fails one check. What compares with the base is in `verify_base`.
"""

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from anadil.errors import UserError
from anadil.tokenizer.chat import BOS, CONTROL_TOKENS, EOS, PAD, control_id, encode_plain
from anadil.tokenizer.check import Check, code_points, not_checked
from anadil.tokenizer.load import load_tokenizer
from anadil.tokenizer.strings import random_strings
from anadil.tokenizer.template import template_of, template_text
from anadil.tokenizer.verify_base import verify_base

__all__ = ["Check", "verify_tokenizer"]

BATCH_STRINGS = 1000
LONGEST_LINE = 1000
"""Characters of a real text that are tried."""
_SAMPLE = 300
_CONVERSATION = (
    {"role": "system", "content": "You help customers. "},
    {"role": "user", "content": "\n  Salam! Tarifimi necə dəyişim?\nHow much is 10 GB?  "},
    {"role": "assistant", "content": "12,50 AZN (1 ay) 🙂"},
    {"role": "user", "content": "Ok\n\n"},
)


def verify_tokenizer(
    folder: Path, base: Path | None = None, texts: Iterable[str] = (), strings: int = 100_000, seed: int = 1
) -> list[Check]:
    """Check the tokenizer in `folder`, and against the one in `base` that it was made from.

    `strings` texts go there and back: half of them lines of `texts` drawn by `seed`, as far as there are so many,
    the rest made at random. UserError where there is no readable tokenizer.json in `folder`, or `base` has none
    of byte-level BPE.
    """
    data = _read(folder)
    try:
        tokenizer = load_tokenizer(folder)
    except UserError as error:
        return [Check("tokenizers loads it", False, error.what)]
    against = verify_base(folder, tokenizer, base)  # first, as it finds what cannot be read
    names = _control_names(data)
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    return [
        Check("tokenizers loads it", True, f"{size:,} tokens"),
        _transformers(folder, seed),
        _control_tokens(tokenizer, data),
        _begins(tokenizer),
        _template(folder, tokenizer),
        _typed(tokenizer, names),
        _round_trip(tokenizer, _strings(texts, strings, seed, names)),
        *against,
    ]


def _read(folder: Path) -> dict[str, Any]:
    file = folder / "tokenizer.json"
    if not file.is_file():
        what = f"there is no tokenizer.json in {folder}" if folder.is_dir() else f"there is no folder {folder}"
        raise UserError(what, hint="name the folder of a tokenizer or of a Hugging Face model")
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(data["model"]["vocab"], (dict, list)) or not isinstance(data["added_tokens"], list):
            raise ValueError("its vocabulary or its added tokens are missing")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"cannot read {file}: {error!r}", hint="build the tokenizer again") from error
    return data


def _control_names(data: Mapping[str, Any]) -> list[str]:
    special = [entry["content"] for entry in data["added_tokens"] if entry.get("special")]
    return list(dict.fromkeys([*CONTROL_TOKENS, *special]))


def _transformers(folder: Path, seed: int) -> Check:
    """AutoTokenizer may wrap the file in a class of its own, with another cut, and may read other settings."""
    name = "transformers loads it"
    try:
        from transformers import AutoTokenizer
    except ImportError:
        return not_checked(name, "transformers is not installed")
    plain = Tokenizer.from_file(str(folder / "tokenizer.json"))
    try:
        auto: Any = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # whatever it raises, users would meet it
        return Check(name, False, f"AutoTokenizer refuses the folder: {str(error)[:200]}")
    for text in random_strings(_SAMPLE, seed):
        ours, theirs = plain.encode(text).ids, auto(text)["input_ids"]
        if ours != theirs:
            return Check(name, False, f"AutoTokenizer gives other ids for {code_points(text)}: {_differ(ours, theirs)}")
    for role, token in (("bos", BOS), ("eos", EOS), ("pad", PAD)):
        identifier, found = plain.token_to_id(token), getattr(auto, f"{role}_token_id")
        if identifier is not None and identifier != found:
            return Check(name, False, f"AutoTokenizer has {role}_token_id {found}, {token} is {identifier}")
    if auto.chat_template != template_text(folder):
        return Check(name, False, "AutoTokenizer has another chat template than the folder")
    return Check(name, True, f"AutoTokenizer gives the same ids for {_SAMPLE} strings, and the same special ids")


def _differ(ours: Sequence[int], theirs: Sequence[int]) -> str:
    pairs = enumerate(zip(ours, theirs, strict=False))
    place = next((place for place, (a, b) in pairs if a != b), min(len(ours), len(theirs)))
    return f"{list(theirs[place : place + 4])}, not {list(ours[place : place + 4])}, from place {place} on"


def _control_tokens(tokenizer: Tokenizer, data: Mapping[str, Any]) -> Check:
    """Of the file and as the library numbers them, which need not be the same."""
    name = "control tokens"
    ids = {entry["content"]: entry["id"] for entry in data["added_tokens"]}
    if missing := [token for token in CONTROL_TOKENS if token not in ids]:
        return Check(name, False, f"{len(missing)} missing, first {missing[0]}")
    for token, identifier in ids.items():
        if (seen := tokenizer.token_to_id(token)) != identifier:
            return Check(name, False, f"{token} is {identifier} in the file, {seen} in the library")
    if len(set(ids.values())) < len(ids):
        twice = next(token for token, identifier in ids.items() if list(ids.values()).count(identifier) > 1)
        return Check(name, False, f"{twice} shares its id with another")
    return Check(name, True, f"{len(ids)} added tokens, among them all {len(CONTROL_TOKENS)} of the chat format")


def _begins(tokenizer: Tokenizer) -> Check:
    name, text = "begin of text", "Bir, iki: three."
    if tokenizer.token_to_id(BOS) is None:
        return Check(name, False, f"there is no {BOS}")
    expected = [control_id(tokenizer, BOS), *encode_plain(tokenizer, text)]
    found = tokenizer.encode(text).ids
    if found != expected:
        return Check(name, False, f"a text is given other ids than BOS and its own: {_differ(expected, found)}")
    return Check(name, True, f"every text begins with {expected[0]}")


def _template(folder: Path, tokenizer: Tokenizer) -> Check:
    """The template as other programs use it, which parse all that it writes, must give the ids that we train on."""
    name = "chat template"
    if template_text(folder) is None:
        return Check(name, False, "there is none")
    try:
        template = template_of(folder, tokenizer)
        for prompt in (False, True):
            expected = template.render(_CONVERSATION, prompt).ids
            found = _parse(tokenizer, template.text_of(_CONVERSATION, prompt))
            if found != expected:
                differ = _differ(expected, found)
                return Check(name, False, f"it renders to other ids than those trained on: {differ}")
    except UserError as error:
        return Check(name, False, f"it cannot be rendered: {error.what}")
    return Check(name, True, f"a conversation of {len(_CONVERSATION)} turns has the ids trained on, BOS once")


def _parse(tokenizer: Tokenizer, rendered: str) -> list[int]:
    """Ids of a rendered template, in which control tokens are meant as such."""
    tokenizer.encode_special_tokens = False
    try:
        return list(tokenizer.encode(rendered, add_special_tokens=False).ids)
    finally:
        tokenizer.encode_special_tokens = True


def _typed(tokenizer: Tokenizer, names: Sequence[str]) -> Check:
    """What a user types is text, whatever it spells."""
    title = "typed control tokens"
    control = {identifier for name in names if (identifier := tokenizer.token_to_id(name)) is not None}
    texts = [form.format(name) for name in names for form in ("{0}", "x{0}y", " {0}{0}\n", "{0} {0}")]
    for text, encoding in zip(texts, tokenizer.encode_batch_fast(texts, add_special_tokens=False), strict=True):
        if found := control.intersection(encoding.ids):
            return Check(title, False, f"typed {text!r} is encoded to the control id {min(found)}")
    return Check(title, True, f"{len(names)} names stay text")


def _strings(texts: Iterable[str], count: int, seed: int, names: Sequence[str]) -> Iterator[str]:
    real = _draw((text[:LONGEST_LINE] for text in texts if text), count // 2, seed)
    yield from real
    yield from random_strings(count - len(real), seed, names)


def _draw(texts: Iterable[str], count: int, seed: int) -> list[str]:
    """`count` of the texts at random, shuffled, with no more of them in memory than that (reservoir sampling)."""
    chance, drawn = random.Random(seed), list[str]()
    for place, text in enumerate(texts):
        if place < count:
            drawn.append(text)
        elif (other := chance.randrange(place + 1)) < count:
            drawn[other] = text
    chance.shuffle(drawn)
    return drawn


def _round_trip(tokenizer: Tokenizer, strings: Iterator[str]) -> Check:
    name, seen, lost = "round trip", 0, list[tuple[str, str]]()
    while batch := list(islice(strings, BATCH_STRINGS)):
        encodings = tokenizer.encode_batch_fast(batch, add_special_tokens=False)
        decoded = tokenizer.decode_batch([encoding.ids for encoding in encodings], skip_special_tokens=False)
        lost += [(text, back) for text, back in zip(batch, decoded, strict=True) if text != back]
        seen += len(batch)
    if not seen:
        return not_checked(name, "no strings were asked for")
    if not lost:
        return Check(name, True, f"all of {seen:,} strings come back")
    text, back = min(lost, key=lambda pair: len(pair[0]))
    place = next((i for i, (a, b) in enumerate(zip(text, back, strict=False)) if a != b), min(len(text), len(back)))
    example = f"{code_points(text[place:])} comes back as {code_points(back[place:])}"
    return Check(name, False, f"{len(lost):,} of {seen:,} strings do not come back: {example}")
