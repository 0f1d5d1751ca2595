"""Benchmarks: is the right choice the likeliest, or the answer in free words the right one, before and after.

lm-evaluation-harness asks the questions (`harness`, `harness_model`). Prompts are plain text without a chat template,
the same for base and adapted model. A choice is chosen by its log-likelihood per UTF-8 byte (the harness's acc_bytes).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from anadil import bootstrap, shares
from anadil.errors import UserError
from anadil.evaluate.answers import CONTAMINATED_WORDS, token_f1, words
from anadil.evaluate.overlap import LongestRuns
from anadil.evaluate.task_items import Item, check_language, own_texts, read_items
from anadil.languages import LanguageProfile, load_profile
from anadil.progress import Progress
from anadil.recipe import Task

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from anadil.evaluate.harness import Tasks

Opener = Callable[[], "tuple[PreTrainedModel, Tokenizer, int]"]
"""Gives a model on its device, its tokenizer and the id that begins a text; what it gives is let go after use."""
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Checked:
    """A task whose questions have been read. `parts` are tasks of the harness, none for rows of one's own."""

    task: Task
    profile: LanguageProfile
    items: list[Item]
    shots: list[Item] = field(default_factory=list)
    parts: "Tasks" = field(default_factory=dict)


def check(tasks: Sequence[Task], profile: LanguageProfile, progress: Progress) -> list[Checked]:
    """Read the questions of all tasks; UserError names file, row and value of what cannot be asked.

    No model is needed, so that it can come before the hours that make one. `profile` is of the target language.
    """
    names = [task.name for task in tasks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"two tasks are named {twice[0]!r}", hint="give each [[evaluate.tasks]] a name of its own")
    if tasks and find_spec("lm_eval") is None:
        raise UserError("the package lm_eval is not installed", hint="pip install 'anadil[train,tasks]'")
    found = [_checked(task, profile, progress) for task in tasks]
    for one in found:
        if (count := len(one.items)) < shares.LEAST_ITEMS:
            least = shares.LEAST_ITEMS
            progress.line(f"  task {one.task.name}: {count} questions, {least} are needed for an interval")
    return found


def _checked(task: Task, profile: LanguageProfile, progress: Progress) -> Checked:
    if task.harness:
        return _known(task, profile, progress)
    items, shots = read_items(task)
    language = task.language or profile.code
    if language.endswith(".toml"):
        language = load_profile(language).code
    assert task.path is not None
    check_language(items, language, task.path)
    if task.choices is None and language != profile.code:
        profile = load_profile(str(task.language))
    return Checked(task, profile, items, shots)


def _known(task: Task, profile: LanguageProfile, progress: Progress) -> Checked:
    from anadil.evaluate import harness

    parts, left = harness.known_task(task)
    if left:
        progress.line(f"  task {task.name}: {left} rows belong to no part of {task.harness} and are not asked")
    items = harness.asked(parts, str(task.path or task.harness), _limit(task))
    return Checked(task, profile, items, parts=parts)


def _limit(task: Task) -> int | None:
    """Questions of each part; rows of a file are counted when it is read."""
    return task.most_items or None if task.hub else None


def measure(
    tasks: Sequence[Checked],
    model: Opener,
    base: Opener | None,
    seen: Iterable[str],
    profile: LanguageProfile,
    progress: Progress,
    *,
    rounds: int = bootstrap.ROUNDS,
) -> tuple[dict[str, Rows], dict[str, float]]:
    """A row for each question by task, and the metrics of all: task_<name>_… .

    One model is open at a time. `seen` are the training texts, read once; questions that stand in them are marked.
    """
    rows, found = dict[str, Rows](), dict[str, float]()
    openers = {"": model} | ({"base_": base} if base else {})
    said = {prefix: _asked(tasks, opener, progress, prefix) for prefix, opener in openers.items()}
    flags = _contaminated([own_texts([item.prompt for item in one.items]) for one in tasks], seen, profile)
    for place, (one, known) in enumerate(zip(tasks, flags, strict=True)):
        name, some = f"task_{one.task.name}", [_question(number, item) for number, item in enumerate(one.items)]
        for prefix, answers in said.items():
            for row, item, answer in zip(some, one.items, answers[place].said, strict=True):
                row |= _judged(prefix, item, answer, one.profile)
            found[f"{prefix}{name}_truncated_items"] = float(answers[place].truncated)
        rows[one.task.name] = [row | {"contaminated": flag} for row, flag in zip(some, known, strict=True)]
        found |= _metrics(name, one, rows[one.task.name], base is not None, rounds)
    return rows, found


@dataclass(frozen=True)
class _Said:
    """Of each question log-likelihoods of its choices in nats, or an answer; and how many had to be truncated."""

    said: list[Any]
    truncated: int


def _asked(tasks: Sequence[Checked], opener: Opener, progress: Progress, prefix: str) -> list[_Said]:
    from anadil.evaluate import harness
    from anadil.evaluate.harness_model import HarnessModel

    opened = opener()
    with harness.quietly():
        model = HarnessModel(*opened, progress)
    found = []
    for one in tasks:
        model.label, model.truncated = f"{prefix}task_{one.task.name}", set()
        parts = one.parts or harness.own_task(one.task, one.items, one.shots)
        samples = harness.run(parts, model, _limit(one.task))
        said = [_answer(sample, item) for sample, item in zip(samples, one.items, strict=True)]
        truncated = sum(any(text in model.truncated for text, _ in sample["arguments"]) for sample in samples)
        found.append(_Said(said, truncated))
    return found


def _answer(sample: Mapping[str, Any], item: Item) -> list[float] | str:
    if not item.choices:
        return str(sample["resps"][0][0]).strip()
    return [float(responses[0][0]) for responses in sample["resps"]]


def _question(number: int, item: Item) -> dict[str, Any]:
    if not item.choices:
        return {"id": number, "prompt": item.prompt, "accepted": list(item.accepted)}
    right = item.right[0] if len(item.right) == 1 else list(item.right)
    sizes = [len(choice.encode()) for choice in item.choices]
    return {"id": number, "prompt": item.prompt, "choices": list(item.choices), "bytes": sizes, "answer": right}


def _judged(prefix: str, item: Item, said: Any, profile: LanguageProfile) -> dict[str, Any]:
    if not item.choices:
        mine, accepted = words(said, profile), [words(text, profile) for text in item.accepted]
        f1 = max(token_f1(mine, text) for text in accepted) if mine else 0.0
        return {f"{prefix}said": said, f"{prefix}exact": bool(mine) and mine in accepted, f"{prefix}token_f1": f1}
    nats, sizes = np.array(said), np.array([len(choice.encode()) for choice in item.choices])
    chosen, raw = int(np.argmax(nats / sizes)), int(np.argmax(nats))
    verdict = {"logprobs": said, "chosen": chosen, "chosen_raw": raw}
    verdict |= {"correct": chosen in item.right, "correct_raw": raw in item.right}
    return {f"{prefix}{key}": value for key, value in verdict.items()}


def _contaminated(tasks: Sequence[Sequence[str]], seen: Iterable[str], profile: LanguageProfile) -> list[list[bool]]:
    """Which questions a training text holds eight words of in a row, or is whole: all tasks in one pass."""
    asked = [[words(text, profile) for text in texts] for texts in tasks]
    flat = [text for texts in asked for text in texts]
    sightings, whole = LongestRuns(flat), {" ".join(text) for text in flat if text}
    known = set[str]()
    for text in seen:
        read = words(text, profile)
        sightings.read(read)
        if len(read) < CONTAMINATED_WORDS and (joined := " ".join(read)) in whole:
            known.add(joined)
    runs = iter(sightings.longest())
    return [[next(runs) >= CONTAMINATED_WORDS or " ".join(text) in known for text in texts] for texts in asked]


def _metrics(name: str, one: Checked, rows: Rows, based: bool, rounds: int) -> dict[str, float]:
    clean = [row for row in rows if not row["contaminated"]]
    found = {f"{name}_contaminated_items": float(len(rows) - len(clean))}
    what, flag = ("accuracy", "correct") if one.items[0].choices else ("exact", "exact")
    for key, some in ((f"{name}_{what}", rows), (f"{name}_uncontaminated_{what}", clean)):
        base = [row[f"base_{flag}"] for row in some] if based else None
        found |= shares.metrics(key, [row[flag] for row in some], base)
    if what == "exact":
        return found | _f1(f"{name}_token_f1", rows, based, rounds)
    for prefix in ("", "base_") if based else ("",):
        found[f"{prefix}{name}_raw_accuracy"] = float(np.mean([row[f"{prefix}correct_raw"] for row in rows]))
    return found | {f"{name}_chance": float(np.mean([len(i.right) / len(i.choices) for i in one.items]))}


def _f1(name: str, rows: Rows, based: bool, rounds: int) -> dict[str, float]:
    after = [row["token_f1"] for row in rows]
    found = bootstrap.mean(after, rounds=rounds).metrics(name, len(rows))
    if not based:
        return found
    before, ones = [row["base_token_f1"] for row in rows], np.ones(len(rows))
    change = bootstrap.paired_change((before, ones), (after, ones), rounds=rounds)
    base = bootstrap.mean(before, rounds=rounds)
    return found | base.metrics(f"base_{name}", len(rows)) | change.metrics(f"{name}_change", len(rows))
