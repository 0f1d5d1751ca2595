"""The stage export: which files it writes, what it measures, what it says when llama.cpp is not there."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.roads import write_road

from anadil.artifact import Fingerprint, Hashes, StageFolder
from anadil.context import Context
from anadil.corpus.build import sources
from anadil.export import verify
from anadil.recipe import load
from anadil.stages import corpus, export


def test_it_writes_and_verifies_what_the_recipe_names(new_model: Callable[..., Path], tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="llama.cpp reads the files")
    recipe = load(write_road(tmp_path / "in"), ['export.gguf=["q8_0", "f32"]'])
    corpus.run(recipe, {}, tmp_path / "corpus", Context())
    inputs = {"sft": new_model().parent, "corpus": tmp_path / "corpus"}
    metrics = export.run(recipe, inputs, tmp_path / "out", Context())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "hf",
        "model-q8_0.gguf",
        "model-f32.gguf",
        "verify.json",
    }
    result = json.loads((tmp_path / "out" / "verify.json").read_text())
    assert result["files"]["f32"]["strings"] > 240 + 8  # with held-out documents among them
    assert metrics["gguf_q8_0_ids_equal"] == metrics["gguf_q8_0_strings"] == result["files"]["q8_0"]["strings"]
    assert metrics["gguf_q8_0_bytes"] == (tmp_path / "out" / "model-q8_0.gguf").stat().st_size
    assert metrics["gguf_q8_0_bytes"] < metrics["gguf_f32_bytes"]


def test_without_gguf_there_is_nothing_to_verify(new_model: Callable[..., Path], tmp_path: Path) -> None:
    recipe = load(write_road(tmp_path / "in"), ["export.gguf=[]"])
    metrics = export.run(recipe, {"transfer": new_model().parent}, tmp_path / "out", Context())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["hf"]
    assert list(metrics) == ["huggingface_bytes"]


def test_without_llama_cpp_the_files_are_written_and_marked(
    new_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "find_spec", lambda name: None)
    recipe = load(write_road(tmp_path / "in"))
    metrics = export.run(recipe, {"transfer": new_model().parent}, tmp_path / "out", Context())
    assert json.loads((tmp_path / "out" / "verify.json").read_text())["verified"] is False
    assert (tmp_path / "out" / "model-q8_0.gguf").is_file()
    assert "gguf_q8_0_ids_equal" not in metrics


def test_the_card_names_text_licences_and_figures(new_model: Callable[..., Path], tmp_path: Path) -> None:
    recipe = load(write_road(tmp_path / "in"), ["export.gguf=[]"])
    corpus.run(recipe, {}, tmp_path / "corpus", Context())
    made = new_model().parent
    facts = {"metrics": {"answers_bits_per_byte": 1.25, "trained_tokens": 4096.0}}
    StageFolder(made).finish("sft", Fingerprint({}), facts, Hashes())
    export.run(recipe, {"sft": made, "corpus": tmp_path / "corpus"}, tmp_path / "out", Context())
    card = (tmp_path / "out/hf/README.md").read_text(encoding="utf-8")
    assert card.startswith('---\nlanguage: ["az", "en"]\n')
    for source in sources(tmp_path / "corpus"):
        assert f"| {source['name']} | {source['language']} | not stated | {source['train']['documents']:,} |" in card
    assert "1.2500" in card
    assert "4,096" in card
    assert str(tmp_path) not in card
