import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tokenizer.conftest import NEW_LETTERS, OLD_LETTERS, with_every_split

import anadil
from anadil import durable
from anadil.tokenizer import fast
from anadil.tokenizer.chat import CONTROL_TOKENS
from anadil.tokenizer.fast import FILE, Agreement, Encoder, Fast, compare, read_agreement
from anadil.tokenizer.load import from_bytes, load_tokenizer, read_vocabulary, write_folder
from anadil.tokenizer.surgery import Kept, Size, build

QUICKSTART = Path(anadil.__file__).parent / "quickstart" / "base"
WHITE = [
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "\x0b",
    "\x1c",
    "\x85",
    "\xa0",
    "\u180e",
    "\u2003",
    "\u2028",
    "\u200b",
    "\ufeff",
]
ODD = [
    "\0",
    "\u0301",
    "\u200d",
    "ſ",
    "'S",
    "'ſ",
    "'ll",
    "İ",
    "ı",
    "²",
    "½",
    "١٢",
    "123456",
    "中文",
    "👩‍👩‍👧",
    "\u088f",
    "\U00010940",
]
EVERY = [
    from_bytes(chr(code).encode())
    for codes in (range(0x80, 0x3400), range(0x3400, 0xD800, 61), range(0xF900, 0x10000), range(0x10000, 0x1FB00, 3))
    for code in codes
]
"""So many characters that wild text seldom has another one, as words."""
MARKS = [*CONTROL_TOKENS, "<|", "|>", "<tool>", "<tool>x", "<too"]
PIECES = st.one_of(
    st.text(max_size=8),
    st.text(alphabet=OLD_LETTERS + NEW_LETTERS.upper() + NEW_LETTERS, max_size=12),
    st.sampled_from(WHITE),
    st.sampled_from(ODD),
    st.sampled_from(MARKS),
    st.text(alphabet=st.characters(max_codepoint=127), max_size=6),
)
TEXTS = st.lists(st.lists(PIECES, max_size=12).map("".join), max_size=5)


def permuted(vocabulary):
    """Ids in another order than merges."""
    ids = list(vocabulary.tokens.values())
    random.Random(5).shuffle(ids)
    return replace(vocabulary, tokens=dict(zip(vocabulary.tokens, ids, strict=True)))


def with_a_name_in_text(vocabulary):
    """As Qwen has them: an added token that is recognised in text."""
    entry = {**vocabulary.added[0], "id": vocabulary.size, "content": "<tool>", "special": False}
    return replace(vocabulary, added=[*vocabulary.added, entry])


def written(vocabulary, out):
    write_folder(vocabulary, out)
    return out


@pytest.fixture(scope="session", params=["quickstart", "trained", "permuted", "every split", "no whole words", "name"])
def tokenizer_folder(request, base, tmp_path_factory):
    if request.param == "quickstart":
        return QUICKSTART
    read = read_vocabulary(base)
    vocabulary = {
        "trained": lambda: read,
        "permuted": lambda: permuted(with_every_split(read)),
        "every split": lambda: with_every_split(read),
        "no whole words": lambda: replace(permuted(read), ignore_merges=not read.ignore_merges),
        "name": lambda: with_a_name_in_text(read),
    }[request.param]()
    return written(vocabulary, tmp_path_factory.mktemp("fast"))


@pytest.fixture(scope="session")
def inplace(base, tmp_path_factory, old_texts, new_texts, counts_of):
    """A real in-place vocabulary: freed ids, scattered, refilled with the new language."""
    out = tmp_path_factory.mktemp("inplace")
    kept = [Kept("old", counts_of(old_texts[:4]), 3)]
    build(base, "inplace", counts_of(new_texts), kept, Size(new_tokens=80), out)
    return out


@pytest.fixture(scope="session")
def agreed(tokenizer_folder):
    """An encoder that uses gigatoken."""
    encoder = Encoder(tokenizer_folder, compare(tokenizer_folder, EVERY))
    assert encoder.library.startswith("gigatoken ")
    return encoder


@pytest.fixture(scope="session")
def agreed_inplace(inplace, counts_of, new_texts):
    words = {*EVERY, *counts_of(new_texts)}
    agreement = compare(inplace, words)
    assert (agreement.words, agreement.differing) == (len(words), 0)
    return Encoder(inplace, agreement)


def ids_of(folder, texts):
    return [encoding.ids for encoding in load_tokenizer(folder).encode_batch_fast(texts, add_special_tokens=False)]


@settings(max_examples=150, deadline=None)
@given(texts=TEXTS)
def test_any_text_gets_the_ids_of_tokenizers(agreed, texts):
    right = [e.ids for e in agreed.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    found = agreed.encode_batch(texts)
    assert [ids.tolist() for ids in found] == right
    assert all(ids.dtype == np.uint32 for ids in found)


@settings(max_examples=150, deadline=None)
@given(texts=TEXTS)
def test_any_text_gets_the_ids_of_tokenizers_in_place(agreed_inplace, texts):
    right = [e.ids for e in agreed_inplace.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    assert agreed_inplace.library
    assert [ids.tolist() for ids in agreed_inplace.encode_batch(texts)] == right


@pytest.mark.parametrize("unit", ["7", " ", "\n", "ə", "!", "\0", "\u0301", "\r\n", "<|eot_id|>", "ab ", "\u088f"])
def test_very_long_texts_among_short_ones(agreed, unit):
    texts = ["a", unit * 100_000, "", unit, f"b{unit * 5000} "]
    assert [ids.tolist() for ids in agreed.encode_batch(texts)] == [
        e.ids for e in agreed.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    ]


def test_control_tokens_typed_in_text_stay_text_and_are_encoded_fast(base, monkeypatch):
    encoder = Encoder(base, compare(base, EVERY))
    monkeypatch.setattr(encoder, "reference", None)  # whoever calls it fails
    controls = set(load_tokenizer(base).get_added_tokens_decoder())
    texts = [f"a{name}b {name}" for name in CONTROL_TOKENS]
    assert [ids.tolist() for ids in encoder.encode_batch(texts)] == ids_of(base, texts)
    assert not controls.intersection(np.concatenate(encoder.encode_batch(texts)).tolist())


def test_after_much_text_the_ids_are_the_same(base, new_texts, monkeypatch):
    encoder = Encoder(base, compare(base, EVERY))
    monkeypatch.setattr(fast, "_RENEW_BYTES", 1000)
    assert [ids.tolist() for ids in encoder.encode_batch(new_texts * 20)] == ids_of(base, new_texts * 20)
    assert encoder._fast is not None
    assert encoder._fast._bytes < 1000 + sum(map(len, new_texts)) * 20  # it was loaded anew


def test_no_texts_and_texts_without_ids(agreed):
    assert agreed.encode_batch([]) == []
    assert [ids.tolist() for ids in agreed.encode_batch(["", ""])] == [[], []]


class TestCompare:
    def test_counts_every_distinct_word_once_and_those_that_are_no_text_not(self, base):
        words = ["Ġab", "ab", "ab", from_bytes("ə".encode()), from_bytes("ə".encode()[:1])]
        agreement = compare(base, words)
        assert (agreement.words, agreement.differing) == (3, 0)
        assert agreement.library == fast._version("gigatoken")

    def test_finds_another_encoder(self, base, new_texts, counts_of, monkeypatch):
        words = counts_of(new_texts)
        with_another(monkeypatch)
        agreement = compare(base, words)
        assert agreement.differing > 0
        assert Encoder(base, agreement).library == ""

    def test_a_character_that_is_not_of_the_same_kind_for_both_is_not_alike_and_encoded_right(self, base):
        newer = "\u088f\U00010940"  # letters of a newer Unicode version
        agreement = compare(base, [from_bytes(c.encode()) for c in f"əƏ{newer}"])
        assert not any(first <= ord(c) <= last for c in newer for first, last in agreement.alike)
        assert all(any(first <= ord(c) <= last for first, last in agreement.alike) for c in "əƏ")
        texts = [f"x a{c}b'{c}s 1{c}" for c in f"əƏ中ß{newer}"]
        encoder = Encoder(base, agreement)
        assert encoder.differing(texts, encoder.encode(texts), range(len(texts))) == 0

    def test_texts_of_characters_that_were_not_compared_go_to_the_reference(self, base, monkeypatch):
        encoder = Encoder(base, compare(base, ["ab"]))
        assert encoder.library
        empty = encoder.reference([])
        monkeypatch.setattr(Fast, "encode", lambda self, texts: pytest.fail(str(texts)) if texts else empty)
        texts = ["a text with ə", "中"]
        assert [ids.tolist() for ids in encoder.encode_batch(texts)] == ids_of(base, texts)

    def test_a_tokenizer_with_a_normalizer_is_left_alone(self, base, tmp_path):
        data = json.loads((base / "tokenizer.json").read_text(encoding="utf-8")) | {"normalizer": {"type": "NFC"}}
        (tmp_path / "tokenizer.json").write_text(json.dumps(data), encoding="utf-8")
        assert compare(tmp_path, ["ab"]).library == ""

    def test_one_that_gigatoken_does_not_read_is_left_alone(self, base, tmp_path):
        data = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
        data["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {"Regex": "[aeiou]+|[^aeiou]+"}
        (tmp_path / "tokenizer.json").write_text(json.dumps(data), encoding="utf-8")
        agreement = compare(tmp_path, ["ab"])
        encoder = Encoder(tmp_path, agreement)
        assert encoder.library == ""
        assert [ids.tolist() for ids in encoder.encode_batch(["baobab "])] == ids_of(tmp_path, ["baobab "])


class TestFallback:
    @pytest.fixture
    def agreement(self, base):
        return compare(base, ["ab"])

    def test_the_agreement_holds(self, base, agreement):
        assert Encoder(base, agreement).library

    def test_none(self, base, new_texts):
        encoder = Encoder(base, None)
        assert encoder.library == ""
        assert [ids.tolist() for ids in encoder.encode_batch(new_texts)] == ids_of(base, new_texts)

    @pytest.mark.parametrize(
        "other",
        [
            {"differing": 1},
            {"library": "gigatoken 0.0.1"},
            {"library": ""},
            {"reference": "tokenizers 0.0.1"},
            {"tokenizer_sha256": "0" * 64},
        ],
    )
    def test_an_agreement_about_something_else(self, base, agreement, other):
        assert Encoder(base, replace(agreement, **other)).library == ""

    def test_the_library_is_missing(self, base, agreement, monkeypatch):
        monkeypatch.setattr(fast, "_version", lambda package: "")
        assert Encoder(base, agreement).library == ""
        assert compare(base, ["ab"]) == Agreement("", 0, 0, agreement.tokenizer_sha256)


def test_an_agreement_comes_back_from_its_file(base, tmp_path):
    agreement = compare(base, ["ab"])
    durable.write_json(tmp_path / FILE, agreement.to_json(), "tokenizer")
    assert read_agreement(tmp_path) == agreement


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"library": "x", "colour": 1}', '{"alike": [1]}'])
def test_a_file_that_is_no_agreement_is_none(tmp_path, content):
    assert read_agreement(tmp_path) is None
    (tmp_path / FILE).write_text(content, encoding="utf-8")
    assert read_agreement(tmp_path) is None


def with_another(monkeypatch):
    """gigatoken made of the quickstart's tokenizer, whatever folder is asked for."""
    config = json.loads((QUICKSTART / "tokenizer.json").read_text(encoding="utf-8"))
    monkeypatch.setattr(Fast, "load", staticmethod(lambda folder: Fast(config)))
