"""Counting words: the pre-tokens of a base's own pre-tokenizer, in the byte-level alphabet, with how often each occurs.

Only counts are kept, so text of any size is read once, in a stream. With the splits that the usual bases have, no
pre-token reaches over a place where a plain space follows something else than white space. Text is cut there first,
equal pieces are counted, and each distinct piece is pre-tokenized once: the same counts, many times faster.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tokenizers.pre_tokenizers import PreTokenizer

from anadil.errors import UserError
from anadil.languages import LanguageProfile
from anadil.languages.scripts import script_of
from anadil.tokenizer.load import GPT2_SPLIT, LLAMA3_SPLIT, QWEN_SPLIT, build_pre_tokenizer, to_bytes

MAX_WORD_TYPES = 8_000_000
"""Distinct words kept while counting; beyond it the rarest are dropped and counted (about 1 GB)."""
_MAX_CHUNK_TYPES = 1_000_000
"""Distinct pieces between spaces kept before they are cut into words."""
_OWN_LETTERS = 0.001
"""Least share of letters beyond ASCII in text of a language that has such; measured 0.02 to 0.18 in five of them."""
_NEIGHBOUR_WORDS = 0.003
"""Most words with marks of a neighbour: 0.0008 in Azerbaijani reviews, 0.013 (Turkish) and more in the others."""
_OTHER_TEXT = "give text in that language, or name the language that the text is in"
# Python's white space holds all that the library's regular expressions call white space, and a little more; so no
# cut is made that they would not allow.
_chunks = re.compile(r"(?<=\S)(?= )").split


@dataclass
class WordCounts:
    """Words with counts, and what they were counted in. `dropped_*` are the rarest, dropped to bound memory."""

    words: Counter[str] = field(default_factory=Counter)
    documents: int = 0
    bytes: int = 0
    dropped_types: int = 0
    dropped_words: int = 0


def count_words(texts: Iterable[str], pre_tokenizer: Mapping[str, Any], max_types: int = MAX_WORD_TYPES) -> WordCounts:
    """Count the words of `texts` (read once, in a stream), cut by the `pre_tokenizer` of a tokenizer.json.

    Above `max_types` distinct words the rarest are dropped until half as many are left, and counted.
    """
    found = WordCounts()
    split = build_pre_tokenizer(pre_tokenizer)
    cut = _chunks if cuts_at_spaces(pre_tokenizer) else _whole
    chunks: Counter[str] = Counter()
    for text in texts:
        found.documents += 1
        found.bytes += len(text.encode())
        chunks.update(cut(text))
        if len(chunks) > _MAX_CHUNK_TYPES:
            _add_words(found, chunks, split, max_types)
    _add_words(found, chunks, split, max_types)
    return found


def cuts_at_spaces(pre_tokenizer: Mapping[str, Any]) -> bool:
    """Whether this split is known never to reach over a space after something that is not white space.

    What comes after such a split works on its pieces, and splitting off digits first looks at single characters.
    """
    parts: list[dict[str, Any]] = list(pre_tokenizer.get("pretokenizers", [pre_tokenizer]))
    first: dict[str, Any] = next((part for part in parts if part["type"] != "Digits"), {})
    if first.get("type") == "ByteLevel":
        return bool(first.get("use_regex", True)) and not first.get("add_prefix_space", True)
    pattern = (first.get("pattern") or {}).get("Regex")
    isolated = first.get("behavior") == "Isolated" and not first.get("invert")
    return isolated and pattern in (LLAMA3_SPLIT, QWEN_SPLIT, GPT2_SPLIT)


def _whole(text: str) -> list[str]:
    return [text]


def _add_words(found: WordCounts, chunks: Counter[str], split: PreTokenizer, max_types: int) -> None:
    """Cut the counted pieces into words, and empty them."""
    words = found.words
    for chunk, count in chunks.items():
        for word, _ in split.pre_tokenize_str(chunk):
            words[word] += count
    chunks.clear()
    if len(words) > max_types:
        _drop_rarest(found, max_types // 2)


def _drop_rarest(found: WordCounts, most: int) -> None:
    least = 1
    while len(found.words) > most:
        for word in [word for word, count in found.words.items() if count <= least]:
            found.dropped_types += 1
            found.dropped_words += found.words.pop(word)
        least *= 2


def check_script(words: Mapping[str, int], profile: LanguageProfile, where: str) -> None:
    """UserError if the letters of counted words are not those of the profile's language, or are a neighbour's.

    The share of letters that are in its alphabet, each word counting as often as it occurs, must reach
    `profile.thresholds.min_script_share`; of a language with letters beyond ASCII some must be there; and the marks
    of a neighbour must be rare. `where` says in the message whose words they are.
    """
    letters, marked = _letters(words), _marked(words, profile)
    total = sum(letters.values())
    if not total:
        return
    share = sum(count for letter, count in letters.items() if letter in profile.alphabet) / total
    if share < profile.thresholds.min_script_share:
        raise UserError(f"{where}: {_foreign(letters, profile, share)}", hint=_OTHER_TEXT)
    own = {letter for letter in profile.alphabet if not letter.isascii()}
    if own and sum(letters[letter] for letter in own) < _OWN_LETTERS * total:
        some = ", ".join(letter for letter in profile.letters if letter in own)
        what = f"{where}: of its letters fewer than {_OWN_LETTERS:.1%} are those that {profile.name} has beyond ASCII"
        raise UserError(f"{what} ({some})", hint=f"{_OTHER_TEXT}; if people type it so, a profile with ASCII letters")
    code, count = marked.most_common(1)[0] if marked else ("", 0)
    if count > _NEIGHBOUR_WORDS * _words_with_letters(words):
        share = count / _words_with_letters(words)
        what = f"{where}: {share:.1%} of the words have marks of {code!r}, which {profile.name} does not have"
        raise UserError(what, hint=_OTHER_TEXT)


def _foreign(letters: Counter[str], profile: LanguageProfile, share: float) -> str:
    least = profile.thresholds.min_script_share
    others = Counter({letter: count for letter, count in letters.items() if letter not in profile.alphabet})
    scripts: Counter[str] = Counter()
    for letter, count in others.items():
        scripts[script_of(letter) or "other"] += count
    most = ", ".join(letter for letter, _ in others.most_common(5))
    what = f"{share:.0%} of the letters are those of {profile.name}; at least {least:.0%} must be"
    return f"{what}. The most frequent others are {most} (script: {scripts.most_common(1)[0][0]})"


def _letters(words: Mapping[str, int]) -> Counter[str]:
    letters: Counter[str] = Counter()
    for word, count in words.items():
        for letter in to_bytes(word).decode(errors="ignore"):
            if letter.isalpha():
                letters[letter] += count
    return letters


def _words_with_letters(words: Mapping[str, int]) -> int:
    """How many of the counted words have a letter."""
    return sum(count for word, count in words.items() if any(map(str.isalpha, to_bytes(word).decode(errors="ignore"))))


def _marked(words: Mapping[str, int], profile: LanguageProfile) -> Counter[str]:
    """For each neighbour how many words are, or hold, what this language never has."""
    whole = {mark: one.code for one in profile.neighbours for mark in one.marks if len(mark) > 1}
    letters = {mark: one.code for one in profile.neighbours for mark in one.marks if len(mark) == 1}
    found: Counter[str] = Counter()
    for word, count in words.items():
        text = profile.lower(to_bytes(word).decode(errors="ignore").strip())
        codes = {letters[letter] for letter in set(text) & letters.keys()} | ({whole[text]} if text in whole else set())
        for code in codes:
            found[code] += count
    return found
