"""What would run, and why: every stage's fingerprint against what its folder holds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anadil.artifact import Fingerprint, Hashes, StageFolder, Status
from anadil.recipe import Recipe, flatten
from anadil.stages.spec import StageSpec
from anadil.stages.table import specs


@dataclass(frozen=True)
class Step:
    """One stage of a plan."""

    spec: StageSpec
    folder: StageFolder
    fingerprint: Fingerprint
    inputs: dict[str, Path]
    status: Status

    @property
    def last_seconds(self) -> float | None:
        """Wall seconds that the stage took when it was last done here."""
        manifest = self.folder.manifest
        return float(manifest["seconds"]["wall"]) if manifest else None


def plan(recipe: Recipe, folder: Path, hashes: Hashes) -> list[Step]:
    """The steps of `recipe` in the run folder, with their states; nothing is run or changed."""
    steps: list[Step] = []
    fingerprints: dict[str, str] = {}
    digests: dict[str, str | None] = {}
    stale: set[str] = set()
    for spec in specs(recipe):
        names = spec.inputs(recipe)
        fingerprint = _fingerprint(spec, recipe, {name: fingerprints[name] for name in names}, hashes)
        stage = StageFolder(folder / spec.name)
        status = stage.status(fingerprint, {name: digests[name] for name in names}, hashes)
        if status.state in ("done", "partial") and (anew := [name for name in names if name in stale]):
            status = Status("stale", [f"input {name}: will be made anew" for name in anew])
        if status.state == "stale":
            stale.add(spec.name)
        fingerprints[spec.name] = fingerprint.digest
        digests[spec.name] = (stage.manifest or {}).get("outputs_digest") if status.state == "done" else None
        inputs = {name: folder / name for name in names}
        steps.append(Step(spec, stage, fingerprint, inputs, status))
    return steps


def _fingerprint(spec: StageSpec, recipe: Recipe, inputs: dict[str, str], hashes: Hashes) -> Fingerprint:
    parts: dict[str, Any] = {"stage": spec.name, "version": spec.version}
    for key in (*spec.tables, *spec.shared):
        value: Any = recipe
        for name in key.split("."):
            value = getattr(value, name) if value is not None else None
        parts |= flatten(value, key)
    if recipe.base.path and Path(recipe.base.path).is_dir():
        parts.pop("base.path", None)  # a local base enters by its content, wherever it lies
    found = spec.files(recipe).items()
    parts |= {f"file {label}": hashes.of(one) if isinstance(one, Path) else one for label, one in found}
    parts |= {f"input {name}": digest for name, digest in inputs.items()}
    return Fingerprint(parts)
