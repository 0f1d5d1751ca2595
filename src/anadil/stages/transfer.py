"""transfer: the base's weights -> the same model on the new vocabulary (or a new model, where there is no base)."""

from pathlib import Path

from transformers import PreTrainedModel

from anadil import durable, hub
from anadil.context import Context
from anadil.model import load
from anadil.recipe import Recipe
from anadil.tokenizer.shards import TokenShards
from anadil.transfer.move import move


def run(recipe: Recipe, inputs: dict[str, Path], out: Path, context: Context) -> dict[str, float]:
    """Write `out/model`, with the base's licence; metrics count copied and new rows."""
    shards = TokenShards(inputs["encode"])
    model: PreTrainedModel
    base: Path | None = None
    if recipe.base.shape:
        model = load.from_shape(recipe.base.shape, shards.vocab_size, seed=recipe.seed, bos=shards.bos, eos=shards.eos)
        metrics = {"new_rows": float(shards.vocab_size), "parameters": float(model.num_parameters())}
    else:
        base = hub.local_folder(str(recipe.base.path), recipe.base.revision)
        model = load.load(base, device=context.device)
        metrics = move(
            model,
            base,
            inputs["corpus"],
            inputs["tokenizer"],
            shards.token_counts(),
            method=recipe.transfer.method,
            sample_tokens=recipe.transfer.sample_tokens,
            seed=recipe.seed,
            context=context,
        )
        metrics["parameters"] = float(model.num_parameters())
    with durable.new_folder(out / "model", "model") as folder:
        load.save(model, folder)
        load.copy_companions(inputs["tokenizer"], folder)
        if base:
            load.copy_files(base, folder, load.LEGAL_FILES)
    return metrics
