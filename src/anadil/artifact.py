"""A stage's folder: what it was made from (fingerprint), what is in it (manifest), and whether it can be trusted.

`started.json` is written first and `manifest.json` last, by atomic rename: a folder with a manifest is whole.
"""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from anadil import durable

State = Literal["todo", "partial", "done", "stale"]
STARTED, MANIFEST, LOG, CHECKPOINTS = "started.json", "manifest.json", "metrics.jsonl", "checkpoints"


@dataclass(frozen=True)
class Fingerprint:
    """Everything a stage's result follows from, key by key, so that a difference can be named."""

    parts: dict[str, Any]

    @cached_property
    def digest(self) -> str:
        """sha256 of the parts as canonical JSON."""
        text = json.dumps(self.parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def changes_from(self, old: dict[str, Any]) -> list[str]:
        """What differs from the parts `old`, a line for each key."""
        keys = sorted(old.keys() | self.parts.keys())
        return [_change(k, old.get(k), self.parts.get(k)) for k in keys if old.get(k) != self.parts.get(k)]


def _change(key: str, old: Any, new: Any) -> str:
    if key.startswith("file "):
        return f"{key}: " + ("new" if old is None else "gone" if new is None else "its content changed")
    if key.startswith("input "):
        return f"{key}: will be made anew"
    return f"{key}: {old!r} -> {new!r}"


class Hashes:
    """sha256 of files, remembered by (path, size, mtime, inode) in `memory`, so that unchanged files are not read."""

    def __init__(self, memory: Path | None = None) -> None:
        self._memory = memory
        self._known: dict[str, list[Any]] = _read_json(memory) or {} if memory else {}
        self._changed = False

    def of(self, path: Path) -> str:
        """sha256 of one file."""
        stat = path.stat()
        key, mark = str(path.resolve()), [stat.st_size, stat.st_mtime_ns, stat.st_ino]
        if (known := self._known.get(key)) and known[:3] == mark:
            return str(known[3])
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._known[key] = [*mark, digest]
        self._changed = True
        return digest

    def save(self) -> None:
        """Keep what was learned for the next process."""
        if self._memory and self._changed:
            durable.write_json(self._memory, self._known, "hashes")
            self._changed = False


@dataclass(frozen=True)
class Status:
    """State of a stage's folder, and for `stale` what changed."""

    state: State
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class StageFolder:
    """`runs/<name>/<stage>/`."""

    path: Path

    @property
    def manifest(self) -> dict[str, Any] | None:
        """The manifest, or None while the stage is not done."""
        return _read_json(self.path / MANIFEST)

    @property
    def started(self) -> dict[str, Any] | None:
        """What was written when the stage began."""
        return _read_json(self.path / STARTED)

    def status(self, fingerprint: Fingerprint, inputs: dict[str, str | None], hashes: Hashes) -> Status:
        """Compare the folder with what the recipe asks for.

        `inputs` are the digests of the input stages' outputs as they are now; None for one that is not done.
        """
        if manifest := self.manifest:
            changes = fingerprint.changes_from(manifest["fingerprint_parts"])
            changes = changes or _other_inputs(manifest["inputs"], inputs) or self._damage(manifest, hashes)
            return Status("stale", changes) if changes else Status("done")
        if started := self.started:
            changes = fingerprint.changes_from(started["fingerprint_parts"])
            changes = changes or _other_inputs(started["inputs"], inputs)
            return Status("stale", changes) if changes else Status("partial")
        return Status("todo")

    def _damage(self, manifest: dict[str, Any], hashes: Hashes) -> list[str]:
        problems = []
        for name, output in manifest["outputs"].items():
            file = self.path / name
            if not file.is_file():
                problems.append(f"{file} is missing")
            elif file.stat().st_size != output["bytes"] or hashes.of(file) != output["sha256"]:
                problems.append(f"{file} is not what the stage wrote")
        return problems

    def start(self, fingerprint: Fingerprint, inputs: dict[str, str]) -> int:
        """Mark the stage as begun from inputs of these digests; returns the number of this attempt."""
        self.path.mkdir(parents=True, exist_ok=True)
        attempt = int((self.started or {}).get("attempt", 0)) + 1
        facts: dict[str, Any] = {"fingerprint": fingerprint.digest, "fingerprint_parts": fingerprint.parts}
        facts |= {"inputs": inputs, "attempt": attempt}
        durable.write_json(self.path / STARTED, facts, "started")
        return attempt

    def finish(self, stage: str, fingerprint: Fingerprint, facts: dict[str, Any], hashes: Hashes) -> dict[str, Any]:
        """Hash all outputs and write the manifest, last: from now on the stage is done, and needs no checkpoints."""
        files = {str(file.relative_to(self.path)): file for file in sorted(self.path.rglob("*")) if file.is_file()}
        outputs = {
            name: {"sha256": hashes.of(file), "bytes": file.stat().st_size}
            for name, file in files.items()
            if name not in (STARTED, MANIFEST) and not name.startswith(f"{CHECKPOINTS}/")
        }
        manifest = {"stage": stage, "fingerprint": fingerprint.digest, "fingerprint_parts": fingerprint.parts}
        manifest |= {"outputs_digest": outputs_digest(outputs), **facts, "outputs": outputs}
        durable.write_json(self.path / MANIFEST, manifest, "manifest")
        self.drop_checkpoints()
        return manifest

    def drop_checkpoints(self) -> None:
        """Remove what only an unfinished stage needs."""
        durable.remove(self.path / CHECKPOINTS, "checkpoints")


def _other_inputs(then: dict[str, str], now: dict[str, str | None]) -> list[str]:
    """Same recipe, other content: an input was made again elsewhere, or is not there any more."""
    return [
        f"input {name}: has other content than the one used" for name, digest in then.items() if now[name] != digest
    ]


def outputs_digest(outputs: dict[str, dict[str, Any]]) -> str:
    """One hash over names and hashes of the outputs; logs, which hold times, are left out."""
    lines = [f"{name} {output['sha256']}\n" for name, output in sorted(outputs.items()) if Path(name).name != LOG]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return value if isinstance(value, dict) else None
