"""sft: the adapted model learns to answer, from dialogues, with LoRA."""

from pathlib import Path

from anadil import hub
from anadil.context import Context
from anadil.dialogues.prepare import Surroundings
from anadil.recipe import Recipe
from anadil.train.sft import run_sft


def run(recipe: Recipe, inputs: dict[str, Path], out: Path, context: Context) -> dict[str, float]:
    """Fine-tune and merge; metrics account for every dialogue."""
    assert recipe.sft is not None, "checked by the recipe: the stage sft has its table"
    model = inputs.get("pretrain", inputs.get("transfer"))
    assert model, "one of them is an input"
    base = hub.local_folder(recipe.base.path, recipe.base.revision) if recipe.base.path else None
    tokens = inputs["encode"]
    return run_sft(model / "model", out, recipe.sft, context, Surroundings.of(recipe), base=base, tokens_folder=tokens)
