import pytest

from anadil.languages import load_profile
from anadil.tokenizer.candidates import Built
from anadil.tokenizer.decide import _script, _token_script, differing_words, language_name, readable
from anadil.tokenizer.load import from_bytes, load_tokenizer, read_vocabulary
from anadil.tokenizer.surgery import Size, build


@pytest.fixture(scope="module")
def two(base, new_texts, counts_of, tmp_path_factory):
    """The base, and a vocabulary of the new language."""
    out = tmp_path_factory.mktemp("replaced")
    build(base, "replace", counts_of(new_texts), [], Size(vocab_size=600), out)
    folders = {"keep": base, "replace-600": out}
    return [
        Built(label, label.split("-")[0], load_tokenizer(folder), read_vocabulary(folder), None, 0.0)
        for label, folder in folders.items()
    ]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b" s\xc3\xb6z", " söz"),
        (b"\xc9", "<0xC9>"),
        (b"\x99a", "<0x99>a"),
        ("ə".encode() + b"\xf0\x9f", "ə<0xF0><0x9F>"),
        (b"<0xC9>", "<0xC9>"),
        (b"", ""),
    ],
)
def test_parts_of_a_character_are_shown_by_their_bytes(data, text):
    assert readable(data) == text


def test_words_that_are_cut_differently(two, counts_of, new_texts):
    counts = counts_of(new_texts)
    found = differing_words(two, counts, load_profile("az"))
    assert 0 < len(found) <= 40
    assert [row["count"] for row in found] == sorted((row["count"] for row in found), reverse=True)
    for row in found:
        word = row["word"]
        assert len(word) > 3
        assert set(word) <= load_profile("az").alphabet
        assert row["count"] == counts[from_bytes(f" {word}".encode())]
        assert row["pieces"]["keep"] != row["pieces"]["replace-600"]
        assert "".join(row["pieces"]["replace-600"]) == f" {word}"
        for one in two:
            cut = one.tokenizer.encode(f"a {word}", add_special_tokens=False).ids
            assert len(row["pieces"][one.label]) == len(cut) - 1


def test_words_that_all_cut_alike_are_not_shown(two, counts_of, new_texts):
    assert differing_words([two[0], two[0]], counts_of(new_texts), load_profile("az")) == []
    assert differing_words(two[:1], counts_of(new_texts), load_profile("az")) == []


def test_nothing_but_words_of_the_language_is_shown(two):
    foreign = {from_bytes(f" {word}".encode()): 9 for word in ("wxyz", "söz1", "слово", "a-b-c", "zzz", "ğğğğ,")}
    assert differing_words(two, foreign, load_profile("az")) == []
    assert differing_words(two, {from_bytes("zğəış".encode()): 9}, load_profile("az")) == [], "not after a blank"


def test_scripts_of_tokens_and_texts():
    assert _token_script(from_bytes(" söz".encode())) == "latin"
    assert _token_script(from_bytes("слово".encode())) == "cyrillic"
    for text in ("12", " ", "aб"):
        assert _token_script(from_bytes(text.encode())) == ""
    assert _token_script(from_bytes(b"\xc9")) == ""
    assert _script(["Привет, мир 12", "ok"]) == "cyrillic"
    assert _script([]) == ""


def test_a_language_without_a_profile_keeps_its_code():
    assert language_name("az") == "Azerbaijani"
    assert language_name("zz") == "zz"
