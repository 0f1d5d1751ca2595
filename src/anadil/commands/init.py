"""`anadil init`: a recipe of one's own, from the built-in example."""

import shutil
from importlib import resources
from pathlib import Path

from anadil.errors import UserError


def quickstart() -> Path:
    """The folder of the built-in example."""
    return Path(str(resources.files("anadil"))) / "quickstart"


def init(folder: Path) -> Path:
    """Copy the example into `folder` under its name; returns the recipe. UserError if the folder is not empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already and not empty", hint="name a new folder; nothing was changed")
    shutil.copytree(quickstart(), folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    recipe = folder / "recipe.toml"
    text = recipe.read_text(encoding="utf-8")
    name = "".join(c if c.isalnum() or c in "._-" else "-" for c in folder.resolve().name.lower()).strip("._-")
    recipe.write_text(text.replace('name = "quickstart"', f'name = "{name or "my-bot"}"', 1), encoding="utf-8")
    return recipe
