import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anadil.tokenizer.load import byte_alphabet, to_bytes
from anadil.tokenizer.prune import (
    Usage,
    always_kept,
    check_ids,
    count_tokens,
    free_order,
    last_merges,
    without,
)

TEXTS = st.text(alphabet="abdeilmnorstu ,.1", max_size=40)


@pytest.fixture(scope="module")
def pruned(vocabulary, old_texts, counts_of):
    """Half of what may go is gone."""
    usage = [Usage(count_tokens(vocabulary, counts_of(old_texts[:4])), 3)]
    order = free_order(vocabulary, usage)
    assert len(order) > 100
    return without(vocabulary, order[: len(order) // 2]).vocabulary


@pytest.fixture(scope="module")
def both(vocabulary, pruned):
    return vocabulary.build(), pruned.build(), set(pruned.tokens.values())


@settings(max_examples=300, deadline=None)
@given(text=TEXTS)
def test_a_text_whose_tokens_all_stay_keeps_its_ids(both, text):
    before, after, kept = both
    ids = before.encode(text, add_special_tokens=False).ids
    if kept.issuperset(ids):
        assert after.encode(text, add_special_tokens=False).ids == ids


def test_the_old_words_whose_tokens_all_stay_keep_their_ids(both, old_words):
    before, after, kept = both
    ids = [before.encode(" " + word, add_special_tokens=False).ids for word in old_words]
    staying = [(word, found) for word, found in zip(old_words, ids, strict=True) if kept.issuperset(found)]
    assert 500 < len(staying) < 3000
    for word, found in staying:
        assert after.encode(" " + word, add_special_tokens=False).ids == found


def test_tokens_are_freed_only_after_those_made_of_them(vocabulary, old_texts, counts_of):
    order = free_order(vocabulary, [Usage(count_tokens(vocabulary, counts_of(old_texts[:4])), 3)])
    parts = last_merges(vocabulary)
    place = {token: at for at, token in enumerate(order)}
    for token, pair in parts.items():
        for part in pair:
            if part in place:
                assert place[token] < place[part]


def test_the_least_used_leaf_goes_first(vocabulary, old_texts, counts_of):
    counts = count_tokens(vocabulary, counts_of(old_texts))
    order = free_order(vocabulary, [Usage(counts, 10**9)])
    parts = last_merges(vocabulary)
    used = {part for pair in parts.values() for part in pair}
    leaves = [token for token in vocabulary.tokens if token not in used and token in set(order)]
    assert counts[order[0]] == min(counts[token] for token in leaves)


def test_what_a_language_uses_often_enough_stays(vocabulary, old_texts, counts_of):
    counts = count_tokens(vocabulary, counts_of(old_texts[:4]))
    often = {token for token, count in counts.items() if count >= 5}
    freed = set(free_order(vocabulary, [Usage(counts, 5), Usage({}, 1)]))
    assert often
    assert not often & freed


def test_bytes_and_tokens_without_letters_always_stay(vocabulary):
    kept = always_kept(vocabulary)
    freed = set(free_order(vocabulary, []))
    assert set(byte_alphabet()) <= kept
    assert not kept & freed
    for token in freed:
        assert any(letter.isalpha() for letter in to_bytes(token).decode(errors="replace") if letter != "�")


def test_a_whole_script_stays(vocabulary):
    assert not free_order(vocabulary, [], scripts={"latin": None})
    assert free_order(vocabulary, [], scripts={"cyrillic": None})


def test_of_a_script_the_first_ids_stay(vocabulary):
    limit = sorted(vocabulary.tokens.values())[-40]
    everything, some = set(free_order(vocabulary, [])), set(free_order(vocabulary, [], scripts={"latin": limit}))
    assert some < everything
    assert {token for token in everything if vocabulary.tokens[token] >= limit} <= some
    assert all(vocabulary.tokens[token] >= limit for token in some)


def test_the_check_ids_are_of_llama_3_only(vocabulary):
    assert check_ids(vocabulary) == []


def test_last_merges_are_how_the_tokenizer_makes_each_token(vocabulary):
    parts = last_merges(vocabulary)
    chance = random.Random(0)
    for token in chance.sample(sorted(vocabulary.tokens), 100):
        if token in parts:
            left, right = parts[token]
            fewer = without(vocabulary, [token]).vocabulary.build().model
            assert [piece.value for piece in fewer.tokenize(token)] == [left, right]


def test_freeing_reports_ids_in_order(vocabulary, old_texts):
    order = free_order(vocabulary, [])[:10]
    result = without(vocabulary, order)
    assert result.freed == [vocabulary.tokens[token] for token in order]
    assert len(result.vocabulary.tokens) == len(vocabulary.tokens) - 10
    tokenizer = result.vocabulary.build()
    assert [tokenizer.decode(tokenizer.encode(text).ids) for text in old_texts] == old_texts
