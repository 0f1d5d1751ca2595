"""Cross-entropy from hidden states and the output embedding; the logits never exist all at once.

With a vocabulary of 128k the logits, their float32 copy and its gradient cost 10 bytes each: 9.8
GiB at 8k tokens. Here a chunk of tokens goes hidden -> logits -> loss -> gradient before the next
one starts, as in Liger-Kernel's fused linear cross-entropy (https://github.com/linkedin/Liger-
Kernel), in plain torch, so that it runs everywhere.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORE_INDEX = -100


def linear_cross_entropy(
    hidden_TD: Tensor,
    weight_VD: Tensor,
    labels_T: Tensor,
    *,
    chunk_tokens: int = 0,
    ignore_index: int = IGNORE_INDEX,
) -> tuple[Tensor, int]:
    """Sum of the negative log likelihoods in nats (float32 scalar) and the number of tokens that have a label.

    Equal to `linear_cross_entropy_reference`, with `chunk_tokens` x V logits in memory (0: see
    `chunk_for`). Matrix products run in the autocast dtype where autocast is on, softmax and sums
    in float32.
    """
    kept_K = (labels_T != ignore_index).nonzero().squeeze(1)
    if kept_K.numel() < labels_T.numel():
        hidden_TD, labels_T = hidden_TD.index_select(0, kept_K), labels_T.index_select(0, kept_K)
    chunk_tokens = chunk_tokens or chunk_for(*weight_VD.shape)
    with_gradient = torch.is_grad_enabled() and (hidden_TD.requires_grad or weight_VD.requires_grad)
    dtype = product_dtype(hidden_TD)
    total = _LinearCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden_TD, weight_VD, labels_T, chunk_tokens, dtype, with_gradient
    )
    return total, labels_T.numel()


def linear_cross_entropy_reference(
    hidden_TD: Tensor, weight_VD: Tensor, labels_T: Tensor, *, ignore_index: int = IGNORE_INDEX
) -> tuple[Tensor, int]:
    """The plain twin: all logits at once, torch's own cross-entropy."""
    logits_TV = F.linear(hidden_TD, weight_VD).float()
    total = F.cross_entropy(logits_TV, labels_T, ignore_index=ignore_index, reduction="sum")
    return total, int((labels_T != ignore_index).sum())


@torch.no_grad()
def token_nll(hidden_TD: Tensor, weight_VD: Tensor, labels_T: Tensor, *, chunk_tokens: int = 0) -> Tensor:
    """Negative log likelihood in nats of each label, [T], in float32 or better; no gradient, a chunk at a time."""
    dtype = product_dtype(hidden_TD)
    exact = torch.promote_types(dtype, torch.float32)
    weight_VD = weight_VD.to(dtype)
    chunks = zip(
        *(torch.split(x, chunk_tokens or chunk_for(*weight_VD.shape)) for x in (hidden_TD, labels_T)),
        strict=True,
    )
    with torch.autocast(hidden_TD.device.type, enabled=False):
        parts = [F.cross_entropy((h.to(dtype) @ weight_VD.T).to(exact), y, reduction="none") for h, y in chunks]
    return torch.cat(parts) if parts else hidden_TD.new_zeros(0, dtype=exact)


def chunk_for(vocab_size: int, width: int) -> int:
    """Tokens of a chunk: as many as make 64 MiB of float32 logits, at least 128, or as much as the weight has: each
    chunk adds to the whole gradient of the weight, which should not cost more than the chunk itself."""
    return max(128, (64 << 20) // (4 * vocab_size), min(width, 2048))


def product_dtype(x: Tensor) -> torch.dtype:
    """The dtype that a matrix product of x would run in here: autocast's, or its own."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


class _LinearCrossEntropy(torch.autograd.Function):
    """Gradients are made in the forward pass, while the chunk's logits are at hand; backward only scales them."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_TD: Tensor,
        weight_VD: Tensor,
        labels_T: Tensor,
        chunk: int,
        dtype: torch.dtype,
        grads: bool,
    ) -> Tensor:
        with torch.autocast(hidden_TD.device.type, enabled=False):
            total, grad_TD, grad_VD = _forward(
                hidden_TD, weight_VD, labels_T, chunk, dtype,
                grads and ctx.needs_input_grad[0], grads and ctx.needs_input_grad[1],
            )  # fmt: skip
        ctx.gradients = grad_TD, grad_VD
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        grad_TD, grad_VD = ctx.gradients
        del ctx.gradients  # scaled in place below: a second backward must fail, not scale twice
        # a float32 factor: rounded to bfloat16 it would put the same error into every gradient
        scaled = [None if g is None else g.mul_(grad_outputs[0]) for g in (grad_TD, grad_VD)]
        return (*scaled, None, None, None, None)


def _forward(
    hidden_TD: Tensor,
    weight_VD: Tensor,
    labels_T: Tensor,
    chunk: int,
    dtype: torch.dtype,
    need_h: bool,
    need_w: bool,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    weight = weight_VD.to(dtype)
    total = torch.zeros((), dtype=torch.float32, device=hidden_TD.device)
    grad_TD = torch.empty_like(hidden_TD) if need_h else None
    # float32: the chunks' sums would lose bits in bfloat16 that the one product of the plain loss
    # keeps
    grad_VD = torch.zeros_like(weight_VD, dtype=torch.float32) if need_w else None
    for start in range(0, labels_T.numel(), chunk):
        rows = slice(start, start + chunk)
        hidden_CD, labels_C = hidden_TD[rows].to(dtype), labels_T[rows]
        logits_CV = (hidden_CD @ weight.T).float()
        highest_C1 = logits_CV.amax(dim=1, keepdim=True)
        at_label_C = logits_CV.gather(1, labels_C[:, None]).squeeze(1) - highest_C1.squeeze(1)
        weights_CV = logits_CV.sub_(highest_C1).exp_()
        sums_C1 = weights_CV.sum(dim=1, keepdim=True)
        total += (sums_C1.log().squeeze(1) - at_label_C).sum()
        if grad_TD is None and grad_VD is None:
            continue
        grad_CV = weights_CV.div_(sums_C1)
        grad_CV.scatter_add_(1, labels_C[:, None], torch.full_like(sums_C1, -1.0))
        grad_CV = grad_CV.to(dtype)
        if grad_TD is not None:
            grad_TD[rows] = grad_CV @ weight
        if grad_VD is not None:
            grad_VD += grad_CV.T @ hidden_CD
    return total, grad_TD, None if grad_VD is None else grad_VD.to(weight_VD.dtype)
