"""Which kernels a model is trained with: plain torch or Liger's; asked for, or measured.

What `auto` takes on a GPU is measured there, on the shapes at hand, and remembered by the run: a resumed run takes the
same. `torch.nn.functional.linear_cross_entropy` is not among them: in bfloat16 it sums the loss in bfloat16
(docs/lab/LOG.md).
"""

import importlib.util
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from anadil.errors import UserError
from anadil.model.load import plain_model
from anadil.model.objective import Loss, Objective, plain_loss

Kernels = Literal["auto", "torch", "liger"]
_ROUNDS = 4


def liger_loss(hidden_TD: Tensor, head_VD: Tensor, labels_T: Tensor) -> Tensor:
    """Liger-Kernel's fused linear cross-entropy (https://github.com/linkedin/Liger-Kernel), in Triton."""
    from liger_kernel.transformers.functional import liger_fused_linear_cross_entropy

    total: Tensor = liger_fused_linear_cross_entropy(hidden_TD, head_VD, labels_T, reduction="sum")
    return total.float()


LOSSES: dict[str, Loss] = {"torch": plain_loss, "liger": liger_loss}


def available(device: torch.device) -> list[str]:
    """The losses that run on this device."""
    has_liger = device.type == "cuda" and importlib.util.find_spec("liger_kernel") is not None
    return ["torch", "liger"] if has_liger else ["torch"]


def use_kernels(objective: Objective, wish: Kernels, tokens: int, remembered: str | None) -> str:
    """Give `objective` its loss, and with "liger" Liger's norm, SwiGLU and RoPE too; returns the loss's name.

    `tokens` are those of a micro batch, `remembered` what an earlier attempt of the run took. UserError for "liger"
    where it does not run.
    """
    here = available(objective.device)
    if wish == "liger":
        if "liger" not in here:
            what = (
                f'run.kernels = "liger", but Liger needs a GPU and the package liger-kernel (here: {objective.device})'
            )
            raise UserError(what, hint='use "auto", or pip install liger-kernel on a machine with a GPU')
        _patch(objective)
        chosen = "liger"
    else:
        candidates = here if wish == "auto" else ["torch"]
        chosen = remembered if remembered in candidates else fastest(objective, candidates, tokens)
    objective.loss = LOSSES[chosen]
    return chosen


def fastest(objective: Objective, names: list[str], tokens: int) -> str:
    """The loss that takes the shortest time, forward and backward, on random hidden states of this model's size."""
    if len(names) == 1:
        return names[0]
    plain: Any = plain_model(objective.model)
    weight_VD = plain.get_output_embeddings().weight
    times = {name: _seconds(partial(_try, LOSSES[name], weight_VD, tokens, objective.bf16)) for name in names}
    return min(times, key=lambda name: times[name])


def _try(loss: Loss, weight_VD: Tensor, tokens: int, bf16: bool) -> None:
    size, width = weight_VD.shape
    dtype = torch.bfloat16 if bf16 else torch.float32
    hidden_TD = torch.randn(tokens, width, device=weight_VD.device, dtype=dtype, requires_grad=True)
    labels_T = torch.randint(0, size, (tokens,), device=weight_VD.device)
    with torch.autocast(weight_VD.device.type, torch.bfloat16, enabled=bf16):
        total = loss(hidden_TD, weight_VD, labels_T)
    total.backward()  # type: ignore[no-untyped-call]
    weight_VD.grad = None


def _seconds(work: Callable[[], None]) -> float:
    taken = []
    for _ in range(_ROUNDS):
        began = time.monotonic()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        taken.append(time.monotonic() - began)
    return statistics.median(taken[1:])


def _patch(objective: Objective) -> None:
    from liger_kernel.transformers import _apply_liger_kernel_to_instance

    _apply_liger_kernel_to_instance(plain_model(objective.model), cross_entropy=False, fused_linear_cross_entropy=False)
