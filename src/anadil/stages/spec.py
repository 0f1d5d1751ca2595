"""What a stage is: plain data that `plan`, `run` and the runners read without importing the stage's code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from anadil.context import Context
from anadil.errors import UserError
from anadil.recipe import Recipe

__all__ = ["Context", "Files", "StageSpec"]

Files = Mapping[str, Path | str]


@dataclass(frozen=True)
class StageSpec:
    """One row of the stage table.

    `version` is raised by hand when the stage's code starts to give another result. `needs` names input stages;
    of a group in brackets the first that the recipe has is taken. `also` names those that are read where they are.
    `files` gives the files from outside, by label, or of what is read only in part the digest of that part.
    `saves_on_stop` says that the stage watches `Context.stop_requested` and saves before it gives up; `together` that
    every process of a run takes part in it, not only the first. `check` raises UserError for what can be known to be
    wrong before the stages before it have run: it is called before any of them.
    """

    name: str
    version: int
    tables: tuple[str, ...]
    shared: tuple[str, ...]
    needs: tuple[str | tuple[str, ...], ...]
    files: Callable[[Recipe], Files]
    uses_gpu: bool = False
    saves_on_stop: bool = False
    together: bool = False
    check: Callable[[Recipe], None] = lambda recipe: None
    also: tuple[str, ...] = ()

    def inputs(self, recipe: Recipe) -> list[str]:
        """The input stages in this recipe; UserError if one is not in its `stages`."""
        needed = [self._first(recipe, (need,) if isinstance(need, str) else need) for need in self.needs]
        return needed + [name for name in self.also if name in recipe.stages]

    def _first(self, recipe: Recipe, group: tuple[str, ...]) -> str:
        for name in group:
            if name in recipe.stages:
                return name
        hint = f"add {' or '.join(group)} to `stages`, or leave {self.name} out; what is done is not done again"
        raise UserError(f"the stage {self.name} needs {' or '.join(group)}, which `stages` does not list", hint=hint)
