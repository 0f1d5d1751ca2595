"""Which language a text is in, from hashed character n-grams; one that is typed without its letters is known too.

The weights, `languages/detector.npz`, are made by `scripts/train_detector.py`.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from anadil.languages import LanguageProfile

LONGEST_NGRAM = 4
HASH_BITS = 16
LETTERS = 300
"""Of a text that are looked at; more make it no surer."""
TYPED = "#typed"
"""Ends the name of a class of texts that are typed without the letters of their language."""
SURE = 0.9
_AT_ONCE = 1 << 16
_SPACE, _END = 32, "\x01"
_FACTORS = (0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35, 0x27D4EB2F)


@dataclass(frozen=True)
class Detector:
    """Linear classifiers of texts: the mean of its n-grams' weights, and a bias.

    One tells all classes apart. Another, much faster, tells each language from all others.
    """

    classes: tuple[str, ...]
    weights_HC: NDArray[np.float32]
    bias_C: NDArray[np.float32]
    own_H: dict[str, NDArray[np.float32]]
    own_bias: dict[str, float]

    @property
    def languages(self) -> frozenset[str]:
        """The languages that it tells apart."""
        return frozenset(self.own_H)

    def shares(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities of each class, [D, C]; those of a text without letters say nothing."""
        letters, starts = prepare(texts)
        logits_DC = _means(self.weights_HC, letters, starts) + self.bias_C
        odds_DC = np.exp(logits_DC - logits_DC.max(axis=1, keepdims=True))
        shares_DC: NDArray[np.float32] = odds_DC / odds_DC.sum(axis=1, keepdims=True)
        return shares_DC

    def share_of(self, language: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """The probability that each text is in a language, typed with its letters or without, [D]."""
        shares = (self._share_of(language, block) for block in blocks(texts, _AT_ONCE, LETTERS))
        return np.concatenate([np.zeros(0, np.float32), *shares])

    def _share_of(self, language: str, texts: Sequence[str]) -> NDArray[np.float32]:
        letters, starts = prepare(texts)
        logits_D = _means(self.own_H[language], letters, starts) + self.own_bias[language]
        found_D: NDArray[np.float32] = 1 / (1 + np.exp(-logits_D))
        if len(unsure := np.flatnonzero(found_D < SURE)):
            mine = [name.removesuffix(TYPED) == language for name in self.classes]
            found_D[unsure] = self.shares([texts[number] for number in unsure.tolist()])[:, mine].sum(axis=1)
        return found_D


def blocks(texts: Sequence[str], size: int, most: int = sys.maxsize) -> Iterator[Sequence[str]]:
    """The texts by blocks of about `size` characters, counting `most` of each: what is made of one stays in cache."""
    begin = total = 0
    for number, text in enumerate(texts):
        total += min(len(text), most)
        if total >= size:
            yield texts[begin : number + 1]
            begin, total = number + 1, 0
    if begin < len(texts):
        yield texts[begin:]


def _means(weights: NDArray[np.float32], letters: NDArray[np.uint32], starts: NDArray[np.int64]) -> NDArray[np.float32]:
    """The mean of the weights of all n-grams of each text: [D], or [D, C] for weights of classes."""
    inside, starts = ngram_places(starts)
    found = np.zeros((len(starts) - 1, *weights.shape[1:]), np.float32)
    for length in range(1, LONGEST_NGRAM + 1) if len(found) else ():
        found += np.add.reduceat(weights[hashes(letters, length)[inside]], starts[:-1], axis=0)
    sizes = np.diff(starts).astype(np.float32)
    return (found / (sizes if found.ndim == 1 else sizes[:, None])).astype(np.float32)


def prepare(texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The first small letters with single spaces between words, all texts in one array, and where each begins
    (one more than texts). Spaces around each keep n-grams from reaching into the next."""
    heads = (text[:LETTERS].replace("\n", " ").replace(_END, " ") for text in texts)
    joined = "\n".join(["", *(head + _END * (LONGEST_NGRAM - 1) for head in heads), ""]).lower()
    signs = np.frombuffer(joined.encode("utf-32-le", "replace"), np.uint32)
    ends = np.flatnonzero(signs == 10)
    known = np.minimum(signs, len(_is_letter()) - 1)
    letters = np.where(_is_letter()[known], signs, np.uint32(_SPACE))
    kept = np.ones(len(letters), bool)
    kept[1:] = (letters[1:] != _SPACE) | (letters[:-1] != _SPACE)
    kept[(signs == ord(_END)) | (signs == 10)] = True
    starts = (np.cumsum(kept) - 1)[ends]
    return letters[kept][: starts[-1]], starts


def ngram_places(starts: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which places of prepared texts an n-gram begins at: not those behind a text's end, from where it would reach into
    the next; and where each text's first one is among them (one more than texts)."""
    behind = LONGEST_NGRAM - 1
    inside = np.ones(int(starts[-1]), bool)
    for step in range(1, behind + 1):
        inside[starts[1:] - step] = False
    return inside, starts - behind * np.arange(len(starts))


def hashes(letters: NDArray[np.uint32], length: int) -> NDArray[np.uint32]:
    """Of the n-gram that begins at each letter, a number of `HASH_BITS` bits."""
    padded = np.concatenate([letters, np.full(length - 1, _SPACE, np.uint32)])
    mixed = np.full(len(letters), length * 0x01000193, np.uint32)
    for place in range(length):
        mixed += padded[place : place + len(letters)] * np.uint32(_FACTORS[place])
    mixed = (mixed ^ (mixed >> np.uint32(15))) * np.uint32(0x2C1B3C6D)
    return mixed >> np.uint32(32 - HASH_BITS)


@cache
def _is_letter() -> NDArray[np.bool_]:
    """Of the code points of alphabetic scripts; beyond are none that matter here."""
    return np.array([chr(code).isalpha() for code in range(0x2000)] + [False])


def letter_shares(texts: Sequence[str], profile: LanguageProfile) -> NDArray[np.float64]:
    """Of each text the share of its letters that are the language's: `LanguageProfile.letter_share` of many at once."""
    return np.concatenate([np.zeros(0), *(_letter_shares(block, profile) for block in blocks(texts, _AT_ONCE))])


def _letter_shares(texts: Sequence[str], profile: LanguageProfile) -> NDArray[np.float64]:
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    signs = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    known = np.minimum(signs, len(_is_letter()) - 1)
    letters, own = _is_letter()[known], _own_letters(profile.alphabet)[known]
    if signs.max(initial=0) >= len(_is_letter()):  # beyond the alphabets: signs, or letters of far scripts
        far = np.flatnonzero(signs >= len(_is_letter()))
        letters[far] = [chr(code).isalpha() for code in signs[far].tolist()]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]) if len(sizes) else np.zeros(0, np.int64)
    found, some = np.zeros(len(texts)), np.flatnonzero(sizes)
    if len(some):
        count = np.add.reduceat(letters, starts[some], dtype=np.int64)
        found[some] = np.add.reduceat(own, starts[some], dtype=np.int64) / np.maximum(1, count)
    return found


@cache
def _own_letters(alphabet: frozenset[str]) -> NDArray[np.bool_]:
    return np.array([chr(code) in alphabet for code in range(len(_is_letter()))])


@cache
def load_detector() -> Detector:
    """The detector that comes with the package."""
    with resources.as_file(resources.files("anadil.languages") / "detector.npz") as path, np.load(path) as stored:
        table = stored["weights"].astype(np.float32) * stored["scale"]
        names, bias = [str(name) for name in stored["classes"]], stored["bias"]
    # one table for both classifiers: "=az" is the column that tells Azerbaijani from all others
    own = {name.removeprefix("="): number for number, name in enumerate(names) if name.startswith("=")}
    count = len(names) - len(own)
    return Detector(
        tuple(names[:count]),
        np.ascontiguousarray(table[:, :count]),
        bias[:count],
        {name: np.ascontiguousarray(table[:, number]) for name, number in own.items()},
        {name: float(bias[number]) for name, number in own.items()},
    )
