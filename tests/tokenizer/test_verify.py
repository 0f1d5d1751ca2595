"""Every check passes on what the surgery makes, and exactly one fails for each fault."""

import json
import random
import shutil
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anadil.errors import UserError
from anadil.tokenizer.chat import BOS, END_TURN, EOS, PAD
from anadil.tokenizer.check import code_points
from anadil.tokenizer.load import Vocabulary, read_vocabulary
from anadil.tokenizer.strings import DIGITS, random_strings
from anadil.tokenizer.surgery import Kept, Size, build, read_surgery
from anadil.tokenizer.verify import verify_tokenizer

STRINGS = 400


@pytest.fixture(scope="module")
def made_from(tmp_path_factory, split_vocabulary) -> Path:
    folder = tmp_path_factory.mktemp("every-split")
    (folder / "tokenizer.json").write_text(json.dumps(split_vocabulary.to_json()), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def make(tmp_path_factory, made_from, old_texts, new_texts, counts_of) -> Callable[[str], Path]:
    def made(mode: str) -> Path:
        out = tmp_path_factory.mktemp(mode)
        kept = [Kept("old", counts_of(old_texts[:4]), 3)]
        build(made_from, mode, counts_of(new_texts), kept, Size(new_tokens=80, vocab_size=500), out)
        return out

    return made


@pytest.fixture(scope="module")
def inplace(make) -> Path:
    return make("inplace")


@pytest.mark.parametrize("mode", ["inplace", "extend", "keep", "replace"])
def test_what_the_surgery_makes_is_in_order(make, made_from, mode, new_texts):
    checks = verify_tokenizer(make(mode), made_from, new_texts, STRINGS)
    assert [check for check in checks if not check.passed] == []
    skipped = {check.name for check in checks if check.result == "not checked"}
    assert skipped == {"llama.cpp's check"} | ({"letters only"} if mode == "replace" else set())


def test_without_a_base_nothing_is_said_of_it(inplace):
    found = {check.name: check.result for check in verify_tokenizer(inplace, strings=0)}
    assert found["kept tokens"] == found["merges"] == found["round trip"] == "not checked"
    assert found["ids"] == found["chat template"] == "pass"


Damage = Callable[[Path], None]


def _json(name: str, change: Callable[[Any], object]) -> Damage:
    def damage(folder: Path) -> None:
        data = json.loads((folder / name).read_text(encoding="utf-8"))
        change(data)
        (folder / name).write_text(json.dumps(data), encoding="utf-8")

    return damage


def _vocabulary(change: Callable[[Vocabulary, dict[int, list[int]]], Vocabulary]) -> Damage:
    """`change` is given the vocabulary and the record of new ids."""

    def damage(folder: Path) -> None:
        changed = change(read_vocabulary(folder), dict(read_surgery(folder)["new"]))
        (folder / "tokenizer.json").write_text(json.dumps(changed.to_json()), encoding="utf-8")

    return damage


def _added(name: str, **values: object) -> Damage:
    def change(data: dict[str, Any]) -> None:
        next(entry for entry in data["added_tokens"] if entry["content"] == name).update(values)

    return _json("tokenizer.json", change)


def _swap(of_new: bool) -> Damage:
    def change(vocabulary: Vocabulary, new: dict[int, list[int]]) -> Vocabulary:
        long = [token for token, i in vocabulary.tokens.items() if (i in new) == of_new and len(token) > 1]
        one, two = long[0], long[1]
        ids = vocabulary.tokens
        return replace(vocabulary, tokens=dict(ids) | {one: ids[two], two: ids[one]})

    return _vocabulary(change)


def _without_merges(of_new: bool) -> Damage:
    def change(vocabulary: Vocabulary, new: dict[int, list[int]]) -> Vocabulary:
        made = {left + right for left, right in vocabulary.merges}
        token = next(t for t, i in vocabulary.tokens.items() if (i in new) == of_new and t in made)
        return replace(vocabulary, merges=[merge for merge in vocabulary.merges if "".join(merge) != token])

    return _vocabulary(change)


def _leaf(vocabulary: Vocabulary, new: dict[int, list[int]]) -> str:
    parts = {part for merge in vocabulary.merges for part in merge}
    return next(token for token, identifier in vocabulary.tokens.items() if identifier in new and token not in parts)


def _lose_a_token(vocabulary: Vocabulary, new: dict[int, list[int]]) -> Vocabulary:
    gone = _leaf(vocabulary, new)
    merges = [merge for merge in vocabulary.merges if "".join(merge) != gone]
    return replace(vocabulary, tokens={t: i for t, i in vocabulary.tokens.items() if t != gone}, merges=merges)


def _learn_digits(folder: Path) -> None:
    """A new token of a digit and a sign, well spelled and well merged."""
    vocabulary, new = read_vocabulary(folder), dict(read_surgery(folder)["new"])
    gone = _leaf(vocabulary, new)
    identifier = vocabulary.tokens[gone]
    tokens = {token: i for token, i in vocabulary.tokens.items() if token != gone} | {"7@": identifier}
    merges = [merge for merge in vocabulary.merges if "".join(merge) != gone] + [("7", "@")]
    data = replace(vocabulary, tokens=tokens, merges=merges).to_json()
    (folder / "tokenizer.json").write_text(json.dumps(data), encoding="utf-8")
    new[identifier] = [tokens["7"], tokens["@"]]
    _json("surgery.json", lambda record: record.update(new=sorted(new.items())))(folder)


def _edit_template(folder: Path) -> None:
    file = folder / "chat_template.jinja"
    file.write_text(file.read_text(encoding="utf-8").replace(END_TURN, ""), encoding="utf-8")


FAULTS: list[tuple[str, str, Damage]] = [
    ("merge of a token that is not there", "tokenizers loads it",
     _json("tokenizer.json", lambda data: data["model"]["merges"].append(["a", "\u0142?"]))),
    ("other padding for transformers", "transformers loads it",
     _json("tokenizer_config.json", lambda data: data.update(pad_token=EOS))),
    ("settings that cannot be read", "transformers loads it",
     lambda folder: (folder / "tokenizer_config.json").write_text("[", encoding="utf-8") and None),
    ("no post-processor", "begin of text", _json("tokenizer.json", lambda data: data.update(post_processor=None))),
    ("BOS after the text", "begin of text",
     _json("tokenizer.json", lambda data: data["post_processor"]["single"].reverse())),
    ("template without ends", "chat template", _edit_template),
    ("template of a loop never closed", "chat template",
     lambda folder: (folder / "chat_template.jinja").write_text("{% for x in messages %}") and None),
    ("template of a wrong sum", "chat template",
     lambda folder: (folder / "chat_template.jinja").write_text("{{ 1 + 'a' }}") and None),
    ("no template", "chat template", lambda folder: (folder / "chat_template.jinja").unlink()),
    ("control token unmarked", "typed control tokens", _added(END_TURN, special=False)),
    ("text is changed first", "round trip",
     _json("tokenizer.json", lambda data: data.update(normalizer={"type": "NFC"}))),
    ("a token lost", "ids", _vocabulary(_lose_a_token)),
    ("another size recorded", "ids", _json("surgery.json", lambda record: record.update(vocab_size=601))),
    ("kept ids swapped", "kept tokens", _swap(of_new=False)),
    ("new ids swapped", "new tokens", _swap(of_new=True)),
    ("a new id without record", "kept tokens", _json("surgery.json", lambda record: record["new"].pop())),
    ("a new token of a digit", "letters only", _learn_digits),
    ("merges of a kept token lost", "merges", _without_merges(of_new=False)),
    ("merges of a new token lost", "merges", _without_merges(of_new=True)),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "name", "damage"), FAULTS, ids=[fault for fault, _, _ in FAULTS])
def test_a_fault_fails_the_check_that_is_for_it_and_no_other(inplace, made_from, tmp_path, fault, name, damage):
    folder = tmp_path / "damaged"
    shutil.copytree(inplace, folder)
    damage(folder)
    failed = {check.name: check.detail for check in verify_tokenizer(folder, made_from, strings=STRINGS)
              if not check.passed}  # fmt: skip
    assert list(failed) == [name], fault
    assert 10 < len(failed[name]) < 400


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_added(PAD, content="<|other|>"), f"missing, first {PAD}"),
        (_added(PAD, id=599), "599 in the file"),
    ],
)
def test_control_tokens_that_are_missing_or_numbered_otherwise(inplace, tmp_path, damage, said):
    folder = tmp_path / "damaged"
    shutil.copytree(inplace, folder)
    damage(folder)
    failed = {check.name: check.detail for check in verify_tokenizer(folder, strings=0) if not check.passed}
    assert said in failed["control tokens"]


def test_an_id_of_two_tokens_is_found(inplace, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(inplace, folder)
    _json("tokenizer.json", lambda data: data["model"]["vocab"].update({"zzzz": 300}))(folder)
    found = {check.name: check for check in verify_tokenizer(folder, strings=0)}
    assert not found["ids"].passed
    assert "first 300" in found["ids"].detail


def test_another_base_is_not_the_one(inplace, made_from, tmp_path, new_texts, counts_of):
    build(None, "replace", counts_of(new_texts), [], Size(vocab_size=600, min_pair_count=1), tmp_path)
    failed = {check.name for check in verify_tokenizer(inplace, tmp_path, strings=0) if not check.passed}
    assert "kept tokens" in failed


def test_a_tokenizer_that_changes_case_is_none_of_ours(inplace, tmp_path):
    shutil.copytree(inplace, tmp_path / "damaged")
    _json("tokenizer.json", lambda data: data.update(normalizer={"type": "Lowercase"}))(tmp_path / "damaged")
    failed = {check.name: check.detail for check in verify_tokenizer(tmp_path / "damaged", strings=STRINGS)
              if not check.passed}  # fmt: skip
    assert "Lowercase" in failed["ids"]
    assert "round trip" in failed


def test_a_lost_string_is_shown_by_its_code_points(inplace, tmp_path):
    shutil.copytree(inplace, tmp_path / "damaged")
    _json("tokenizer.json", lambda data: data.update(normalizer={"type": "NFC"}))(tmp_path / "damaged")
    checks = verify_tokenizer(tmp_path / "damaged", texts=["xe\u0301y"], strings=2)
    detail = next(check.detail for check in checks if check.name == "round trip")
    assert detail == "1 of 2 strings do not come back: U+0065 U+0301 U+0079 comes back as U+00E9 U+0079"


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (shutil.rmtree, "no folder"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer.json"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "cannot read"),
        (lambda folder: (folder / "tokenizer.json").write_text("[1]"), "cannot read"),
        (lambda folder: (folder / "surgery.json").write_text("{}"), "surgery.json"),
    ],
)
def test_what_cannot_be_read_is_the_users(inplace, tmp_path, break_it, said):
    folder = tmp_path / "damaged"
    shutil.copytree(inplace, folder)
    break_it(folder)
    with pytest.raises(UserError, match=said):
        verify_tokenizer(folder, strings=0)


def test_random_strings_are_the_same_for_a_seed_and_of_all_kinds():
    names = [BOS, EOS]
    strings = list(random_strings(3000, 1, names))
    assert strings == list(random_strings(3000, 1, names)) != list(random_strings(3000, 2, names))
    assert strings[0].isdigit()
    assert len(strings[0]) == DIGITS
    text = "".join(strings[1:])
    text.encode()  # no surrogate
    kinds = {unicodedata.category(character) for character in text}
    assert kinds >= {"Lu", "Ll", "Lo", "Mn", "Nd", "No", "Po", "Sm", "So", "Zs", "Zl", "Cc", "Cf", "Co", "Cn"}
    assert {unicodedata.bidirectional(character) for character in text} >= {"L", "R", "AL", "NSM", "RLO"}
    assert {ord(character) >> 16 for character in text} >= {0, 1, 2, 14, 15, 16}
    assert all(wanted in text for wanted in (BOS, "\u200d", "\ufe0f", "\n    ", "Ã"))
    assert any(unicodedata.normalize("NFC", string) != string for string in strings)
    assert all(strings)


def test_texts_are_drawn_from_all_and_the_same_each_time(inplace):
    from anadil.tokenizer.verify import _draw

    texts = [str(number) for number in range(1000)]
    drawn = _draw(texts, 100, 7)
    assert drawn == _draw(iter(texts), 100, 7) != _draw(texts, 100, 8)
    assert len(set(drawn)) == 100
    assert 300 < sum(map(int, drawn)) / 100 < 700
    assert sorted(_draw(texts[:50], 100, 7)) == sorted(texts[:50])


def test_code_points_are_short():
    assert code_points("") == "nothing"
    assert code_points("e\u0301") == "U+0065 U+0301"
    assert code_points("a" * 10) == "U+0061 " * 8 + "... (10 characters)"
    assert len(code_points("\U0010ffff" * random.Random(0).randint(9, 99))) < 100
