"""Tasks asked of a model, as the stage does it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anadil.evaluate.bits_per_byte import first_id
from anadil.evaluate.tasks import Opener, check, measure
from anadil.languages import load_profile
from anadil.progress import silent
from anadil.recipe import Task
from anadil.tokenizer.load import load_tokenizer

AZ = load_profile("az")
Measured = tuple[dict[str, list[dict[str, Any]]], dict[str, float]]


def opener(folder: Path) -> Opener:
    def opened() -> Any:
        from anadil.model.load import load

        tokenizer = load_tokenizer(folder)
        return load(folder), tokenizer, first_id(folder, tokenizer)

    return opened


def ask(
    folder: Path, *tasks: Task, base: Path | None = None, seen: Sequence[str] = (), lines: list[str] | None = None
) -> Measured:
    progress = silent() if lines is None else Noted(lines)
    checked = check(tasks, AZ, progress)
    return measure(checked, opener(folder), opener(base) if base else None, seen, AZ, progress, rounds=100)


class Noted:
    def __init__(self, lines: list[str]):
        self.lines, self.task = lines, silent().task

    def line(self, text: str) -> None:
        self.lines.append(text)
