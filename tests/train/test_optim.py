"""Groups and schedules."""

import pytest
from tests.train.tiny import SHAPE, VOCAB

from anadil.model import load
from anadil.recipe import Optimisation
from anadil.train.optim import learning_rate, parameter_groups


@pytest.mark.parametrize("tied", [True, False])
def test_only_matrices_that_are_no_embeddings_decay(tied: bool) -> None:
    model = load.from_shape(SHAPE, VOCAB, seed=1, tied=tied)
    names = {id(p): name for name, p in model.named_parameters()}
    decayed, others = parameter_groups(model, 0.1)
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    found = [{names[id(p)] for p in group["params"]} for group in (decayed, others)]  # type: ignore[attr-defined]
    assert found[0] | found[1] == set(names.values())
    assert not found[0] & found[1]
    assert found[1] == {n for n in names.values() if "norm" in n or "embed" in n}


def test_frozen_parameters_are_in_no_group() -> None:
    model = load.from_shape(SHAPE, VOCAB, seed=1)
    model.requires_grad_(False)
    model.model.norm.weight.requires_grad_(True)
    [group] = parameter_groups(model, 0.1)
    assert group["params"] == [model.model.norm.weight]


@pytest.mark.parametrize("schedule", ["cosine", "wsd"])
@pytest.mark.parametrize("steps", [1, 2, 10, 1000])
def test_rises_to_the_peak_and_falls_to_the_least(schedule: str, steps: int) -> None:
    settings = Optimisation(learning_rate=1.0, schedule=schedule, warmup_share=0.1)  # type: ignore[arg-type]
    rates = [learning_rate(step, steps, settings) for step in range(steps)]
    peak = rates.index(max(rates))
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    if steps >= 10:
        assert max(rates) == 1.0
        assert rates[-1] == pytest.approx(0.1)


def test_wsd_is_flat_until_its_last_share() -> None:
    settings = Optimisation(learning_rate=1.0, schedule="wsd", warmup_share=0.1, decay_share=0.2)
    rates = [learning_rate(step, 100, settings) for step in range(100)]
    assert rates[10:80] == [1.0] * 70
    assert rates[80] < 1.0
