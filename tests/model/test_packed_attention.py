"""Documents laid end to end, each attended to by itself."""

import pytest
import torch
from tests.model.families import COMMON, VOCAB, tiny
from transformers import MistralConfig, MistralForCausalLM

from anadil.model.objective import Objective
from anadil.model.packed_attention import can_be_packed, document_ends, ends_for_attention, use_packed_attention

SIZES = ((5, 1, 10), (16,), (3, 13))
"""Documents of each row of 16 tokens."""


def packed() -> tuple[torch.Tensor, torch.Tensor]:
    positions = [torch.cat([torch.arange(size) for size in row]) for row in SIZES]
    return torch.randint(1, VOCAB, (3, 16)), torch.stack(positions)


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma"])
def test_each_document_is_as_if_it_were_alone(family: str) -> None:
    torch.manual_seed(1)
    model = tiny(family).train()
    ids, positions = packed()
    documents = [part for row, sizes in zip(ids, SIZES, strict=True) for part in torch.split(row, sizes)]
    alone = [model.get_decoder()(input_ids=d[None], use_cache=False).last_hidden_state[0] for d in documents]
    use_packed_attention(model)
    ends = ends_for_attention(document_ends(positions), 16)
    states = model.get_decoder()(input_ids=ids, position_ids=positions, use_cache=False, **ends)
    torch.testing.assert_close(states.last_hidden_state.flatten(0, 1), torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_masked_attention() -> None:
    torch.manual_seed(1)
    model = tiny("llama").train()
    ids, positions = packed()
    found = []
    for change in (lambda: None, lambda: use_packed_attention(model)):
        change()
        model.zero_grad()
        Objective(model)(ids, ids, positions).backward()
        found.append([p.grad.clone() for p in model.parameters()])
    for masked, apart in zip(*found, strict=True):
        torch.testing.assert_close(apart, masked, rtol=1e-4, atol=1e-5)


def test_without_positions_each_row_is_one_document() -> None:
    torch.manual_seed(1)
    model = tiny("llama")
    ids, _ = packed()
    before = Objective(model)(ids, ids, each=True)
    use_packed_attention(model)
    torch.testing.assert_close(Objective(model)(ids, ids, each=True), before, rtol=1e-4, atol=1e-5)


def test_the_ends_are_rounded_up_with_documents_of_no_tokens() -> None:
    _, positions = packed()
    ends = document_ends(positions)
    assert ends.tolist() == [0, 5, 6, 16, 32, 35] + [48] * 58
    assert ends.dtype == torch.int32


def test_a_sliding_window_is_left_to_the_mask() -> None:
    assert can_be_packed(tiny("llama"))
    assert not can_be_packed(MistralForCausalLM(MistralConfig(**COMMON, sliding_window=4)))
