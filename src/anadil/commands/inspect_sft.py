"""`anadil sft inspect`: the rows that fine-tuning would see, with what is learned of them in colour."""

import json
import random
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from anadil import hub
from anadil.artifact import StageFolder
from anadil.commands.run import find_recipe
from anadil.dialogues.account import Account
from anadil.dialogues.prepare import Prepared, Surroundings, prepare
from anadil.dialogues.rows import Row
from anadil.dialogues.template import choose_template
from anadil.errors import UserError
from anadil.recipe import Recipe, load
from anadil.report.words import plain
from anadil.tokenizer.load import load_tokenizer
from anadil.tokenizer.template import Template

SHOWN = 2_000
"""Characters of a row."""


def inspect(
    name: str, settings: list[str], run_folder: Path | None, runs: Path, *, count: int, seed: int, as_json: bool
) -> None:
    """Print what becomes of the dialogues of a recipe, and `count` rows drawn at random."""
    recipe = load(find_recipe(name), settings)
    if recipe.sft is None:
        raise UserError(f"{name} has no table [sft]", hint='add one: [sft] data = ["dialogues.jsonl"]')
    folder, is_built = _tokenizer_folder(recipe, run_folder, runs / recipe.name)
    base = hub.local_folder(recipe.base.path, recipe.base.revision) if recipe.base.path else None
    template, settled = choose_template(recipe.sft, load_tokenizer(folder), folder, base), recipe.sft
    if not is_built and settled.over_long == "error":  # it may fit once the tokenizer is built
        settled = settled.model_copy(update={"over_long": "drop"})
    prepared = prepare(settled, template, Surroundings.of(recipe))
    rows = random.Random(seed).sample(prepared.rows, min(count, len(prepared.rows)))
    if as_json:
        print(json.dumps(_as_json(prepared, rows, template), ensure_ascii=False, indent=2))
        return
    console = Console(highlight=False)
    if not is_built:
        said = f"counted with the tokenizer of the base: {recipe.name} has none yet; with its own, rows will be shorter"
        console.print(Text(said, style="yellow"))
    _print_account(console, prepared)
    for row in rows:
        console.print(Padding(_shown(row, template, colour=console.color_system is not None), (1, 0, 0, 2)))
    mark = "green" if console.color_system else "what stands between » and «"
    console.print(Text(f"\n{mark} is learned: what the assistant says, and the token that ends its turn", style="dim"))


def _tokenizer_folder(recipe: Recipe, run_folder: Path | None, run: Path) -> tuple[Path, bool]:
    if run_folder and not (run_folder / "tokenizer").is_dir():
        raise UserError(f"{run_folder} has no tokenizer", hint="name the folder of a run, or leave --run-folder out")
    run = run_folder or run
    if StageFolder(run / "tokenizer").manifest:
        return run / "tokenizer", True
    if not recipe.base.path:
        what = f"{recipe.name} has no tokenizer yet, and no base that has one"
        raise UserError(what, hint='run the stages up to it first: --set stages=["corpus", "tokenizer"]')
    return hub.local_folder(recipe.base.path, recipe.base.revision), False


def _print_account(console: Console, prepared: Prepared) -> None:
    account = prepared.account
    lines = [f"{account.read:,} dialogues read"]
    lines += [f"{count:,} made: {kind.replace('_', ' ')}" for kind, count in account.made.items() if count]
    lines += [f"{count:,} left out: {reason.replace('_', ' ')}" for reason, count in account.out.items() if count]
    lines += [f"{count:,} changed: {kind.replace('_', ' ')}" for kind, count in account.changed.items() if count]
    lines += [f"{count:,} answered in {code}" for code, count in account.languages.items() if count]
    lines += [f"{account.heldout:,} of {account.kept:,} held out"]
    tokens = sum(len(row.rendered.ids) for row in prepared.rows)
    share = account.learned_tokens / max(1, tokens)
    lines += [f"{len(prepared.rows):,} rows of {tokens:,} tokens, {account.learned_tokens:,} ({share:.0%}) learned"]
    for line in lines:
        console.print(Text(line))


def _shown(row: Row, template: Template, *, colour: bool) -> Text:
    found = Text.assemble((plain(row.place), "cyan"), "  ", (row.kind.replace("_", " "), "yellow"), "\n")
    left = SHOWN
    for piece, learned in template.pieces(row.rendered):
        shown = plain(piece)[:left]
        found.append(f"»{shown}«" if learned and not colour else shown, style="bold green" if learned else "dim")
        left = max(0, left - len(piece))
    return found if left else found.append(" …")


def _as_json(prepared: Prepared, rows: list[Row], template: Template) -> dict[str, object]:
    account: Account = prepared.account
    shown = [
        {"place": row.place, "kind": row.kind, "tokens": len(row.rendered.ids), "pieces": template.pieces(row.rendered)}
        for row in rows
    ]
    return {"account": vars(account), "rows": len(prepared.rows), "shown": shown}
