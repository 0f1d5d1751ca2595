"""What an engine takes where, and that it says so."""

import pytest
import torch
from tests.model.families import tiny

from anadil.context import Context
from anadil.model.objective import Objective
from anadil.progress import silent
from anadil.recipe import Optimisation
from anadil.train.engine import Engine, take_packed_attention

SETTINGS = Optimisation(sequence_length=32, global_batch_tokens=64)


@pytest.mark.parametrize("breaks", ["no kernel image is available", None])
def test_it_is_taken_only_where_it_gives_what_masks_give(breaks: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []

    class Said(type(silent())):  # type: ignore[misc]
        def line(self, text: str) -> None:
            lines.append(text)

    def wrong(query: torch.Tensor, *given: object) -> torch.Tensor:
        if breaks:
            raise RuntimeError(breaks + "\nand more")
        return query * 0 + 30.0

    torch.manual_seed(1)
    right = Objective(tiny("llama"))
    take_packed_attention(right, Said())
    assert right.packed
    assert lines == []
    monkeypatch.setattr("anadil.model.packed_attention.one_by_one", wrong)
    broken = Objective(tiny("llama"))
    take_packed_attention(broken, Said())
    assert not broken.packed
    assert lines == [f"  packed attention does not work here ({breaks or 'another loss'}): masks are used"]


def test_blocks_are_compiled_only_where_that_is_asked_for() -> None:
    """Compiling itself needs a compiler; that it was asked for is seen on the block."""
    asked = tiny("llama")
    Engine(asked, SETTINGS, Context(compile="on"))
    assert all(block._compiled_call_impl is not None for block in asked.model.layers)
    plain = tiny("llama")
    Engine(plain, SETTINGS, Context(compile="auto"))
    assert all(block._compiled_call_impl is None for block in plain.model.layers)


def test_the_place_says_how_the_work_is_done() -> None:
    found = Engine(tiny("llama"), SETTINGS, Context(micro_batch_tokens=32, recompute="full")).place
    assert (found.processes, found.micro_batch_tokens, found.recompute, found.loss) == (1, 32, "full", "torch")
