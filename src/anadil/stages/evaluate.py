"""evaluate: the delivered files against the base, on held-out text and questions."""

import json
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from anadil import durable, hub
from anadil.context import Context
from anadil.corpus.build import sources, texts
from anadil.corpus.hashing import text_hash
from anadil.dialogues.prepare import Surroundings, all_dialogues
from anadil.engines import open_engine
from anadil.evaluate import answers, bits_per_byte
from anadil.languages import language_key, load_profile
from anadil.recipe import Recipe


def run(recipe: Recipe, inputs: dict[str, Path], out: Path, context: Context) -> dict[str, float]:
    """Measure bits per byte in both languages, and answers where the recipe names questions."""
    base = hub.local_folder(recipe.base.path, recipe.base.revision) if recipe.base.path else None
    metrics = _bits_per_byte(recipe, inputs, out, context, base)
    if recipe.evaluate.questions:
        metrics |= _answers(recipe, inputs, out, context, base)
    return metrics


def _bits_per_byte(
    recipe: Recipe, inputs: dict[str, Path], out: Path, context: Context, base: Path | None
) -> dict[str, float]:
    languages = {"target": recipe.language, "original": recipe.base.language}
    if recipe.language == recipe.base.language:
        del languages["original"]
    sets = {
        side: bits_per_byte.sample(_texts(inputs["corpus"], language, "heldout"), recipe.evaluate.max_documents)
        for side, language in languages.items()
    }
    documents = [text for some in sets.values() for text in some]
    models = {"": inputs["export"] / "hf"} | ({"base_": base} if base else {})
    scores = {}
    with context.progress.task("bits per byte", len(models), "models") as task:
        for prefix, model in models.items():
            scores[prefix] = bits_per_byte.score(model, documents, device=context.device, threads=context.threads)
            task.advance()
    rows, metrics, start = list[dict[str, Any]](), dict[str, float](), 0
    for side, some in sets.items():
        parts = {prefix: score.part(start, start + len(some)) for prefix, score in scores.items()}
        start += len(some)
        if some:
            rounds = recipe.evaluate.bootstrap_rounds
            metrics |= bits_per_byte.metrics(side, parts[""], parts.get("base_"), rounds=rounds)
        rows += _rows(side, some, parts)
    _write_jsonl(out / "bits_per_byte.jsonl", rows)
    return metrics


def _rows(side: str, documents: list[str], scores: dict[str, bits_per_byte.Scores]) -> Iterator[dict[str, Any]]:
    for number, text in enumerate(documents):
        row: dict[str, Any] = {"side": side, "text_hash": text_hash(text).hex(), "bytes": len(text.encode())}
        for prefix, score in scores.items():
            row |= {f"{prefix}nats": float(score.nats[number]), f"{prefix}tokens": int(score.tokens[number])}
        yield row


def _answers(
    recipe: Recipe, inputs: dict[str, Path], out: Path, context: Context, base: Path | None
) -> dict[str, float]:
    assert recipe.evaluate.questions is not None
    questions = answers.read_questions(recipe.evaluate.questions)
    export, settings = inputs["export"], recipe.evaluate
    threads, device, context_tokens = context.threads, context.device, recipe.serve.context_tokens
    opened = partial(open_engine, slots=1, threads=threads, device=device, context_tokens=context_tokens)
    asked = (questions, recipe.serve.system_prompt, settings.max_new_tokens, context.progress)
    with opened(export) as engine:
        engines, said, base_said = {"answers": engine.name}, answers.ask(engine, *asked), None
    if base:
        with answers.base_engine(base, engine, export, out, opened) as base_engine:
            if base_engine:
                engines["base_answers"], base_said = base_engine.name, answers.ask(base_engine, *asked)
    profile = load_profile(recipe.language)
    seen = chain(_dialogues(recipe), map(answers.Seen, _texts(inputs["corpus"], recipe.language, "train")))
    rows, metrics = answers.measure(questions, said, base_said, seen, profile, rounds=settings.bootstrap_rounds)
    _write_jsonl(out / "answers.jsonl", rows)
    durable.write_json(out / "engines.json", engines, "evaluate")
    for row in rows:
        if row["contaminated"]:
            context.progress.line(f"  question {row['id']} was seen in training: {row['question']}")
    return metrics


def _dialogues(recipe: Recipe) -> Iterator[answers.Seen]:
    if recipe.sft and "sft" in recipe.stages:
        for dialogue in all_dialogues(recipe.sft, Surroundings.of(recipe)):
            yield from (answers.Seen(m["content"], m["role"] == "assistant") for m in dialogue.messages)


def _texts(corpus: Path, language: str, split: str) -> Iterator[str]:
    for source in sources(corpus):
        if source["language"] == language_key(language) and (split == "heldout" or source["weight"] > 0):
            yield from texts(corpus, source["name"], split)


def _write_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    durable.write_text(path, lines, "evaluate")
