"""Continued BPE: learning more merges after those of a base, exactly, with an ordinary trainer.

Each word is cut by the base's own merges and written with one private-use character per piece; an ordinary BPE
trainer on those strings learns the merges that the base's training would have gone on with on this text, and
they are mapped back. They come after the base's merges, so that where none of them applies the base's cut stays.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from anadil.errors import UserError
from anadil.tokenizer.load import Merge, Vocabulary, build_pre_tokenizer, from_bytes, to_bytes
from anadil.tokenizer.train import fed_share, learn_merges

_PRIVATE_USE = (range(0xE000, 0xF900), range(0xF0000, 0xFFFFE), range(0x100000, 0x10FFFE))


@dataclass
class Continued:
    """New merges by rank and the tokens they make, both in the byte-level alphabet.

    There can be more merges than tokens: one token may be put together in several ways. `dropped` counts
    learned merges that were left out, by reason.
    """

    merges: list[Merge] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    scale: float = 1.0
    """What the counts were multiplied with for the trainer; less than 1 where there are too many words."""


def continue_bpe(
    vocabulary: Vocabulary,
    words: Mapping[str, int],
    budget: int,
    min_pair_count: int,
    unchanged_text: str = "",
) -> Continued:
    """Learn up to `budget` new tokens of letters and marks (a leading space allowed) from `words` with counts.

    Fewer come back where the text has no more to give. No merge changes how `unchanged_text` is cut. Words are
    pre-tokens of the vocabulary in the byte-level alphabet.
    """
    cut = Cutter(vocabulary)
    segments, pieces = _private_use(_segments(cut, words), vocabulary)
    fixed = _adjacent_pairs(cut, vocabulary, unchanged_text)
    limit = budget + budget // 8 + 64  # some are dropped below
    while True:
        learned = learn_merges(segments, limit, min_pair_count)
        result = _map_back(learned, pieces, vocabulary, fixed, budget)
        result.scale = fed_share(segments)
        if len(result.tokens) == budget:
            return result
        if len({left + right for left, right in learned}) < limit:  # the text has no more to give
            return result
        limit *= 2


class Cutter:
    """Cuts words (byte-level alphabet) into the pieces of a vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._model = vocabulary.model

    def pieces(self, word: str) -> list[str]:
        return [token.value for token in self._model.tokenize(word)]

    def ids(self, word: str) -> list[int]:
        return [token.id for token in self._model.tokenize(word)]


def _segments(cut: Cutter, words: Mapping[str, int]) -> dict[tuple[str, ...], int]:
    """Runs of pieces that hold letters and marks only, with counts."""
    counts: Counter[tuple[str, ...]] = Counter()
    for word, count in words.items():
        for run in _letter_runs(word, cut.pieces(word)):
            counts[run] += count
    return counts


def _letter_runs(word: str, pieces: Sequence[str]) -> Iterator[tuple[str, ...]]:
    if len(pieces) < 2:
        return
    allowed = _allowed_bytes(word)
    run: list[str] = []
    start = 0
    for piece in pieces:
        end = start + len(piece)
        if all(allowed[start:end]):
            run.append(piece)
        else:
            if len(run) > 1:
                yield tuple(run)
            run = []
        start = end
    if len(run) > 1:
        yield tuple(run)


def _allowed_bytes(word: str) -> list[bool]:
    """For each byte: part of a letter or mark, or the space before a word that starts with one."""
    text = to_bytes(word).decode(errors="replace")
    if text.removeprefix(" ").isalpha():  # most words: the rule below, faster
        return [True] * len(word)
    letters = [unicodedata.category(character)[0] in "LM" for character in text]
    if text.startswith(" ") and len(letters) > 1 and letters[1]:
        letters[0] = True
    return [letter for character, letter in zip(text, letters, strict=True) for _ in character.encode()]


def _private_use(
    segments: Mapping[tuple[str, ...], int], vocabulary: Vocabulary
) -> tuple[dict[str, int], dict[str, str]]:
    """Segments as strings of private-use characters, and the piece of each character.

    Only pieces that occur get a character, in the order of their ids, so that ties break as in the base's training.
    """
    used = sorted({piece for run in segments for piece in run}, key=lambda piece: vocabulary.tokens[piece])
    room = sum(len(block) for block in _PRIVATE_USE)
    if len(used) > room:
        what = f"the text uses {len(used):,} different tokens of the base; {room:,} can be handled"
        raise UserError(what, hint="take a smaller sample of the text")
    characters = (chr(code) for block in _PRIVATE_USE for code in block)
    of_piece = dict(zip(used, characters, strict=False))
    strings = {"".join(of_piece[piece] for piece in run): count for run, count in segments.items()}
    return strings, {character: piece for piece, character in of_piece.items()}


def _adjacent_pairs(cut: Cutter, vocabulary: Vocabulary, text: str) -> set[Merge]:
    """The neighbouring pieces in the cut of `text`: a merge of none of them cannot change that cut."""
    words = build_pre_tokenizer(vocabulary.pre_tokenizer).pre_tokenize_str(text)
    cuts = [cut.pieces(word) for word, _ in words]
    return {pair for pieces in cuts for pair in pairwise(pieces)}


def _map_back(
    learned: Sequence[Merge],
    pieces: Mapping[str, str],
    vocabulary: Vocabulary,
    fixed: set[Merge],
    budget: int,
) -> Continued:
    """Merges of private-use strings as merges of tokens, without those that must not be.

    A merge that makes a token the base has is dropped: it would cut text anew without any new token. Two
    strings with the same bytes become one token with several merges.
    """
    result = Continued()
    made: set[str] = set()  # private-use strings that a kept merge makes
    tokens: set[str] = set()
    merges: set[Merge] = set()
    for left, right in learned:
        pair = _bytes_of(left, pieces), _bytes_of(right, pieces)
        token = pair[0] + pair[1]
        if any(len(part) > 1 and part not in made for part in (left, right)):
            result.dropped["needs a dropped merge"] += 1
        elif token in vocabulary.tokens:
            result.dropped["makes an old token"] += 1
        elif pair in fixed:
            result.dropped["changes the check text"] += 1
        else:
            if token not in tokens and len(tokens) == budget:
                break
            made.add(left + right)
            if pair not in merges:
                merges.add(pair)
                result.merges.append(pair)
            if token not in tokens:
                tokens.add(token)
                result.tokens.append(token)
    return result


def _bytes_of(string: str, pieces: Mapping[str, str]) -> str:
    return "".join(pieces[character] for character in string)


def word_of(text: str) -> str:
    """A text in the byte-level alphabet."""
    return from_bytes(text.encode())
