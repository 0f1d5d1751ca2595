"""durable: a reader sees old or new content, whatever dies when; and these tests see it when durable does not hold."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anadil import durable
from anadil.durable import Operation
from anadil.errors import UserError
from tests.crashing import NEW, OLD, write_all


def check(folder: Path) -> None:
    """Old or new, never a part; and if the marker is there, everything that it vouches for is there too."""
    assert (folder / "file").read_bytes() in (OLD, NEW)
    if (folder / "folder").exists():
        assert (folder / "folder" / "a").read_bytes() == NEW
        assert (folder / "folder" / "deep" / "b").read_bytes() == NEW
    if (folder / "manifest.json").exists():
        assert (folder / "manifest.json").read_bytes() == b"done"
        assert (folder / "file").read_bytes() == NEW
        assert (folder / "folder").is_dir()


def names_reached(tmp_path: Path) -> list[str]:
    log = tmp_path / "log"
    run_in_process(tmp_path / "counting", {"ANADIL_FAILPOINT_LOG": str(log)})
    return log.read_text().split()


def run_in_process(folder: Path, environment: dict[str, str]) -> int:
    folder.mkdir(exist_ok=True)
    (folder / "file").write_bytes(OLD)
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from pathlib import Path\n"
    code += f"from crashing import write_all; write_all(Path({str(folder)!r}))"
    return subprocess.run([sys.executable, "-c", code], env=os.environ | environment, capture_output=True).returncode


def test_a_process_killed_at_any_step_leaves_old_or_new(tmp_path: Path) -> None:
    reached = names_reached(tmp_path)
    assert len(reached) == 12
    for name in sorted(set(reached)):
        for action in ("kill", "torn"):
            folder = tmp_path / f"{name}-{action}"
            assert run_in_process(folder, {"ANADIL_FAILPOINT": f"{name}:{action}"}) == -signal.SIGKILL
            check(folder)
            durable.clean(folder)
            assert not [path for path in folder.rglob("*") if path.name.startswith(durable.TEMPORARY)]
            check(folder)
            write_all(folder)
            assert (folder / "manifest.json").exists()
            check(folder)


@pytest.mark.parametrize(("action", "code"), [("enospc", errno.ENOSPC), ("eio", errno.EIO)])
def test_a_full_or_broken_disk_is_a_user_error_and_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str, code: int
) -> None:
    (tmp_path / "file").write_bytes(OLD)
    monkeypatch.setenv("ANADIL_FAILPOINT", f"file.write:{action}")
    monkeypatch.setattr(durable, "_hits", {})
    with pytest.raises(UserError) as caught:
        durable.write_bytes(tmp_path / "file", NEW, "file")
    assert os.strerror(code) in str(caught.value)
    assert str(tmp_path / "file") in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == OLD


def test_the_nth_hit_is_the_one_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANADIL_FAILPOINT", "x.write:eio@2")
    monkeypatch.setattr(durable, "_hits", {})
    durable.write_bytes(tmp_path / "one", NEW, "x")
    with pytest.raises(UserError):
        durable.write_bytes(tmp_path / "two", NEW, "x")
    durable.write_bytes(tmp_path / "three", NEW, "x")


# --- power cuts -------------------------------------------------------------------------------------------------
# A disk that lost power holds, of what was not synced, anything: the content of a file counts from its fsync on,
# a name from the fsync of its folder on, or earlier, as the kernel likes.


def disks_after(operations: list[Operation], start: dict[Path, bytes]) -> Iterator[dict[Path, bytes]]:
    """The disks that a power cut after `operations` may leave: unsynced content or names kept or lost."""
    for keep_names in (False, True):
        for keep_content in (False, True):
            yield replay(operations, start, keep_names=keep_names, keep_content=keep_content)


def replay(
    operations: list[Operation], start: dict[Path, bytes], *, keep_names: bool, keep_content: bool
) -> dict[Path, bytes]:
    content: dict[Path, bytes] = dict(start)  # as the running system sees it
    synced: dict[Path, bool] = dict.fromkeys(start, True)
    lasting: dict[Path, tuple[Path, bytes, bool]] = {path: (path, data, True) for path, data in start.items()}

    def settle(inside: Path | None) -> None:
        """Names of a folder reach the disk (of every folder where `inside` is None)."""
        for path in [path for path in lasting if path not in content and (inside is None or within(path, inside))]:
            del lasting[path]
        for path, data in content.items():
            if inside is None or within(path, inside):
                lasting[path] = (path, data, synced[path])

    for operation in operations:
        if operation.kind == "write":
            content[operation.path], synced[operation.path] = operation.data, False
        elif operation.kind == "fsync":
            synced[operation.path] = True
        elif operation.kind == "rename":
            assert operation.target is not None
            for path in [path for path in content if within(path, operation.path)]:
                moved = (
                    operation.target / path.relative_to(operation.path) if path != operation.path else operation.target
                )
                content[moved], synced[moved] = content.pop(path), synced.pop(path)
        elif operation.kind == "fsync_folder":
            settle(operation.path)
        if keep_names:
            settle(None)
    for path, flag in synced.items():  # an fsync after the name had lasted still counts
        if path in lasting and flag:
            lasting[path] = (path, content[path], True)
    return {path: data if done or keep_content else b"" for path, (_, data, done) in lasting.items()}


def within(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def survives_every_power_cut(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "file").write_bytes(OLD)
    with durable.record() as operations:
        write_all(work)
    for count in range(len(operations) + 1):
        for number, disk in enumerate(disks_after(operations[:count], {work / "file": OLD})):
            rebuilt = tmp_path / f"disk-{count}-{number}"
            for path, data in disk.items():
                target = rebuilt / path.relative_to(work)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            check(rebuilt)
    announced = replay(operations, {work / "file": OLD}, keep_names=False, keep_content=False)
    assert announced[work / "manifest.json"] == b"done"  # what was announced lasts


def test_every_power_cut_leaves_old_or_new(tmp_path: Path) -> None:
    survives_every_power_cut(tmp_path)


def _no_fsync(path: Path) -> None:
    del path


def _copy_instead_of_rename(source: Path, target: Path) -> None:
    """Writes over the published name, as a plain `open(path, "w")` would."""
    for file in durable._files(source):
        place = target / file.relative_to(source) if source.is_dir() else target
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.read_bytes())
        durable._log("write", place, data=file.read_bytes())


def _marker_first(folder: Path) -> None:
    durable.write_bytes(folder / "manifest.json", b"done", "manifest")
    durable.write_bytes(folder / "file", NEW, "file")


@pytest.mark.parametrize(
    ("name", "mutant"),
    [("_fsync_file", _no_fsync), ("_fsync_folder", _no_fsync), ("_rename", _copy_instead_of_rename)],
)
def test_a_durable_without_one_of_its_steps_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, mutant: Callable[..., None]
) -> None:
    monkeypatch.setattr(durable, name, mutant)
    with pytest.raises((AssertionError, FileNotFoundError, KeyError)):
        survives_every_power_cut(tmp_path)


def test_a_marker_that_is_not_last_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "write_all", _marker_first)
    with pytest.raises((AssertionError, FileNotFoundError)):
        survives_every_power_cut(tmp_path)


# --- the rest ---------------------------------------------------------------------------------------------------


def test_an_exception_in_the_block_leaves_nothing(tmp_path: Path) -> None:
    durable.write_bytes(tmp_path / "file", OLD, "file")

    def fail(temporary: Path) -> None:
        (temporary / "x" if temporary.is_dir() else temporary).write_bytes(NEW)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), durable.new_file(tmp_path / "file", "file") as temporary:
        fail(temporary)
    with pytest.raises(ZeroDivisionError), durable.new_folder(tmp_path / "folder", "folder") as temporary:
        fail(temporary)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == OLD


def test_files_of_libraries_are_as_readable_as_our_own(tmp_path: Path) -> None:
    (tmp_path / "ours").write_bytes(NEW)
    with durable.new_file(tmp_path / "theirs", "file") as temporary:
        temporary.touch(mode=0o600)
    assert (tmp_path / "theirs").stat().st_mode == (tmp_path / "ours").stat().st_mode


def test_a_folder_moved_aside_comes_back(tmp_path: Path) -> None:
    (tmp_path / f"{durable.TEMPORARY}old-model").mkdir()
    (tmp_path / f"{durable.TEMPORARY}old-model" / "weights").write_bytes(OLD)
    durable.clean(tmp_path)
    assert (tmp_path / "model" / "weights").read_bytes() == OLD


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.binary(max_size=40), max_size=4))
def test_a_folder_is_replaced_whole(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    folder = tmp_path_factory.mktemp("x") / "folder"
    for version in ({"zzz": b"first"}, files):
        with durable.new_folder(folder, "folder") as temporary:
            for name, data in version.items():
                (temporary / name).write_bytes(data)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_a_second_process_on_a_folder_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    code = f"from anadil import durable; from pathlib import Path\nwith durable.lock(Path({str(tmp_path)!r})): pass"
    with durable.lock(tmp_path):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode != 0
        assert str(os.getpid()) in done.stderr
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
