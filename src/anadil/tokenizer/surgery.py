"""A new vocabulary from a base's, in four ways, with the record of which ids are new and what they were before.

keep: as it is; extend: more tokens after the last id; inplace: the same size, unused ids freed and refilled;
replace: a new vocabulary (with or without a base), ids and all.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from anadil import durable
from anadil.errors import UserError
from anadil.tokenizer.chat import CONTROL_TOKENS
from anadil.tokenizer.continue_bpe import Continued, Cutter, continue_bpe, word_of
from anadil.tokenizer.foreign import Foreign, read_foreign
from anadil.tokenizer.load import (
    Merge,
    Vocabulary,
    added_token,
    byte_alphabet,
    llama3_pre_tokenizer,
    other_kind,
    read_vocabulary,
    write_folder,
)
from anadil.tokenizer.prune import Scripts, Usage, check_text, count_tokens, free_order, last_merges, without
from anadil.tokenizer.train import fed_share, learn_merges

Mode = Literal["keep", "extend", "replace", "inplace"]
RESERVED_TOKENS = 10
"""Control tokens of a vocabulary without a base, beside those of the chat format: room for later ones."""
_WHY_NOT = "whose tokens are not strings of bytes with merges that more can follow"
_MORE_TEXT = "give more text of the target language, or lower tokenizer.min_pair_count"


@dataclass(frozen=True)
class Size:
    """How large, and what stays; the fields of the recipe's [tokenizer] of the same names."""

    vocab_size: int = 32_000
    new_tokens: int | None = None
    target_min_count: int = 5
    min_pair_count: int = 2
    keep_scripts: Scripts = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """Words with counts whose tokens stay where they are used `min_count` times or more."""

    name: str
    counts: Mapping[str, int]
    min_count: int


@dataclass(frozen=True)
class Surgery:
    """What was done. `new` lists [id, [ids of the base whose tokens spell it]]; every id below
    `source_tokens` (rows of the base) that is not in `new` means what it meant in the base."""

    mode: str
    kept: int
    freed: int
    new: list[tuple[int, list[int]]]
    source_tokens: int
    vocab_size: int
    dropped_merges: dict[str, int] = field(default_factory=dict)
    scale: float = 1.0
    """What the counts were multiplied with for the trainer: 1, or less where there are more words than it is fed."""


def pre_tokenizer_of(base: Path | None) -> dict[str, Any]:
    """What cuts text into the words that `build` wants counted, as in a tokenizer.json: the base's own, or Llama 3's
    without a base or for one that is no byte-level BPE (and can only be replaced)."""
    return dict(read_vocabulary(base).pre_tokenizer if base and not other_kind(base) else llama3_pre_tokenizer())


def check_mode(base: Path | None, mode: Mode) -> None:
    """UserError, before any work, if vocabularies of this mode cannot be built from this base."""
    if base is None and mode != "replace":
        raise UserError(f"mode {mode!r} needs a base tokenizer", hint="give a base, or set mode = replace")
    if base and mode != "replace" and (kind := other_kind(base)):
        hint = "set tokenizer.mode = 'replace', which works with any base; or take a base with a byte-level BPE"
        raise UserError(f"mode {mode!r} cannot be: {base} has {kind}, {_WHY_NOT}", hint=hint)


def build(
    base: Path | None,
    mode: Mode,
    target_counts: Mapping[str, int],
    kept: Sequence[Kept],
    size: Size,
    out: Path,
) -> Surgery:
    """Write the tokenizer folder and surgery.json into `out`.

    Counts are of words as `count.count_words` gives them: the target's, and those of each text that is kept.
    UserError if the base's tokenizer is of another kind, the text too little for the size, or `new_tokens`
    more than can be freed.
    """
    return Prepared(base, target_counts, kept).build(mode, size, out)


class Prepared:
    """A base and counted words. What vocabularies made of them have in common is worked out once, when first needed."""

    def __init__(self, base: Path | None, target_counts: Mapping[str, int], kept: Sequence[Kept]) -> None:
        self._base, self._target, self._kept = base, target_counts, kept

    def build(self, mode: Mode, size: Size, out: Path) -> Surgery:
        """As the function `build`."""
        check_mode(self._base, mode)
        if self._base is None:
            vocabulary, surgery = _replace(None, self._target, self._kept, size)
        elif other_kind(self._base):
            vocabulary, surgery = _replace(read_foreign(self._base), self._target, self._kept, size)
        else:
            vocabulary, surgery = self._of_base(mode, size)
        out.mkdir(parents=True, exist_ok=True)
        write_folder(vocabulary, out)
        durable.write_text(out / "surgery.json", json.dumps(asdict(surgery)) + "\n", "tokenizer")
        return surgery

    def _of_base(self, mode: Mode, size: Size) -> tuple[Vocabulary, Surgery]:
        if mode == "keep":
            return _extend(self._before, {}, replace(size, new_tokens=0), mode)
        if mode == "extend":
            return _extend(self._before, self._target, size, mode)
        if mode == "inplace":
            order = self._free_order(size.target_min_count, size.keep_scripts)
            return _inplace(self._before, self._target, order, size)
        return _replace(self._before, self._target, self._kept, size)

    @cached_property
    def _before(self) -> Vocabulary:
        assert self._base
        return read_vocabulary(self._base)

    @cached_property
    def _usage(self) -> list[Usage]:
        return [Usage(count_tokens(self._before, one.counts), one.min_count) for one in self._kept]

    @cached_property
    def _target_usage(self) -> Counter[str]:
        return count_tokens(self._before, self._target)

    @cached_property
    def _parts(self) -> dict[str, Merge]:
        return last_merges(self._before)

    def _free_order(self, target_min_count: int, scripts: Scripts) -> list[str]:
        usage = [*self._usage, Usage(self._target_usage, target_min_count)]
        return free_order(self._before, usage, scripts, self._parts)


def _extend(before: Vocabulary, words: Mapping[str, int], size: Size, mode: str) -> tuple[Vocabulary, Surgery]:
    if size.new_tokens is None:
        hint = "set tokenizer.new_tokens, for example 16000"
        raise UserError("mode extend needs the number of tokens to add", hint=hint)
    learned = _learn(before, words, size.new_tokens, size)
    _enough(len(learned.tokens), size.new_tokens, "tokenizer.new_tokens", 0, size)
    controls = _missing_controls(before)
    ids = range(before.size, before.size + len(controls) + len(learned.tokens))
    vocabulary = _with_new(before, learned, controls, ids)
    return vocabulary, _record(mode, before, vocabulary, before.count, 0, learned, controls)


def _inplace(
    before: Vocabulary, target_counts: Mapping[str, int], order: Sequence[str], size: Size
) -> tuple[Vocabulary, Surgery]:
    controls = _missing_controls(before)
    wanted = _wanted(size, len(order) - len(controls))
    text = check_text(before)
    while True:  # refilling fewer ids keeps more tokens, which changes what can be learned: until it fits
        pruned = without(before, order[: wanted + len(controls)])
        learned = _learn(pruned.vocabulary, target_counts, wanted, size, text)
        if len(learned.tokens) == wanted:
            break
        if size.new_tokens is not None:
            _enough(len(learned.tokens), wanted, "tokenizer.new_tokens", 0, size)
        wanted = len(learned.tokens)
    back = {token: before.tokens[token] for token in learned.tokens if token in before.tokens}
    ids = sorted(set(pruned.freed) - set(back.values()))
    vocabulary = _with_new(pruned.vocabulary, learned, controls, ids, back)
    freed = len(ids)
    return vocabulary, _record("inplace", before, vocabulary, before.count - freed, freed, learned, controls, back)


def _wanted(size: Size, room: int) -> int:
    wanted = room if size.new_tokens is None else size.new_tokens
    if wanted > room or room < 0:
        what = f"tokenizer.new_tokens = {wanted} does not fit: only {max(room, 0):,} ids of the base can be freed"
        hint = f"set tokenizer.new_tokens = {max(room, 0)} or less, raise keep_min_count, or keep fewer languages"
        raise UserError(what, hint=hint)
    return wanted


def _replace(
    before: Vocabulary | Foreign | None, target_counts: Mapping[str, int], kept: Sequence[Kept], size: Size
) -> tuple[Vocabulary, Surgery]:
    specials = _special_names(before)
    limit = size.vocab_size - 256 - len(specials)
    if limit < 0:
        what = f"tokenizer.vocab_size = {size.vocab_size} is too small for 256 bytes and {len(specials)} special tokens"
        raise UserError(what, hint=f"set tokenizer.vocab_size = {256 + len(specials)} or more")
    words: Counter[str] = Counter(target_counts)
    for one in kept:
        words.update(one.counts)
    merges = learn_merges(words, limit, size.min_pair_count, byte_alphabet())
    made = list(dict.fromkeys(left + right for left, right in merges))
    _enough(len(made), limit, "tokenizer.vocab_size", 256 + len(specials), size)
    tokens = {token: place for place, token in enumerate([*sorted(byte_alphabet()), *made])}
    added = [added_token(name, len(tokens) + place) for place, name in enumerate(specials)]
    pre_tokenizer = before.pre_tokenizer if isinstance(before, Vocabulary) else llama3_pre_tokenizer()
    vocabulary = Vocabulary(tokens, merges, added, pre_tokenizer, ignore_merges=True)
    scale = fed_share(words)
    if before is None:
        return vocabulary, Surgery("replace", 0, 0, [], 0, vocabulary.size, scale=scale)
    new = [*_spelled(before, tokens), *_spelled_specials(before, vocabulary.added_ids)]
    return vocabulary, Surgery("replace", 0, before.count, new, before.size, vocabulary.size, scale=scale)


def _special_names(before: Vocabulary | Foreign | None) -> list[str]:
    if before is None:
        reserved = [f"<|reserved_special_token_{place}|>" for place in range(RESERVED_TOKENS)]
        return [*CONTROL_TOKENS, *reserved]
    return [*sorted(before.added_ids, key=lambda name: before.added_ids[name]), *_missing_controls(before)]


def _missing_controls(vocabulary: Vocabulary | Foreign) -> list[str]:
    return [name for name in CONTROL_TOKENS if name not in vocabulary.added_ids]


def _learn(
    vocabulary: Vocabulary, words: Mapping[str, int], budget: int, size: Size, unchanged: str | None = None
) -> Continued:
    if budget == 0:
        return Continued()
    text = check_text(vocabulary) if unchanged is None else unchanged
    return continue_bpe(vocabulary, words, budget, size.min_pair_count, text)


def _enough(learned: int, asked: int, key: str, fixed: int, size: Size) -> None:
    if learned < asked:
        what = f"too little text for {key} = {asked + fixed}: it gives {learned:,} of {asked:,} new tokens; the other "
        what += f"{asked - learned:,} merges have a count below min_pair_count = {size.min_pair_count}"
        raise UserError(what, hint=f"set {key} = {learned + fixed} or less; or {_MORE_TEXT}")


def _with_new(
    vocabulary: Vocabulary,
    learned: Continued,
    controls: Sequence[str],
    ids: Sequence[int],
    back: Mapping[str, int] = MappingProxyType({}),
) -> Vocabulary:
    """Controls take the first of `ids`, then the new tokens in the order they were learned; those that were freed and
    then learned again are `back` under their old ids."""
    added = [added_token(name, identifier) for name, identifier in zip(controls, ids, strict=False)]
    new = [token for token in learned.tokens if token not in back]
    tokens = {**back, **dict(zip(new, ids[len(controls) :], strict=True))}
    return replace(
        vocabulary,
        tokens={**vocabulary.tokens, **tokens},
        merges=[*vocabulary.merges, *learned.merges],
        added=[*vocabulary.added, *added],
    )


def _record(
    mode: str,
    before: Vocabulary,
    after: Vocabulary,
    kept: int,
    freed: int,
    learned: Continued,
    controls: list[str],
    back: Mapping[str, int] = MappingProxyType({}),
) -> Surgery:
    ids = {token: after.tokens[token] for token in learned.tokens if token not in back}
    specials = {name: after.added_ids[name] for name in controls}
    new = sorted([*_spelled(before, ids), *_spelled_specials(before, specials)])
    return Surgery(mode, kept, freed, new, before.size, after.size, dict(learned.dropped), learned.scale)


def _spelled(before: Vocabulary | Foreign, ids: Mapping[str, int]) -> list[tuple[int, list[int]]]:
    """For each token (byte-level alphabet) its id and the base's ids for the same bytes."""
    spell = before.spell if isinstance(before, Foreign) else Cutter(before).ids
    return [(identifier, spell(token)) for token, identifier in ids.items()]


def _spelled_specials(before: Vocabulary | Foreign, ids: Mapping[str, int]) -> list[tuple[int, list[int]]]:
    """A control token that the base has is itself; another is spelled by the characters of its name."""
    old = before.added_ids
    spelled = _spelled(before, {word_of(name): identifier for name, identifier in ids.items() if name not in old})
    return sorted([*spelled, *((identifier, [old[name]]) for name, identifier in ids.items() if name in old)])


def read_surgery(folder: Path) -> dict[str, Any]:
    """surgery.json of a tokenizer folder; UserError where it is absent."""
    file = folder / "surgery.json"
    if not file.is_file():
        raise UserError(f"{folder} has no surgery.json", hint="build the tokenizer with anadil")
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return loaded
