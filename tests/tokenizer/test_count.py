from collections import Counter
from itertools import chain

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anadil.errors import UserError
from anadil.languages import load_profile
from anadil.tokenizer import count, surgery
from anadil.tokenizer.count import check_script, count_words, cuts_at_spaces
from anadil.tokenizer.load import GPT2_SPLIT, LLAMA3_SPLIT, QWEN_SPLIT, build_pre_tokenizer, from_bytes, to_bytes

LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
DIGITS = {"type": "Digits", "individual_digits": True}


def split(pattern):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def sequence(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


KNOWN = {
    "llama3": sequence(split(LLAMA3_SPLIT), LEVEL),
    "qwen": sequence(split(QWEN_SPLIT), LEVEL),
    "gpt2": sequence(split(GPT2_SPLIT), LEVEL),
    "gpt2 in the library": LEVEL | {"use_regex": True},
    "digits first": sequence(DIGITS, LEVEL | {"use_regex": True}),
}
UNKNOWN = {
    "another pattern": sequence(split(r"\w+\s*|\W"), LEVEL),
    "no split": LEVEL,
    "space before": LEVEL | {"use_regex": True, "add_prefix_space": True},
    "merged": sequence(split(LLAMA3_SPLIT) | {"behavior": "MergedWithNext"}, LEVEL),
    "inverted": sequence(split(LLAMA3_SPLIT) | {"invert": True}, LEVEL),
    "by a string": sequence(split("") | {"pattern": {"String": " "}}, LEVEL),
}
SPACES = " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u180e\u2003\u2028\u2029\u202f\u205f\u3000\u200b\ufeff"
TEXTS = st.one_of(
    st.text(max_size=40),
    st.text(alphabet=f"  {SPACES}aəЖ中1٣²'sreLL.!-_́🙂‍\x00", max_size=60),
    st.lists(st.one_of(st.sampled_from([" ", "  ", "\n", " \n ", "\r\n"]), st.text(max_size=4))).map("".join),
)


def direct(texts, spec):
    cut = build_pre_tokenizer(spec)
    return Counter(chain.from_iterable([word for word, _ in cut.pre_tokenize_str(text)] for text in texts))


@pytest.mark.parametrize("name", [*KNOWN, *UNKNOWN])
@settings(max_examples=250, deadline=None)
@given(texts=st.lists(TEXTS, max_size=3))
@example(texts=["a  b \n c\t d  ", " x", "y\n", "\x1c a\x1c  b 's 'S I'LL"])
def test_counts_are_those_of_the_pre_tokenizer(name, texts):
    spec = KNOWN.get(name) or UNKNOWN[name]
    assert cuts_at_spaces(spec) == (name in KNOWN)
    assert count_words(texts, spec).words == direct(texts, spec)


def test_nothing_is_lost_and_all_is_accounted_for(new_texts):
    found = count_words(iter(new_texts), surgery.pre_tokenizer_of(None))
    assert found.documents == len(new_texts)
    assert found.bytes == sum(len(text.encode()) for text in new_texts)
    assert found.bytes == sum(len(to_bytes(word)) * times for word, times in found.words.items())
    assert found.dropped_types == found.dropped_words == 0


def test_few_pieces_at_a_time_change_nothing(new_texts, monkeypatch):
    spec = surgery.pre_tokenizer_of(None)
    whole = count_words(new_texts, spec)
    monkeypatch.setattr(count, "_MAX_CHUNK_TYPES", 10)
    assert count_words(new_texts, spec) == whole


def test_above_the_limit_the_rarest_are_dropped_and_counted(new_texts, monkeypatch):
    monkeypatch.setattr(count, "_MAX_CHUNK_TYPES", 50)
    spec = surgery.pre_tokenizer_of(None)
    exact = count_words(new_texts, spec).words
    bounded = count_words(new_texts, spec, max_types=100)
    assert len(bounded.words) <= 100
    assert bounded.words.most_common(1) == exact.most_common(1)
    assert bounded.dropped_types >= len(exact) - len(bounded.words) > 0
    assert bounded.dropped_words + bounded.words.total() == exact.total()


@pytest.mark.parametrize(
    ("language", "text", "names"),
    [
        ("az", "Это другой алфавит и поэтому не проходит", ("0%", "at least", "о, ", "cyrillic", "Azerbaijani")),
        ("az", "Αυτό είναι ελληνικό κείμενο, bu da bir söz", ("greek",)),
        ("en", "これは日本語です", ("hiragana",)),
    ],
)
def test_text_in_another_script_is_refused(language, text, names):
    words = count_words([text], surgery.pre_tokenizer_of(None)).words
    with pytest.raises(UserError) as caught:
        check_script(words, load_profile(language), "the text of x")
    for name in ("the text of x", *names):
        assert name in str(caught.value)


def test_the_share_weighs_words_by_their_counts():
    words = dict.fromkeys(count_words(["Это другой алфавит"], surgery.pre_tokenizer_of(None)).words, 1)
    with pytest.raises(UserError):
        check_script(words, load_profile("az"), "x")
    check_script(words | {from_bytes("dəli".encode()): 100}, load_profile("az"), "x")
    check_script({}, load_profile("az"), "x")
    check_script({"12": 5}, load_profile("az"), "x")


@pytest.mark.parametrize(
    ("language", "text", "names"),
    [
        ("az", "the words of this text are those of another tongue in the same script " * 20, ("ç, ə", "ASCII")),
        ("az", "bu kitap çok güzel değil mi, onun için şey", ("of 'tr'", "Azerbaijani")),
    ],
)
def test_a_language_in_the_same_script_is_refused(language, text, names):
    words = count_words([text], surgery.pre_tokenizer_of(None)).words
    with pytest.raises(UserError) as caught:
        check_script(words, load_profile(language), "x")
    for name in names:
        assert name in str(caught.value)


def test_a_word_of_a_neighbour_here_and_there_is_no_reason():
    words = count_words(["Bu dil bizim dilimizdir, gözəl dil. " * 200 + "değil"], surgery.pre_tokenizer_of(None)).words
    check_script(words, load_profile("az"), "x")
