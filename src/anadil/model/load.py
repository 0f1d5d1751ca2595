"""Models in and out: any Hugging Face causal language model, or a Llama of a given shape from nothing."""

import shutil
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)
from transformers.utils import logging

from anadil.errors import UserError
from anadil.hub import local_folder
from anadil.recipe import Shape
from anadil.tokenizer.chat import BOS, EOS, PAD, control_id
from anadil.tokenizer.template import Template

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model",
    "vocab.json", "merges.txt", "chat_template.jinja",
)  # fmt: skip
CONFIG_FILES = ("config.json", "generation_config.json", "model.safetensors.index.json")
LEGAL_FILES = ("LICENSE*", "NOTICE*", "USE_POLICY*")


def load(
    path: Path | str,
    *,
    revision: str | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> PreTrainedModel:
    """The causal language model in a Hugging Face folder, or of a hub id at a commit, in evaluation mode.

    Raises UserError when the folder is not one, lacks weights, has ones that are not finite, or a
    tokenizer with more tokens than the model has rows.
    """
    folder = local_folder(str(path), revision)
    _check_files(folder)
    try:
        with quietly():
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder, dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise UserError(f"cannot load the model in {folder}: {error}", hint="fetch or make the model again") from error
    model: PreTrainedModel = loaded[0]
    if missing := sorted(loaded[1]["missing_keys"]):
        what = f"the weights in {folder} lack {len(missing)} tensors, first {missing[0]}"
        raise UserError(what, hint="fetch or make the model again; its config.json may be of another model")
    _check_finite(model, folder)
    _check_tokenizer(model, folder)
    model.to(device)  # type: ignore[arg-type]
    model.eval()  # type: ignore[no-untyped-call]
    return model


def _check_files(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} has no config.json", hint="name the folder of a Hugging Face model")
    if not any(folder.glob("*.safetensors")):
        raise UserError(
            f"{folder} has no weights (model.safetensors)",
            hint="fetch the model's weight files too",
        )


def _check_finite(model: PreTrainedModel, folder: Path) -> None:
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise UserError(f"{name} in {folder} has values that are not finite", hint="use another checkpoint")


def _check_tokenizer(model: PreTrainedModel, folder: Path) -> None:
    if not (folder / "tokenizer.json").is_file():
        return
    vocabulary = tokenizer(folder).get_vocab(with_added_tokens=True)
    highest, rows = max(vocabulary.values()), vocabulary_rows(model)
    if highest >= rows:
        what = f"the tokenizer in {folder} has ids up to {highest}, the model only {rows} rows"
        raise UserError(what, hint="the tokenizer is not this model's; put its own one beside the weights")


def from_shape(
    shape: Shape,
    vocab_size: int,
    *,
    seed: int,
    bos: int | None = None,
    eos: int | None = None,
    tied: bool = True,
) -> LlamaForCausalLM:
    """A Llama with random weights, float32: normal with standard deviation 0.02, norms 1.

    Matrices that write to the residual stream get 0.02 / sqrt(2 x layers), as in GPT-2, so that its
    variance does not grow with depth. Raises UserError for a width that its heads do not divide.
    """
    _check_shape(shape)
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        intermediate_size=shape.ffn_size,
        max_position_embeddings=shape.max_position,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        rms_norm_eps=1e-5,
        tie_word_embeddings=tied,
        bos_token_id=bos,
        eos_token_id=eos,
    )
    model = LlamaForCausalLM(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2:
                to_residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                parameter.normal_(
                    0.0,
                    0.02 / ((2 * shape.layers) ** 0.5 if to_residual else 1.0),
                    generator=generator,
                )
    return model


def _check_shape(shape: Shape) -> None:
    width, heads = shape.hidden_size, shape.heads
    if width % (2 * heads):
        what = f"base.shape: hidden_size = {width} is not an even multiple of heads = {heads}"
        raise UserError(what, hint=f"set hidden_size to a multiple of {2 * heads}, or change heads")
    if heads % shape.kv_heads:
        what = f"base.shape: heads = {heads} is not a multiple of kv_heads = {shape.kv_heads}"
        raise UserError(what, hint=f"set kv_heads to a divisor of {heads}")


def save(
    model: PreTrainedModel, folder: Path, *, state: dict[str, Tensor] | None = None, dtype: torch.dtype | None = None
) -> None:
    """Write a plain Hugging Face folder: config.json, generation_config.json, model.safetensors.

    `state` is the model's state dict where the model itself does not hold it whole. `dtype` converts the weights in
    the files, not in `model`. `folder` is a temporary one of `durable`.
    """
    state = dict(model.state_dict() if state is None else state)
    if dtype is not None:
        state = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    for name in model.all_tied_weights_keys:  # copies may no longer share memory
        state.pop(name, None)
    with quietly():
        model.save_pretrained(folder, state_dict=state)
    if dtype is not None:
        config = AutoConfig.from_pretrained(folder)
        config.dtype = dtype
        config.save_pretrained(folder)


@contextmanager
def quietly() -> Iterator[None]:
    """Without transformers' own progress bars, and what it warns peft of: stderr is `anadil.progress`'s."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers for a name that it renamed
            yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer in a model folder; UserError if it has none."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise UserError(f"{folder} has no tokenizer.json", hint="put the model's tokenizer beside its weights")
    return Tokenizer.from_file(str(path))


def copy_companions(source: Path, target: Path) -> None:
    """Copy what goes with the weights from one model folder into another: tokenizer and licence."""
    copy_files(source, target, (*TOKENIZER_FILES, *LEGAL_FILES))


def copy_files(source: Path, target: Path, patterns: Iterable[str]) -> None:
    """Copy the files that match a pattern from one folder into another."""
    for pattern in patterns:
        for file in source.glob(pattern):
            if file.is_file():
                shutil.copyfile(file, target / file.name)


def special_ids(template: Template) -> dict[str, Any]:
    """The ids that begin, end and pad a text, as config.json names them; UserError if there are none."""
    tokenizer = template.tokenizer
    ends = [control_id(tokenizer, EOS), template.end_id]
    begin, pad = control_id(tokenizer, BOS), control_id(tokenizer, PAD)
    return {"bos_token_id": begin, "eos_token_id": ends, "pad_token_id": pad}


def set_special_ids(model: PreTrainedModel, template: Template) -> None:
    """Make both configs name this tokenizer's ids; those of another one may be ordinary tokens or no rows at all."""
    for config in (model.config, model.generation_config):
        for name, value in special_ids(template).items():
            if config is not None:
                setattr(config, name, value)


def check_fits(model: PreTrainedModel, *, vocab_size: int, sequence_length: int) -> None:
    """UserError if token ids or positions go beyond what the model has."""
    rows = vocabulary_rows(model)
    if vocab_size > rows:
        what = f"the text was encoded with {vocab_size:,} tokens, the model has {rows:,} rows"
        raise UserError(what, hint="encode it with this model's tokenizer")
    longest = getattr(model.config, "max_position_embeddings", None) or sequence_length
    if sequence_length > longest:
        what = f"sequence_length = {sequence_length} is more than the model's {longest} positions"
        raise UserError(what, hint=f"set sequence_length to {longest} or less")


def vocabulary_rows(model: PreTrainedModel) -> int:
    """Rows of the input embedding."""
    embedding = model.get_input_embeddings().weight
    assert isinstance(embedding, Tensor)
    return embedding.shape[0]


def plain_model(model: nn.Module) -> PreTrainedModel:
    """The Hugging Face model itself, out of a peft wrapper if it is in one."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore[operator]
    assert isinstance(plain, PreTrainedModel)
    return plain


def hidden_and_head(model: nn.Module) -> tuple[nn.Module, Tensor]:
    """The decoder, whose `last_hidden_state` times the second value, [V, D], gives the logits.

    That is tried on two tokens. Raises UserError for models whose logits are more than that (soft
    capping, scaling, a bias).
    """
    plain: Any = plain_model(model)
    body, head = plain.get_decoder(), plain.get_output_embeddings()
    ids = torch.tensor([[0, 1]], device=head.weight.device)
    was_training = plain.training
    plain.eval()
    with torch.no_grad():
        logits = plain(input_ids=ids, use_cache=False).logits.float()
        ours = F.linear(body(input_ids=ids, use_cache=False).last_hidden_state, head.weight).float()
    plain.train(was_training)
    if not torch.allclose(logits, ours, rtol=1e-3, atol=1e-3, equal_nan=True):
        what = f"{type(plain).__name__} changes its logits after the output embedding (soft capping, scale or bias)"
        raise UserError(what, hint="use another base model: this one cannot be trained here")
    return body, head.weight


def check_packing(model: nn.Module) -> None:
    """UserError for a model in which a document of a packed sequence sees the one before it.

    Only the positions, which restart, keep documents apart, and some models do not look at them (Bloom, Mamba, all
    with a recurrent state). That is tried: what the first document says must not move the second one's states.
    """
    plain: Any = plain_model(model)
    ids = torch.tensor([[1, 2, 3, 4, 9, 10, 11, 12], [5, 6, 7, 8, 9, 10, 11, 12]], device=plain.device)
    positions = torch.arange(4, device=plain.device).repeat(2, 2)
    was_training = plain.training
    plain.eval()
    try:  # with gradients, as in training: attention may take another road without
        body = plain.get_decoder()
        hidden = body(input_ids=ids % vocabulary_rows(plain), position_ids=positions, use_cache=False)
        first, second = hidden.last_hidden_state.detach()[:, 4:].float()
        apart = torch.allclose(first, second, rtol=1e-4, atol=1e-5, equal_nan=True)
    except TypeError:  # it takes no positions
        apart = False
    plain.train(was_training)
    if not apart:
        what = f"{type(plain).__name__} does not keep packed documents apart: it does not heed that positions restart"
        raise UserError(what, hint="use another base model: this one cannot be trained here")
