"""`anadil init`: a recipe of one's own, from the built-in example."""

import shutil
import unicodedata
from importlib import resources
from pathlib import Path

from anadil.errors import UserError
from anadil.languages import known_languages, load_profile


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
    name = run_name(folder.resolve().name)
    recipe.write_text(text.replace('name = "quickstart"', f'name = "{name}"', 1), encoding="utf-8")
    return recipe


def run_name(title: str) -> str:
    """A name that a recipe may have: ASCII, letters without their marks; `my-bot` where nothing of `title` is left."""
    for code in known_languages():
        title = load_profile(code).fold_ascii(title)
    letters = [c for c in unicodedata.normalize("NFKD", title).lower() if not unicodedata.combining(c)]
    kept = (c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in letters)
    return "".join(kept).strip("._-") or "my-bot"
