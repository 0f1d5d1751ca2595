"""Every durable step of a run, one after the other: a real process dies there; the next run mends all by itself."""

import json
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from anadil import durable
from anadil.artifact import LOG, MANIFEST, STARTED, Hashes, StageFolder
from anadil.context import Context
from anadil.recipe import load
from anadil.stages.run import run
from tests.roads import write_road

LIGHT = ["corpus", "tokenizer", "encode"]
TIMES = ("seconds", "tokens_per_second", "words_per_second", "peak_gib", "waited_seconds")


@pytest.fixture(scope="module", autouse=True)
def known_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let this process find out what it asks its libraries once and takes seconds, before it is forked so often."""
    folder = tmp_path_factory.mktemp("known")
    recipe = write_road(folder / "in", stages=LIGHT)
    run(load(recipe), recipe, folder / "run", Context())


def in_child(work: Callable[[], object], environment: dict[str, str]) -> int:
    """Run `work` in a forked process; returns its exit code, or minus the signal that killed it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.environ.update(environment)
            work()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def results(folder: Path) -> dict[str, object]:
    """All outputs by hash; of logs, everything but times."""
    found: dict[str, object] = {}
    for file in sorted(folder.glob("*/**/*")):
        if file.is_file() and file.name not in (STARTED, MANIFEST):
            name = str(file.relative_to(folder))
            if file.name == LOG:
                rows = [json.loads(line) for line in file.read_text().splitlines()]
                found[name] = [{k: v for k, v in row.items() if k not in TIMES} for row in rows]
            else:
                found[name] = Hashes().of(file)
    return found


def check_nothing_false_is_done(folder: Path) -> None:
    for manifest_file in folder.glob(f"*/{MANIFEST}"):
        stage = StageFolder(manifest_file.parent)
        assert stage.manifest is not None
        for name, output in stage.manifest["outputs"].items():
            assert Hashes().of(stage.path / name) == output["sha256"], f"{stage.path.name} is done, {name} is not"


def die_everywhere(tmp_path: Path, stages: list[str] | None, action: str, every: int = 1) -> int:
    recipe = write_road(tmp_path / "in", stages=stages)

    def go(folder: Path) -> Callable[[], object]:
        return lambda: run(load(recipe), recipe, folder, Context())

    log = tmp_path / "log"
    assert in_child(go(tmp_path / "undisturbed"), {"ANADIL_FAILPOINT_LOG": str(log)}) == 0
    expected = results(tmp_path / "undisturbed")
    assert expected
    seen: dict[str, int] = {}
    for number, name in enumerate(log.read_text().split()):
        seen[name] = seen.get(name, 0) + 1
        if number % every:
            continue
        folder, point = tmp_path / f"run-{number}", f"{name}:{action}@{seen[name]}"
        assert in_child(go(folder), {"ANADIL_FAILPOINT": point}) == -signal.SIGKILL, point
        check_nothing_false_is_done(folder)
        assert in_child(go(folder), {}) == 0, f"the run after {point} needs a hand"
        assert results(folder) == expected, f"another result after {point}"
        left = [path for path in folder.rglob("*") if path.name.startswith(durable.TEMPORARY)]
        assert not left, f"left over after {point}"
    return sum(seen.values())


@pytest.mark.parametrize("action", ["kill", "torn"])
def test_dying_at_some_steps_of_the_light_stages(tmp_path: Path, action: str) -> None:
    assert die_everywhere(tmp_path, LIGHT, action, every=4 if action == "kill" else 9) > 80


@pytest.mark.slow
@pytest.mark.e2e
def test_dying_at_any_step_of_the_whole_road(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    # in a process of its own: one in which torch has had threads must not be forked
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        assert fresh.submit(die_everywhere, tmp_path, None, "kill").result() > 150
