import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from anadil.errors import UserError
from anadil.tokenizer import surgery, train
from anadil.tokenizer.chat import CONTROL_TOKENS
from anadil.tokenizer.load import load_tokenizer, read_vocabulary, to_bytes
from anadil.tokenizer.surgery import Kept, Prepared, Size, build, read_surgery

SIZE = Size(min_pair_count=2)
TEXTS = st.one_of(st.text(max_size=30), st.text(alphabet="abdeilmnorstu zğəışö,1", max_size=60))


@pytest.fixture(scope="module", params=["inplace", "extend", "keep", "replace"])
def operated(request, tmp_path_factory, split_vocabulary, old_texts, new_texts, counts_of):
    """A base whose merges are every split, after each kind of surgery: (base vocabulary, folder, surgery)."""
    before = split_vocabulary
    folder = tmp_path_factory.mktemp("every-split")
    (folder / "tokenizer.json").write_text(json.dumps(before.to_json()), encoding="utf-8")
    out = tmp_path_factory.mktemp(request.param)
    size = replace(SIZE, new_tokens=80, vocab_size=500)
    done = build(folder, request.param, counts_of(new_texts), [Kept("old", counts_of(old_texts[:4]), 3)], size, out)
    return before, out, done


@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_every_text_comes_back(operated, text):
    tokenizer = load_tokenizer(operated[1])
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=True) == text


@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_a_text_without_new_tokens_whose_old_ones_stay_keeps_its_ids(operated, text):
    before, out, done = operated
    new = {identifier for identifier, _ in done.new}
    ids = before.build().encode(text, add_special_tokens=False).ids
    after = load_tokenizer(out).encode(text, add_special_tokens=False).ids
    if not new.intersection(ids) and not new.intersection(after):
        assert after == ids


def test_words_of_a_kept_language_keep_their_ids(operated, old_words):
    before, out, done = operated
    tokenizer, old = load_tokenizer(out), before.build()
    gone = {identifier for identifier, _ in done.new}
    if done.mode == "replace":
        assert gone == set(range(done.vocab_size))
        return
    same = 0
    for word in old_words:
        ids = old.encode(f" {word}", add_special_tokens=False).ids
        if not gone.intersection(ids):
            assert tokenizer.encode(f" {word}", add_special_tokens=False).ids == ids
            same += 1
    assert same > 100


def test_ids_are_those_of_the_base_or_listed_as_new(operated):
    before, out, done = operated
    after = read_vocabulary(out)
    new = dict(done.new)
    old_tokens = {identifier: token for token, identifier in before.tokens.items()}
    for token, identifier in after.tokens.items():
        if identifier in new:
            spelled = "".join(old_tokens[piece] for piece in new[identifier])
            assert spelled == token
        else:
            assert before.tokens[token] == identifier
    assert sorted([*after.tokens.values(), *after.added_ids.values()]) == list(range(done.vocab_size))
    specials = [name for name in before.added_ids if before.added_ids[name] == after.added_ids[name]]
    if done.mode != "replace":
        assert specials == list(before.added_ids)


def test_libraries_see_the_ids_that_are_meant(operated):
    _, out, _ = operated
    after = read_vocabulary(out)
    expected = {**after.tokens, **after.added_ids}
    assert load_tokenizer(out).get_vocab(with_added_tokens=True) == expected
    auto = AutoTokenizer.from_pretrained(out)
    assert auto.get_vocab() == expected
    assert auto.bos_token_id == after.added_ids["<|begin_of_text|>"]
    assert auto("zğəış").input_ids == load_tokenizer(out).encode("zğəış").ids


def test_a_control_token_that_is_a_plain_word_is_refused(base, tmp_path, new_texts, counts_of):
    data = read_vocabulary(base).to_json()
    data["added_tokens"][-1]["content"] = "stop"
    (tmp_path / "tokenizer.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(UserError, match="'stop' cannot be told"):
        build(tmp_path, "extend", counts_of(new_texts), [], replace(SIZE, new_tokens=10), tmp_path / "out")


def test_sizes_are_as_asked(operated):
    before, _, done = operated
    expected = {"inplace": 600, "extend": 680, "keep": 600, "replace": 500}
    new = {"inplace": 80, "extend": 80, "keep": 0, "replace": 500}
    assert done.vocab_size == expected[done.mode]
    assert len(done.new) == new[done.mode]
    assert done.source_tokens == before.size == done.kept + done.freed


def test_the_target_needs_fewer_tokens(operated, new_texts):
    before, out, done = operated
    text = "".join(new_texts)
    fewer = len(load_tokenizer(out).encode(text).ids) / len(before.build().encode(text).ids)
    assert fewer == 1 if done.mode == "keep" else fewer < 0.6


def test_in_place_no_token_of_the_base_gets_another_id(operated):
    """One that was freed and then learned again stands where it stood, with the row it had."""
    before, after, done = operated[0], read_vocabulary(operated[1]), operated[2]
    if done.mode in ("inplace", "extend", "keep"):
        again = before.tokens.keys() & after.tokens.keys()
        assert {token: after.tokens[token] for token in again} == {token: before.tokens[token] for token in again}


def test_the_record_reads_back(operated):
    _, out, done = operated
    record = read_surgery(out)
    assert record["mode"] == done.mode
    assert [(identifier, pieces) for identifier, pieces in record["new"]] == done.new


def test_the_same_input_gives_the_same_files(base, tmp_path, old_texts, new_texts, counts_of):
    for name in ("one", "two"):
        words = dict(sorted(counts_of(new_texts).items(), reverse=name == "two"))
        build(base, "inplace", words, [Kept("old", counts_of(old_texts[:4]), 3)], SIZE, tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_inplace_takes_all_that_can_be_freed_or_what_the_text_gives(base, tmp_path, old_texts, new_texts, counts_of):
    keep = [Kept("old", counts_of(old_texts[:4]), 3)]
    much = build(base, "inplace", counts_of(new_texts), keep, SIZE, tmp_path / "much")
    little = build(base, "inplace", counts_of(new_texts[:1]), keep, SIZE, tmp_path / "little")
    assert much.vocab_size == little.vocab_size == 600
    assert much.freed == len(much.new) > little.freed == len(little.new) > 0


def test_a_base_without_our_control_tokens_gets_them(base, tmp_path, new_texts, counts_of):
    data = read_vocabulary(base).to_json() | {"added_tokens": [], "post_processor": None}
    (tmp_path / "tokenizer.json").write_text(json.dumps(data), encoding="utf-8")
    for mode, size in (("keep", 590), ("inplace", 584), ("extend", 600), ("replace", 400)):
        settings = replace(SIZE, new_tokens=10, vocab_size=400)
        done = build(tmp_path, mode, counts_of(new_texts), [], settings, tmp_path / mode)
        after = read_vocabulary(tmp_path / mode)
        assert done.vocab_size == size
        assert set(CONTROL_TOKENS) <= set(after.added_ids)
        loaded = load_tokenizer(tmp_path / mode).get_vocab(with_added_tokens=True)
        assert loaded == {**after.tokens, **after.added_ids}
        tokens = {identifier: token for token, identifier in data["model"]["vocab"].items()}
        pieces = dict(done.new)[after.added_ids["<|eot_id|>"]]
        assert to_bytes("".join(tokens[piece] for piece in pieces)) == b"<|eot_id|>"


@pytest.mark.parametrize("mode", ["extend", "inplace", "replace"])
def test_too_little_text_offers_a_size_that_works(mode, base, tmp_path, counts_of):
    words = counts_of(["zğz zğzə zğz zğzə"])
    key = "vocab_size" if mode == "replace" else "new_tokens"
    asked = replace(SIZE, **{key: 400 if mode == "replace" else 60})
    with pytest.raises(UserError, match="too little text") as caught:
        build(base, mode, words, [], asked, tmp_path)
    offered = int(caught.value.hint.split("=")[1].split()[0])
    done = build(base, mode, words, [], replace(asked, **{key: offered}), tmp_path)
    assert done.vocab_size == {"extend": 600 + offered, "inplace": 600, "replace": offered}[mode]


def test_more_than_can_be_freed_offers_what_can(base, tmp_path, new_texts, counts_of):
    words = counts_of(new_texts)
    with pytest.raises(UserError, match="can be freed") as caught:
        build(base, "inplace", words, [], replace(SIZE, new_tokens=5000), tmp_path)
    offered = int(caught.value.hint.split("=")[1].split()[0])
    assert build(base, "inplace", words, [], replace(SIZE, new_tokens=offered), tmp_path).freed == offered


def test_settings_that_cannot_work_are_named(base, tmp_path):
    with pytest.raises(UserError, match="needs a base"):
        build(None, "inplace", {}, [], SIZE, tmp_path)
    with pytest.raises(UserError, match="number of tokens"):
        build(base, "extend", {}, [], SIZE, tmp_path)
    with pytest.raises(UserError, match="too small"):
        build(None, "replace", {}, [], replace(SIZE, vocab_size=260), tmp_path)
    with pytest.raises(UserError, match=r"surgery\.json"):
        read_surgery(tmp_path)


def test_reserved_tokens_follow_the_control_tokens(base):
    names = list(read_vocabulary(base).added_ids)
    assert names[:6] == list(CONTROL_TOKENS)
    assert len(names) == 6 + surgery.RESERVED_TOKENS


def test_several_vocabularies_of_one_base_are_those_built_one_by_one(base, tmp_path, old_texts, new_texts, counts_of):
    given = base, counts_of(new_texts), [Kept("old", counts_of(old_texts[:4]), 3)]
    prepared = Prepared(*given)
    sizes = {"inplace": replace(SIZE, new_tokens=50), "replace": replace(SIZE, vocab_size=400), "keep": SIZE}
    for mode, size in [*sizes.items(), ("inplace", replace(SIZE, new_tokens=20, target_min_count=50))]:
        done = prepared.build(mode, size, tmp_path / "prepared")
        alone = build(given[0], mode, given[1], given[2], size, tmp_path / "alone")
        assert done == alone
        written = [(tmp_path / folder / "tokenizer.json").read_bytes() for folder in ("prepared", "alone")]
        assert written[0] == written[1]


@pytest.mark.parametrize("mode", ["inplace", "replace"])
def test_scaled_counts_are_said_in_the_record(mode, base, tmp_path, new_texts, counts_of, monkeypatch):
    words, size = counts_of(new_texts), replace(SIZE, new_tokens=5, vocab_size=300)
    assert build(base, mode, words, [], size, tmp_path / "exact").scale == 1
    monkeypatch.setattr(train, "MAX_FED_WORDS", 500)
    assert 0 < build(base, mode, words, [], size, tmp_path / "scaled").scale < 1
    assert read_surgery(tmp_path / "scaled")["scale"] < 1
