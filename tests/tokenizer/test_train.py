from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from anadil.tokenizer import train
from anadil.tokenizer.train import learn_merges

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
