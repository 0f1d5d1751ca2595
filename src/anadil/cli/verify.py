"""Commands around the chat model: what it would learn from, and whether what leaves is what was trained."""

import sys
from pathlib import Path

import click

from anadil.cli.base import RUNS, Group, root, run_folder_of
from anadil.errors import GATE_FAILED


@root.group(cls=Group)
def sft() -> None:
    """Look at what fine-tuning would learn from.

    Examples:
    anadil sft inspect quickstart
    """


@sft.command("inspect")
@click.argument("recipe")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a key of the recipe.")
@click.option("--run-folder", type=click.Path(path_type=Path), help="Where its tokenizer lies; default runs/<name>.")
@click.option("--count", default=3, show_default=True, type=click.IntRange(0), help="Rows to show.")
@click.option("--seed", default=0, show_default=True, help="Another seed draws other rows.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def sft_inspect(
    recipe: str, settings: tuple[str, ...], run_folder: Path | None, count: int, seed: int, as_json: bool
) -> None:
    """Show what becomes of a recipe's dialogues: how many are left out and why, and rows with what is learned in green.

    Examples:
    anadil sft inspect quickstart
    anadil sft inspect my-bot/recipe.toml --count 10 --seed 7
    anadil sft inspect my-bot/recipe.toml --set sft.over_long=split --json
    """
    from anadil.commands.inspect_sft import inspect

    inspect(recipe, list(settings), run_folder, RUNS, count=count, seed=seed, as_json=as_json)


@root.command("verify")
@click.argument("run", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def verify_delivered(run: str, as_json: bool) -> None:
    """Check that what a run delivers is the model that it trained. Exits with 3, as for a gate, if a check fails.

    Weights, adapter, token ids, chat template, where answers end, and what 8 or 4 bits cost; each fault by its cause.

    Examples:
    anadil verify quickstart
    anadil verify runs/my-bot --json
    """
    from anadil.commands.verify_run import verify_run

    if not verify_run(run_folder_of(run), as_json=as_json):
        sys.exit(GATE_FAILED)
