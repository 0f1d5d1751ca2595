"""Sets of prompts and requests that come with the package, one folder for each language that has some."""

from pathlib import Path

from anadil.languages import LanguageProfile


def set_of(profile: LanguageProfile, name: str = "") -> Path | None:
    """The file `name` of the language's sets, or for no name their folder; None where there is none."""
    path = Path(__file__).parent / profile.code / name
    return path if path.exists() else None
