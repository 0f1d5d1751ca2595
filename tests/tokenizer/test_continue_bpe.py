import unicodedata
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anadil.tokenizer.continue_bpe import Cutter, _letter_runs, continue_bpe, word_of
from anadil.tokenizer.load import byte_alphabet, read_vocabulary, to_bytes
from anadil.tokenizer.train import learn_merges


def letters_only(counts):
    return {word: count for word, count in counts.items() if to_bytes(word).decode().strip().isalpha()}


@pytest.mark.parametrize("old_merges", [0, 1, 40, 150])
def test_continuing_is_the_same_as_never_having_stopped(base, new_texts, counts_of, old_merges):
    words = letters_only(counts_of(new_texts))
    whole = learn_merges(words, 200, 2, byte_alphabet())
    first = whole[:old_merges]
    pieces = [*sorted(byte_alphabet()), *dict.fromkeys(a + b for a, b in first)]
    stopped = replace(
        read_vocabulary(base),
        tokens={piece: place for place, piece in enumerate(pieces)},
        merges=first,
        added=[],
        ignore_merges=False,
    )
    more = continue_bpe(stopped, words, 456 - len(pieces), 2)
    assert [*first, *more.merges] == whole
    assert not more.dropped


def test_new_tokens_are_letters_and_marks(vocabulary, new_texts, counts_of):
    learned = continue_bpe(vocabulary, counts_of(new_texts), 150, 2)
    assert len(learned.tokens) == len(set(learned.tokens)) == 150
    assert not set(learned.tokens) & set(vocabulary.tokens)
    for token in learned.tokens:
        text = to_bytes(token).decode(errors="ignore")
        assert all(unicodedata.category(letter)[0] in "LM" for letter in text.removeprefix(" "))


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab ə(-1'", max_size=8), st.data())
def test_runs_hold_exactly_the_neighbouring_letter_pieces(text, data):
    word = word_of(text)
    places = st.sets(st.integers(1, len(word) - 1)) if len(word) > 1 else st.just(set())
    cuts = [0, *sorted(data.draw(places)), len(word)]
    pieces = [word[a:b] for a, b in pairwise(cuts)]
    marked = "L" + text[1:] if text[:1] == " " and text[1:2].isalpha() else text
    allowed = "".join(("1" if letter.isalpha() else "0") * len(letter.encode()) for letter in marked)
    fits = [set(allowed[a:b]) == {"1"} for a, b in pairwise(cuts)]
    pairs = zip(pieces, pieces[1:], fits, fits[1:], strict=False)
    expected = [(left, right) for left, right, first, second in pairs if first and second]
    runs = list(_letter_runs(word, pieces))
    assert [pair for run in runs for pair in pairwise(run)] == expected


def test_the_check_text_stays_as_it_is_cut(vocabulary, new_texts, counts_of):
    words = counts_of(new_texts)
    text = new_texts[0]
    free = continue_bpe(vocabulary, words, 100, 2)
    fixed = continue_bpe(vocabulary, words, 100, 2, text)
    before = vocabulary.build().encode(text, add_special_tokens=False).tokens
    assert _with(vocabulary, free).encode(text, add_special_tokens=False).tokens != before
    assert _with(vocabulary, fixed).encode(text, add_special_tokens=False).tokens == before
    assert fixed.dropped["changes the check text"]


def _with(vocabulary, learned):
    ids = {token: vocabulary.size + place for place, token in enumerate(learned.tokens)}
    return replace(
        vocabulary, tokens={**vocabulary.tokens, **ids}, merges=[*vocabulary.merges, *learned.merges]
    ).build()


def test_every_new_token_is_reached(vocabulary, new_texts, counts_of):
    learned = continue_bpe(vocabulary, counts_of(new_texts), 100, 2)
    ids = {token: vocabulary.size + place for place, token in enumerate(learned.tokens)}
    merges = [*vocabulary.merges, *learned.merges]
    after = replace(vocabulary, tokens={**vocabulary.tokens, **ids}, merges=merges, ignore_merges=False)
    cut = Cutter(after)
    assert [token for token in learned.tokens if cut.pieces(token) != [token]] == []


def test_too_little_text_gives_what_it_has(vocabulary, counts_of):
    learned = continue_bpe(vocabulary, counts_of(["zğz zğz"]), 50, 2)
    assert 0 < len(learned.tokens) < 50
