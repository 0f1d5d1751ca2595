from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from anadil.tokenizer import surgery, train
from anadil.tokenizer.load import to_bytes
from anadil.tokenizer.train import count_words, learn_merges

# letters of a word differ, so that no pair overlaps itself
WORDS = st.dictionaries(
    st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5, unique=True).map("".join),
    st.integers(1, 30),
    min_size=1,
    max_size=12,
)


def plain_bpe(words, limit):
    """The textbook: count all pairs anew for every merge; of equals the pair of older pieces."""
    pieces = sorted({letter for word in words for letter in word})
    cuts = {word: list(word) for word in words}
    merges = []
    while len(merges) < limit:
        pairs = Counter()
        for word, count in words.items():
            for pair in zip(cuts[word], cuts[word][1:], strict=False):
                pairs[pair] += count
        pairs = {pair: count for pair, count in pairs.items() if count >= 2}
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], pieces.index(p[0]), pieces.index(p[1])))
        merges.append(best)
        if best[0] + best[1] not in pieces:
            pieces.append(best[0] + best[1])
        for cut in cuts.values():
            for place in reversed(range(len(cut) - 1)):
                if tuple(cut[place : place + 2]) == best:
                    cut[place : place + 2] = ["".join(best)]
    return merges


@settings(max_examples=60, deadline=None)
@given(WORDS)
def test_merges_are_those_of_the_textbook(words):
    merges = learn_merges(words, 6, 2)
    assert merges == plain_bpe(words, len(merges))


@settings(max_examples=20, deadline=None)
@given(WORDS, st.randoms())
def test_merges_do_not_depend_on_the_order_of_words(words, chance):
    items = list(words.items())
    chance.shuffle(items)
    assert learn_merges(dict(items), 10, 1) == learn_merges(words, 10, 1)


def test_counts_above_the_limit_are_scaled(monkeypatch):
    words = {"abc": 70, "bcd": 40, "de": 30}
    exact = learn_merges(words, 5, 1)
    monkeypatch.setattr(train, "MAX_FED_WORDS", 14)
    assert learn_merges(words, 5, 1) == exact
    assert sum(len(line.split("\n")) for line in train._feed(words)) == 14


def test_words_are_counted_and_nothing_is_lost(new_texts):
    counts = count_words(new_texts, surgery.pre_tokenizer_of(None))
    total = sum(len(to_bytes(word)) * count for word, count in counts.items())
    assert total == sum(len(text.encode()) for text in new_texts)


def test_the_count_of_word_types_is_bounded_and_the_frequent_stay(new_texts):
    pre_tokenizer = surgery.pre_tokenizer_of(None)
    exact = count_words(new_texts, pre_tokenizer)
    bounded = count_words(new_texts, pre_tokenizer, max_types=100)
    assert len(bounded) <= 100
    assert bounded.most_common(1)[0][0] == exact.most_common(1)[0][0]
