"""transfer: the base's weights -> the same model on the new vocabulary (or a new model, where there is no base)."""

from pathlib import Path

from transformers import PreTrainedModel

from anadil import durable, hub
from anadil.context import Context
from anadil.model import load
from anadil.recipe import Recipe
from anadil.tokenizer.shards import TokenShards
from anadil.transfer.move import move
from anadil.transfer.settle import settle


def run(recipe: Recipe, inputs: dict[str, Path], out: Path, context: Context) -> dict[str, float]:
    """Write `out/model`, with the base's licence; metrics count copied and new rows."""
    shards = TokenShards(inputs["encode"])
    model: PreTrainedModel
    base: Path | None = None
    if recipe.base.shape:
        model = load.from_shape(recipe.base.shape, shards.vocab_size, seed=recipe.seed, bos=shards.bos, eos=shards.eos)
        metrics = {"new_rows": float(shards.vocab_size)}
    else:
        base = hub.local_folder(str(recipe.base.path), recipe.base.revision)
        model = load.load(base, device=context.device)
        metrics = _move(model, base, recipe, inputs, shards, out, context)
    with durable.new_folder(out / "model", "model") as folder:
        load.save(model, folder)
        load.copy_companions(inputs["tokenizer"], folder)
        if base:
            load.copy_files(base, folder, load.LEGAL_FILES)
    return metrics | {"parameters": float(model.num_parameters())}


def _move(
    model: PreTrainedModel,
    base: Path,
    recipe: Recipe,
    inputs: dict[str, Path],
    shards: TokenShards,
    out: Path,
    context: Context,
) -> dict[str, float]:
    table = recipe.transfer
    metrics, new = move(
        model,
        base,
        inputs["corpus"],
        inputs["tokenizer"],
        shards,
        method=table.method,
        sample_tokens=table.sample_tokens,
        seed=recipe.seed,
        context=context,
    )
    if table.settle and new:
        metrics |= settle(model, new, shards, table.settle, out, context, seed=recipe.seed)
    return metrics
