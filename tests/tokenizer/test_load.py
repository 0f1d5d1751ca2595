import pytest
from hypothesis import given
from hypothesis import strategies as st

from anadil.errors import UserError
from anadil.tokenizer.load import from_bytes, load_tokenizer, read_vocabulary, to_bytes


@given(st.binary())
def test_byte_alphabet_is_exact_both_ways(data):
    assert to_bytes(from_bytes(data)) == data


def test_a_folder_reads_back_as_it_was_written(base):
    vocabulary = read_vocabulary(base)
    assert vocabulary.size == 600
    assert len(vocabulary.added) == 16
    assert vocabulary.build().to_str() == load_tokenizer(base).to_str()


def test_both_forms_of_merges_are_read(base, write_base):
    data = read_vocabulary(base).to_json()
    data["model"]["merges"] = [f"{left} {right}" for left, right in data["model"]["merges"]]
    assert read_vocabulary(write_base(data)).merges == read_vocabulary(base).merges


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"type": "Unigram"}, "Unigram"),
        ({"type": "WordPiece"}, "WordPiece"),
        ({"type": "Mystery"}, "Mystery"),
        ({"byte_fallback": True}, "SentencePiece BPE"),
        ({"end_of_word_suffix": "</w>"}, "word-part"),
        ({"vocab": {"a": 0}, "merges": []}, "255 of the 256"),
    ],
)
def test_other_kinds_of_model_are_named(base, write_base, change, named):
    data = read_vocabulary(base).to_json()
    data["model"].update(change)
    with pytest.raises(UserError, match=named):
        read_vocabulary(write_base(data))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"normalizer": {"type": "Lowercase"}}, "Lowercase"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "not work on bytes"),
        (
            {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}},
            "adds a space",
        ),
    ],
)
def test_other_kinds_of_text_handling_are_named(base, write_base, change, named):
    with pytest.raises(UserError, match=named):
        read_vocabulary(write_base({**read_vocabulary(base).to_json(), **change}))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model": 1}', '{"model": {"type": "BPE"}}'])
def test_a_damaged_file_is_named(tmp_path, content):
    file = tmp_path / "tokenizer.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"tokenizer\.json"):
        read_vocabulary(tmp_path)
    with pytest.raises(UserError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path)


def test_a_folder_without_tokenizer_json_says_what_it_has(tmp_path):
    with pytest.raises(UserError, match=r"no tokenizer\.json"):
        read_vocabulary(tmp_path)
    (tmp_path / "tokenizer.model").touch()
    with pytest.raises(UserError, match="SentencePiece or tiktoken"):
        read_vocabulary(tmp_path)
