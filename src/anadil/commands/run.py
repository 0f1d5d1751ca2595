"""`anadil plan`, `run`, `show` and `compare`."""

import json
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from anadil.artifact import MANIFEST, Hashes
from anadil.commands.init import quickstart
from anadil.context import Context
from anadil.errors import UserError
from anadil.progress import silent, to_stderr
from anadil.recipe import Recipe, Run, load
from anadil.runners import local
from anadil.stages.plan import Step, plan
from anadil.stages.run import HASHES, RUN, follow, run, use_threads

MARKS = {"done": "done", "todo": "will run", "partial": "will go on", "stale": "stale"}


def find_recipe(name: str) -> Path:
    """The recipe file: a path, or `quickstart` for the built-in example."""
    path = Path(name)
    if name == "quickstart" and not path.exists():
        return quickstart() / "recipe.toml"
    return path / "recipe.toml" if path.is_dir() else path


def run_recipe(name: str, settings: list[str], folder: Path | None, runs: Path, *, rerun: bool) -> bool:
    """Run the recipe and print its report; False if a gate failed."""
    from anadil.evaluate.gates import judge
    from anadil.report import print_report, write

    path = find_recipe(name)
    recipe = load(path, settings)
    folder = folder or runs / recipe.name
    context = context_of(recipe.run)
    if context.processes > 1 and not local.is_one_of_many():
        return local.run_together(context.processes)
    with local.together(context) as is_first:
        if not is_first:
            follow(recipe, context)
            return True
        outcome = run(recipe, path, folder, context, rerun=rerun)
    verdicts = judge(recipe.gates, outcome.metrics["evaluate"]) if "evaluate" in recipe.stages else []
    if outcome.ran or not _is_current(folder / "report.html", recipe):
        write(folder)
    if outcome.ran:
        print_report(folder)
    else:
        print(f"Everything is done; nothing to run. Report: {folder / 'report.html'}")
        for verdict in verdicts:
            print(f"  gate {'passed' if verdict.passed else 'FAILED'}: {verdict.text}")
    if "export" in recipe.stages:
        print(f"\nTalk to it:      {_program()} chat {_argument(folder, runs)}")
        print(f"In the browser:  {_program()} serve {_argument(folder, runs)}")
    return all(verdict.passed for verdict in verdicts)


def _is_current(report: Path, recipe: Recipe) -> bool:
    """Whether the report is younger than all it is made from. Not so after a kill before it, or with other gates.

    Making it to compare would cost every run that has nothing to do a second, most of it for the plots.
    """
    made_from = [report.parent / RUN, *(report.parent / stage / MANIFEST for stage in recipe.stages)]
    return report.is_file() and report.stat().st_mtime_ns >= max(file.stat().st_mtime_ns for file in made_from)


def _program() -> str:
    """How the user can call this program from here: by name where the PATH has it, else by its path."""
    called = Path(sys.argv[0])
    return "anadil" if shutil.which("anadil") or called.name != "anadil" else os.path.relpath(called)


def _argument(folder: Path, runs: Path) -> str:
    return folder.name if folder.parent == runs else str(folder)


def context_of(table: Run) -> Context:
    """Where and how to run, as [run] says and this machine allows."""
    device = "cpu" if table.device == "cpu" else _gpu(table.device)
    many = local.of_environment() or _processes(table, device)
    threads = use_threads(table.threads) // (many if device == "cpu" else 1)
    if device == "cuda" and many > 1:
        device = f"cuda:{local.local_rank()}"
    return Context(
        to_stderr() if local.rank() == 0 else silent(),
        device=device,
        threads=max(1, threads),
        processes=many,
        micro_batch_tokens=table.micro_batch_tokens,
        shard=table.shard,
        recompute=table.recompute,
        kernels=table.kernels,
        compile=table.compile,
        keep_checkpoints=table.keep_checkpoints,
        report_to=tuple(table.report_to),
    )


def _processes(table: Run, device: str) -> int:
    if device == "cpu":
        return max(1, table.processes)
    import torch

    gpus = torch.cuda.device_count()
    if table.processes > gpus:
        what = f"run.processes = {table.processes}, but there are {gpus} GPUs here"
        raise UserError(what, hint=f"set it to {gpus} or less, or to 0 for one process on each GPU")
    return table.processes or gpus


def _gpu(wish: str) -> str:
    """ "cuda" where torch sees a GPU. Torch is only asked where a driver is present: importing it takes seconds."""
    if Path("/proc/driver/nvidia").exists() or wish == "cuda":
        import torch

        if torch.cuda.is_available():
            return "cuda"
    if wish == "cuda":
        raise UserError('run.device = "cuda", but torch sees no GPU here', hint='use "auto", or install a CUDA build')
    return "cpu"


def show_plan(name: str, settings: list[str], folder: Path | None, runs: Path, *, why: bool, as_json: bool) -> None:
    """Print the plan of a recipe."""
    recipe = load(find_recipe(name), settings)
    given = [name, *(part for setting in settings for part in ("--set", setting))]
    given += ["--run-folder", str(folder)] if folder else []
    folder = folder or runs / recipe.name
    hashes = Hashes(folder / HASHES if folder.exists() else None)
    steps = plan(recipe, folder, hashes)
    hashes.save()
    if as_json:
        print(json.dumps([_as_dict(step) for step in steps], indent=2, ensure_ascii=False))
        return
    for step in steps:
        seconds = f"  last took {step.last_seconds:,.0f} s" if step.last_seconds is not None else ""
        print(f"{step.spec.name:<10} {MARKS[step.status.state]:<10}{seconds}")
        shown = step.status.reasons if why else step.status.reasons[:2]
        for reason in shown:
            print(f"           {reason}")
        if hidden := len(step.status.reasons) - len(shown):
            print(f"           and {hidden} more: see --why")
    stale = [step.spec.name for step in steps if step.status.state == "stale"]
    if stale:
        print(f"\n`anadil run {shlex.join(given)} --rerun` makes these anew: {', '.join(stale)}")


def _as_dict(step: Step) -> dict[str, Any]:
    facts = {"stage": step.spec.name, "state": step.status.state, "reasons": step.status.reasons}
    return facts | {"fingerprint": step.fingerprint.digest, "last_seconds": step.last_seconds}


def show_run(folder: Path, *, as_json: bool) -> None:
    """Print a run's stages, states, fingerprints and metrics, from what is stored."""
    if as_json:
        print(json.dumps(stored(folder), indent=2, ensure_ascii=False))
        return
    from anadil.report import print_report

    print_report(folder)


def stored(folder: Path) -> dict[str, Any]:
    """What `anadil show --json` prints: name, stages in order with state and fingerprint, metrics by stage and name."""
    run_facts = json.loads((folder / RUN).read_bytes())
    stages: list[dict[str, Any]] = []
    metrics: dict[str, dict[str, float]] = {}
    for name in run_facts["recipe"]["stages"]:
        manifest = _json(folder / name / "manifest.json")
        started = _json(folder / name / "started.json")
        state = "done" if manifest else "partial" if started else "todo"
        facts = manifest or started or {}
        stages.append(
            {"stage": name, "state": state, "fingerprint": facts.get("fingerprint"), "seconds": facts.get("seconds")}
        )
        if manifest:
            metrics[name] = manifest["metrics"]
    return {"name": run_facts["name"], "folder": str(folder), "stages": stages, "metrics": metrics}


def _json(path: Path) -> dict[str, Any] | None:
    try:
        value: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return value


def compare_runs(a: Path, b: Path, *, as_json: bool, html: Path | None = None) -> None:
    """Print the metrics of two runs side by side; write the page of both where one is asked for."""
    from anadil.report.compare import compare, print_comparison

    rows = compare(a, b)
    if html:
        from anadil.report.compare_page import write_comparison

        write_comparison(a, b, html)
    if as_json:
        print(json.dumps([vars(row) for row in rows], indent=2, ensure_ascii=False))
        return
    print_comparison(rows, a.name, b.name)
    if html:
        print(f"\nBoth on one page: {html}")
