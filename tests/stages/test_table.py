"""What a stage is made from: every file that its result depends on."""

from pathlib import Path

import pytest
from tests.roads import FROM_NOTHING, write_road

from anadil.errors import UserError
from anadil.languages import profile_source
from anadil.recipe import load
from anadil.stages.table import specs


def test_kept_samples_and_texts_to_measure_on_are_inputs_of_the_tokenizer(tmp_path: Path) -> None:
    recipe = write_road(tmp_path / "in", stages=["tokenizer"])
    for name in ("ru/a.txt", "ru/deep/b.txt", "exam.txt"):
        (recipe.parent / name).parent.mkdir(parents=True, exist_ok=True)
        (recipe.parent / name).write_text(name)
    more = 'keep = ["en", "ru/**/*.txt"]\nmeasure_on = [{ name = "exam", path = "exam.txt", language = "az" }]'
    recipe.write_text(recipe.read_text().replace(FROM_NOTHING, FROM_NOTHING.replace('keep = ["en"]', more)))
    (spec,) = specs(load(recipe))
    files = spec.files(load(recipe))
    assert set(files.values()) >= {recipe.parent / "ru" / "deep" / "b.txt", recipe.parent / "exam.txt"}
    assert not any(str(tmp_path) in label for label in files)
    (recipe.parent / "exam.txt").unlink()
    with pytest.raises(UserError, match=r"measure_on exam: no .*exam\.txt"):
        spec.files(load(recipe))


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ('title = "Köməkçi"', 'title = "Yardımçı"', []),  # of the chat page
        ('hands_over = "Sizi', 'hands_over = "Mən sizi', ["sft", "evaluate"]),
        ('letters = "abc', 'letters = "bac', ["corpus", "sft", "evaluate"]),
        ("version = 1", "version = 1  # a comment", []),
    ],
)
def test_of_a_profile_only_what_a_stage_reads_changes_it(
    tmp_path: Path, old: str, new: str, changed: list[str]
) -> None:
    recipe = write_road(tmp_path / "in")
    recipe.write_text(recipe.read_text().replace('language = "az"', 'language = "mine.toml"'))
    text, found = profile_source("az").read_text(encoding="utf-8"), []
    assert text.count(old) == 1
    for said in (text, text.replace(old, new)):
        (recipe.parent / "mine.toml").write_text(said, encoding="utf-8")
        found.append({spec.name: dict(spec.files(load(recipe))) for spec in specs(load(recipe))})
    before, after = found
    assert [name for name in before if before[name] != after[name]] == changed
