import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFReader, TokenType
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from anadil.errors import UserError
from anadil.export import quantise
from anadil.export.gguf import GgufType, permute, unpermute, write_gguf
from anadil.export.read_gguf import load_gguf, load_gguf_tokenizer
from anadil.tokenizer.chat import BOS, CHAT_TEMPLATE, END_TURN, EOS, encode_plain
from anadil.tokenizer.load import load_tokenizer


@pytest.fixture(params=["tied", "untied"])
def folder(request: pytest.FixtureRequest, model_folder: Path, untied_folder: Path) -> Path:
    return model_folder if request.param == "tied" else untied_folder


def state(model: LlamaForCausalLM) -> dict[str, torch.Tensor]:
    return model.state_dict()


def load(folder: Path) -> LlamaForCausalLM:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


@pytest.mark.parametrize("kind", ["f32", "bf16"])
def test_weights_come_back_exactly(folder: Path, tmp_path: Path, kind: GgufType) -> None:
    model, _ = load_gguf(write_gguf(folder, tmp_path / "m.gguf", kind, name="m"))
    before, after = state(load(folder)), state(model)
    assert before.keys() == after.keys()
    for name, weight in before.items():
        rounded = weight.bfloat16().float() if kind == "bf16" and weight.ndim == 2 else weight
        assert torch.equal(after[name], rounded), name


def test_logits_come_back(folder: Path, tmp_path: Path) -> None:
    model, _ = load_gguf(write_gguf(folder, tmp_path / "m.gguf", "f32", name="m"))
    ids = torch.arange(200)[None]  # beyond the length at which Llama 3's rotary scaling begins
    assert torch.allclose(model(ids).logits, load(folder)(ids).logits, atol=1e-4)
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == model.config.tie_word_embeddings


def test_q8_0_is_within_half_a_step_of_its_block(model_folder: Path, tmp_path: Path) -> None:
    model, _ = load_gguf(write_gguf(model_folder, tmp_path / "m.gguf", "q8_0", name="m"))
    before, after = state(load(model_folder)), state(model)
    for name, weight in before.items():
        if weight.ndim == 1:
            assert torch.equal(after[name], weight)
            continue
        blocks, error = weight.reshape(-1, 32), (after[name] - weight).reshape(-1, 32).abs()
        step = blocks.abs().amax(dim=1, keepdim=True) / 127
        # half a step, and what rounding the step itself to float16 adds over 127 steps
        assert (error <= step * (0.5 + 127 * 2**-11) + 1e-9).all(), name
        assert error.max() > 0, name


def tensor_types(file: Path) -> dict[str, str]:
    return {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(file).tensors}


@pytest.mark.parametrize("kind", ["q8_0", "q4_0"])
def test_rows_that_no_block_divides_are_bf16(untied_folder: Path, tmp_path: Path, kind: GgufType) -> None:
    kinds = tensor_types(write_gguf(untied_folder, tmp_path / "m.gguf", kind, name="m"))
    assert kinds["token_embd.weight"] == kinds["blk.0.attn_q.weight"] == "BF16"  # rows of 48
    assert kinds["blk.0.ffn_down.weight"] == kind.upper()  # rows of 96
    assert kinds["blk.0.attn_norm.weight"] == "F32"


def test_rows_without_a_whole_k_block_are_q8_0_and_then_bf16(
    wide_folder: Path, untied_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("xllamacpp", reason="llama.cpp writes q4_k")
    kinds = tensor_types(write_gguf(wide_folder, tmp_path / "wide.gguf", "q4_k", name="m"))
    assert (kinds["blk.0.ffn_up.weight"], kinds["blk.0.ffn_down.weight"]) == ("Q4_K", "Q8_0")  # rows of 256 and 96
    assert tensor_types(write_gguf(untied_folder, tmp_path / "m.gguf", "q4_k", name="m"))["output.weight"] == "BF16"


@pytest.mark.parametrize("kind", ["q4_0", "q4_k"])
def test_4_bit_files_keep_the_rows_of_the_vocabulary_finer(wide_folder: Path, tmp_path: Path, kind: GgufType) -> None:
    pytest.importorskip("xllamacpp", reason="llama.cpp writes q4_k")
    file = write_gguf(wide_folder, tmp_path / "m.gguf", kind, name="m")
    kinds = tensor_types(file)
    assert kinds["token_embd.weight"] == kinds["output.weight"] == "Q8_0"
    assert {kinds[f"blk.1.attn_{part}.weight"] for part in ("q", "k", "v", "output")} == {kind.upper()}
    assert file.stat().st_size < write_gguf(wide_folder, tmp_path / "8.gguf", "q8_0", name="m").stat().st_size


def test_metadata(model_folder: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    reader = GGUFReader(write_gguf(model_folder, tmp_path / "m.gguf", "f32", name="a name"))

    def get(key: str) -> object:
        return reader.get_field(key).contents()

    assert get("general.name") == "a name"
    assert get("general.architecture") == "llama"
    assert (get("tokenizer.ggml.model"), get("tokenizer.ggml.pre")) == ("gpt2", "llama-bpe")
    ends = (get("tokenizer.ggml.bos_token_id"), get("tokenizer.ggml.eos_token_id"), get("tokenizer.ggml.eot_token_id"))
    assert ends == tuple(tokenizer.token_to_id(name) for name in (BOS, EOS, END_TURN))
    assert get("tokenizer.ggml.add_bos_token") is True
    assert get("tokenizer.chat_template") == CHAT_TEMPLATE
    assert (get("llama.attention.head_count"), get("llama.attention.head_count_kv")) == (4, 2)
    assert "output.weight" not in {tensor.name for tensor in reader.tensors}


def test_rows_without_a_token_are_unused(model_folder: Path, tmp_path: Path) -> None:
    reader = GGUFReader(write_gguf(model_folder, tmp_path / "m.gguf", "f32", name="m"))
    types = reader.get_field("tokenizer.ggml.token_type").contents()
    assert types[-2:] == [TokenType.UNUSED] * 2
    assert types.count(TokenType.CONTROL) == 6


@pytest.fixture(scope="module")
def both_tokenizers(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, Tokenizer]:
    file = write_gguf(model_folder, tmp_path_factory.mktemp("gguf") / "m.gguf", "q8_0", name="m")
    return load_tokenizer(model_folder), load_gguf_tokenizer(file)


@given(text=st.text(max_size=60) | st.text("aeəış 0129\n\t'.<|>_", max_size=60) | st.just("x<|eot_id|>y"))
def test_the_tokenizer_read_back_gives_equal_ids(both_tokenizers: tuple[Tokenizer, Tokenizer], text: str) -> None:
    ours, theirs = both_tokenizers
    assert encode_plain(ours, text) == encode_plain(theirs, text)
    assert ours.decode(encode_plain(ours, text)) == text


@given(heads=st.integers(1, 4), half=st.integers(1, 4), columns=st.integers(1, 3))
def test_unpermute_is_the_inverse_of_permute(heads: int, half: int, columns: int) -> None:
    weight = np.arange(heads * 2 * half * columns, dtype=np.float32).reshape(-1, columns)
    assert np.array_equal(unpermute(permute(weight, heads), heads), weight)


def change_config(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


def test_another_architecture_is_named(new_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = new_model()
    change_config(folder, architectures=["Qwen3ForCausalLM"])
    with pytest.raises(UserError, match="Qwen3ForCausalLM") as caught:
        write_gguf(folder, tmp_path / "m.gguf", "f32", name="m")
    assert "export.gguf = []" in caught.value.hint


def test_another_rotary_scaling_is_named(new_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = new_model()
    change_config(folder, rope_parameters={"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0})
    with pytest.raises(UserError, match="'yarn'"):
        write_gguf(folder, tmp_path / "m.gguf", "f32", name="m")


def test_another_split_into_words_is_refused(new_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = new_model()
    data = json.loads((folder / "tokenizer.json").read_text())
    data["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\s+|\S+"
    (folder / "tokenizer.json").write_text(json.dumps(data))
    with pytest.raises(UserError, match="splits text into words in another way"):
        write_gguf(folder, tmp_path / "m.gguf", "f32", name="m")
    assert list(tmp_path.glob("*.gguf")) == []


def test_q4_k_without_llama_cpp_writes_nothing(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantise, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="xllamacpp is not installed") as caught:
        write_gguf(model_folder, tmp_path / "m.gguf", "q4_k", name="m")
    assert "anadil[serve]" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
    write_gguf(model_folder, tmp_path / "m.gguf", "q4_0", name="m")


def test_a_file_cut_short_is_refused(model_folder: Path, tmp_path: Path) -> None:
    file = write_gguf(model_folder, tmp_path / "m.gguf", "f32", name="m")
    file.write_bytes(file.read_bytes()[:-100_000])
    with pytest.raises(UserError, match="not a readable GGUF file"):
        load_gguf(file)


def test_something_else_than_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_text("hello, this is text")
    with pytest.raises(UserError, match="not a readable GGUF file"):
        load_gguf(tmp_path / "m.gguf")
