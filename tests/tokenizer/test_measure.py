import random

import numpy as np
import pytest
from tests.tokenizer.conftest import make_texts, make_words
from tokenizers import normalizers

from anadil import bootstrap
from anadil.tokenizer import measure as module
from anadil.tokenizer.load import load_tokenizer
from anadil.tokenizer.measure import flat, measure, pooled


@pytest.fixture(scope="module")
def tokenizers(base):
    """The same tokenizer twice, and one that loses capitals."""
    lossy = load_tokenizer(base)
    lossy.normalizer = normalizers.Lowercase()
    return {"one": load_tokenizer(base), "same": load_tokenizer(base), "lossy": lossy}


@pytest.fixture(scope="module")
def texts(old_texts, new_texts):
    """Documents of both languages, of 10 to 60 words, capitals in some."""
    cut = [" ".join(text.split()[: 10 + place]) for place, text in enumerate([*old_texts, *new_texts])]
    return [text.capitalize() if place % 3 else text for place, text in enumerate(cut)]


@pytest.fixture(scope="module")
def measured(tokenizers, texts):
    return measure(tokenizers, texts)


def test_sums_are_those_of_plain_encoding(tokenizers, texts, measured):
    facts = measured.facts("one")
    ids = [tokenizers["one"].encode(text, add_special_tokens=False).ids for text in texts]
    assert facts["documents"] == len(texts)
    assert facts["words"] == sum(len(text.split()) for text in texts)
    assert facts["bytes"] == sum(len(text.encode()) for text in texts)
    assert facts["tokens"] == sum(map(len, ids))
    assert facts["tokens_per_word"] == facts["tokens"] / facts["words"]
    assert facts["bytes_per_token"] == facts["bytes"] / facts["tokens"]
    assert measured.used["one"] == {identifier for one in ids for identifier in one}


def test_the_interval_holds_the_point_and_is_that_of_the_bootstrap(measured):
    found = measured.tokens_per_word("one")
    assert found.low95 < found.value < found.high95
    again = bootstrap.ratio(measured.tokens["one"], measured.words)
    assert found.value == again.value
    assert found.high95 - found.low95 == pytest.approx(again.high95 - again.low95, rel=0.1)


def test_a_change_of_a_tokenizer_with_itself_is_exactly_nothing(measured):
    for found in (measured.change("same", "one"), measured.difference("same", "one")):
        assert (found.value, found.low95, found.high95) == (0.0, 0.0, 0.0)


def test_a_cost_of_a_token_is_part_of_the_change(measured):
    found = measured.change("same", "one", 1.5)
    assert [found.value, found.low95, found.high95] == pytest.approx([0.5] * 3)


@pytest.mark.parametrize("size", [1, 7])
def test_batches_give_what_the_whole_gives(tokenizers, texts, measured, monkeypatch, size):
    monkeypatch.setattr(module, "BATCH_DOCUMENTS", size)
    assert measure(tokenizers, iter(texts)) == measured


def test_the_order_of_documents_changes_nothing(tokenizers, texts, measured):
    shuffled = random.Random(1).sample(texts, len(texts))
    other = measure(tokenizers, shuffled)
    assert shuffled != texts
    for label in tokenizers:
        assert other.facts(label) == measured.facts(label)
    assert other.change("lossy", "one") == measured.change("lossy", "one")


def test_parts_make_the_whole(tokenizers, texts, measured):
    whole = pooled([measure(tokenizers, texts[:30]), measure(tokenizers, texts[30:])], list(tokenizers))
    assert whole == measured
    assert whole.facts("one") == measured.facts("one")


def test_other_candidates_do_not_change_what_is_measured_of_one(tokenizers, texts, measured):
    alone = measure({"one": tokenizers["one"]}, texts)
    assert alone.facts("one") == measured.facts("one")


def test_many_documents_are_drawn_by_groups(tokenizers, monkeypatch):
    texts = make_texts(make_words("abdeil", 100, 5), 400, 6)
    texts = [" ".join(text.split()[: 3 + place % 20]) for place, text in enumerate(texts)]
    whole = measure({"one": tokenizers["one"]}, texts).tokens_per_word("one")
    monkeypatch.setattr(module, "MAX_GROUPS", 100)
    grouped = measure({"one": tokenizers["one"]}, texts).tokens_per_word("one")
    assert grouped.value == whole.value
    assert grouped.high95 - grouped.low95 == pytest.approx(whole.high95 - whole.low95, rel=0.3)


def test_groups_hold_all_that_was_counted(monkeypatch):
    monkeypatch.setattr(module, "MAX_GROUPS", 10)
    table_NC = np.arange(60.0).reshape(30, 2)
    grouped = module._grouped(table_NC, np.random.default_rng(0))
    assert grouped.shape == (10, 2)
    assert (grouped.sum(axis=0) == table_NC.sum(axis=0)).all()


def test_a_lossy_tokenizer_is_caught(tokenizers):
    found = measure(tokenizers, ["Abc", "abc", "aBc"])
    assert found.facts("lossy")["round_trip_failures"] == 2
    assert found.facts("one")["round_trip_failures"] == 0


def test_control_tokens_typed_in_text_are_text(tokenizers):
    found = measure(tokenizers, ["ab <|eot_id|> <|begin_of_text|>"])
    added = set(tokenizers["one"].get_added_tokens_decoder())
    assert found.facts("one")["round_trip_failures"] == 0
    assert not found.used["one"] & added


def test_words_that_are_one_token_and_words_that_are_cut(tokenizers):
    """A word with a comma is two tokens and not continued; one cut within its letters is; a line begins a word."""
    vocabulary = tokenizers["one"].get_vocab()
    known = next(token[1:] for token in vocabulary if token.startswith("Ġ") and len(token) > 3 and token[1:].isalpha())
    text = f"{known} {known}, zqzq\n1 ə"
    found = measure(tokenizers, [f"a {text}"])
    single = {" a": 1, f" {known}": 1, f" {known},": 2, " zqzq": 5}
    for word, tokens in single.items():
        assert len(tokenizers["one"].encode(word, add_special_tokens=False).ids) == tokens
    facts = found.facts("one")
    assert facts["words"] == 6
    assert facts["single_token_words"] == 3 / 6  # a, the known one, 1
    assert facts["continued_words"] == 2 / 6  # zqzq, and ə, which is two bytes


def test_nothing_to_measure_is_nothing_not_zero(tokenizers):
    found = measure(tokenizers, ["", " \n"]).facts("one")
    assert found["documents"] == 0
    assert found["tokens_per_word"] is found["low95"] is found["bytes_per_token"] is found["continued_words"] is None
    assert measure(tokenizers, []).change("one", "same") is None
    assert not any("per_word" in name for name in flat("target", found))


def test_metrics_have_plain_names(measured):
    metrics = flat("base_target", measured.facts("one"))
    facts = measured.facts("one")
    assert metrics["base_target_tokens_per_word"] == facts["tokens_per_word"]
    assert metrics["base_target_tokens_per_word_low95"] == facts["low95"]
    assert metrics["base_target_words"] == facts["words"]
