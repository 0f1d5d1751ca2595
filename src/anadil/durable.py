"""The one module through which files that must survive a crash are written.

A reader of a published name sees the old content or the new one, never a part: everything is written beside
the name, synced, renamed over it, and the folder is synced, so that the rename itself survives a power cut.
Libraries that write by themselves (`save_pretrained`, Parquet, GGUF) get a temporary file or folder to write into.

Each step has a name, `<step>.<write|fsync|rename|folder|remove>`, at which a test can make the process die or
the disk fail: `ANADIL_FAILPOINT=manifest.rename:kill@2` (see `failpoint`). `record()` logs the operations, so
that a test can rebuild the disk as a power cut may have left it.
"""

import errno
import fcntl
import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anadil.errors import UserError

TEMPORARY = ".tmp-"
"""Prefix of names that are not published yet; `clean` removes them."""


@dataclass(frozen=True)
class Operation:
    """One effect on the disk: kind is write, fsync, rename, fsync_folder or remove."""

    kind: str
    path: Path
    target: Path | None = None
    data: bytes = b""


_recording: list[Operation] | None = None
_hits: dict[str, int] = {}


def failpoint(name: str, torn: Path | None = None) -> None:
    """Die or fail here if `ANADIL_FAILPOINT` says so; otherwise one look into the environment.

    The form is `NAME:ACTION[@N]`, at the N-th time (default 1) that NAME is reached. Actions: `kill` (SIGKILL to
    ourselves), `enospc`, `eio` (the error a full or broken disk gives), `torn` (cut the file just written
    in half, then kill). `ANADIL_FAILPOINT_LOG` names a file that gets a line for every name reached.
    """
    if log := os.environ.get("ANADIL_FAILPOINT_LOG"):
        with open(log, "a", encoding="utf-8") as lines:
            lines.write(name + "\n")
    if not (wish := os.environ.get("ANADIL_FAILPOINT")):
        return
    where, _, action = wish.rpartition(":")
    action, _, count = action.partition("@")
    if where != name:
        return
    _hits[name] = _hits.get(name, 0) + 1
    if _hits[name] == int(count or 1):
        _fail(action, torn)


def _fail(action: str, torn: Path | None) -> None:
    if action in ("enospc", "eio"):
        code = errno.ENOSPC if action == "enospc" else errno.EIO
        raise OSError(code, os.strerror(code))
    if action == "torn" and torn is not None:
        for file in _files(torn):
            os.truncate(file, file.stat().st_size // 2)
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def record() -> Iterator[list[Operation]]:
    """Log every durable operation of this process while the block runs."""
    global _recording
    operations: list[Operation] = []
    _recording = operations
    try:
        yield operations
    finally:
        _recording = None


def _log(kind: str, path: Path, target: Path | None = None, data: bytes = b"") -> None:
    if _recording is not None:
        _recording.append(Operation(kind, path, target, data))


def _files(path: Path) -> list[Path]:
    return sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]


def _folders(path: Path) -> list[Path]:
    return [*sorted((f for f in path.rglob("*") if f.is_dir()), reverse=True), path] if path.is_dir() else []


def _fsync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    _log("fsync", path)


def _fsync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    _log("fsync_folder", path)


def _rename(source: Path, target: Path) -> None:
    os.replace(source, target)
    _log("rename", source, target)


def _publish(temporary: Path, final: Path, step: str) -> None:
    for file in _files(temporary):
        file.chmod(0o666 & ~_umask())  # some libraries write files that only their owner may read
        if _recording is not None:
            _log("write", file, data=file.read_bytes())
    failpoint(f"{step}.write", torn=temporary)
    for file in _files(temporary):
        _fsync_file(file)
    for folder in _folders(temporary):
        _fsync_folder(folder)
    failpoint(f"{step}.fsync")
    aside = final.with_name(f"{TEMPORARY}old-{final.name}")
    if final.is_dir():  # a folder cannot be renamed over one that has content
        _rename(final, aside)
    _rename(temporary, final)
    failpoint(f"{step}.rename")
    _fsync_folder(final.parent)
    if aside.exists():
        shutil.rmtree(aside)
    failpoint(f"{step}.folder")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _temporary(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")


@contextmanager
def new_file(path: Path, step: str) -> Iterator[Path]:
    """Yield a temporary path to write to; on leaving the block it becomes `path`, whole and synced.

    On an exception nothing of `path` changes. Raises UserError when the disk is full or fails.
    """
    temporary = _temporary(path)
    with disk_errors(path):
        try:
            yield temporary
            _publish(temporary, path, step)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path, step: str) -> Iterator[Path]:
    """As `new_file`, for a folder with all that was written into it."""
    temporary = _temporary(path)
    with disk_errors(path):
        try:
            temporary.mkdir()
            yield temporary
            _publish(temporary, path, step)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def temporary_folder(path: Path) -> Path:
    """Where the folder that is to become `path` is written, by one process or by many."""
    return path.with_name(f"{TEMPORARY}{path.name}")


def begin_folder(path: Path) -> Path:
    """Make an empty `temporary_folder(path)`, for what takes longer than a block; `publish_folder` ends it."""
    temporary = temporary_folder(path)
    _delete(temporary)
    temporary.mkdir(parents=True)
    return temporary


def publish_folder(path: Path, step: str) -> None:
    """Make `temporary_folder(path)`, with all that was written into it, `path`: whole and synced."""
    _publish(temporary_folder(path), path, step)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full, failing or read-only disk, met while `path` is written, into a UserError."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS):
            raise
        what = f"cannot write {path}: {error.strerror}"
        raise UserError(what, hint="free some space or mend the disk, then run the same command again") from error


def write_bytes(path: Path, data: bytes, step: str) -> None:
    """Write a whole file durably."""
    with new_file(path, step) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str, step: str) -> None:
    """Write a whole UTF-8 text file durably."""
    write_bytes(path, text.encode(), step)


def write_json(path: Path, value: Any, step: str) -> None:
    """Write a JSON file durably: keys as given, indented, letters as themselves."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n", step)


def remove(path: Path, step: str) -> None:
    """Remove a file or folder so that a crash leaves it whole or gone: it is renamed away first."""
    if not path.exists():
        return
    gone = path.with_name(f"{TEMPORARY}gone-{path.name}")
    _delete(gone)
    _rename(path, gone)
    failpoint(f"{step}.remove")
    _fsync_folder(path.parent)
    _delete(gone)


def move(source: Path, target: Path, step: str) -> None:
    """Rename a published file or folder on the same disk; `target` must not exist."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _rename(source, target)
    failpoint(f"{step}.move")
    _fsync_folder(target.parent)
    _fsync_folder(source.parent)


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def append_jsonl(path: Path, value: Any) -> None:
    """Append one line to a log of metrics: flushed, not synced; whoever reads it drops a torn last line."""
    with open(path, "a", encoding="utf-8") as lines:
        lines.write(json.dumps(value, ensure_ascii=False) + "\n")


def clean(folder: Path) -> None:
    """Remove what a killed process left half-written under `folder`; put back a folder it had moved aside."""
    for path in sorted(folder.rglob(f"{TEMPORARY}*")):
        final = path.with_name(path.name.removeprefix(f"{TEMPORARY}old-"))
        if path.name.startswith(f"{TEMPORARY}old-") and not final.exists():
            _rename(path, final)
        else:
            _delete(path)


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; UserError if another process holds it. Freed by the kernel on any death."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            what = f"another process (pid {holder}) is running in {folder}"
            raise UserError(what, hint="wait for it, stop it, or give this recipe another name") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
