"""`anadil doctor RECIPE`: what training will take, said before it begins."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from anadil.cli import root
from anadil.errors import UserError
from tests.roads import write_road

ROOMY = ["--set", "run.micro_batch_tokens=64"]


def doctor(*arguments: str) -> list[dict[str, object]]:
    result = CliRunner().invoke(root, ["doctor", *arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: list[dict[str, object]] = json.loads(result.stdout)
    return found


def test_memory_speed_time_and_cost(tmp_path: Path) -> None:
    recipe = write_road(tmp_path / "in")
    pretrain, sft = doctor(str(recipe), "--price-per-hour", "3600", *ROOMY)
    assert (pretrain["stage"], sft["stage"]) == ("pretrain", "sft")
    assert (pretrain["updates"], sft["updates"]) == (6, 4)
    for found in (pretrain, sft):
        assert found["micro_batch_tokens"] == 64
        assert 0.2 < float(str(found["memory_gib"])) < 2
        seconds = 128 * int(str(found["updates"])) / float(str(found["tokens_per_second"]))
        assert found["hours"] == pytest.approx(seconds / 3600)
        assert found["cost"] == pytest.approx(seconds)
    assert int(str(sft["parameters"])) > int(str(pretrain["parameters"]))  # LoRA's matrices


def test_how_long_is_known_once_the_text_is_encoded(tmp_path: Path) -> None:
    recipe = write_road(tmp_path / "in", stages=["corpus", "tokenizer", "encode", "transfer", "pretrain"])
    recipe.write_text(recipe.read_text().replace("steps = 6\n", "epochs = 2\n"))
    folder = str(tmp_path / "run")
    [before] = doctor(str(recipe), "--run-folder", folder, *ROOMY)
    assert (before["updates"], before["hours"]) == (None, None)
    run = CliRunner().invoke(root, ["run", str(recipe), "--run-folder", folder], catch_exceptions=False)
    assert run.exit_code == 0
    [after] = doctor(str(recipe), "--run-folder", folder, *ROOMY)
    manifest = json.loads((tmp_path / "run/pretrain/manifest.json").read_bytes())
    assert after["updates"] == manifest["metrics"]["steps"]


def test_without_time_nothing_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anadil.commands.forecast.time_steps", None)
    found = doctor(str(write_road(tmp_path / "in")), "--no-time")
    assert [(one["tokens_per_second"], one["hours"]) for one in found] == [(None, None)] * 2


def test_a_recipe_that_cannot_fit_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anadil.train.fit.room_on", lambda device, processes: 50 << 20)
    recipe = write_road(tmp_path / "in")
    with pytest.raises(UserError, match=r"pretrain: training does not fit: it takes 0\.\d GiB.*GiB too little"):
        CliRunner().invoke(root, ["doctor", str(recipe)], catch_exceptions=False)
    assert not (tmp_path / "runs").exists()
