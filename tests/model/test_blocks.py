"""What is computed twice is the same twice."""

import pytest
import torch
from tests.model.families import FAMILIES, VOCAB, tiny

from anadil.model.blocks import blocks, recompute
from anadil.model.objective import Objective


@pytest.mark.parametrize("family", FAMILIES)
def test_the_blocks_are_the_decoder_layers(family: str) -> None:
    model = tiny(family)
    assert blocks(model) == list(model.model.layers)


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("how", ["half", "full"])
def test_recomputing_saves_memory_and_gives_the_same_gradients(how: str, bf16: bool) -> None:
    torch.manual_seed(1)
    model = tiny("llama").train()
    ids = torch.randint(1, VOCAB, (2, 16))
    found = []
    for level in ("none", how):
        recompute(model, level)
        kept: list[int] = []

        def pack(tensor: torch.Tensor, kept: list[int] = kept) -> torch.Tensor:
            kept.append(tensor.numel())
            return tensor

        model.zero_grad()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = Objective(model, bf16=bf16)(ids, ids)
        loss.backward()
        found.append((sum(kept), float(loss), [p.grad.clone() for p in model.parameters()]))
    (more, loss, gradients), (less, again, same) = found
    assert less < more
    assert loss == again
    assert all(torch.equal(a, b) for a, b in zip(gradients, same, strict=True))
