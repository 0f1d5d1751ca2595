from pathlib import Path

import pytest
from pydantic import ValidationError

from anadil.errors import UserError
from anadil.recipe import Candidate, Keep, Tokenizer, flatten, load
from tests.roads import write_road


@pytest.mark.parametrize(
    ("entry", "kind", "value", "name"),
    [
        ("en", "language", "en", "en"),
        ("script:Cyrillic", "script", "cyrillic", "script:cyrillic"),
        ("ru.txt", "sample", Path("ru.txt"), "sample:ru.txt"),
        ("texts/ru", "sample", Path("texts/ru"), "sample:ru"),
        ("ru*", "sample", Path("ru*"), "sample:ru*"),
        ("ru.jsonl.gz", "sample", Path("ru.jsonl.gz"), "sample:ru.jsonl.gz"),
        ({"sample": "ru.parquet", "min_count": 3, "text_field": "body"}, "sample", Path("ru.parquet"),
         "sample:ru.parquet"),
        ({"language": "en", "min_count": 1}, "language", "en", "en"),
    ],
)  # fmt: skip
def test_an_entry_of_keep_in_short_and_in_full(entry, kind, value, name):
    (kept,) = Tokenizer.model_validate({"keep": [entry]}).keep
    assert {key: getattr(kept, key) for key in ("language", "script", "sample") if getattr(kept, key)} == {kind: value}
    assert kept.name == name
    if isinstance(entry, dict):
        assert kept.min_count == entry["min_count"]


def test_a_profile_of_ones_own_is_a_language_and_paths_are_relative_to_the_recipe(tmp_path):
    recipe = write_road(tmp_path / "in")
    text = recipe.read_text().replace('keep = ["en"]', 'keep = ["en", "own/mine.toml", "ru/*.txt"]', 1)
    recipe.write_text(text)
    _, profile, sample = load(recipe).tokenizer.keep
    assert profile.language == str(tmp_path / "in" / "own" / "mine.toml")
    assert sample.sample == tmp_path / "in" / "ru" / "*.txt"
    here = flatten(load(recipe).tokenizer)
    (tmp_path / "in").rename(tmp_path / "moved")
    assert flatten(load(tmp_path / "moved" / "recipe.toml").tokenizer) == here


def test_an_unknown_script_names_those_near_it():
    with pytest.raises(UserError, match=r"'cyrilic'") as caught:
        Keep(script="cyrilic")
    assert "cyrillic" in caught.value.hint
    with pytest.raises(UserError) as caught:
        Tokenizer.model_validate({"keep": ["script:qqqqq"]})
    assert "greek" in caught.value.hint


@pytest.mark.parametrize("entry", [{}, {"language": "en", "script": "latin"}, {"script": "latin", "min_count": 2}])
def test_an_entry_that_says_nothing_or_two_things_is_refused(entry):
    with pytest.raises(ValidationError, match=r"exactly one|kept whole"):
        Keep.model_validate(entry)


@pytest.mark.parametrize(
    ("settings", "label"),
    [
        ({"mode": "keep", "new_tokens": 5}, "keep"),
        ({"mode": "extend", "new_tokens": 16000}, "extend-16000"),
        ({"mode": "inplace"}, "inplace"),
        ({"mode": "inplace", "new_tokens": 32000}, "inplace-32000"),
        ({"mode": "replace"}, "replace-32000"),
        ({"mode": "replace", "vocab_size": 64000, "new_tokens": 9}, "replace-64000"),
    ],
)
def test_labels_say_mode_and_size(settings, label):
    assert Candidate(**settings).label == label
    assert Tokenizer(**settings).chosen.label == label


def test_candidates_and_names_are_distinct():
    with pytest.raises(ValidationError, match=r"the same: inplace, inplace"):
        Tokenizer.model_validate({"candidates": [{"mode": "inplace"}]})
    same = {"name": "x", "path": "x.txt", "language": "az"}
    with pytest.raises(ValidationError, match=r"same name: x, x"):
        Tokenizer.model_validate({"measure_on": [same, same]})
