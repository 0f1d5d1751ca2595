"""Kernels are as asked for, or the run says why not."""

import pytest
from tests.model.families import tiny

from anadil.errors import UserError
from anadil.model.kernels import LOSSES, use_kernels
from anadil.model.objective import Objective


@pytest.mark.parametrize("wish", ["auto", "torch"])
def test_a_cpu_takes_plain_torch(wish: str) -> None:
    objective = Objective(tiny("llama"))
    assert use_kernels(objective, wish, 64, "liger") == "torch"
    assert objective.loss is LOSSES["torch"]


def test_liger_without_a_gpu_is_refused() -> None:
    with pytest.raises(UserError, match=r'run.kernels = "liger".* needs a GPU.*cpu'):
        use_kernels(Objective(tiny("llama")), "liger", 64, None)
