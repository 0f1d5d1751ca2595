"""How much memory training will take, before it takes it.

What backward needs is counted from what autograd saves in a forward pass of one sequence and of two, so that it holds
for any architecture; the rest is arithmetic.
"""

import ctypes
import os
import sys
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anadil.model.blocks import Recompute, blocks
from anadil.model.load import plain_model
from anadil.model.loss import chunk_for
from anadil.model.objective import Objective
from anadil.model.sharding import Shard

LEVELS: tuple[Recompute, ...] = ("none", "half", "full")
_ADAM_BYTES = 8
_CUDA_CONTEXT = 600 << 20
_FIRST_USE = 40 << 20
"""What libraries take when they are first used."""
_LEAST_PROGRAM = 300 << 20
"""Python, torch and transformers."""
_FREED_BUT_HELD = {"cpu": 1.5, "cuda": 1.05}
"""Of what comes and goes in an update, freed memory that the allocator cannot use again: glibc's heap is full of holes
where it does not give memory back to the kernel (see `engine`), torch's own on a GPU hardly."""


@dataclass(frozen=True)
class Memory:
    """Bytes in one process at the worst moment, when the backward pass of a micro batch begins."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    loss: int
    program: int

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations + self.loss + self.program


@dataclass(frozen=True)
class Footprint:
    """What a model needs for one sequence; everything else follows by multiplication."""

    parameters: int
    trained: int
    head: tuple[int, int]
    """Rows and width of the output embedding."""
    head_is_trained: bool
    layers: int
    length: int
    bf16: bool
    device: str
    per_block: int
    """Bytes that backward needs of each block, for one sequence."""
    between: int
    """The input of a block."""
    elsewhere: int
    """Bytes that backward needs outside the blocks, for one sequence."""
    copies: int
    """Bytes of bfloat16 copies of weights, however many sequences."""

    def memory(
        self, rows: int, recompute: Recompute, *, processes: int = 1, shard: Shard = "optimizer",
        program: int = 0,
    ) -> Memory:  # fmt: skip
        """The bytes for a micro batch of so many sequences. `program`: what the process has before."""
        whole = 4 * self.parameters // processes
        if processes > 1:
            whole += self.copies if shard == "optimizer" else 2 * self.copies // self.layers
        elif self.bf16:
            whole += self.copies
        kept = {"none": self.layers, "half": self.layers - self.layers // 2, "full": 0}[recompute]
        at_work = self.per_block * (1 if kept == self.layers else 2)  # gradients of a block, and its activations again
        blocks_of_one = kept * self.per_block + (self.layers - kept) * self.between + at_work
        held = _FREED_BUT_HELD[self.device]
        return Memory(
            weights=whole,
            gradients=round(held * 4 * self.trained) // processes,
            optimizer=_ADAM_BYTES * self.trained // processes,
            activations=round(held * rows * (blocks_of_one + self.elsewhere)),
            loss=round(held * self._loss(rows)),
            program=program,
        )

    def _loss(self, rows: int) -> int:
        """Gradients of hidden states and output embedding, its bfloat16 copy, and a chunk of logits (see `loss`)."""
        size, width = self.head
        tokens, item = rows * self.length, 2 if self.bf16 else 4
        chunk = min(tokens, chunk_for(size, width)) * size * (4 + (2 if self.bf16 else 0))
        copy = 2 * size * width if self.bf16 else 0
        gradient = (4 + item) * size * width if self.head_is_trained else 0
        return tokens * width * item + copy + gradient + chunk


def footprint(objective: Objective, length: int) -> Footprint:
    """Measure a model, as it is to be trained, on one and on two sequences of `length` tokens.

    Nothing is computed backward. Under torch's `FakeTensorMode` nothing is allocated either.
    """
    model = objective.model
    was_training = model.training
    model.train()
    one, two = (_saved(objective, rows, length) for rows in (1, 2))
    model.train(was_training)
    head = plain_model(model).get_output_embeddings()  # type: ignore[no-untyped-call]
    parameters, count = list(model.parameters()), len(blocks(model))
    return Footprint(
        parameters=sum(p.numel() for p in parameters),
        trained=sum(p.numel() for p in parameters if p.requires_grad),
        head=(head.weight.shape[0], head.weight.shape[1]),
        head_is_trained=head.weight.requires_grad,
        layers=count,
        length=length,
        bf16=objective.bf16,
        device=objective.device.type,
        per_block=(two.in_blocks - one.in_blocks) // count,
        between=length * head.weight.shape[1] * (2 if objective.bf16 else 4),
        elsewhere=two.elsewhere - one.elsewhere,
        copies=2 * one.in_blocks + 2 * one.elsewhere - two.in_blocks - two.elsewhere,
    )


@dataclass(frozen=True)
class _Saved:
    in_blocks: int
    elsewhere: int


def _saved(objective: Objective, rows: int, length: int) -> _Saved:
    """Bytes of storages, but for parameters, that autograd saves in a forward pass; the loss aside."""
    own = {p.untyped_storage()._cdata for p in objective.parameters()}
    kept: dict[int, tuple[int, bool, object]] = {}
    inside = [0]

    def pack(tensor: Tensor) -> None:  # not the tensor: a node that held its own output would never be freed
        storage = tensor.untyped_storage()
        if storage._cdata not in own and storage._cdata not in kept:
            kept[storage._cdata] = (storage.nbytes(), inside[0] > 0, storage)  # held, or its number is given again

    def enter(module: nn.Module, inputs: object) -> None:
        inside[0] += 1

    def leave(module: nn.Module, inputs: object, output: object) -> None:
        inside[0] -= 1

    every = blocks(objective.model)
    hooks = [block.register_forward_pre_hook(enter) for block in every]
    hooks += [block.register_forward_hook(leave) for block in every]
    ids = torch.zeros(rows, length, dtype=torch.long, device=objective.device)
    positions = torch.arange(length, device=objective.device).repeat(rows, 1)
    loss, objective.loss = objective.loss, lambda hidden, head, labels: hidden.float().sum()
    try:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda nothing: nothing):
            objective(ids, ids, positions)
    finally:
        objective.loss = loss
        for hook in hooks:
            hook.remove()
    sizes = [(size, in_block) for size, in_block, _ in kept.values()]
    return _Saved(sum(s for s, in_block in sizes if in_block), sum(s for s, in_block in sizes if not in_block))


def program_bytes(objective: Objective) -> int:
    """What this process holds besides the model: code, libraries and other data, or on a GPU its context."""
    if objective.device.type == "cuda":
        return _CUDA_CONTEXT
    own = sum(p.untyped_storage().nbytes() for p in objective.parameters())
    return max(_LEAST_PROGRAM, resident_bytes() - own) + _FIRST_USE


def resident_bytes() -> int:
    """Memory of this process, once what it has freed is given back."""
    if sys.platform != "linux":
        return _LEAST_PROGRAM
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
