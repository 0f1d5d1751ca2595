"""Every command of the README is run: `make` ones by .ci/run, the rest here, on the small road."""

import importlib.util
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Road, anadil
from tests.roads import write_road

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAM = ".venv/bin/anadil "


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def test_make_commands_are_those_that_ci_runs() -> None:
    made = {command for command in commands() if not command.startswith(PROGRAM)}
    assert made == {"make demo", "make test"}
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make demo" in ci
    assert "test-command" in ci


@pytest.mark.e2e
def test_the_commands_work_in_the_order_of_the_readme(road: Road, tmp_path: Path) -> None:
    shutil.copytree(road.run, tmp_path / "runs" / "quickstart")
    written = [command.removeprefix(PROGRAM) for command in commands() if command.startswith(PROGRAM)]
    assert len(written) >= 4
    for command in written:
        done = anadil(*command.split(), cwd=tmp_path, stdin="Salam\n")
        assert done.returncode == 0, f"{command}: {done.stderr}"
        if command.startswith("init"):  # one's own texts in place of the sample's: small ones
            folder = tmp_path / command.split()[-1]
            shutil.rmtree(folder)
            write_road(folder, stages=["corpus", "tokenizer", "encode"])


def test_files_and_links_that_the_readme_names_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def script(path: Path) -> Any:
    """A script of the repository as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_figures_are_those_of_the_newest_row() -> None:
    bench = script(ROOT / "benchmarks" / "bench_quickstart.py")
    assert bench.readme_table(bench.newest_row()) in README


def test_the_reference_is_up_to_date() -> None:
    reference = script(ROOT / "scripts" / "reference.py")
    for name, page in (("recipe.md", reference.recipe_page()), ("commands.md", reference.commands_page())):
        written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
        assert written == page, f"docs/reference/{name} is old: run `make docs`"
