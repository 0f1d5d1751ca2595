"""The new rows find their place before anything else moves: updates of them alone, everything else frozen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from anadil.context import Context
from anadil.recipe import Optimisation
from anadil.tokenizer.shards import TokenShards
from anadil.train.data import Windows, batch
from anadil.train.loop import batch_rows, step_count, train


def settle(
    model: PreTrainedModel, new: Sequence[int], shards: TokenShards, settings: Optimisation, out: Path,
    context: Context, *, seed: int,
) -> dict[str, float]:  # fmt: skip
    """Train the rows `new` of the embedding (and of the output table, where that is another) for `settings.steps`.

    Every other value of the model stays bit for bit: gradients of other rows are zeroed, and nothing decays. Goes
    on from `out/checkpoints`. Returns metrics.
    """
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    ends: Any = model.get_input_embeddings(), model.get_output_embeddings()  # type: ignore[no-untyped-call]
    tables: dict[int, Tensor] = {id(end.weight): end.weight for end in ends}
    hooks = []
    for table_VD in tables.values():
        is_new_V1 = torch.zeros(len(table_VD), 1, device=table_VD.device)
        is_new_V1[list(new)] = 1.0
        table_VD.requires_grad_(True)
        hooks.append(table_VD.register_hook(is_new_V1.mul))  # type: ignore[no-untyped-call]
    windows = Windows(shards, settings.sequence_length, seed)
    rows = batch_rows(settings)
    still = settings.model_copy(update={"weight_decay": 0.0})  # it would move an output table's other rows
    steps = step_count(settings, windows.per_epoch, rows)
    state = train(model, lambda step: batch(windows, step, rows), still, out, context, steps=steps, seed=seed)
    for hook in hooks:
        hook.remove()
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    model.eval()  # type: ignore[no-untyped-call]
    return {"settle_steps": float(state.step), "settle_tokens": float(state.tokens), "settle_seconds": state.seconds}
