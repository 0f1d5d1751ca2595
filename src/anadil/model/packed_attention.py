"""Attention over packed documents on a GPU: one flash kernel over sequences of any length, no mask, no padding.

The kernel is `torch.nn.attention.varlen`. Its plain twin, for the CPU too, takes one document after the other.
Where documents begin travels as `cu_seq_lens_q`, the name that transformers gives it, from `Objective` through the
layers.
"""

import importlib.util
import inspect
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

NAME = "anadil_packed"
_ENDS_AT_A_TIME = 64
"""The number of documents is rounded up to a multiple of this: each new number is a new shape to a compiler."""


def use_packed_attention(model: PreTrainedModel) -> None:
    """Let a model that uses "sdpa" use `packed_attention`; it then needs the keywords of `ends_for_attention`."""
    AttentionInterface.register(NAME, packed_attention)
    AttentionMaskInterface.register(NAME, lambda *args, **kwargs: None)
    model.set_attn_implementation(NAME)


def can_be_packed(model: PreTrainedModel) -> bool:
    """Whether torch has the kernel and every layer of the model looks at the whole of a document: a sliding window is
    not offered here."""
    if importlib.util.find_spec("torch.nn.attention.varlen") is None:
        return False
    kinds = getattr(model.config, "layer_types", None) or ["full_attention"]
    sliding = getattr(model.config, "sliding_window", None) and getattr(model.config, "use_sliding_window", True)
    return model.config._attn_implementation == "sdpa" and set(kinds) == {"full_attention"} and not sliding


def document_ends(position_ids_BT: Tensor) -> Tensor:
    """Where each document of a batch laid end to end begins, and, last, its end: int32.

    The end is repeated up to a round number of documents; those have no tokens.
    """
    starts = (position_ids_BT.flatten() == 0).nonzero().squeeze(1)
    room = -(-(len(starts) + 1) // _ENDS_AT_A_TIME) * _ENDS_AT_A_TIME
    ends = torch.full((room,), position_ids_BT.numel(), dtype=torch.int32, device=position_ids_BT.device)
    ends[: len(starts)] = starts.int()
    return ends


def ends_for_attention(ends: Tensor, length: int) -> dict[str, Any]:
    """Keywords that take the ends through the layers of a model; no document is longer than `length`."""
    return {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": length, "max_length_k": length}


def packed_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
    scaling: float | None = None, cu_seq_lens_q: Tensor | None = None, max_length_q: int = 0, **kwargs: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """[B, H, T, D] queries over [B, K, T, D] keys and values -> [B, T, H, D], each document by itself.

    Without `cu_seq_lens_q` (evaluation) each row is one document and goes to sdpa.
    """
    if cu_seq_lens_q is None:
        return sdpa_attention_forward(module, query, key, value, None, scaling=scaling, **kwargs)
    batch, heads, length, width = query.shape
    scale = scaling or width**-0.5
    q, k, v = (x.transpose(1, 2).reshape(batch * length, -1, width) for x in (query, key, value))
    kernel = _flash if query.is_cuda else one_by_one
    mixed = kernel(q, k, v, cu_seq_lens_q, max_length_q, scale)
    return mixed.view(batch, length, heads, width), None


def one_by_one(query: Tensor, key: Tensor, value: Tensor, ends: Tensor, longest: int, scale: float) -> Tensor:
    """The plain twin: [N, H, D] queries over [N, K, D] keys and values -> [N, H, D]."""
    del longest
    sizes = ends.diff(append=ends.new_tensor([len(query)])).tolist()
    documents = zip(*(torch.split(x.transpose(0, 1), sizes, dim=1) for x in (query, key, value)), strict=True)
    mixed = [
        F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale, enable_gqa=True)
        for q, k, v in documents
        if q.shape[1]
    ]
    return torch.cat(mixed, dim=1).transpose(0, 1)


def _flash(query: Tensor, key: Tensor, value: Tensor, ends: Tensor, longest: int, scale: float) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    known = inspect.signature(varlen_attn).parameters
    options: dict[str, Any] = {"window_size": (-1, 0)} if "window_size" in known else {"is_causal": True}
    if "enable_gqa" in known:
        options["enable_gqa"] = True
    else:
        key, value = (x.repeat_interleave(query.shape[1] // x.shape[1], dim=1) for x in (key, value))
    if "scale" in known:
        options["scale"] = scale
    else:
        query = query * (scale * query.shape[-1] ** 0.5)
    mixed = varlen_attn(query, key, value, ends, ends, longest, longest, **options)
    assert isinstance(mixed, Tensor)
    return mixed
