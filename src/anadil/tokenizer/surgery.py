"""A new vocabulary from a base's, in four ways, with the record of which ids are new and what they were before.

keep: as it is; extend: more tokens after the last id; inplace: the same size, unused ids freed and refilled;
replace: a new vocabulary (with or without a base), ids and all.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tokenizers.pre_tokenizers import PreTokenizer

from anadil import durable
from anadil.errors import UserError
from anadil.tokenizer.chat import CONTROL_TOKENS
from anadil.tokenizer.continue_bpe import Continued, Cutter, continue_bpe, word_of
from anadil.tokenizer.load import (
    Vocabulary,
    added_token,
    build_pre_tokenizer,
    byte_alphabet,
    llama3_pre_tokenizer,
    read_vocabulary,
    write_folder,
)
from anadil.tokenizer.prune import Usage, check_text, count_tokens, free_order, without
from anadil.tokenizer.train import learn_merges

Mode = Literal["keep", "extend", "replace", "inplace"]
RESERVED_TOKENS = 10
"""Control tokens of a vocabulary without a base, beside those of the chat format: room for later ones."""
_MORE_TEXT = "give more text of the target language, or lower tokenizer.min_pair_count"


@dataclass(frozen=True)
class Size:
    """How large, and what stays; the fields of the recipe's [tokenizer] of the same names."""

    vocab_size: int = 32_000
    new_tokens: int | None = None
    keep_min_count: int = 2
    target_min_count: int = 5
    min_pair_count: int = 2
    keep_scripts: tuple[str, ...] = ()


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


def pre_tokenizer_of(base: Path | None) -> PreTokenizer:
    """What cuts text into the words that `build` wants counted: the base's own, or Llama 3's without a base."""
    return build_pre_tokenizer(read_vocabulary(base).pre_tokenizer if base else llama3_pre_tokenizer())


def build(
    base: Path | None,
    mode: Mode,
    target_counts: Mapping[str, int],
    keep_counts: Mapping[str, Mapping[str, int]],
    size: Size,
    out: Path,
) -> Surgery:
    """Write the tokenizer folder and surgery.json into `out`.

    Counts are of words as `train.count_words` gives them: the target's, and those of each kept language by name.
    UserError if the base's tokenizer is of another kind, the text too little for the size, or `new_tokens`
    more than can be freed.
    """
    if base is None:
        if mode != "replace":
            raise UserError(f"mode {mode!r} needs a base tokenizer", hint="give a base, or set mode = replace")
        vocabulary, surgery = _replace(None, target_counts, keep_counts, size)
    else:
        before = read_vocabulary(base)
        vocabulary, surgery = _of_base(before, mode, target_counts, keep_counts, size)
    out.mkdir(parents=True, exist_ok=True)
    write_folder(vocabulary, out)
    durable.write_text(out / "surgery.json", json.dumps(asdict(surgery)) + "\n", "tokenizer")
    return surgery


def _of_base(
    before: Vocabulary,
    mode: Mode,
    target_counts: Mapping[str, int],
    keep_counts: Mapping[str, Mapping[str, int]],
    size: Size,
) -> tuple[Vocabulary, Surgery]:
    if mode == "keep":
        return _extend(before, {}, replace(size, new_tokens=0), mode)
    if mode == "extend":
        return _extend(before, target_counts, size, mode)
    if mode == "inplace":
        return _inplace(before, target_counts, keep_counts, size)
    return _replace(before, target_counts, keep_counts, size)


def _extend(before: Vocabulary, words: Mapping[str, int], size: Size, mode: str) -> tuple[Vocabulary, Surgery]:
    if size.new_tokens is None:
        hint = "set tokenizer.new_tokens, for example 16000"
        raise UserError("mode extend needs the number of tokens to add", hint=hint)
    learned = _learn(before, words, size.new_tokens, size)
    _enough(len(learned.tokens), size.new_tokens, "tokenizer.new_tokens", 0)
    controls = _missing_controls(before)
    ids = range(before.size, before.size + len(controls) + len(learned.tokens))
    vocabulary = _with_new(before, learned, controls, ids)
    kept = len(before.tokens) + len(before.added)
    return vocabulary, _record(mode, before, vocabulary, kept, 0, learned, controls)


def _inplace(
    before: Vocabulary,
    target_counts: Mapping[str, int],
    keep_counts: Mapping[str, Mapping[str, int]],
    size: Size,
) -> tuple[Vocabulary, Surgery]:
    usage = [Usage(count_tokens(before, words), size.keep_min_count) for words in keep_counts.values()]
    usage.append(Usage(count_tokens(before, target_counts), size.target_min_count))
    order = free_order(before, usage, size.keep_scripts)
    controls = _missing_controls(before)
    wanted = _wanted(size, len(order) - len(controls))
    while True:  # refilling fewer ids keeps more tokens, which changes what can be learned: until it fits
        pruned = without(before, order[: wanted + len(controls)])
        learned = _learn(pruned.vocabulary, target_counts, wanted, size, check_text(before))
        if len(learned.tokens) == wanted:
            break
        if size.new_tokens is not None:
            _enough(len(learned.tokens), wanted, "tokenizer.new_tokens", 0)
        wanted = len(learned.tokens)
    vocabulary = _with_new(pruned.vocabulary, learned, controls, sorted(pruned.freed))
    freed = len(pruned.freed)
    kept = len(before.tokens) + len(before.added) - freed
    return vocabulary, _record("inplace", before, vocabulary, kept, freed, learned, controls)


def _wanted(size: Size, room: int) -> int:
    wanted = room if size.new_tokens is None else size.new_tokens
    if wanted > room or room < 0:
        what = f"{wanted:,} new tokens do not fit: only {max(room, 0):,} ids of the base can be freed"
        hint = f"set tokenizer.new_tokens = {max(room, 0)} or less, raise keep_min_count, or keep fewer languages"
        raise UserError(what, hint=hint)
    return wanted


def _replace(
    before: Vocabulary | None,
    target_counts: Mapping[str, int],
    keep_counts: Mapping[str, Mapping[str, int]],
    size: Size,
) -> tuple[Vocabulary, Surgery]:
    specials = _special_names(before)
    limit = size.vocab_size - 256 - len(specials)
    if limit < 0:
        what = f"tokenizer.vocab_size = {size.vocab_size} is too small for 256 bytes and {len(specials)} special tokens"
        raise UserError(what, hint=f"set tokenizer.vocab_size = {256 + len(specials)} or more")
    words: Counter[str] = Counter(target_counts)
    for counts in keep_counts.values():
        words.update(counts)
    merges = learn_merges(words, limit, size.min_pair_count, byte_alphabet())
    made = list(dict.fromkeys(left + right for left, right in merges))
    _enough(len(made), limit, "tokenizer.vocab_size", 256 + len(specials))
    tokens = {token: place for place, token in enumerate([*sorted(byte_alphabet()), *made])}
    added = [added_token(name, len(tokens) + place) for place, name in enumerate(specials)]
    pre_tokenizer = before.pre_tokenizer if before else llama3_pre_tokenizer()
    vocabulary = Vocabulary(tokens, merges, added, pre_tokenizer, ignore_merges=True)
    if before is None:
        return vocabulary, Surgery("replace", 0, 0, [], 0, vocabulary.size)
    new = [*_spelled(before, tokens), *_spelled_specials(before, vocabulary.added_ids)]
    freed = len(before.tokens) + len(before.added)
    return vocabulary, Surgery("replace", 0, freed, new, before.size, vocabulary.size)


def _special_names(before: Vocabulary | None) -> list[str]:
    if before is None:
        reserved = [f"<|reserved_special_token_{place}|>" for place in range(RESERVED_TOKENS)]
        return [*CONTROL_TOKENS, *reserved]
    return [*sorted(before.added_ids, key=lambda name: before.added_ids[name]), *_missing_controls(before)]


def _missing_controls(vocabulary: Vocabulary) -> list[str]:
    return [name for name in CONTROL_TOKENS if name not in vocabulary.added_ids]


def _learn(
    vocabulary: Vocabulary, words: Mapping[str, int], budget: int, size: Size, unchanged: str | None = None
) -> Continued:
    if budget == 0:
        return Continued()
    text = check_text(vocabulary) if unchanged is None else unchanged
    return continue_bpe(vocabulary, words, budget, size.min_pair_count, text)


def _enough(learned: int, asked: int, key: str, fixed: int) -> None:
    if learned < asked:
        what = f"too little text for {key} = {asked + fixed}: it gives {learned:,} of {asked:,} new tokens"
        raise UserError(what, hint=f"set {key} = {learned + fixed} or less; or {_MORE_TEXT}")


def _with_new(vocabulary: Vocabulary, learned: Continued, controls: list[str], ids: "list[int] | range") -> Vocabulary:
    """Controls take the first of `ids`, then the new tokens in the order they were learned."""
    added = [added_token(name, identifier) for name, identifier in zip(controls, ids, strict=False)]
    tokens = dict(zip(learned.tokens, ids[len(controls) :], strict=True))
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
) -> Surgery:
    ids = {token: after.tokens[token] for token in learned.tokens}
    specials = {name: after.added_ids[name] for name in controls}
    new = sorted([*_spelled(before, ids), *_spelled_specials(before, specials)])
    return Surgery(mode, kept, freed, new, before.size, after.size, dict(learned.dropped))


def _spelled(before: Vocabulary, ids: Mapping[str, int]) -> list[tuple[int, list[int]]]:
    """For each token (byte-level alphabet) its id and the base's ids for the same bytes."""
    cut = Cutter(before)
    return [(identifier, cut.ids(token)) for token, identifier in ids.items()]


def _spelled_specials(before: Vocabulary, ids: Mapping[str, int]) -> list[tuple[int, list[int]]]:
    """A control token that the base has is itself; another is spelled by the characters of its name."""
    old, cut = before.added_ids, Cutter(before)
    return [(identifier, [old[name]] if name in old else cut.ids(word_of(name))) for name, identifier in ids.items()]


def read_surgery(folder: Path) -> dict[str, Any]:
    """surgery.json of a tokenizer folder; UserError where it is absent."""
    file = folder / "surgery.json"
    if not file.is_file():
        raise UserError(f"{folder} has no surgery.json", hint="build the tokenizer with anadil")
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return loaded
