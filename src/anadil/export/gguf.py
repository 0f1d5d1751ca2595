"""GGUF files of a Llama in a Hugging Face folder, whole or in 8 or 4 bits a weight, for llama.cpp.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; names and order of the rotary dimensions as in
llama.cpp's convert_hf_to_gguf.py (MIT), which is not on PyPI and refuses vocabularies that it does not know.
"""

import json
import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFWriter, LlamaFileType, TokenType
from gguf.quants import quant_shape_to_byte_shape
from numpy.typing import NDArray
from safetensors import safe_open

from anadil import durable
from anadil.errors import UserError
from anadil.export.huggingface import check_rows, read_config
from anadil.export.quantise import BY_LLAMA_CPP, find_quantiser, quantise
from anadil.tokenizer.chat import BOS, EOS, PAD, control_id
from anadil.tokenizer.load import Vocabulary, llama3_pre_tokenizer, load_tokenizer, read_vocabulary
from anadil.tokenizer.template import template_of
from anadil.weights import weight_files

GgufType = Literal["f32", "bf16", "q8_0", "q4_0", "q4_k"]
ARCHITECTURE = "llama"
PRE_TOKENIZER = "llama-bpe"
_NO_GGUF = "set export.gguf = [] to deliver the Hugging Face folder alone"

_FILE_TYPES: dict[GgufType, LlamaFileType] = {
    "f32": LlamaFileType.ALL_F32,
    "bf16": LlamaFileType.MOSTLY_BF16,
    "q8_0": LlamaFileType.MOSTLY_Q8_0,
    "q4_0": LlamaFileType.MOSTLY_Q4_0,
    "q4_k": LlamaFileType.MOSTLY_Q4_K_M,
}
_TENSOR_TYPES = {kind: GGMLQuantizationType[kind.upper()] for kind in _FILE_TYPES}

TOP_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
VOCABULARY_MATRICES = ("token_embd.weight", "output.weight")
BLOCK_NAMES = {
    "input_layernorm.weight": "attn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}


def write_gguf(model: Path, out: Path, kind: GgufType, *, name: str) -> Path:
    """Write the Llama in the folder `model` as the GGUF file `out`, one tensor in memory at a time; returns `out`.

    Matrices are stored as `kind`, those that it does not suit more exactly (see `_tensor_type`); vectors as f32.
    Raises UserError for what is no plain Llama with Llama 3's split into words, and where q4_k lacks llama.cpp.
    """
    config = read_config(model)
    check_architecture(config, model)
    if _TENSOR_TYPES[kind] in BY_LLAMA_CPP:
        find_quantiser()
    names = _tensor_names(model, bool(config.get("tie_word_embeddings")))
    with durable.new_file(out, "gguf") as temporary:
        writer = GGUFWriter(temporary, ARCHITECTURE)
        try:
            _add_metadata(writer, config, kind, name)
            _add_tokenizer(writer, model, config)
            _write_tensors(writer, names, config, kind)
        finally:
            writer.close()
    return out


def check_architecture(config: dict[str, Any], model: Path) -> None:
    """UserError, naming what the model is, if it is no plain Llama."""
    found = (config.get("architectures") or [str(config.get("model_type"))])[0]
    if found != "LlamaForCausalLM":
        raise UserError(f"{model} is a {found}; GGUF is written for LlamaForCausalLM only", hint=_NO_GGUF)
    if (scaling := _rope(config)["rope_type"]) not in ("default", "llama3"):
        what = f"{model} has rotary scaling {scaling!r}; GGUF is written for default and llama3 only"
        raise UserError(what, hint=_NO_GGUF)


def _rope(config: dict[str, Any]) -> dict[str, Any]:
    """Rotary parameters as transformers 5 writes them; before, they were two keys."""
    rope = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    rope.setdefault("rope_type", rope.get("type", "default"))
    rope.setdefault("rope_theta", config.get("rope_theta", 10_000.0))
    return rope


def _head_dim(config: dict[str, Any]) -> int:
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def gguf_name(name: str) -> str | None:
    """Name of a Hugging Face Llama tensor in a GGUF file; None for one that llama.cpp does not have."""
    if name in TOP_NAMES:
        return TOP_NAMES[name]
    head, _, rest = name.removeprefix("model.layers.").partition(".")
    return f"blk.{head}.{BLOCK_NAMES[rest]}" if head.isdecimal() and rest in BLOCK_NAMES else None


def _tensor_names(model: Path, tied: bool) -> dict[str, tuple[str, Path]]:
    """GGUF name -> (Hugging Face name, file); a tied output is left out, llama.cpp takes the embedding then."""
    names: dict[str, tuple[str, Path]] = {}
    for file in weight_files(model):
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118
                if tied and name == "lm_head.weight":
                    continue
                if (known := gguf_name(name)) is None:
                    raise UserError(f"{file}: a plain Llama has no tensor {name!r}", hint=_NO_GGUF)
                names[known] = (name, file)
    return names


def _add_metadata(writer: GGUFWriter, config: dict[str, Any], kind: GgufType, name: str) -> None:
    rope, head_dim = _rope(config), _head_dim(config)
    writer.add_type("model")
    writer.add_name(name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config.get("num_key_value_heads") or config["num_attention_heads"])
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(float(rope["rope_theta"]))
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(_FILE_TYPES[kind])
    writer.add_quantization_version(2)


def _add_tokenizer(writer: GGUFWriter, model: Path, config: dict[str, Any]) -> None:
    vocabulary, tokenizer = read_vocabulary(model), load_tokenizer(model)
    check_rows(config, tokenizer, model)
    if _pattern(vocabulary.pre_tokenizer) != _pattern(llama3_pre_tokenizer()):
        what = f"{model}: the tokenizer splits text into words in another way than Llama 3"
        raise UserError(what, hint=_NO_GGUF)
    tokens, types = _token_list(vocabulary, config["vocab_size"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE_TOKENIZER)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(merge) for merge in vocabulary.merges])
    writer.add_bos_token_id(control_id(tokenizer, BOS))
    writer.add_eos_token_id(control_id(tokenizer, EOS))
    template = template_of(model, tokenizer)
    writer.add_eot_token_id(template.end_id)
    if (pad := tokenizer.token_to_id(PAD)) is not None:  # younger than Llama 3.0
        writer.add_pad_token_id(pad)
    writer.add_add_bos_token(True)
    writer.add_chat_template(template.text)


def _pattern(pre_tokenizer: Any) -> list[Any]:
    parts = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    return [(part["type"], json.dumps(part.get("pattern")), part.get("use_regex")) for part in parts]


def _token_list(vocabulary: Vocabulary, rows: int) -> tuple[list[str], list[int]]:
    """Token and type of every row; rows without a token are marked unused."""
    tokens = [f"[PAD{row}]" for row in range(rows)]
    types = [int(TokenType.UNUSED)] * rows
    for token, row in vocabulary.tokens.items():
        tokens[row], types[row] = token, int(TokenType.NORMAL)
    for entry in vocabulary.added:
        row = int(entry["id"])
        kind = TokenType.CONTROL if entry.get("special") else TokenType.USER_DEFINED
        tokens[row], types[row] = str(entry["content"]), int(kind)
    return tokens, types


def _write_tensors(
    writer: GGUFWriter, names: dict[str, tuple[str, Path]], config: dict[str, Any], kind: GgufType
) -> None:
    order = sorted(names, key=_file_order)
    factors = rope_factors(_rope(config), _head_dim(config))
    if factors is not None:
        writer.add_tensor_info("rope_freqs.weight", factors.shape, factors.dtype, factors.nbytes)
    for name in order:
        _add_info(writer, name, _shape(*names[name]), kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    if factors is not None:
        writer.write_tensor_data(factors)
    for name in order:
        array = _read(*names[name], config)
        writer.write_tensor_data(quantise(np.atleast_2d(array), _tensor_type(name, array.shape, kind)))


def _file_order(name: str) -> tuple[int, str]:
    return (int(name.split(".")[1]), name) if name.startswith("blk.") else (-1, name)


def _shape(name: str, file: Path) -> tuple[int, ...]:
    with safe_open(file, framework="pt") as tensors:
        return tuple(tensors.get_slice(name).get_shape())


def _tensor_type(name: str, shape: tuple[int, ...], kind: GgufType) -> GGMLQuantizationType:
    """`kind`, or q8_0 and then bf16 for rows that are not whole blocks of it; f32 for vectors."""
    if len(shape) == 1:
        return GGMLQuantizationType.F32
    finer = [GGMLQuantizationType.Q8_0, GGMLQuantizationType.BF16]
    # Each token has a row of its own here, seldom trained for a rare one: an error in it is an error in that word,
    # where the other matrices average theirs. llama.cpp keeps such matrices finer too, as q6_K.
    wanted = finer if kind in ("q4_0", "q4_k") and name in VOCABULARY_MATRICES else [_TENSOR_TYPES[kind], *finer]
    return next(found for found in wanted if shape[-1] % GGML_QUANT_SIZES[found][0] == 0)


def _add_info(writer: GGUFWriter, name: str, shape: tuple[int, ...], kind: GgufType) -> None:
    tensor_type = _tensor_type(name, shape, kind)
    if tensor_type == GGMLQuantizationType.F32:
        writer.add_tensor_info(name, shape, np.dtype(np.float32), 4 * math.prod(shape))
        return
    stored = quant_shape_to_byte_shape(shape, tensor_type)
    writer.add_tensor_info(name, stored, np.dtype(np.uint8), math.prod(stored), raw_dtype=tensor_type)


def _read(name: str, file: Path, config: dict[str, Any]) -> NDArray[np.float32]:
    with safe_open(file, framework="pt") as tensors:
        array: NDArray[np.float32] = tensors.get_tensor(name).to(torch.float32).numpy()
    heads = heads_of(name, config)
    return permute(array, heads) if heads else array


def heads_of(name: str, config: dict[str, Any]) -> int:
    """Number of heads of a query or key matrix; 0 for any other tensor."""
    heads = int(config["num_attention_heads"])
    if name.endswith("q_proj.weight"):
        return heads
    return int(config.get("num_key_value_heads") or heads) if name.endswith("k_proj.weight") else 0


def permute(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows of a query or key matrix from Hugging Face's order to llama.cpp's.

    Hugging Face rotates dimension i with i + head_dim / 2, llama.cpp 2 i with 2 i + 1.
    """
    rows, columns = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, columns)
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows, columns)


def unpermute(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """The inverse of `permute`."""
    rows, columns = weight.shape
    pairs = weight.reshape(heads, rows // heads // 2, 2, columns)
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows, columns)


def rope_factors(rope: dict[str, Any], head_dim: int) -> NDArray[np.float32] | None:
    """What llama.cpp divides each rotary frequency by under Llama 3's scaling, [head_dim / 2]; None without it."""
    if rope["rope_type"] != "llama3":
        return None
    lengths = 2 * math.pi * rope["rope_theta"] ** (np.arange(0, head_dim, 2) / head_dim)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    turns = rope["original_max_position_embeddings"] / lengths
    smooth = np.clip((turns - low) / (high - low), 0.0, 1.0)
    factors: NDArray[np.float32] = (1 / ((1 - smooth) / rope["factor"] + smooth)).astype(np.float32)
    return factors
