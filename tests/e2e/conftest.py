"""The whole road in small, gone once a session: a base from nothing, then the base adapted in place."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.roads import IN_PLACE, write_road

BASE_STAGES = ["corpus", "tokenizer", "encode", "transfer", "pretrain", "export"]


@dataclass(frozen=True)
class Road:
    """A recipe that was run, and the folder it was run from."""

    recipe: Path
    home: Path

    @property
    def run(self) -> Path:
        return self.home / "runs" / "small"


def anadil(*arguments: str, cwd: Path, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "anadil.cli", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=os.environ | environment, input=stdin, capture_output=True, text=True, timeout=300
    )


def _gone(home: Path, **settings: object) -> Road:
    home.mkdir()
    recipe = write_road(home / "in", **settings)  # type: ignore[arg-type]
    done = anadil("run", str(recipe), cwd=home)
    assert done.returncode == 0, done.stderr
    return Road(recipe, home)


@pytest.fixture(scope="session")
def base_road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """Six stages from nothing: what `recipes/tiny-base.toml` does."""
    pytest.importorskip("torch")
    return _gone(tmp_path_factory.mktemp("e2e") / "base", stages=BASE_STAGES)


@pytest.fixture(scope="session")
def road(base_road: Road) -> Road:
    """All eight stages on that base, in place: what the quickstart does."""
    base = f'path = "{base_road.run / "export" / "hf"}"'
    return _gone(base_road.home.parent / "adapted", base=base, tokenizer=IN_PLACE)
