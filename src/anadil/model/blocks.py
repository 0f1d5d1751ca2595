"""The blocks of a decoder: what is compiled, recomputed and sharded one by one."""

from functools import partial
from typing import Any, Literal

from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from anadil.errors import UserError
from anadil.model.load import plain_model

Recompute = Literal["none", "half", "full"]


def blocks(model: nn.Module) -> list[nn.Module]:
    """The decoder layers, in order: what transformers never splits over two devices."""
    plain = plain_model(model)
    kinds = set(getattr(plain, "_no_split_modules", None) or ())
    return [module for module in plain.modules() if type(module).__name__ in kinds and type(module) is not nn.Embedding]


def recompute(model: nn.Module, how: Recompute) -> None:
    """Keep no activations inside every second block, or inside any: backward computes them again.

    Costs up to a third of the forward passes' work and gives the same gradients, bit for bit.
    """
    every = blocks(model)
    chosen = {"none": [], "half": every[1::2], "full": every}[how]
    for block in every:
        if not isinstance(block, GradientCheckpointingLayer):
            if how == "none":
                continue
            what = f"the layers of {type(plain_model(model)).__name__} cannot be recomputed in the backward pass"
            raise UserError(what, hint='set run.recompute = "none", or use another base model')
        layer: Any = block
        layer.gradient_checkpointing = block in chosen
        layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)


def compile_blocks(model: nn.Module) -> None:
    """Let torch compile each block; they are alike, so that one compilation serves all."""
    for block in blocks(model):
        compiled: Any = block
        compiled.compile(dynamic=False)
