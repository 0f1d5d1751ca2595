"""Attention for training on a CPU, where torch's fused kernel has a slow backward pass.

At 16 sequences of 256 tokens, 8 heads of 32 (2 cores, bfloat16) the fused kernel took 4 ms forward
and 26 ms backward, this one 6 and 7. Its plain twin is transformers' own "sdpa".
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

CPU_ATTENTION = "anadil_cpu"
LONGEST = 1024
"""Tokens up to which it is used: the [T, T] scores, kept for backward, grow beyond the caches."""


def use_cpu_attention(model: PreTrainedModel) -> None:
    """Let a model on the CPU that uses "sdpa" use `cpu_attention`; any other stays as it is."""
    if model.device.type == "cpu" and model.config._attn_implementation == "sdpa":
        AttentionInterface.register(CPU_ATTENTION, cpu_attention)
        AttentionMaskInterface.register(CPU_ATTENTION, sdpa_mask)
        model.set_attn_implementation(CPU_ATTENTION)


def cpu_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """[B, H, T, D] queries over [B, K, T, D] keys and values -> [B, T, H, D].

    The mask is bool [B, 1, T, T], or None for a causal one. Whatever else may be asked for, and
    whatever needs no gradient, goes to sdpa. The queries of a group lie side by side in one
    product, so that keys and values need not be repeated.
    """
    (batch, heads, length, width), groups = query.shape, key.shape[1]
    if not _is_ours(query, key, attention_mask, kwargs):
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    if attention_mask is None:
        attention_mask = torch.ones(length, length, dtype=torch.bool).tril()
    scale = kwargs.get("scaling") or width**-0.5
    grouped = (query * scale).reshape(batch * groups, -1, width)
    scores = torch.bmm(grouped, key.reshape(batch * groups, length, width).transpose(1, 2))
    added = torch.where(attention_mask, 0.0, float("-inf")).to(scores.dtype)
    weights = torch.softmax(scores.view(batch, heads, length, length).add_(added), dim=-1)
    flat = value.reshape(batch * groups, length, width)
    mixed = torch.bmm(weights.view(batch * groups, -1, length), flat)
    return mixed.view(batch, heads, length, width).transpose(1, 2).contiguous(), None


def _is_ours(query: Tensor, key: Tensor, mask: Tensor | None, options: dict[str, Any]) -> bool:
    simple = mask is None or (mask.dtype == torch.bool and mask.shape[1] == 1)
    short = query.shape[2] == key.shape[2] <= LONGEST
    known = ("scaling", "is_causal", "position_ids", "use_cache", "sliding_window")
    asked = {name for name, value in options.items() if name not in known and value}
    causal = options.get("is_causal") is not False
    return torch.is_grad_enabled() and simple and short and causal and not asked
