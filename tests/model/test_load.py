"""Model folders: what goes out comes back, and what is wrong is said."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tests.train.tiny import SHAPE, VOCAB, model_folder
from transformers import PreTrainedModel

from anadil.errors import UserError
from anadil.model import load
from anadil.recipe import Shape


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return model_folder(tmp_path)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_saved_is_loaded_bit_for_bit(tmp_path: Path, tied: bool, dtype: torch.dtype) -> None:
    model = load.from_shape(SHAPE, VOCAB, seed=1, bos=5, eos=6, tied=tied)
    load.save(model, tmp_path, dtype=dtype)
    again = load.load(tmp_path, dtype=dtype)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor.to(dtype), again.state_dict()[name]), name
    same = again.get_input_embeddings().weight is again.get_output_embeddings().weight
    assert same == tied == again.config.tie_word_embeddings
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["dtype"] == str(dtype).removeprefix("torch.")
    assert (config["architectures"], config["bos_token_id"]) == (["LlamaForCausalLM"], 5)
    assert ("lm_head.weight" in load_file(tmp_path / "model.safetensors")) == (not tied)


def test_saving_in_another_dtype_leaves_the_model_alone(tmp_path: Path) -> None:
    model = load.from_shape(SHAPE, VOCAB, seed=1)
    load.save(model, tmp_path, dtype=torch.bfloat16)
    assert model.dtype == torch.float32


def test_random_weights_are_a_function_of_the_seed_and_scaled_by_depth() -> None:
    shape = Shape(hidden_size=64, layers=8, heads=4, kv_heads=2, ffn_size=96)
    first, same, other = (load.from_shape(shape, 300, seed=s).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["model.embed_tokens.weight"], other["model.embed_tokens.weight"])
    layer = "model.layers.3."
    assert float(first[layer + "self_attn.q_proj.weight"].std()) == pytest.approx(0.02, rel=0.1)
    assert float(first[layer + "mlp.down_proj.weight"].std()) == pytest.approx(0.005, rel=0.1)
    assert bool((first[layer + "input_layernorm.weight"] == 1).all())


def spoil(folder: Path, kind: str) -> None:
    weights = load_file(folder / "model.safetensors")
    if kind == "no config":
        (folder / "config.json").unlink()
    elif kind == "no weights":
        (folder / "model.safetensors").unlink()
    elif kind == "torn weights":
        (folder / "model.safetensors").write_bytes(b"\0" * 100)
    elif kind == "a tensor missing":
        weights.pop("model.norm.weight")
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
    elif kind == "NaN":
        weights["model.norm.weight"][3] = float("nan")
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
    elif kind == "tokenizer too large":
        tokenizer = load.tokenizer(folder)
        tokenizer.add_tokens(["one more"])
        tokenizer.save(str(folder / "tokenizer.json"))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("no config", "config.json"),
        ("no weights", "no weights"),
        ("torn weights", "cannot load"),
        ("a tensor missing", "model.norm.weight"),
        ("NaN", "not finite"),
        ("tokenizer too large", "262"),
    ],
)
def test_what_is_wrong_is_said(folder: Path, kind: str, said: str) -> None:
    spoil(folder, kind)
    with pytest.raises(UserError, match=said) as caught:
        load.load(folder)
    assert caught.value.hint


def test_hidden_times_head_is_the_logits(folder: Path) -> None:
    model = load.load(folder)
    body, head = load.hidden_and_head(model)
    ids = torch.tensor([[1, 2, 3]])
    logits = body(input_ids=ids).last_hidden_state @ head.T
    torch.testing.assert_close(logits, model(input_ids=ids).logits)


def test_a_model_that_caps_its_logits_is_refused() -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    config = Gemma2Config(
        vocab_size=20,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        intermediate_size=16,
        final_logit_softcapping=0.1,
    )
    with pytest.raises(UserError, match="Gemma2"):
        load.hidden_and_head(Gemma2ForCausalLM(config))


def test_text_and_sequences_must_fit_the_model(folder: Path) -> None:
    model = load.load(folder)
    load.check_fits(model, vocab_size=VOCAB, sequence_length=64)
    with pytest.raises(UserError, match="263"):
        load.check_fits(model, vocab_size=263, sequence_length=64)
    with pytest.raises(UserError, match="sequence_length = 65"):
        load.check_fits(model, vocab_size=VOCAB, sequence_length=65)


@pytest.mark.parametrize(("change", "said"), [({"heads": 5}, "heads = 5"), ({"heads": 32}, "heads = 32"),
                                              ({"kv_heads": 3}, "kv_heads = 3")])  # fmt: skip
def test_a_width_that_its_heads_do_not_divide_is_refused(change: dict[str, int], said: str) -> None:
    with pytest.raises(UserError, match=said):
        load.from_shape(SHAPE.model_copy(update=change), VOCAB, seed=1)


def small(name: str) -> PreTrainedModel:
    """A tiny random model of an architecture."""
    torch.manual_seed(0)
    blocks = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes: dict[str, dict[str, Any]] = {
        "GPT2": {"n_embd": 16, "n_layer": 2, "n_head": 2},
        "Qwen3": {**blocks, "intermediate_size": 32, "num_key_value_heads": 1, "head_dim": 8},
        "OPT": {**blocks, "ffn_dim": 32, "word_embed_proj_dim": 16},
        "Falcon": blocks,
        "Bloom": {"hidden_size": 16, "n_layer": 2, "n_head": 2},
        "Mamba": {"hidden_size": 16, "num_hidden_layers": 2},
    }
    kind = {"GPT2": "GPT2LMHeadModel"}.get(name, f"{name}ForCausalLM")
    ids = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    config = getattr(transformers, f"{name}Config")(vocab_size=40, **ids, **sizes[name])
    model = getattr(transformers, kind)(config)
    assert isinstance(model, PreTrainedModel)
    return model


@pytest.mark.parametrize("name", ["GPT2", "Qwen3"])
@pytest.mark.parametrize("training", [True, False])
def test_models_that_heed_positions_keep_documents_apart(name: str, training: bool) -> None:
    model = small(name).train(training)
    load.check_packing(model)
    assert model.training == training


@pytest.mark.parametrize("name", ["OPT", "Falcon", "Bloom", "Mamba"])
def test_a_model_in_which_packed_documents_leak_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"{name}ForCausalLM"):
        load.check_packing(small(name))


def test_the_licence_goes_with_the_tokenizer(folder: Path, tmp_path: Path) -> None:
    names = {"tokenizer.json", "LICENSE.txt", "NOTICE", "USE_POLICY.md"}
    for name in names - {"tokenizer.json"}:
        (folder / name).write_text(name)
    (folder / "LICENSES").mkdir()
    (tmp_path / "target").mkdir()
    load.copy_companions(folder, tmp_path / "target")
    assert {file.name for file in (tmp_path / "target").iterdir()} == names
