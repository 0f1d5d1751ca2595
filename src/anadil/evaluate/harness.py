"""lm-evaluation-harness as the engine of benchmarks: its tasks, its few-shot prompts, its scoring, our token ids.

Import this only where benchmarks are run: it brings torch. The harness prints and logs a lot, and would look for data
sets on the hub; `quietly` keeps both from happening.
"""

import difflib
import io
import logging
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub.constants
import lm_eval.tasks
from lm_eval.api.task import ConfigurableTask
from lm_eval.evaluator import evaluate
from lm_eval.tasks import TaskManager

from anadil.dialogues.read import read_rows
from anadil.errors import UserError
from anadil.evaluate.task_items import Item
from anadil.recipe import Task

Tasks = dict[str, Any]
"""Tasks of the harness by name; a group has several."""
_CHOICE_METRICS = [{"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ("acc", "acc_bytes")]
_SEED = 1234
"""Of the examples that a harness task draws; the harness's own default."""
_SPLIT = "asked"
_SHOTS = "shown"


@contextmanager
def quietly(*, offline: bool = True) -> Iterator[None]:
    """Without the harness's bars, prints, logs and warnings; `offline` also without a way to the hub."""
    before, sink = logging.root.manager.disable, io.StringIO()
    with ExitStack() as stack:
        stack.callback(logging.disable, before)
        logging.disable(logging.CRITICAL)
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(redirect_stdout(sink))
        stack.enter_context(redirect_stderr(sink))
        modules: tuple[Any, ...] = (huggingface_hub.constants, datasets.config) if offline else ()
        for module in modules:
            stack.callback(setattr, module, "HF_HUB_OFFLINE", module.HF_HUB_OFFLINE)
            module.HF_HUB_OFFLINE = True  # read when something is asked for; the environment is, once, at import
        yield


def own_task(task: Task, items: Sequence[Item], shots: Sequence[Item]) -> Tasks:
    """Questions that are ready, as a task of the harness: nothing is left for it to fill in."""
    rows = {_SPLIT: [_row(item) for item in items], _SHOTS: [_row(item) for item in shots]}
    config = {
        "task": task.name,
        "custom_dataset": lambda **_: {name: datasets.Dataset.from_list(some) for name, some in rows.items() if some},
        "test_split": _SPLIT,
        "fewshot_split": _SHOTS if shots else None,
        "fewshot_config": {"sampler": "first_n"},
        "num_fewshot": len(shots),
        "doc_to_text": "prompt",
        "doc_to_target": "answer",
        "target_delimiter": "" if task.prompt[-1:].isspace() else " ",
    }
    if task.choices is None:
        until = {"until": ["\n"], "do_sample": False, "max_gen_toks": task.max_new_tokens}
        config |= {"output_type": "generate_until", "generation_kwargs": until}
        config |= {"metric_list": [{"metric": "bypass", "aggregation": "bypass", "higher_is_better": True}]}
    else:
        config |= {"output_type": "multiple_choice", "doc_to_choice": "choices", "metric_list": _CHOICE_METRICS}
    with quietly():
        return {task.name: ConfigurableTask(config=config)}


def _row(item: Item) -> dict[str, Any]:
    if item.choices:
        return {"prompt": item.prompt, "choices": list(item.choices), "answer": item.right[0]}
    return {"prompt": item.prompt, "answer": item.accepted[0]}


def known_task(task: Task) -> tuple[Tasks, int]:
    """A task or group of the harness, over local rows or those of the hub; and how many local rows no part of it takes.

    UserError for an unknown name, a task that is not multiple-choice, and rows that it cannot be asked of.
    """
    with quietly():
        manager, leaves = _look_up(task.harness)
    configs = {leaf: manager.task_index[leaf].cfg | stated for leaf, stated in leaves.items()}
    for leaf, config in configs.items():
        if config.get("output_type") != "multiple_choice":
            kind = config.get("output_type") or "a program"
            what = f"task {task.name}: {leaf} of the harness is not multiple_choice but {kind}"
            raise UserError(what, hint="take one of multiple choice, such as the _cloze form of Global PIQA")
    local = _Local(task) if task.path else None
    found = Tasks()
    for leaf, config in configs.items():
        rows = local.overrides(config) if local else {"num_fewshot": task.shots or config.get("num_fewshot")}
        part = {"task": leaf, **leaves[leaf], **rows, "metric_list": _CHOICE_METRICS}
        try:
            with quietly(offline=not task.hub):
                found |= manager.load([{"group": "anadil", "task": [part]}])["tasks"]
        except Exception as error:  # whatever code of the task does with rows of another form, or a network does
            if not isinstance(error, IndexError) or "size 0" not in str(error):  # a part that has no rows in the file
                raise _refused(task, leaf, config, error) from error
    if not found:
        raise UserError(f"{task.path} has no rows for {task.harness}", hint=_own_form(configs.values()))
    return found, _left(task, found, local) if local else 0


def _left(task: Task, found: Tasks, local: "_Local") -> int:
    with quietly():
        left = len(local.rows) - sum(len(one.eval_docs) for one in found.values())
    if left < 0:
        what = f"task {task.name}: the parts of {task.harness} would all ask the same rows of {task.path}"
        raise UserError(what, hint=f"name one of them: {', '.join(list(found)[:3])} ...")
    return left


def _refused(task: Task, leaf: str, config: Mapping[str, Any], error: Exception) -> UserError:
    said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    if task.path is None:
        what = f"task {task.name}: the data set of {leaf}, {config.get('dataset_path')}, cannot be fetched: {said}"
        return UserError(what, hint="try again, or name a local file of its rows in `path`")
    return UserError(f"{task.path} does not fit {leaf} of the harness: {said}", hint=_own_form([config]))


def _own_form(configs: Iterable[Mapping[str, Any]]) -> str:
    sets = {" ".join(filter(None, (one.get("dataset_path"), one.get("dataset_name")))) for one in configs}
    return f"write its rows as the data set has them: {', '.join(sorted(sets))}"


class _Local:
    """The rows of a file in the place of a data set, held in memory: nothing is written to a cache."""

    def __init__(self, task: Task):
        assert task.path is not None
        self._task = task
        self.rows = _even_rows(task.path, task.most_items or None)
        self._shots = _even_rows(task.shots_path, None) if task.shots_path else []
        if any(row in self.rows for row in self._shots):
            what = f"{task.shots_path} has a row that {task.path} has too; its answer would stand in the prompt"
            raise UserError(what, hint="take examples from rows that are not asked")

    def overrides(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Of a config of the harness: where its rows come from, and its examples."""
        test = config.get("test_split") or config.get("validation_split")
        shown = (config.get("fewshot_config") or {}).get("split") or config.get("fewshot_split")
        shots = self._task.shots or config.get("num_fewshot") or 0
        splits = {test: self.rows} | ({_SHOTS: self._shots} if self._shots else {})
        if shots and not self._shots and not _fixed(config) and shown != test:
            what = f"task {self._task.name}: {config['task']} shows {shots} examples of its split {shown!r}"
            raise UserError(what, hint="name a file of such rows in shots_path")
        if shots > len(self._shots) > 0:
            what = f"{self._task.shots_path} has {len(self._shots)} rows for {shots} examples"
            raise UserError(what, hint="add rows to it, or set fewer shots")
        found = {
            "custom_dataset": lambda **_: {name: datasets.Dataset.from_list(some) for name, some in splits.items()},
            "fewshot_split": shown if shown == test else None,
            "fewshot_config": _without(config.get("fewshot_config"), "split"),
            "dataset_kwargs": None,
            "test_split": test,
            "training_split": None,
            "validation_split": None,
            "num_fewshot": shots,
        }
        return found | ({"fewshot_split": _SHOTS} if self._shots else {})


def _fixed(config: Mapping[str, Any]) -> bool:
    """Whether the config itself holds the examples."""
    return bool((config.get("fewshot_config") or {}).get("samples"))


def _without(table: Mapping[str, Any] | None, key: str) -> dict[str, Any]:
    return {name: value for name, value in (table or {}).items() if name != key}


def _even_rows(path: Path, most: int | None) -> list[dict[str, Any]]:
    """The rows of a file; UserError unless all have the same fields: the harness would read `None` for one."""
    placed = list(islice(read_rows(path), most))
    if not placed:
        raise UserError(f"{path} has no rows", hint="add questions, or leave out the task")
    known = dict.fromkeys(field for _, row in placed for field in row)
    for place, row in placed:
        if missing := [field for field in known if field not in row]:
            raise UserError(f"{place}: no field {missing[0]!r}, as other rows have", hint="mend the row")
    return [row for _, row in placed]


def asked(tasks: Tasks, where: str, limit: int | None = None) -> list[Item]:
    """The questions of harness tasks, in order; UserError for one whose answer is none of its choices."""
    items = list[Item]()
    for name, task in tasks.items():
        with quietly():
            docs = list(islice(task.eval_docs, limit))
        for number, doc in enumerate(docs):
            place = f"{where}: question {number} of {name}"
            try:
                with quietly():
                    items.append(_item(task, doc))
            except Exception as error:  # of its templates or its code
                said = error or type(error).__name__
                raise UserError(f"{place} cannot be made: {said}", hint="mend its row, or leave it out") from error
            if not items[-1].right:
                raise UserError(f"{place} has no right choice", hint="mend its answer, or leave it out")
    return items


def _item(task: Any, doc: Any) -> Item:
    choices, text, target = task.doc_to_choice(doc), task.doc_to_text(doc), task.doc_to_target(doc)
    if task.multiple_input:  # one sentence begun in several ways: the choices are what it begins with
        text, target = choices[text], text
    said = target if isinstance(target, list) else [target]
    places = [choices.index(one) if isinstance(one, str) and one in choices else one for one in said]
    right = tuple(one for one in places if isinstance(one, int) and 0 <= one < len(choices))
    if not isinstance(text, str) or not all(isinstance(choice, str) and choice for choice in choices):
        raise ValueError("a prompt or a choice is no text")
    return Item(text, tuple(choices), right if len(right) == len(places) else ())


def run(tasks: Tasks, model: Any, limit: int | None = None) -> list[Mapping[str, Any]]:
    """What a model of `harness_model` answers, a sample of the harness for each question, in the order of `asked`."""
    for task in tasks.values():
        task.set_fewshot_seed(_SEED)
    with quietly():
        found = evaluate(model, {"tasks": tasks}, limit=limit, bootstrap_iters=0, log_samples=True)
    return [sample for name in tasks for sample in found["samples"][name]]


def _look_up(name: str) -> tuple[TaskManager, dict[str, dict[str, Any]]]:
    """The task, or the tasks of a group, with what the group says of each."""
    files = _files()
    if name not in files:
        near = difflib.get_close_matches(name, files, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "`lm_eval ls tasks` lists what it knows"
        raise UserError(f"lm-evaluation-harness has no task {name!r}", hint=hint)
    # to read all of its 14,000 tasks takes seconds, to read the folder of one does not
    manager = TaskManager(include_defaults=False, include_path=str(files[name].parent))
    try:
        return manager, dict(_leaves(name, {}, manager))
    except KeyError:  # a group of tasks that lie elsewhere
        manager = TaskManager()
    try:
        return manager, dict(_leaves(name, {}, manager, tags=True))
    except KeyError as error:
        what = f"{name} of lm-evaluation-harness has a part {error} that it does not know itself"
        raise UserError(what, hint="name another task") from error


def _leaves(
    name: str, stated: dict[str, Any], manager: TaskManager, tags: bool = False
) -> Iterator[tuple[str, dict[str, Any]]]:
    """KeyError for what the manager does not know, which of a tag may be a part."""
    entry = manager.task_index[name]
    if entry.cfg is None and not tags:
        raise KeyError(name)
    parts = sorted(entry.tags) if entry.cfg is None else entry.cfg["task"] if "group" in entry.cfg else None
    if parts is None:
        yield name, stated
        return
    for part in parts:
        table = {"task": part} if isinstance(part, str) else dict(part)
        inner = table.pop("group", None) or table.pop("task")
        yield from _leaves(inner, stated | table, manager, tags)


@cache
def _files() -> dict[str, Path]:
    """Where each task and group of the harness is described."""
    found = dict[str, Path]()
    for path in sorted(Path(lm_eval.tasks.__file__).parent.rglob("*.yaml")):
        for name in _NAME.findall(path.read_bytes()):
            found.setdefault(name.decode(), path)
    return found


_NAME = re.compile(rb"^[\"']?(?:task|group)[\"']?: *[\"']?([^\s\"'#\[{]+)[\"']? *(?:#.*)?$", re.MULTILINE)
