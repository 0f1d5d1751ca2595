"""The chunked loss against float32 truth and against plain torch in the same dtype."""

import pytest
import torch
from torch import Tensor

from anadil.model.loss import linear_cross_entropy, linear_cross_entropy_reference, token_nll

T, D, V = 37, 16, 50
DRAWS = 20
MORE = 1.15
"""Gradients: they are scaled by the incoming gradient last, in bfloat16 one more rounding than plain torch does, so
up to sqrt(3/2) = 1.22 of its error. Measured over 20 draws: 1.055 for hidden states, 1.056 to 1.133 for the weights.
The loss is held to plain torch's own error and a last bit of float32, in which it is summed."""


def inputs(dtype: torch.dtype = torch.float32, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(T, D, generator=generator).to(dtype).requires_grad_()
    weight = torch.randn(V, D, generator=generator).to(dtype).requires_grad_()
    labels = torch.randint(0, V, (T,), generator=generator)
    labels[::5] = -100
    return hidden, weight, labels


def linear_cross_entropy_exact(hidden: Tensor, weight: Tensor, labels: Tensor) -> tuple[Tensor, int]:
    total = torch.nn.functional.cross_entropy(hidden @ weight.T, labels, reduction="sum")
    return total, int((labels != -100).sum())


def loss_and_gradients(function: object, *args: Tensor, **options: int) -> list[Tensor]:
    hidden, weight, labels = args
    total, n = function(hidden, weight, labels, **options)  # type: ignore[operator]
    assert n == int((labels != -100).sum())
    (total / n).backward()
    assert hidden.grad is not None
    assert weight.grad is not None
    return [total.detach().double() / n, hidden.grad.double(), weight.grad.double()]


def errors(found: list[Tensor], truth: list[Tensor]) -> list[float]:
    return [float((a - b).norm()) for a, b in zip(found, truth, strict=True)]


@pytest.mark.parametrize("chunk", [1, 8, 37, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_is_as_close_to_the_truth_as_plain_torch(dtype: torch.dtype, chunk: int) -> None:
    squared = torch.zeros(3, 3, dtype=torch.float64)  # of ours, of plain torch's, of the truth itself
    for seed in range(DRAWS):
        hidden, weight, labels = inputs(dtype, seed)
        exact = (hidden.detach().double(), weight.detach().double())
        leaves = [tensor.requires_grad_() for tensor in exact]
        truth = loss_and_gradients(linear_cross_entropy_exact, *leaves, labels)
        plain = loss_and_gradients(linear_cross_entropy_reference, *inputs(dtype, seed))
        ours = loss_and_gradients(linear_cross_entropy, hidden, weight, labels, chunk_tokens=chunk)
        found = [errors(ours, truth), errors(plain, truth), [float(t.norm()) for t in truth]]
        squared += torch.tensor(found, dtype=torch.float64) ** 2
    mine, theirs, size = (squared / DRAWS).sqrt()
    last_bit = torch.finfo(torch.float32).eps * size
    assert (mine <= torch.tensor([1.0, MORE, MORE]) * theirs + last_bit).all(), (mine / theirs, last_bit)


def test_runs_its_products_in_the_autocast_dtype() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        plain = loss_and_gradients(linear_cross_entropy_reference, *inputs())
        ours = loss_and_gradients(linear_cross_entropy, *inputs(), chunk_tokens=8)
    truth = loss_and_gradients(linear_cross_entropy_reference, *inputs())
    assert errors(ours, truth)[1] > 1e-4  # it did round
    for mine, theirs in zip(errors(ours, truth), errors(plain, truth), strict=True):
        assert mine <= MORE * theirs


def test_nothing_to_learn_gives_zero_and_zero_gradients() -> None:
    hidden, weight, labels = inputs()
    total, n = linear_cross_entropy(hidden, weight, torch.full_like(labels, -100))
    total.backward()
    assert (total.item(), n) == (0.0, 0)
    assert hidden.grad is not None
    assert not hidden.grad.any()


def test_a_second_backward_fails_instead_of_scaling_twice() -> None:
    total, _ = linear_cross_entropy(*inputs())
    total.backward(retain_graph=True)
    with pytest.raises(AttributeError):
        total.backward()


def test_token_nll_adds_up_to_the_loss() -> None:
    hidden, weight, labels = inputs()
    kept = labels != -100
    nll = token_nll(hidden[kept], weight, labels[kept], chunk_tokens=7)
    assert nll.shape == (int(kept.sum()),)
    torch.testing.assert_close(nll.sum(), linear_cross_entropy_reference(hidden, weight, labels)[0])
