"""recipe: what is written is what is read, and every mistake is named with its fix."""

from pathlib import Path

import pytest

from anadil.artifact import Hashes
from anadil.errors import UserError
from anadil.languages import load_profile, profile_source
from anadil.recipe import Recipe, flatten, load, override
from anadil.stages.plan import plan
from anadil.stages.table import specs
from tests.roads import write_road


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_road(tmp_path)


def test_paths_are_relative_to_the_recipe_not_to_where_one_stands(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert load(recipe).corpus.sources[0].path == recipe.parent / "az.jsonl"


def test_environment_variables_are_expanded(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe.write_text(recipe.read_text().replace('"az.jsonl"', '"${TEXTS}/az.jsonl"'))
    with pytest.raises(UserError, match="TEXTS"):
        load(recipe)
    monkeypatch.setenv("TEXTS", str(recipe.parent))
    assert load(recipe).corpus.sources[0].path == recipe.parent / "az.jsonl"


def test_overrides_come_last(recipe: Path) -> None:
    loaded = load(recipe, ["pretrain.learning_rate=2e-4", "tokenizer.mode=keep", "stages=['corpus']"])
    assert (loaded.pretrain.learning_rate, loaded.tokenizer.mode, loaded.stages) == (2e-4, "keep", ["corpus"])


@pytest.mark.parametrize("setting", ["pretrain.steps", "=1", "name.x=1"])
def test_an_override_without_sense_is_refused(setting: str) -> None:
    with pytest.raises(UserError, match="--set"):
        override({"name": "x"}, setting)


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("steps = 6", "stepz = 6", ["pretrain.stepz", "'steps'"]),
        ("[pretrain]", "[pretrian]", ["pretrian", "'pretrain'"]),
        ("steps = 6", 'steps = "six"', ["pretrain.steps", "'six'", "integer"]),
        ("steps = 6", "steps = 0", ["pretrain.steps", "0", "greater than 0"]),
        ('name = "small"', 'name = "no good"', ["name", "no good"]),
        ('name = "small"', "", ["name is missing", "runs/<name>"]),
        ('name = "dirty"', 'name = "az"', ["two corpus sources", "'az'"]),
        ('language = "az"\n\n', 'language = "tr"\n\n', ["no corpus source", "'tr'"]),
        ("[base]\n", '[base]\npath = "x"\n', ["either base.path or"]),
        ("[sft]", "[other]", ["other"]),
        ("weight = 0.5", "weight = -1", ["weight", "-1"]),
    ],
)
def test_a_mistake_is_named_with_its_fix(recipe: Path, old: str, new: str, names: list[str]) -> None:
    text = recipe.read_text()
    assert old in text
    recipe.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        load(recipe)
    for name in names:
        assert name in str(caught.value)


def test_a_recipe_that_is_not_toml_or_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(UserError):
            load(path)
    (tmp_path / "bad.toml").write_text("name = no\n")
    with pytest.raises(UserError, match=r"bad\.toml"):
        load(tmp_path / "bad.toml")


def test_every_field_says_what_it_is() -> None:
    def check(schema: dict[str, object], where: str) -> None:
        for name, field in schema.get("properties", {}).items():  # type: ignore[attr-defined]
            nested = "$ref" in field or any("$ref" in part for part in field.get("anyOf", []))
            assert field.get("description") or nested, f"{where}.{name}"

    schema = Recipe.model_json_schema()
    check(schema, "recipe")
    for name, table in schema["$defs"].items():
        check(table, name)


def test_run_and_gates_are_no_part_of_any_stage(recipe: Path) -> None:
    for spec in specs(load(recipe)):
        assert not {"run", "gates"} & {*spec.tables, *spec.shared}


def test_flatten_names_every_leaf_once(recipe: Path) -> None:
    flat = flatten(load(recipe))
    assert flat["pretrain.steps"] == 6
    assert flat["corpus.sources[2].weight"] == 0.5
    assert flat["corpus.sources[0].path"] == "az.jsonl"


def test_a_profile_of_ones_own_is_relative_to_the_recipe(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    profile = recipe.parent / "profiles" / "mine.toml"
    profile.parent.mkdir()
    profile.write_bytes(profile_source("az").read_bytes())
    recipe.write_text(
        recipe.read_text()
        .replace('"az"\n', '"profiles/mine.toml"\n')
        .replace('name = "profiles/mine.toml"', 'name = "az"')
    )
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    loaded = load(recipe)
    assert loaded.language == loaded.corpus.sources[0].language == str(profile)
    assert load_profile(loaded.language).code == "az"
    assert Recipe.model_validate(loaded.model_dump(mode="json")) == loaded  # as chat and serve read it back
    flat = flatten(loaded)
    assert flat["language"] == flat["corpus.sources[0].language"] == "mine.toml", "paths are in no fingerprint"


@pytest.mark.parametrize(
    ("stages", "names"),
    [
        (["corpus", "encode"], ["encode needs tokenizer", "add tokenizer"]),
        (["sft"], ["sft needs pretrain or transfer"]),
        (["tokenizer"], ["tokenizer needs corpus"]),
        (["corpus", "tokenizer", "encode", "pretrain"], ["pretrain needs transfer"]),
        (["corpus", "export"], ["export needs sft or pretrain or transfer"]),
        (["corpus", "evaluate"], ["evaluate needs export"]),
    ],
)
def test_a_stage_without_what_it_needs_is_refused(recipe: Path, stages: list[str], names: list[str]) -> None:
    loaded = load(recipe, [f"stages={stages}"])
    with pytest.raises(UserError) as caught:
        plan(loaded, recipe.parent / "run", Hashes())
    for name in names:
        assert name in str(caught.value)
