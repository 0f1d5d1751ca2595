"""Running a recipe: each stage that is not done, in order, under a lock, leaving a manifest behind each."""

import importlib
import json
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anadil import durable
from anadil.artifact import Hashes, StageFolder
from anadil.context import Context
from anadil.environment import available_cores, describe
from anadil.errors import Interrupted, UserError
from anadil.recipe import Recipe
from anadil.stages.plan import Step, plan

RUN, REPLACED, CONSENT, HASHES = "run.json", ".replaced", ".rerun.json", ".hashes.json"


@dataclass(frozen=True)
class Outcome:
    """What a run did."""

    ran: list[str]
    metrics: dict[str, dict[str, float]]


def run(recipe: Recipe, recipe_path: Path, folder: Path, context: Context, *, rerun: bool = False) -> Outcome:
    """Bring every stage of `recipe` in the run folder to `done`; stale stages only with `rerun`.

    Raises UserError for a stale stage without consent, for a folder of another recipe and when another process
    runs in it; Interrupted when a stop was asked for. What is done stays done.
    """
    with durable.lock(folder):
        durable.clean(folder)
        hashes = Hashes(folder / HASHES)
        _refuse_folder_of_another(recipe, folder)
        steps = plan(recipe, folder, hashes)
        _retire_stale(steps, folder, recipe_path, rerun)
        _claim(recipe, recipe_path, folder)
        ran, steps = [], plan(recipe, folder, hashes)
        for step in (step for step in steps if step.status.state != "done"):
            step.spec.check(recipe)
        for step in steps:
            if step.status.state != "done":
                _run_stage(step, recipe, context, hashes)
                ran.append(step.spec.name)
            step.folder.drop_checkpoints()
            durable.remove(folder / REPLACED / step.spec.name, "replaced")
        durable.remove(folder / CONSENT, "consent")
        hashes.save()
        return Outcome(ran, {step.spec.name: _metrics(step.folder) for step in steps})


@dataclass(frozen=True)
class Task:
    """What a process has to know to take part in a stage."""

    stage: str
    inputs: dict[str, Path]
    out: Path
    fingerprint: str
    saves_on_stop: bool
    together: bool


def follow(recipe: Recipe, context: Context) -> None:
    """What every process but the first does while that one is in `run`: its part of the stages that all do together."""
    while (task := _ranks().told()) is not None:
        with stoppable(context, task.saves_on_stop) as here:
            _do(task, recipe, here)


def _do(task: Task, recipe: Recipe, context: Context) -> dict[str, float]:
    module = importlib.import_module(f"anadil.stages.{task.stage}")
    here = replace(context, fingerprint=task.fingerprint)
    together = _ranks().company() if task.together and context.processes > 1 else nullcontext()
    with together:
        return dict(module.run(recipe, task.inputs, task.out, here))


def _ranks() -> Any:
    """Torch is only loaded where there is more than one process."""
    return importlib.import_module("anadil.model.ranks")


def _metrics(stage: StageFolder) -> dict[str, float]:
    return dict((stage.manifest or {}).get("metrics", {}))


def _known(folder: Path) -> dict[str, Any] | None:
    try:
        known: dict[str, Any] = json.loads((folder / RUN).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return known


def _refuse_folder_of_another(recipe: Recipe, folder: Path) -> None:
    if (known := _known(folder)) and known["name"] != recipe.name:
        what = f"{folder} was made by the recipe {known['name']!r} ({known['recipe_file']}), not by {recipe.name!r}"
        raise UserError(what, hint="give this recipe a folder of its own: leave out --run-folder, or name another")


def _claim(recipe: Recipe, path: Path, folder: Path) -> None:
    """Write down whose folder this is, with the whole recipe: what `show`, `chat` and `serve` go by."""
    facts = {"name": recipe.name, "recipe_file": str(path.resolve()), "recipe": recipe.model_dump(mode="json")}
    if _known(folder) != facts:
        durable.write_json(folder / RUN, facts, "run")


def _retire_stale(steps: list[Step], folder: Path, recipe_path: Path, rerun: bool) -> None:
    """Move stale stages aside, if that is agreed to now or was before a crash; they are removed once replaced."""
    stale = {step.spec.name: step for step in steps if step.status.state == "stale"}
    consent = folder / CONSENT
    agreed = json.loads(consent.read_bytes()) if consent.exists() else {}
    if rerun and stale:
        agreed = {name: step.fingerprint.digest for name, step in stale.items()}
        durable.write_json(consent, agreed, "consent")
    if refused := {n: s for n, s in stale.items() if agreed.get(n) != s.fingerprint.digest}:
        raise UserError(
            _refusal(refused, folder, recipe_path),
            hint="add --rerun to make exactly these anew; the old ones stay until then",
        )
    for name, step in stale.items():
        kept = folder / REPLACED / name
        if StageFolder(kept).manifest and not step.folder.manifest:  # half-done: what is kept is worth more
            durable.remove(step.folder.path, "replaced")
        else:
            durable.remove(kept, "replaced")
            durable.move(step.folder.path, kept, "replaced")


def _refusal(stale: dict[str, Step], folder: Path, recipe_path: Path) -> str:
    lines = [f"{folder}: the recipe or its files changed since these stages ran"]
    for name, step in stale.items():
        cost = f", took {step.last_seconds:,.0f} s" if step.last_seconds is not None else ""
        more = f"; and {len(step.status.reasons) - 3} more" if len(step.status.reasons) > 3 else ""
        lines.append(f"  {name}: {'; '.join(step.status.reasons[:3])}{more}{cost}")
    if (made_by := (_known(folder) or {}).get("recipe_file")) not in (None, str(recipe_path.resolve())):
        lines.append(f"  the folder was made by {made_by}: if that is another recipe, give yours another name")
    return "\n".join(lines)


def _run_stage(step: Step, recipe: Recipe, context: Context, hashes: Hashes) -> None:
    name = step.spec.name
    inputs = {input_: str((StageFolder(path).manifest or {})["outputs_digest"]) for input_, path in step.inputs.items()}
    attempt = step.folder.start(step.fingerprint, inputs)
    context.progress.line(f"{name}" + (f" (going on, attempt {attempt})" if attempt > 1 else ""))
    began, cpu = time.monotonic(), _cpu_seconds()
    spec = step.spec
    task = Task(name, step.inputs, step.folder.path, step.fingerprint.digest, spec.saves_on_stop, spec.together)
    if spec.together and context.processes > 1:
        _ranks().tell(task)
    with stoppable(context, spec.saves_on_stop) as here:
        metrics = _do(task, recipe, here)
    seconds = {"wall": round(time.monotonic() - began, 3), "cpu": round(_cpu_seconds() - cpu, 3)}
    facts: dict[str, Any] = {"config": _config(step, recipe), "inputs": inputs, "metrics": metrics}
    facts |= {"seconds": seconds, "attempt": attempt, "environment": describe(context.device)}
    step.folder.finish(name, step.fingerprint, facts, hashes)
    context.progress.line(f"  done in {seconds['wall']:,.1f} s")
    if here.stop_requested():
        raise Interrupted(f"stopped after {name}")


def _config(step: Step, recipe: Recipe) -> dict[str, Any]:
    tables = recipe.model_dump(mode="json")
    return {key: tables[key] for key in (*step.spec.tables, *step.spec.shared) if key in tables}


def _cpu_seconds() -> float:
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


@contextmanager
def stoppable(context: Context, saves: bool) -> Iterator[Context]:
    """Turn SIGTERM and Ctrl-C into a flag where the work saves by itself, else into Interrupted at once."""
    asked = False

    def stop(number: int, frame: object) -> None:
        nonlocal asked
        if asked or not saves:
            raise Interrupted(signal.Signals(number).name)
        asked = True
        context.progress.line("  stopping after this step; once more to stop at once")

    old = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield replace(context, stop_requested=lambda: asked)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def use_threads(threads: int) -> int:
    """The number of CPU threads to use: as the recipe says, or all cores that this process may use."""
    return threads or available_cores()
