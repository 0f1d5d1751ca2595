"""The loss is the one that the model's own code gives, whoever made the model."""

import pytest
import torch
from tests.model.families import FAMILIES, VOCAB, tiny

from anadil.model.objective import Objective


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_are_those_of_the_model_itself(family: str, tied: bool) -> None:
    torch.manual_seed(1)
    model = tiny(family, tied=tied)
    ids = torch.randint(1, VOCAB, (3, 17))
    theirs = model(input_ids=ids, labels=ids, use_cache=False).loss
    theirs.backward()
    wanted = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    ours = Objective(model)(ids[:, :-1], ids[:, 1:], torch.arange(16).repeat(3, 1)) / 48
    ours.backward()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, wanted[name], rtol=1e-4, atol=1e-6)


def test_each_label_gets_its_own_nats() -> None:
    torch.manual_seed(1)
    objective = Objective(tiny("llama"))
    ids, labels = torch.randint(1, VOCAB, (2, 8)), torch.randint(1, VOCAB, (2, 8))
    labels[0, 3] = -100
    each = objective(ids, labels, each=True)
    assert each.shape == (15,)
    torch.testing.assert_close(each.sum(), objective(ids, labels))


def test_in_bfloat16_what_lies_between_the_layers_is_bfloat16_and_weights_are_not() -> None:
    torch.manual_seed(1)
    model = tiny("llama")
    seen: list[torch.dtype] = []
    model.model.layers[1].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].dtype))
    ids = torch.randint(1, VOCAB, (2, 8))
    exact, rounded = Objective(model)(ids, ids), Objective(model, bf16=True)(ids, ids)
    assert seen[-2:] == [torch.float32, torch.bfloat16]
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0.02, atol=0.0)
    rounded.backward()
    assert {p.dtype for p in model.parameters()} == {p.grad.dtype for p in model.parameters()} == {torch.float32}
