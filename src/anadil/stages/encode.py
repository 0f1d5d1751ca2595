"""encode: clean text -> token shards."""

from pathlib import Path

from anadil.context import Context
from anadil.recipe import Recipe
from anadil.tokenizer.encode import encode


def run(recipe: Recipe, inputs: dict[str, Path], out: Path, context: Context) -> dict[str, float]:
    """Encode the corpus with the new tokenizer, in parallel, restartable by shard."""
    del recipe
    return encode(inputs["corpus"], inputs["tokenizer"], out, context.threads, context.progress, context.stop_requested)
