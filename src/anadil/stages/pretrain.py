"""pretrain: the moved model learns the language from the encoded corpus."""

from pathlib import Path

from anadil.context import Context
from anadil.languages import language_key
from anadil.recipe import Recipe
from anadil.train.pretrain import run_pretrain


def run(recipe: Recipe, inputs: dict[str, Path], out: Path, context: Context) -> dict[str, float]:
    """Train, measuring bits per byte of held-out text in both languages on the way."""
    return run_pretrain(
        inputs["transfer"] / "model",
        inputs["encode"],
        out,
        recipe.pretrain,
        context,
        seed=recipe.seed,
        target=language_key(recipe.language),
        original=language_key(recipe.base.language),
    )
