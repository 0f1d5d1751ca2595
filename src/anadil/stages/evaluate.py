"""evaluate: the delivered files against the base, on held-out text, questions, prompts, requests and tasks."""

import json
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from anadil import durable, hub
from anadil.context import Context
from anadil.corpus.build import sources, texts
from anadil.corpus.hashing import text_hash
from anadil.corpus.personal_data import Finder
from anadil.dialogues.prepare import Surroundings, all_dialogues
from anadil.evaluate import answers, bits_per_byte, canaries, leaks, produced, safety, tasks
from anadil.evaluate.bits_per_byte import BASE, Scores
from anadil.evaluate.files import chats, prompts_of, requests_of
from anadil.evaluate.generate import Answer, Conversation, Place, Speaker, base_speaker, gguf_of
from anadil.evaluate.judges import Judges
from anadil.languages import language_key, load_profile
from anadil.recipe import Recipe

Metrics = dict[str, float]


def run(recipe: Recipe, inputs: dict[str, Path], out: Path, context: Context) -> Metrics:
    """Measure everything that the recipe and the language have sets for."""
    return _Evaluation(recipe, inputs, out, context).measure()


class _Evaluation:
    """One run of the stage."""

    def __init__(self, recipe: Recipe, inputs: dict[str, Path], out: Path, context: Context):
        self.recipe, self.settings, self.inputs, self.out, self.context = recipe, recipe.evaluate, inputs, out, context
        self.base = hub.local_folder(recipe.base.path, recipe.base.revision) if recipe.base.path else None
        self.export, self.profile = inputs["export"], load_profile(recipe.language)
        self.served = gguf_of(self.export) or self.export / "hf"
        self.place = Place(context.threads, context.device, recipe.serve.context_tokens)
        self.said = list[tuple[str, str]]()

    def measure(self) -> Metrics:
        metrics = self._bits_per_byte()
        with Speaker(self.export, self.place) as speaker:
            metrics |= self._canaries(speaker)
            if chats(self.recipe, self.base):
                metrics |= self._answers(speaker) | self._produced(speaker) | self._safety(speaker)
            else:
                why = "no stage sft, and the base has no chat template"
                self.context.progress.line(f"  questions, prompts and requests are not asked: {why}")
        return metrics | self._leaks() | self._tasks()

    def _bits_per_byte(self) -> Metrics:
        languages = {"target": self.recipe.language, "original": self.recipe.base.language}
        if self.recipe.language == self.recipe.base.language:
            del languages["original"]
        most = self.settings.max_documents
        sets = {
            side: bits_per_byte.sample_of_domains(self._texts(language, "heldout"), most)
            for side, language in languages.items()
        }
        scores = self._scores([text for some in sets.values() for _, text in some])
        rows, metrics, start = list[dict[str, Any]](), Metrics(), 0
        for side, some in sets.items():
            parts = {prefix: score.part(start, start + len(some)) for prefix, score in scores.items()}
            start += len(some)
            rows += _document_rows(side, some, parts)
            if some:
                rounds, domains = self.settings.bootstrap_rounds, [domain for domain, _ in some]
                metrics |= bits_per_byte.metrics(side, parts, rounds=rounds)
                metrics |= bits_per_byte.metrics_of_domains(side, domains, parts[""], parts.get(BASE), rounds=rounds)
        self._write("bits_per_byte", rows)
        return metrics

    def _scores(self, documents: list[str]) -> dict[str, Scores]:
        """Of each model on the road that is here, in the order in which they were made; what is served last."""
        models = {BASE: self.base} if self.base else {}
        models |= {
            f"{stage}_": self.inputs[stage] / "model" for stage in ("transfer", "pretrain") if stage in self.inputs
        }
        models |= {"unquantised_": self.export / "hf"} if self.served.suffix == ".gguf" else {}
        models[""] = self.served
        scores = {}
        with self.context.progress.task("bits per byte", len(models), "models") as task:
            for prefix, model in models.items():
                context = self.context
                scores[prefix] = bits_per_byte.score(model, documents, device=context.device, threads=context.threads)
                task.advance()
        return scores

    def _answers(self, speaker: Speaker) -> Metrics:
        if self.settings.questions is None:
            return {}
        questions = answers.read_questions(self.settings.questions)
        asked = [self._conversation(one.question) for one in questions]
        said, base_said, engines = self._ask(speaker, asked, "questions"), None, {"answers": speaker.name}
        if self.base:
            few = asked[: self.settings.base_questions or len(asked)]
            with base_speaker(self.base, speaker.name, self.export, self.out, self.place) as base:
                if base:
                    engines["base_answers"], base_said = base.name, self._ask(base, few, "questions to the base")
        seen, rounds = self._seen(), self.settings.bootstrap_rounds
        rows, metrics = answers.measure(questions, said, base_said, seen, self.profile, rounds=rounds)
        self._write("answers", rows)
        durable.write_json(self.out / "engines.json", engines, "evaluate")
        for row in rows:
            if row["contaminated"]:
                self.context.progress.line(f"  question {row['id']} was seen in training: {row['question']}")
        self._keep(row["answer"] for row in rows)
        return metrics

    def _produced(self, speaker: Speaker) -> Metrics:
        settings = self.settings.produced
        if not (path := prompts_of(self.recipe, self.profile)):
            return {}
        prompts = produced.read_prompts(path, settings.most_prompts, settings.typed_prompts, self.profile)
        said = self._ask(speaker, [self._conversation(one.text) for one in prompts], "prompts")
        rounds = self.settings.bootstrap_rounds
        rows, metrics = produced.measure(prompts, said, self._judges, self.profile, rounds=rounds)
        self._write("produced", rows)
        self._keep(row["answer"] for row in rows)
        return metrics

    def _safety(self, speaker: Speaker) -> Metrics:
        if not (folder := requests_of(self.recipe, self.profile)):
            return {}
        requests = safety.read_requests(folder, self.settings.safety.most_requests)
        asked = [self._conversation(one.prompt(self.profile)) for one in requests]
        rows, metrics = safety.measure(requests, self._ask(speaker, asked, "requests"), self._judges)
        self._write("safety", rows)
        self._keep(row["answer"] for row in rows)
        return metrics

    def _canaries(self, speaker: Speaker) -> Metrics:
        if self.settings.safety.canaries is None:
            return {}
        planted = canaries.read_canaries(self.settings.safety.canaries)
        score, first = bits_per_byte.scorer(self.served, self.context.device, self.context.threads)
        seen = (text.text for text in self._seen())
        rows, metrics = canaries.measure(planted, seen, lambda text: speaker.continued(text, first, 48), score)
        self._write("canaries", rows)
        return metrics

    def _leaks(self) -> Metrics:
        if not self.said:
            return {}
        finder = Finder(self.profile, self.recipe.corpus.own_contacts)
        rows, metrics = leaks.measure(self.said, finder, (text.text for text in self._seen()))
        self._write("personal_data", rows)
        toxic = [bool(self._judges.toxic(text)) for _, text in self.said]
        return metrics | {"toxic_answers_items": float(sum(toxic))}

    def _tasks(self) -> Metrics:
        if not self.settings.tasks:
            return {}
        progress, rounds = self.context.progress, self.settings.bootstrap_rounds
        checked = tasks.check(self.settings.tasks, self.profile, progress)
        model, base = (
            partial(bits_per_byte.open_model, path, self.context.device) if path else None
            for path in (self.served, self.base)
        )
        assert model
        seen = (text.text for text in self._seen())
        rows, metrics = tasks.measure(checked, model, base, seen, self.profile, progress, rounds=rounds)
        for name, some in rows.items():
            self._write(f"tasks/{name}", some)
        return metrics

    @cached_property
    def _judges(self) -> Judges:
        original = load_profile(self.recipe.base.language)
        return Judges(self.profile, original, self.settings.produced.word_list)

    def _ask(self, speaker: Speaker, asked: Sequence[Conversation], label: str) -> list[Answer]:
        return speaker.answers(asked, self.settings.max_new_tokens, label, self.context.progress)

    def _conversation(self, text: str) -> list[dict[str, str]]:
        prompt = self.recipe.serve.system_prompt
        system = [{"role": "system", "content": prompt}] if prompt else []
        return [*system, {"role": "user", "content": text}]

    def _keep(self, said: Iterator[str]) -> None:
        self.said += [(str(len(self.said) + number), text) for number, text in enumerate(said)]

    def _seen(self) -> Iterator[answers.Seen]:
        """All that the model was trained on."""
        recipe = self.recipe
        if recipe.sft and "sft" in recipe.stages:
            for dialogue in all_dialogues(recipe.sft, Surroundings.of(recipe)):
                yield from (answers.Seen(m["content"], m["role"] == "assistant") for m in dialogue.messages)
        yield from (answers.Seen(text) for _, text in self._texts(recipe.language, "train"))

    def _texts(self, language: str, split: str) -> Iterator[tuple[str, str]]:
        """(source, text) of a language."""
        for source in sources(self.inputs["corpus"]):
            if source["language"] == language_key(language) and (split == "heldout" or source["weight"] > 0):
                yield from ((source["name"], text) for text in texts(self.inputs["corpus"], source["name"], split))

    def _write(self, name: str, rows: list[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        durable.write_text(self.out / f"{name}.jsonl", lines, "evaluate")


def _document_rows(side: str, documents: list[tuple[str, str]], scores: dict[str, Scores]) -> Iterator[dict[str, Any]]:
    for number, (source, text) in enumerate(documents):
        facts = {"side": side, "source": source, "text_hash": text_hash(text).hex(), "bytes": len(text.encode())}
        row: dict[str, Any] = dict(facts)
        for prefix, score in scores.items():
            row |= {f"{prefix}nats": float(score.nats[number]), f"{prefix}tokens": int(score.tokens[number])}
        yield row
