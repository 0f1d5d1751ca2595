import json
from dataclasses import replace

from anadil.tokenizer.load import Vocabulary, from_bytes, load_tokenizer, read_vocabulary
from anadil.tokenizer.reach import pieces, token_counts, unreachable, words_only


def with_tokens(vocabulary: Vocabulary, *more: str) -> Vocabulary:
    size = vocabulary.size
    return replace(vocabulary, tokens=dict(vocabulary.tokens) | {token: size + i for i, token in enumerate(more)})


def found(vocabulary: Vocabulary) -> list[str]:
    tokenizer = vocabulary.build()
    return unreachable(tokenizer, words_only(tokenizer), vocabulary)


def test_a_trained_vocabulary_reaches_all_its_tokens(base):
    assert found(read_vocabulary(base)) == []


def test_what_the_pre_tokenizer_always_cuts_is_unreachable(base):
    vocabulary = read_vocabulary(base)
    for text in ("ab cd", "1234", "a1", "b."):
        assert found(with_tokens(vocabulary, from_bytes(text.encode()))) == [from_bytes(text.encode())]


def test_what_is_cut_only_when_it_is_alone_is_reachable(base):
    """A line break and a blank are two words, but one at the end of the blanks before another line break."""
    vocabulary = read_vocabulary(base)
    token = from_bytes(b"\n ")
    joined = with_tokens(vocabulary, token)
    assert found(joined) == [token]  # no merge makes it
    merged = replace(joined, merges=[*joined.merges, (from_bytes(b"\n"), from_bytes(b" "))])
    assert found(merged) == []


def test_a_whole_word_needs_no_merge_where_words_are_looked_up(base):
    vocabulary = with_tokens(read_vocabulary(base), "zqzq")
    assert found(vocabulary) == []
    assert found(replace(vocabulary, ignore_merges=False)) == ["zqzq"]


def test_a_part_of_a_character_needs_merges_that_make_it(base):
    vocabulary = read_vocabulary(base)
    part = from_bytes("🙂".encode()[:2])
    lost = with_tokens(vocabulary, part)
    assert found(lost) == [part]
    assert found(replace(lost, merges=[*lost.merges, (part[0], part[1])])) == []


def test_a_token_that_another_merge_always_takes_apart(base):
    """`ab` + `c` is never formed where `bc` is merged first."""
    vocabulary = read_vocabulary(base)
    merges = [("x", "y"), ("w", "xy"), ("w", "x"), ("wx", "y")]
    tokens = ["xy", "wxy", "wx"]
    plain = {t: i for t, i in vocabulary.tokens.items() if len(t) == 1}
    made = with_tokens(replace(vocabulary, tokens=plain, merges=merges, added=[], ignore_merges=False), *tokens)
    assert found(made) == []
    taken = replace(made, merges=[("y", "z"), *merges], tokens=dict(made.tokens) | {"yz": 999, "xyz": 1000})
    taken = replace(taken, merges=[*taken.merges, ("xy", "z")])
    assert found(taken) == ["xyz"]


def test_unreachable_tokens_occur_nowhere(base, old_texts, new_texts):
    vocabulary = with_tokens(
        read_vocabulary(base), *(from_bytes(text.encode()) for text in ("ab", "zğ", "1234", "e, "))
    )
    lost = {vocabulary.tokens[token] for token in found(vocabulary)}
    assert lost
    tokenizer = vocabulary.build()
    for text in [*old_texts, *new_texts, "1234", "e, e", "ab zğ"]:
        assert not lost & set(tokenizer.encode(text, add_special_tokens=False).ids)


def test_counts_are_those_of_the_running_text(base, old_texts, counts_of):
    tokenizer = load_tokenizer(base)
    ids = [identifier for text in old_texts for identifier in tokenizer.encode(text, add_special_tokens=False).ids]
    counts = token_counts(words_only(tokenizer), counts_of(old_texts))
    assert sum(counts.values()) == len(ids)
    assert {i: ids.count(i) for i in set(ids)} == counts


def test_pieces_join_to_the_word(base, counts_of, new_texts):
    words = list(counts_of(new_texts))
    cut = pieces(words_only(load_tokenizer(base)), words)
    assert ["".join(parts) for parts in cut] == words


def test_words_only_keeps_the_model_and_looking_does_not_change_it(base):
    tokenizer, vocabulary = load_tokenizer(base), read_vocabulary(base)
    plain = words_only(tokenizer)
    model = json.loads(tokenizer.to_str())["model"]
    unreachable(tokenizer, plain, vocabulary)
    assert json.loads(plain.to_str())["model"] == model
    assert tokenizer.pre_tokenizer is not None
