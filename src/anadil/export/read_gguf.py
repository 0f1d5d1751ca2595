"""A GGUF file back into a Llama and its tokenizer, so that the delivered file itself can be scored.

Every type that `gguf.quants` can dequantise is read (also the K kinds that only others write).
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFReader, TokenType
from gguf.quants import dequantize
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from anadil.errors import UserError
from anadil.export.gguf import ARCHITECTURE, BLOCK_NAMES, TOP_NAMES, heads_of, unpermute
from anadil.tokenizer.chat import BOS
from anadil.tokenizer.load import Merge, Vocabulary, added_token, llama3_pre_tokenizer

LLAMA3_SPLITS = ("llama-bpe", "llama3", "llama-v3")
"""Names that llama.cpp knows Llama 3's split into words by."""
_HINT = "score the Hugging Face folder it was made from instead"


def load_gguf(path: Path, *, dtype: torch.dtype = torch.float32) -> tuple[LlamaForCausalLM, Tokenizer]:
    """The Llama and the tokenizer in the GGUF file `path`, weights dequantised to `dtype`, in evaluation mode.

    Control tokens typed in text stay text. UserError for a damaged file, another architecture or another split.
    """
    reader = open_gguf(path)
    return _model(reader, path, dtype), _tokenizer(reader, path)


def load_gguf_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer alone."""
    return _tokenizer(open_gguf(path), path)


def open_gguf(path: Path) -> GGUFReader:
    """The file; UserError if it is damaged, or of another architecture."""
    try:
        reader = GGUFReader(path)
    except (OSError, ValueError, IndexError) as error:
        raise UserError(f"{path} is not a readable GGUF file: {error}", hint="export or fetch it again") from error
    found = read_field(reader, "general.architecture")
    if found != ARCHITECTURE:
        raise UserError(f"{path} holds a {found!r} model; only {ARCHITECTURE!r} is read", hint=_HINT)
    return reader


def read_field(reader: GGUFReader, key: str, default: Any = None) -> Any:
    """A piece of the metadata."""
    field = reader.get_field(key)
    return default if field is None else field.contents()


def read_config(reader: GGUFReader) -> LlamaConfig:
    """The transformers configuration that the metadata describe, without rotary scaling (see `_model`)."""
    get = {key: read_field(reader, f"{ARCHITECTURE}.{key}") for key in _KEYS}
    heads, tokens = int(get["attention.head_count"]), read_field(reader, "tokenizer.ggml.tokens")
    return LlamaConfig(
        vocab_size=get["vocab_size"] or len(tokens),
        hidden_size=get["embedding_length"],
        intermediate_size=get["feed_forward_length"],
        num_hidden_layers=get["block_count"],
        num_attention_heads=heads,
        num_key_value_heads=get["attention.head_count_kv"] or heads,
        head_dim=get["attention.key_length"] or get["rope.dimension_count"],
        max_position_embeddings=get["context_length"],
        rms_norm_eps=get["attention.layer_norm_rms_epsilon"],
        rope_parameters={"rope_type": "default", "rope_theta": get["rope.freq_base"] or 10_000.0},
        tie_word_embeddings=all(tensor.name != "output.weight" for tensor in reader.tensors),
    )


_KEYS = (
    "vocab_size", "embedding_length", "feed_forward_length", "block_count", "context_length", "rope.freq_base",
    "attention.head_count", "attention.head_count_kv", "attention.key_length", "rope.dimension_count",
    "attention.layer_norm_rms_epsilon",
)  # fmt: skip


def _model(reader: GGUFReader, path: Path, dtype: torch.dtype) -> LlamaForCausalLM:
    config = read_config(reader)
    weights, factors = dict[str, torch.Tensor](), None
    for tensor in reader.tensors:
        array: NDArray[np.float32] = dequantize(tensor.data, tensor.tensor_type)
        if tensor.name == "rope_freqs.weight":
            factors = torch.from_numpy(array.copy())
            continue
        name = huggingface_name(tensor.name, path)
        heads = heads_of(name, config.to_dict())
        array = unpermute(array, heads) if heads else array
        weights[name] = torch.from_numpy(array.copy() if array.base is not None else array).to(dtype)
    return _assemble(config, weights, factors, path)


def _assemble(
    config: LlamaConfig, weights: dict[str, torch.Tensor], factors: torch.Tensor | None, path: Path
) -> LlamaForCausalLM:
    with torch.device("meta"):  # no time for random weights that are thrown away
        model = LlamaForCausalLM(config)
    missing = set(model.load_state_dict(weights, strict=False, assign=True).missing_keys)
    if missing := missing - ({"lm_head.weight"} if config.tie_word_embeddings else set()):
        raise UserError(f"{path} lacks {len(missing)} tensors, first {min(missing)}", hint="export or fetch it again")
    model.tie_weights()
    model.model.rotary_emb = LlamaRotaryEmbedding(config)
    if factors is not None:  # Llama 3's scaling comes as one divisor a frequency
        model.model.rotary_emb.inv_freq /= factors
    model.eval()  # type: ignore[no-untyped-call]
    return model


def huggingface_name(name: str, path: Path) -> str:
    """What Hugging Face calls a tensor of a plain Llama; UserError if it has none such."""
    top = {known: original for original, known in TOP_NAMES.items()}
    block = {known: original for original, known in BLOCK_NAMES.items()}
    if name in top:
        return top[name]
    number, _, rest = name.removeprefix("blk.").partition(".")
    if not number.isdecimal() or rest not in block:
        raise UserError(f"{path}: a plain Llama has no tensor {name!r}", hint=_HINT)
    return f"model.layers.{number}.{block[rest]}"


def _tokenizer(reader: GGUFReader, path: Path) -> Tokenizer:
    kind, split = read_field(reader, "tokenizer.ggml.model"), read_field(reader, "tokenizer.ggml.pre")
    if kind != "gpt2" or split not in LLAMA3_SPLITS:
        what = f"{path}: tokenizer {kind!r} with split {split!r}; only 'gpt2' with Llama 3's split is read"
        raise UserError(what, hint=_HINT)
    tokens, types = read_field(reader, "tokenizer.ggml.tokens"), read_field(reader, "tokenizer.ggml.token_type")
    merges: list[Merge] = [tuple(merge.split(" ", 1)) for merge in read_field(reader, "tokenizer.ggml.merges")]
    plain, added = dict[str, int](), []
    for row, (text, token_type) in enumerate(zip(tokens, types, strict=True)):
        if token_type == TokenType.NORMAL:
            plain[text] = row
        elif token_type in (TokenType.CONTROL, TokenType.USER_DEFINED):
            added.append(added_token(text, row) | {"special": token_type == TokenType.CONTROL})
    # llama.cpp takes a whole word that is a token before it tries merges, whatever tokenizer.json said
    tokenizer = Vocabulary(plain, merges, added, llama3_pre_tokenizer(), ignore_merges=True).build()
    bos = read_field(reader, "tokenizer.ggml.bos_token_id")
    if bos is not None and tokenizer.token_to_id(BOS) != bos:
        raise UserError(f"{path}: its first token is {tokens[bos]!r}, not {BOS}", hint=_HINT)
    return tokenizer
