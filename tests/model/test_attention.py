"""The CPU attention against transformers' sdpa."""

import pytest
import torch
from tests.train.tiny import SHAPE, VOCAB

from anadil.model import load
from anadil.model.attention import CPU_ATTENTION, use_cpu_attention

PACKED = torch.tensor([[*range(7), *range(9)], [*range(16)]])
PLAIN = torch.arange(16).repeat(2, 1)


@pytest.mark.parametrize("positions", [PACKED, PLAIN], ids=["packed", "one document"])
def test_loss_and_gradients_are_those_of_sdpa(positions: torch.Tensor) -> None:
    ids = torch.randint(0, VOCAB, (2, 16), generator=torch.Generator().manual_seed(0))
    found = []
    for fast in (False, True):
        model = load.from_shape(SHAPE, VOCAB, seed=2)
        if fast:
            use_cpu_attention(model)
            assert model.config._attn_implementation == CPU_ATTENTION
        loss = model(input_ids=ids, position_ids=positions, labels=ids, use_cache=False).loss
        loss.backward()
        gradient = model.model.layers[0].self_attn.k_proj.weight.grad
        assert gradient is not None
        found.append((loss.detach(), gradient))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-7)


def test_another_choice_of_attention_stays() -> None:
    model = load.from_shape(SHAPE, VOCAB, seed=2)
    model.set_attn_implementation("eager")
    use_cpu_attention(model)
    assert model.config._attn_implementation == "eager"
