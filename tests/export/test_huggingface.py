import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from anadil.errors import UserError
from anadil.export.huggingface import export_huggingface
from anadil.tokenizer.chat import END_TURN, EOS
from anadil.tokenizer.load import load_tokenizer
from anadil.tokenizer.template import Template


def test_plain_transformers_loads_it_and_computes_the_same(model_folder: Path, tmp_path: Path) -> None:
    out = export_huggingface(model_folder, tmp_path / "hf")
    ours = AutoModelForCausalLM.from_pretrained(out)
    theirs = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.bfloat16)
    ids = torch.tensor([[292, 83, 97, 108]])
    assert ours.dtype == torch.bfloat16
    assert torch.equal(ours(ids).logits, theirs(ids).logits)


def test_tied_embeddings_stay_tied(model_folder: Path, tmp_path: Path) -> None:
    out = export_huggingface(model_folder, tmp_path / "hf")
    model = AutoModelForCausalLM.from_pretrained(out)
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    with safe_open(out / "model.safetensors", framework="pt") as tensors:
        assert "lm_head.weight" not in tensors.keys()  # noqa: SIM118


def test_untied_embeddings_stay_apart(untied_folder: Path, tmp_path: Path) -> None:
    out = export_huggingface(untied_folder, tmp_path / "hf")
    before, after = load_file(untied_folder / "model.safetensors"), load_file(out / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], before[name].bfloat16()) for name in before)


def test_it_stops_at_both_ends_and_takes_the_likeliest_token(model_folder: Path, tmp_path: Path) -> None:
    out = export_huggingface(model_folder, tmp_path / "hf")
    tokenizer = load_tokenizer(out)
    generation = AutoModelForCausalLM.from_pretrained(out).generation_config
    assert generation.eos_token_id == [tokenizer.token_to_id(EOS), tokenizer.token_to_id(END_TURN)]
    assert generation.do_sample is False
    assert generation.temperature is None


def test_the_template_gives_the_renderers_ids(model_folder: Path, tmp_path: Path) -> None:
    out = export_huggingface(model_folder, tmp_path / "hf")
    messages = [{"role": "user", "content": "Salam!"}, {"role": "assistant", "content": "Salam, buyurun."}]
    theirs = AutoTokenizer.from_pretrained(out).apply_chat_template(messages, return_dict=False)
    assert theirs == Template(load_tokenizer(out)).render(messages).ids


def test_shards_and_their_index(new_model: Callable[..., Path], tmp_path: Path) -> None:
    model = new_model(tied=True)
    tensors = load_file(model / "model.safetensors")
    (model / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[:5], "model-00002-of-00002.safetensors": names[5:]}
    for file, keys in parts.items():
        save_file({key: tensors[key] for key in keys}, model / file, metadata={"format": "pt"})
    weight_map = {key: file for file, keys in parts.items() for key in keys}
    (model / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    out = export_huggingface(model, tmp_path / "hf")
    index = json.loads((out / "model.safetensors.index.json").read_text())
    assert index["weight_map"] == weight_map
    assert index["metadata"]["total_size"] == 2 * sum(tensor.numel() for tensor in tensors.values())
    assert torch.equal(
        AutoModelForCausalLM.from_pretrained(out).model.norm.weight, tensors["model.norm.weight"].bfloat16()
    )


def test_a_tokenizer_with_more_ids_than_rows_is_refused(new_model: Callable[..., Path], tmp_path: Path) -> None:
    model = new_model()
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"vocab_size": 100}))
    with pytest.raises(UserError, match="goes up to id 297, the model has 100 rows"):
        export_huggingface(model, tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


def test_pickled_weights_are_refused(new_model: Callable[..., Path], tmp_path: Path) -> None:
    model = new_model()
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"has no model.safetensors"):
        export_huggingface(model, tmp_path / "hf")
