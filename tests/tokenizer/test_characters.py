import json

import pytest
from tokenizers import Regex, Tokenizer, pre_tokenizers

from anadil.tokenizer.characters import alike_characters, ranges, revealing_json
from anadil.tokenizer.load import LLAMA3_SPLIT, llama3_pre_tokenizer

SPLIT = llama3_pre_tokenizer()


def encoder(pattern):
    """`tokenizers` with a split of its own behind the ids of the revealing vocabulary."""
    tokenizer = Tokenizer.from_str(revealing_json(json.dumps(SPLIT)))
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, level])
    return lambda texts: [encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


SOME = sorted({*map(chr, range(0x80, 0xD800, 60)), *"əƏ中²½\u0301\u2003\xa0ſ中\U00010900"})


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (r"\p{L}+", r"(?:(?!ə)\p{L})+", "ə"),
        (r"\p{L}+", r"(?:(?!中)\p{L})+", "中"),
        (r"\p{L}+", r"(?:(?!\x{10900})\p{L})+", "\U00010900"),
        (r"\p{N}{1,3}", r"(?:(?!²)\p{N}){1,3}", "²"),
        (r"\s+(?!\S)|\s+", r"[\s&&[^\x{2003}]]+(?!\S)|\s+", "\u2003"),
    ],
)
def test_a_character_of_another_kind_is_found_and_no_other(old, new, expected):
    assert old in LLAMA3_SPLIT
    found = alike_characters(SOME, encoder(LLAMA3_SPLIT), encoder(LLAMA3_SPLIT.replace(old, new)))
    assert found == ranges(ord(c) for c in SOME if c != expected)


def test_a_contraction_that_ignores_case_otherwise_is_found():
    other = LLAMA3_SPLIT.replace("(?i:'s|", "(?:'[sS]|(?i:").replace("|'d)", "|'d))")
    found = alike_characters(SOME, encoder(LLAMA3_SPLIT), encoder(other))
    assert found == ranges(ord(c) for c in SOME if c != "ſ")


def test_ranges_are_runs():
    assert ranges([5, 1, 2, 3, 7, 6]) == ((1, 3), (5, 7))
    assert ranges([]) == ()
