"""The chunked loss against float32 truth and against plain torch in the same dtype."""

import pytest
import torch
from torch import Tensor

from anadil.model.loss import linear_cross_entropy, linear_cross_entropy_reference, token_nll

T, D, V = 37, 16, 50


def inputs(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(T, D, generator=generator).to(dtype).requires_grad_()
    weight = torch.randn(V, D, generator=generator).to(dtype).requires_grad_()
    labels = torch.randint(0, V, (T,), generator=generator)
    labels[::5] = -100
    return hidden, weight, labels


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
    hidden, weight, labels = inputs(dtype)
    exact = (hidden.detach().double().requires_grad_(), weight.detach().double().requires_grad_())
    truth_total = torch.nn.functional.cross_entropy(exact[0] @ exact[1].T, labels)
    truth_total.backward()
    truth = [truth_total.detach(), exact[0].grad, exact[1].grad]
    plain = loss_and_gradients(linear_cross_entropy_reference, *inputs(dtype))
    ours = loss_and_gradients(linear_cross_entropy, hidden, weight, labels, chunk_tokens=chunk)
    for mine, theirs in zip(errors(ours, truth), errors(plain, truth), strict=True):  # type: ignore[arg-type]
        assert mine <= 1.2 * theirs + 1e-7  # rounding is luck: a fifth more is the same


def test_runs_its_products_in_the_autocast_dtype() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        plain = loss_and_gradients(linear_cross_entropy_reference, *inputs())
        ours = loss_and_gradients(linear_cross_entropy, *inputs(), chunk_tokens=8)
    truth = loss_and_gradients(linear_cross_entropy_reference, *inputs())
    assert errors(ours, truth)[1] > 1e-4  # it did round
    for mine, theirs in zip(errors(ours, truth), errors(plain, truth), strict=True):
        assert mine <= 1.2 * theirs + 1e-7


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
