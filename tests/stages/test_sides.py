"""stages corpus and tokenizer: each language on its side, and none that is named without text."""

from pathlib import Path

import pytest
from tests.roads import make_texts, write_road, write_texts

from anadil.context import Context
from anadil.errors import UserError
from anadil.recipe import load
from anadil.stages import corpus, tokenizer

TURKISH = """[[corpus.sources]]
name = "tr"
path = "tr.jsonl"
language = "tr"

[tokenizer]"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_road(tmp_path / "in", stages=["corpus", "tokenizer"])


def test_only_the_bases_language_is_original(recipe: Path, tmp_path: Path) -> None:
    two = corpus.run(load(recipe), {}, tmp_path / "two", Context())
    assert not any(name.startswith("other_") for name in two)
    write_texts(recipe.parent / "tr.jsonl", make_texts("az", 20, 9))
    recipe.write_text(recipe.read_text().replace("[tokenizer]", TURKISH, 1))
    three = corpus.run(load(recipe), {}, tmp_path / "three", Context())
    assert three["original_train_words"] == two["original_train_words"] > 0
    assert three["other_train_words"] > 0
    same = corpus.run(load(recipe, ["base.language=az"]), {}, tmp_path / "same", Context())
    assert not any(name.startswith("original_") for name in same)
    assert same["other_train_words"] == three["other_train_words"] + three["original_train_words"]


@pytest.mark.parametrize("mode", ["replace", "inplace"])
def test_a_kept_language_needs_text(recipe: Path, tmp_path: Path, mode: str) -> None:
    corpus.run(load(recipe), {}, tmp_path / "corpus", Context())
    loaded = load(recipe, [f"tokenizer.mode={mode}", "tokenizer.keep=['en', 'tr']"])
    with pytest.raises(UserError, match=r"'tr'.*its sources are in: az, en"):
        tokenizer.run(loaded, {"corpus": tmp_path / "corpus"}, tmp_path / "out", Context())
    assert not (tmp_path / "out").exists()


def test_the_target_needs_text(recipe: Path, tmp_path: Path) -> None:
    loaded = load(recipe)
    corpus.run(loaded, {}, tmp_path / "corpus", Context())
    with pytest.raises(UserError, match=r"'tr' \(the target\)"):
        tokenizer.build_and_measure(
            loaded.tokenizer, None, tmp_path / "corpus", "tr", "en", tmp_path / "out", Context().progress
        )


def test_a_profile_of_ones_own_is_found_again_after_a_move(recipe: Path, tmp_path: Path) -> None:
    from anadil.languages import profile_source

    (recipe.parent / "mine.toml").write_bytes(profile_source("az").read_bytes())
    recipe.write_text(recipe.read_text().replace('language = "az"', 'language = "mine.toml"'))
    before = corpus.run(load(recipe), {}, tmp_path / "corpus", Context())
    assert before["target_train_words"] > 0
    recipe.parent.rename(tmp_path / "moved")
    moved = load(tmp_path / "moved" / "recipe.toml")
    metrics = tokenizer.run(moved, {"corpus": tmp_path / "corpus"}, tmp_path / "out", Context())
    assert metrics["target_tokens_per_word"] > 0
