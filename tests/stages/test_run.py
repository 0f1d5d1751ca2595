"""stages: done once, never twice; what changed is named, nothing else is made anew. Torch-free stages only."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.roads import make_texts, write_road, write_texts

from anadil import durable
from anadil.artifact import Fingerprint, Hashes, StageFolder
from anadil.context import Context
from anadil.errors import Interrupted, UserError
from anadil.recipe import load
from anadil.stages.plan import plan
from anadil.stages.run import CONSENT, REPLACED, RUN, Outcome, _retire_stale, run
from anadil.stages.spec import StageSpec
from anadil.stages.table import STAGES

LIGHT = ["corpus", "tokenizer", "encode"]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_road(tmp_path / "in", stages=LIGHT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "small"


def go(recipe: Path, folder: Path, *settings: str, rerun: bool = False) -> Outcome:
    return run(load(recipe, list(settings)), recipe, folder, Context(), rerun=rerun)


def states(recipe: Path, folder: Path, *settings: str) -> dict[str, str]:
    return {s.spec.name: s.status.state for s in plan(load(recipe, list(settings)), folder, Hashes())}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(f): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file() and f.name != ".lock"}


def test_a_second_run_does_nothing(recipe: Path, folder: Path) -> None:
    assert states(recipe, folder) == dict.fromkeys(LIGHT, "todo")
    assert go(recipe, folder).ran == LIGHT
    before = snapshot(folder)
    again = go(recipe, folder)
    assert again.ran == []
    assert snapshot(folder) == before
    assert again.metrics["corpus"]["read_documents"] == 128


@pytest.mark.parametrize(
    ("setting", "dependants"),
    [
        ("corpus.min_words=4", LIGHT),
        ("tokenizer.vocab_size=520", ["tokenizer", "encode"]),
        ("seed=7", []),
        ("run.threads=3", []),
        ("pretrain.steps=99", []),
    ],
)
def test_a_changed_key_makes_exactly_its_dependants_stale(
    recipe: Path, folder: Path, setting: str, dependants: list[str]
) -> None:
    go(recipe, folder)
    before = snapshot(folder)
    found = states(recipe, folder, setting)
    assert [name for name in LIGHT if found[name] == "stale"] == dependants
    if dependants:
        with pytest.raises(UserError, match=setting.split("=")[0].replace(".", r"\.")) as caught:
            go(recipe, folder, setting)
        assert "--rerun" in caught.value.hint
        assert {k: v for k, v in snapshot(folder).items() if "run.json" not in k} == {
            k: v for k, v in before.items() if "run.json" not in k
        }
    assert go(recipe, folder, setting, rerun=True).ran == dependants
    assert states(recipe, folder, setting) == dict.fromkeys(LIGHT, "done")
    assert not list((folder / REPLACED).glob("*"))


def test_a_changed_file_is_named(recipe: Path, folder: Path) -> None:
    go(recipe, folder)
    write_texts(recipe.parent / "en.jsonl", make_texts("en", 61, 1))
    reasons = {s.spec.name: s.status.reasons for s in plan(load(recipe), folder, Hashes())}
    assert reasons["corpus"] == ["file en/en.jsonl: its content changed"]
    assert reasons["encode"] == ["input corpus: will be made anew", "input tokenizer: will be made anew"]


def test_moving_everything_elsewhere_changes_nothing(recipe: Path, folder: Path, tmp_path: Path) -> None:
    go(recipe, folder)
    recipe.parent.rename(tmp_path / "moved")
    folder.rename(tmp_path / "elsewhere")
    assert go(tmp_path / "moved" / "recipe.toml", tmp_path / "elsewhere").ran == []


@pytest.mark.parametrize("damage", ["change", "remove"])
def test_a_damaged_output_is_not_done(recipe: Path, folder: Path, damage: str) -> None:
    go(recipe, folder)
    shard = next((folder / "encode").rglob("*.bin"))
    if damage == "remove":
        shard.unlink()
    else:
        shard.write_bytes(bytes(len(shard.read_bytes())))
    with pytest.raises(UserError, match=str(shard)):
        go(recipe, folder)
    assert go(recipe, folder, rerun=True).ran == ["encode"]


def test_inputs_made_elsewhere_are_noticed(recipe: Path, folder: Path) -> None:
    go(recipe, folder)
    path = folder / "corpus" / "manifest.json"
    manifest = json.loads(path.read_bytes())
    path.write_text(json.dumps(manifest | {"outputs_digest": "another"}))
    reasons = {s.spec.name: s.status.reasons for s in plan(load(recipe), folder, Hashes())}
    assert reasons["tokenizer"] == ["input corpus: has other content than the one used"]


def test_the_folder_of_another_recipe_is_refused(recipe: Path, folder: Path) -> None:
    go(recipe, folder)
    before = snapshot(folder)
    with pytest.raises(UserError, match="'other'") as caught:
        go(recipe, folder, "name=other")
    assert "'small'" in caught.value.what
    assert snapshot(folder) == before


def test_two_runs_on_one_folder_at_once(recipe: Path, folder: Path) -> None:
    code = "import sys; from pathlib import Path; from anadil.recipe import load; from anadil.context import Context\n"
    code += (
        f"from anadil.stages.run import run\nrun(load(Path({str(recipe)!r})), Path(), Path({str(folder)!r}), Context())"
    )
    with durable.lock(folder):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode != 0
    assert "is running in" in done.stderr


def test_consent_to_a_rerun_outlives_a_crash(recipe: Path, folder: Path) -> None:
    go(recipe, folder)
    steps = plan(load(recipe, ["tokenizer.vocab_size=520"]), folder, Hashes())
    agreed = {s.spec.name: s.fingerprint.digest for s in steps if s.status.state == "stale"}
    durable.write_json(folder / CONSENT, agreed, "consent")  # all that a killed `run --rerun` had done
    assert go(recipe, folder, "tokenizer.vocab_size=520").ran == ["tokenizer", "encode"]
    with pytest.raises(UserError):
        go(recipe, folder, "tokenizer.vocab_size=530")


def test_a_raised_version_is_a_reason(recipe: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go(recipe, folder)
    raised: list[StageSpec] = [replace(s, version=s.version + 1) if s.name == "tokenizer" else s for s in STAGES]
    monkeypatch.setattr("anadil.stages.table.STAGES", raised)
    reasons = {s.spec.name: s.status.reasons for s in plan(load(recipe), folder, Hashes())}
    version = next(spec.version for spec in STAGES if spec.name == "tokenizer")
    assert reasons["tokenizer"] == [f"version: {version} -> {version + 1}"]


def test_fingerprints_do_not_depend_on_order_and_name_what_differs() -> None:
    one, other = Fingerprint({"a": 1, "b": [1, 2]}), Fingerprint({"b": [1, 2], "a": 1})
    assert one.digest == other.digest
    assert Fingerprint({"a": 2, "c": 3}).changes_from(one.parts) == ["a: 1 -> 2", "b: [1, 2] -> None", "c: None -> 3"]


def test_hashes_are_remembered_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, memory = tmp_path / "file", tmp_path / "memory.json"
    file.write_bytes(b"one")
    hashes = Hashes(memory)
    first = hashes.of(file)
    hashes.save()
    with monkeypatch.context() as patched:
        patched.setattr("hashlib.file_digest", None)  # would fail if the file were read
        assert Hashes(memory).of(file) == first
    file.write_bytes(b"two")
    assert Hashes(memory).of(file) != first


def test_a_started_stage_is_partial_and_a_stage_started_for_another_recipe_stale(tmp_path: Path) -> None:
    folder, mine = StageFolder(tmp_path / "stage"), Fingerprint({"a": 1})
    assert folder.status(mine, {}, Hashes()).state == "todo"
    assert [folder.start(mine, {}), folder.start(mine, {})] == [1, 2]
    assert folder.status(mine, {}, Hashes()).state == "partial"
    assert folder.status(Fingerprint({"a": 2}), {}, Hashes()).state == "stale"


def test_files_of_one_name_in_two_folders_are_two_files(recipe: Path, folder: Path) -> None:
    write_texts(recipe.parent / "az" / "one" / "x.jsonl", make_texts("az", 20, 5))
    write_texts(recipe.parent / "az" / "two" / "x.jsonl", make_texts("az", 20, 6))
    recipe.write_text(recipe.read_text().replace('"az.jsonl"', '"az"'))
    go(recipe, folder)
    write_texts(recipe.parent / "az" / "one" / "x.jsonl", make_texts("az", 20, 7))
    reasons = {s.spec.name: s.status.reasons for s in plan(load(recipe), folder, Hashes())}
    assert reasons["corpus"] == ["file az/one/x.jsonl: its content changed"]


def test_a_stage_begun_on_other_inputs_does_not_go_on(tmp_path: Path) -> None:
    folder, mine = StageFolder(tmp_path / "stage"), Fingerprint({"a": 1})
    folder.start(mine, {"corpus": "one"})
    assert folder.status(mine, {"corpus": "one"}, Hashes()).state == "partial"
    status = folder.status(mine, {"corpus": "two"}, Hashes())
    assert (status.state, status.reasons) == ("stale", ["input corpus: has other content than the one used"])


def test_a_refused_run_leaves_the_recipe_that_chat_and_show_go_by(recipe: Path, folder: Path) -> None:
    go(recipe, folder)
    before = (folder / RUN).read_bytes()
    with pytest.raises(UserError):
        go(recipe, folder, "corpus.min_words=9", "serve.system_prompt=changed")
    assert (folder / RUN).read_bytes() == before


def test_what_is_kept_for_a_rerun_is_the_last_that_was_done(recipe: Path, folder: Path) -> None:
    go(recipe, folder)
    good = snapshot(folder / "encode")
    for setting in ("tokenizer.vocab_size=520", "tokenizer.vocab_size=530"):  # each is stopped half-way
        steps = plan(load(recipe, [setting]), folder, Hashes())
        _retire_stale(steps, folder, recipe, True)
        StageFolder(folder / "encode").start(steps[2].fingerprint, {})
    kept = snapshot(folder / REPLACED / "encode")
    assert {Path(name).name: data for name, data in kept.items()} == {Path(n).name: d for n, d in good.items()}


def test_a_stop_during_one_stage_keeps_it_and_does_not_begin_the_next(
    recipe: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_now(*_: object) -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGTERM)
        return {}

    monkeypatch.setattr("anadil.stages.encode.run", stop_now)
    with pytest.raises(Interrupted):
        go(recipe, folder)
    assert states(recipe, folder) == dict.fromkeys(LIGHT, "done")


def test_a_stop_in_a_stage_that_does_not_save_ends_it_at_once(
    recipe: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_now(*_: object) -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("not reached")

    monkeypatch.setattr("anadil.stages.tokenizer.run", stop_now)
    with pytest.raises(Interrupted):
        go(recipe, folder)
    assert states(recipe, folder) == {"corpus": "done", "tokenizer": "partial", "encode": "todo"}


def test_two_recipes_of_one_name_are_told_apart(recipe: Path, folder: Path, tmp_path: Path) -> None:
    go(recipe, folder)
    other = write_road(tmp_path / "other", stages=LIGHT)
    with pytest.raises(UserError, match=r"was made by .*in/recipe\.toml") as caught:
        go(other, folder, "corpus.min_words=9")
    assert "another name" in str(caught.value)
