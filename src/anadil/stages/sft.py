"""sft: the adapted model learns to answer, from dialogues, with LoRA."""

from pathlib import Path

from anadil.context import Context
from anadil.recipe import Recipe
from anadil.train.sft import run_sft


def run(recipe: Recipe, inputs: dict[str, Path], out: Path, context: Context) -> dict[str, float]:
    """Fine-tune and merge; metrics account for every dialogue."""
    assert recipe.sft is not None, "checked by the recipe: the stage sft has its table"
    model = next(path for path in inputs.values()) / "model"
    return run_sft(model, out, recipe.sft, context, seed=recipe.seed, system_prompt=recipe.serve.system_prompt)
