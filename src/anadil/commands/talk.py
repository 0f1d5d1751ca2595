"""`anadil chat` and `anadil serve`."""

import json
from pathlib import Path

from anadil.errors import UserError
from anadil.languages import load_profile
from anadil.recipe import Recipe
from anadil.stages.run import RUN, use_threads


def _delivered(folder: Path) -> tuple[Recipe, Path]:
    recipe = Recipe.model_validate(json.loads((folder / RUN).read_bytes())["recipe"])
    export = folder / "export"
    if not (export / "manifest.json").is_file():
        raise UserError(
            f"{folder} has no exported model yet", hint="run its recipe to the end first: anadil run RECIPE"
        )
    return recipe, export


def talk(folder: Path, engine_name: str) -> None:
    """Chat in the terminal until the user leaves."""
    from anadil.engines import open_engine
    from anadil.serve.chat import chat

    recipe, export = _delivered(folder)
    threads = use_threads(recipe.run.threads)
    with open_engine(export, engine_name, threads=threads, context_tokens=recipe.serve.context_tokens) as engine:
        chat(engine, load_profile(recipe.language), recipe.serve)


def listen(folder: Path, engine_name: str, host: str, port: int) -> None:
    """Serve until stopped."""
    from anadil.engines import open_engine
    from anadil.serve.app import serve

    recipe, export = _delivered(folder)
    threads = use_threads(recipe.run.threads)
    with open_engine(export, engine_name, threads=threads, context_tokens=recipe.serve.context_tokens) as engine:
        serve(engine, recipe.name, load_profile(recipe.language), recipe.serve, host=host, port=port)
