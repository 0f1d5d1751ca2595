"""A model's parameters, gradients and optimizer state divided among processes, with torch's FSDP2 (`fully_shard`)."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from anadil.model import ranks
from anadil.model.blocks import blocks
from anadil.model.objective import Objective

Shard = Literal["optimizer", "full"]


def shard(objective: Objective, how: Shard) -> None:
    """Divide `objective`, in place, among all processes; nothing happens where there is one.

    "optimizer": gradients and optimizer state are divided, and weights are gathered once an update: fastest where
    the weights fit. "full": weights are gathered block by block and dropped again.
    """
    if ranks.world()[1] == 1:
        return
    objective.gathers_once = how == "optimizer"
    mesh = init_device_mesh(objective.device.type, (ranks.world()[1],))
    precision = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if objective.bf16 else None, reduce_dtype=torch.float32, cast_forward_inputs=False
    )
    for block in blocks(objective.model):
        fully_shard(block, mesh=mesh, mp_policy=precision, reshard_after_forward=how == "full")
    fully_shard(objective, mesh=mesh, mp_policy=precision, reshard_after_forward=False)


def micro_batch_follows(objective: Objective, follows: bool) -> None:
    """Whether another micro batch of this update follows: gathered weights and gradients wait for the last one, if
    weights are gathered once an update."""
    if isinstance(objective, FSDPModule):
        objective.set_is_last_backward(not follows)
        if objective.gathers_once:
            objective.set_requires_gradient_sync(not follows)
            objective.set_reshard_after_backward(not follows)


def whole(tensor: Tensor) -> Tensor:
    """The tensor that the processes hold parts of; every process has to ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def whole_state(model: nn.Module) -> dict[str, Tensor]:
    """The state dict of a model on the CPU, whole, on rank 0; empty elsewhere. Every process has to ask."""
    first = ranks.world()[0] == 0
    found: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        tensor = whole(tensor.detach())
        if first:
            found[name] = tensor.cpu()
    return found
