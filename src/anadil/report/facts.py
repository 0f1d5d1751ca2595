"""What a run's own files say about it: read, never measured anew. What is absent stays absent."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from anadil.artifact import LOG, StageFolder
from anadil.corpus.account import Account, Count
from anadil.errors import UserError
from anadil.evaluate.gates import Verdict, judge
from anadil.recipe import Gate
from anadil.report.estimate import Estimate, estimate, items
from anadil.report.evaluation_facts import Evaluation, evaluation, language_name
from anadil.report.run_files import is_finite, is_number, json_lines, json_object
from anadil.report.words import Side, plain

RUN, ACCOUNTING, ANSWERS = "run.json", "corpus/accounting.json", "evaluate/answers.jsonl"
DECISION, DECISION_PAGE = "tokenizer/decision.json", "tokenizer/decision.html"
SHOWN_ANSWERS = 3
HEADLINES: tuple[tuple[str, str], ...] = (("tokenizer", "tokens_per_word"), ("evaluate", "bits_per_byte"))
"""Stage and measure of the figures that open the report; of all of them less is better."""


@dataclass(frozen=True)
class Change:
    """One measure of one language, in the base (None without a base) and in the result."""

    side: Side
    language: str
    measure: str
    before: Estimate | None
    after: Estimate
    difference: Estimate | None
    items: int | None = None

    @property
    def verdict(self) -> Literal["better", "worse", "unclear", "none"]:
        """Which way it went; none where there is nothing to compare."""
        return self.difference.direction if self.difference else "none"


@dataclass(frozen=True)
class Stage:
    """One stage of the recipe: what its manifest says, if it is done."""

    name: str
    state: Literal["done", "partial", "todo"]
    fingerprint: str = ""
    outputs_digest: str = ""
    attempt: int = 1
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    metrics: dict[str, float] | None = None
    inputs: dict[str, str] | None = None
    outputs: dict[str, int] | None = None
    environment: dict[str, Any] | None = None


@dataclass(frozen=True)
class Source:
    """One source of the corpus and where its documents went."""

    name: str
    language: str
    licence: str
    weight: float | None
    account: Account

    @property
    def closes(self) -> bool:
        """Whether all that was read is accounted for."""
        return self.account.closes()


@dataclass(frozen=True)
class Curve:
    """Lines of metrics.jsonl of one stage: (step, value) of each figure, in order of steps."""

    stage: str
    points: dict[str, list[tuple[int, float]]]


@dataclass(frozen=True)
class Answer:
    """A held-out question with what base and result answered; None where there is no such answer."""

    question: str
    base: str | None
    adapted: str | None
    reference: str | None


@dataclass(frozen=True)
class RunFacts:
    """A run as its files tell it. All texts are free of control characters."""

    name: str
    base: str  # "" without a base; of a local folder only the last name, for reports are passed on
    revision: str
    language: str
    languages: dict[Side, str]
    stages: tuple[Stage, ...]
    sources: tuple[Source, ...]
    curves: tuple[Curve, ...]
    answers: tuple[Answer, ...]
    answered: int
    evaluation: Evaluation
    verdicts: tuple[Verdict, ...]  # of the gates; none before they can be judged
    recommendation: str  # of a tokenizer, with its reason; "" where nothing was decided

    def metrics(self, stage: str) -> dict[str, float]:
        """Metrics of a stage; empty if it is not done."""
        return next((s.metrics for s in self.stages if s.name == stage and s.metrics), {})

    @property
    def done(self) -> tuple[Stage, ...]:
        """The stages that are done."""
        return tuple(stage for stage in self.stages if stage.state == "done")

    @property
    def wall_seconds(self) -> float:
        """Of all stages that are done."""
        return sum(stage.wall_seconds for stage in self.done)

    @property
    def cpu_seconds(self) -> float:
        """Of all stages that are done, over all cores."""
        return sum(stage.cpu_seconds for stage in self.done)

    @property
    def exported(self) -> dict[str, int]:
        """Bytes of what the stage export wrote, by file or folder."""
        found: dict[str, int] = {}
        for name, size in next((s.outputs or {} for s in self.done if s.name == "export"), {}).items():
            top, slash, _ = name.partition("/")
            found[top + slash] = found.get(top + slash, 0) + size
        return found

    @property
    def changes(self) -> tuple[Change, ...]:
        """The headline figures, the target language first."""
        sides: tuple[Side, ...] = ("target", "original")
        found = (self._change(side, *headline) for side in sides for headline in HEADLINES)
        return tuple(change for change in found if change)

    def _change(self, side: Side, stage: str, measure: str) -> Change | None:
        metrics, name = self.metrics(stage), f"{side}_{measure}"
        before, after = estimate(metrics, f"base_{name}"), estimate(metrics, name)
        if after is None or not after.value:  # 0 tokens per word: there was no held-out text
            return None
        difference = estimate(metrics, f"{name}_change")
        if difference is None and before:
            difference = Estimate(after.value - before.value)
        return Change(side, self.languages[side], measure, before, after, difference, items(metrics, name))

    @property
    def doubts(self) -> list[str]:
        """What a reader should know before believing the figures."""
        states = {"partial": "has begun and is not finished", "todo": "has not run"}
        found = [f"{s.name} {states[s.state]}." for s in self.stages if s.state != "done"]
        digests = {stage.name: stage.outputs_digest for stage in self.done}
        for stage in self.done:
            for name, digest in (stage.inputs or {}).items():
                if digests.get(name) != digest:
                    found.append(f"{stage.name} was made from another {name} than the one that is here now.")
        return found + [f"The account of {s.name} does not close." for s in self.sources if not s.closes]


def facts(run_folder: Path) -> RunFacts:
    """Everything the report says about the run in `run_folder`.

    UserError if there is no run, or a gate on what was not measured.
    """
    record = json_object(run_folder / RUN)
    if not record or not isinstance(record.get("recipe"), dict):
        raise UserError(f"no run at {run_folder}", hint="name the folder of a run: it holds run.json")
    recipe = record["recipe"]
    base, target = recipe.get("base") or {}, str(recipe.get("language", ""))
    names: dict[Side, str] = {"target": language_name(target), "original": language_name(str(base.get("language", "")))}
    answers = list(all_answers(run_folder))
    stages = tuple(_stage(run_folder, str(name)) for name in recipe.get("stages", []))
    metrics = next((stage.metrics for stage in stages if stage.name == "evaluate" and stage.metrics), {})
    path = str(base.get("path") or "")
    return RunFacts(
        name=plain(record.get("name", run_folder.name)),
        base=plain(Path(path).name if Path(path).is_absolute() else path),
        revision=plain(base.get("revision") or "")[:12],
        language=plain(Path(target).stem),
        languages=names | {"other": "further languages"},
        stages=stages,
        sources=tuple(_sources(run_folder, recipe)),
        curves=tuple(curve for stage in stages if (curve := _curve(run_folder, stage.name)).points),
        answers=tuple(answers[:SHOWN_ANSWERS]),
        answered=len(answers),
        evaluation=evaluation(run_folder, recipe, metrics, names),
        verdicts=tuple(
            judge([Gate.model_validate(one) for one in recipe.get("gates") or []], metrics) if metrics else ()
        ),
        recommendation=_recommendation(run_folder / DECISION),
    )


def _stage(run_folder: Path, name: str) -> Stage:
    folder = StageFolder(run_folder / name)
    manifest = folder.manifest
    if manifest is None:
        started = folder.started
        return Stage(plain(name), "partial" if started else "todo", plain((started or {}).get("fingerprint", "")))
    seconds = manifest.get("seconds", {})
    return Stage(
        plain(name),
        "done",
        plain(manifest.get("fingerprint", "")),
        plain(manifest.get("outputs_digest", "")),
        int(manifest.get("attempt", 1)),
        float(seconds.get("wall", 0.0)),
        float(seconds.get("cpu", 0.0)),
        {plain(k): v for k, v in manifest.get("metrics", {}).items() if is_number(v)},
        {plain(k): plain(v) for k, v in manifest.get("inputs", {}).items()},
        {plain(k): int(v["bytes"]) for k, v in manifest.get("outputs", {}).items()},
        {plain(k): plain(v) for k, v in manifest.get("environment", {}).items() if v is not None},
    )


def _sources(run_folder: Path, recipe: dict[str, Any]) -> Iterator[Source]:
    stated = {source["name"]: source for source in (recipe.get("corpus") or {}).get("sources", [])}
    for name, parts in (json_object(run_folder / ACCOUNTING) or {}).items():
        source = stated.get(name, {})
        account = Account(_count(parts["read"]), unreadable=int(parts.get("unreadable_lines", 0)))
        account.by_verdict.update({plain(verdict): _count(count) for verdict, count in parts["verdicts"].items()})
        for step in parts.get("steps", []):
            for reason, count in step["changed"].items():
                account.changes[plain(step["step"])][plain(reason)] = _count(count)
        licence, weight = plain(source.get("licence", "")), source.get("weight")
        weight = float(weight) if is_number(weight) else None
        yield Source(plain(name), language_name(source.get("language", "")), licence, weight, account)


def _count(parts: dict[str, int]) -> Count:
    return Count(parts.get("documents", 0), parts.get("bytes", 0), parts.get("words", 0))


def _curve(run_folder: Path, stage: str) -> Curve:
    points: dict[str, list[tuple[int, float]]] = {}
    for row in json_lines(run_folder / stage / LOG):
        for key, value in row.items():
            if key != "step" and is_finite(value) and is_number(row.get("step")):
                points.setdefault(plain(key), []).append((int(row["step"]), float(value)))
    return Curve(stage, points)


def all_answers(run_folder: Path) -> Iterator[Answer]:
    """Every held-out question of a run with its answers, in the order of the file."""
    for row in json_lines(run_folder / ANSWERS):
        texts = {key: plain(value) for key, value in row.items() if isinstance(value, str)}
        if "question" in texts:
            yield Answer(texts["question"], texts.get("base_answer"), texts.get("answer"), texts.get("reference"))


def _recommendation(decision: Path) -> str:
    said = (json_object(decision) or {}).get("recommendation") or {}
    label, reason = (plain(said.get(key) or "") for key in ("label", "reason"))
    return reason if reason.startswith(label) else f"{label}: {reason}".removesuffix(": ")
