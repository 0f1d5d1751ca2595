import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from anadil.errors import UserError
from anadil.export import verify as module
from anadil.export.gguf import GgufType, write_gguf
from anadil.export.verify import check_strings, verify
from anadil.tokenizer.load import load_tokenizer

pytest.importorskip("xllamacpp", reason="llama.cpp reads the files in these tests")
SAMPLES = ["Bu gün hava yaxşıdır, internet də işləyir.", "Nömrəm 055; ödəniş 12,50 manat <|eot_id|>!"]


def test_files_of_every_type_pass(untied_folder: Path, tmp_path: Path) -> None:
    kinds = ("f32", "q8_0")
    files = {kind: write_gguf(untied_folder, tmp_path / f"{kind}.gguf", kind, name="m") for kind in kinds}
    result = verify(untied_folder, files, samples=SAMPLES)
    assert result["verified"] is True
    for found in result["files"].values():
        assert found["ids_equal"] == found["strings"] > 200
    assert result["files"]["f32"]["greedy_equal"] == result["files"]["f32"]["steps"]
    assert result["files"]["f32"]["rms_logprob_error"] < 1e-4
    json.dumps(result)


def test_4_bit_files_pass(wide_folder: Path, tmp_path: Path) -> None:
    kinds = ("q8_0", "q4_0", "q4_k")
    files = {kind: write_gguf(wide_folder, tmp_path / f"{kind}.gguf", kind, name="m") for kind in kinds}
    found = verify(wide_folder, files, samples=SAMPLES)["files"]
    assert all(found[kind]["ids_equal"] == found[kind]["strings"] for kind in kinds)
    eight, four, search = (found[kind]["rms_logprob_error"] for kind in kinds)
    assert eight < search < four  # the same bits with a minimum and a search for scales are nearer


def test_other_ids_are_refused_with_the_text(new_model: Callable[..., Path], tmp_path: Path) -> None:
    """The file holds fewer merges than the tokenizer beside the weights."""
    folder = new_model()
    whole = (folder / "tokenizer.json").read_text()
    data = json.loads(whole)
    del data["model"]["merges"][5:]
    (folder / "tokenizer.json").write_text(json.dumps(data))
    file = write_gguf(folder, tmp_path / "m.gguf", "f32", name="m")
    (folder / "tokenizer.json").write_text(whole)
    with pytest.raises(UserError, match=r"m\.gguf and the tokenizer give other ids for the text 'Bu gün"):
        verify(folder, {"f32": file}, samples=["Bu gün balans artmadı"])


@pytest.mark.parametrize("kind", ["q8_0", "q4_0", "q4_k"])
def test_other_weights_are_refused(new_model: Callable[..., Path], tmp_path: Path, kind: GgufType) -> None:
    folder = new_model(hidden=256)
    file = write_gguf(folder, tmp_path / "m.gguf", kind, name="m")
    weights = load_file(folder / "model.safetensors")
    name = "model.layers.0.self_attn.q_proj.weight"
    weights[name] = torch.flip(weights[name], [0])  # as a wrong order of the rotary dimensions would
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="log-probabilities are off by"):
        verify(folder, {kind: file}, samples=SAMPLES)


def test_a_damaged_file_is_refused(model_folder: Path, tmp_path: Path) -> None:
    file = write_gguf(model_folder, tmp_path / "m.gguf", "f32", name="m")
    file.write_bytes(file.read_bytes()[:-100_000])
    with pytest.raises(UserError, match=r"llama\.cpp cannot load"):
        verify(model_folder, {"f32": file})


def test_without_llama_cpp_it_says_so(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    result = verify(model_folder, {"q8_0": Path("m.gguf")})
    assert result["verified"] is False
    assert "not installed" in result["reason"]


def test_check_strings_are_many_and_repeatable(model_folder: Path) -> None:
    tokenizer = load_tokenizer(model_folder)
    strings = check_strings(tokenizer, SAMPLES)
    assert len(set(strings)) > 230
    assert strings == check_strings(tokenizer, SAMPLES)
