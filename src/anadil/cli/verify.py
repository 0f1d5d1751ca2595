"""Commands around the chat model: what it learns from, whether what leaves is what was trained, what people choose."""

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


@root.command()
@click.argument("run_a", metavar="RUN_A")
@click.argument("run_b", metavar="RUN_B")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option("--out", type=click.Path(path_type=Path), help="File of the votes; default RUN_A/review/RUN_B.sqlite.")
@click.option("--seed", type=int, help="Of the orders; default: one drawn when the file of the votes is made.")
@click.option("--results", "shows", is_flag=True, help="Print what the votes say; serves nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--export", "file", type=click.Path(path_type=Path), help="Write preference pairs there; serves nothing.")
def review(
    run_a: str,
    run_b: str,
    host: str,
    port: int,
    out: Path | None,
    seed: int | None,
    shows: bool,
    as_json: bool,
    file: Path | None,
) -> None:
    """Serve a page on which people choose the better of two answers without knowing whose they are.

    RUN_B may be `base`: then the answers of RUN_A's base are the other side. Whoever has the link that it prints can
    vote. The votes are kept, and the same command goes on with them.

    Examples:
    anadil review quickstart base
    anadil review my-bot other-bot --host 0.0.0.0 --port 8080
    anadil review quickstart base --results
    anadil review quickstart base --export preferences.jsonl
    """
    from anadil.commands.review import export_preferences, serve_review, show_results

    if as_json and not shows:
        raise click.UsageError("--json belongs to --results")
    folder_a, folder_b = run_folder_of(run_a), None if run_b == "base" else run_folder_of(run_b)
    if shows:
        show_results(folder_a, folder_b, out, as_json=as_json)
    if file:
        export_preferences(folder_a, folder_b, out, file)
    if not shows and not file:
        serve_review(folder_a, folder_b, out, seed, host=host, port=port)
