"""The commands of the road: from a recipe to a chatbot, and a look at what is there."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from anadil.cli.base import RUNS, root, run_folder_of
from anadil.errors import GATE_FAILED


def _recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    settings = click.option(
        "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a key of the recipe."
    )
    folder = click.option("--run-folder", type=click.Path(path_type=Path), help="Where to run; default runs/<name>.")
    recipe = click.argument("recipe")
    return recipe(settings(folder(command)))


@root.command()
@click.argument("folder", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Write a new recipe with sample texts into FOLDER, to put your own in their place.

    Examples:
    anadil init my-bot
    anadil run my-bot/recipe.toml
    """
    from anadil.commands.init import init as write

    recipe = write(folder)
    click.echo(
        f"Wrote {recipe} and sample data beside it.\nNext: put your texts in {folder}, then  anadil run {recipe}"
    )


@root.command()
@_recipe_options
@click.option("--why", is_flag=True, help="Name every key and file that changed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan(recipe: str, settings: tuple[str, ...], run_folder: Path | None, why: bool, as_json: bool) -> None:
    """Show which stages are done, which would run, and why. Runs nothing.

    Examples:
    anadil plan quickstart
    anadil plan recipes/az.toml --why
    anadil plan recipes/az.toml --set pretrain.learning_rate=1e-4
    """
    from anadil.commands.run import show_plan

    show_plan(recipe, list(settings), run_folder, RUNS, why=why, as_json=as_json)


@root.command()
@_recipe_options
@click.option("--rerun", is_flag=True, help="Make stale stages anew; each old one is kept until the new one is done.")
def run(recipe: str, settings: tuple[str, ...], run_folder: Path | None, rerun: bool) -> None:
    """Run every stage that is not done yet, then write the report. Exits with 3 if a gate fails.

    Examples:
    anadil run quickstart
    anadil run recipes/az.toml
    anadil run recipes/az.toml --set pretrain.epochs=2 --rerun
    """
    from anadil.commands.run import run_recipe

    if not run_recipe(recipe, list(settings), run_folder, RUNS, rerun=rerun):
        sys.exit(GATE_FAILED)


@root.command()
@click.argument("run", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print stages, states, fingerprints and metrics as JSON.")
def show(run: str, as_json: bool) -> None:
    """Show a run: its stages and the one-page report, in the terminal or as JSON.

    Examples:
    anadil show quickstart
    anadil show quickstart --json
    """
    from anadil.commands.run import show_run

    show_run(run_folder_of(run), as_json=as_json)


@root.command()
@click.argument("run_a", metavar="RUN_A")
@click.argument("run_b", metavar="RUN_B")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="FILE", help="Write both runs side by side as one HTML page."
)
def compare(run_a: str, run_b: str, as_json: bool, html: Path | None) -> None:
    """Show two runs side by side: every metric, or with --html all that a report shows.

    Examples:
    anadil compare quickstart my-bot
    anadil compare runs/a runs/b --json
    anadil compare runs/a runs/b --html compare.html
    """
    from anadil.commands.run import compare_runs

    compare_runs(run_folder_of(run_a), run_folder_of(run_b), as_json=as_json, html=html)


@root.command()
@click.argument("run", metavar="RUN")
@click.option(
    "--engine", type=click.Choice(["auto", "xllamacpp", "transformers"]), default="auto", help="What generates."
)
def chat(run: str, engine: str) -> None:
    """Talk to the model of a run in the terminal.

    Examples:
    anadil chat quickstart
    echo "Balansımı necə yoxlayım?" | anadil chat quickstart
    """
    from anadil.commands.talk import talk

    talk(run_folder_of(run), engine)


@root.command()
@click.argument("run", metavar="RUN")
@click.option(
    "--engine", type=click.Choice(["auto", "xllamacpp", "transformers"]), default="auto", help="What generates."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
def serve(run: str, engine: str, host: str, port: int) -> None:
    """Serve a run: OpenAI's chat API and a chat page for the browser.

    Examples:
    anadil serve quickstart
    anadil serve quickstart --host 0.0.0.0 --port 8080
    """
    from anadil.commands.talk import listen

    listen(run_folder_of(run), engine, host, port)


@root.command()
@click.argument("recipe", required=False)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a key of the recipe.")
@click.option("--run-folder", type=click.Path(path_type=Path), help="Where it runs; default runs/<name>.")
@click.option("--price-per-hour", type=click.FloatRange(0), help="Of this machine, to say what training will cost.")
@click.option("--time/--no-time", "timed", default=True, help="Whether to train for a moment, to know how fast it is.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(
    recipe: str | None,
    settings: tuple[str, ...],
    run_folder: Path | None,
    price_per_hour: float | None,
    timed: bool,
    as_json: bool,
) -> None:
    """Check this machine; with a RECIPE say what its training will take here: memory, time and cost.

    Examples:
    anadil doctor
    anadil doctor recipes/az.toml
    anadil doctor recipes/az.toml --price-per-hour 4.50 --set pretrain.sequence_length=2048
    """
    from anadil.commands.doctor import examine

    if recipe is None:
        if not examine(as_json=as_json):
            sys.exit(1)
        return
    from anadil.commands.forecast import forecast
    from anadil.commands.run import context_of, find_recipe
    from anadil.recipe import load

    read = load(find_recipe(recipe), list(settings))
    folder = run_folder or RUNS / read.name
    forecast(read, folder, context_of(read.run), price_per_hour=price_per_hour, timed=timed, as_json=as_json)
