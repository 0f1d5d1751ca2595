"""What a stage is: plain data that `plan`, `run` and the runners read without importing the stage's code."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from anadil.context import Context
from anadil.recipe import Recipe

__all__ = ["Context", "StageSpec"]


@dataclass(frozen=True)
class StageSpec:
    """One row of the stage table.

    `version` is raised by hand when the stage's code starts to give another result. `needs` names input stages;
    of a group in brackets the first that the recipe has is taken. `files` gives the files from outside, by label.
    `saves_on_stop` says that the stage watches `Context.stop_requested` and saves before it gives up.
    """

    name: str
    version: int
    tables: tuple[str, ...]
    shared: tuple[str, ...]
    needs: tuple[str | tuple[str, ...], ...]
    files: Callable[[Recipe], dict[str, Path]]
    uses_gpu: bool = False
    saves_on_stop: bool = False

    def inputs(self, recipe: Recipe) -> list[str]:
        """The input stages in this recipe."""
        groups = [(need,) if isinstance(need, str) else need for need in self.needs]
        chosen = [next((name for name in group if name in recipe.stages), None) for group in groups]
        return [name for name in chosen if name]
