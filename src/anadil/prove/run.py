"""The proof from end to end: every step leaves its result and is not done again, so it goes on where it stopped."""

import json
from pathlib import Path
from typing import Any

from anadil import durable, hub
from anadil.context import Context
from anadil.corpus.build import build as build_corpus
from anadil.errors import UserError
from anadil.languages import language_key
from anadil.model import load
from anadil.prove.facts import Vocabulary, proof_facts
from anadil.prove.heldout import Domain, Heldout, read_domains
from anadil.prove.rows import Row, seconds_per_step, train_row
from anadil.prove.sample import make_sample
from anadil.prove.verdict import BASE
from anadil.recipe import Candidate, Proof
from anadil.stages.tokenizer import DECISION, build_and_measure
from anadil.tokenizer.encode import encode
from anadil.tokenizer.load import read_vocabulary
from anadil.tokenizer.shards import TokenShards
from anadil.train.loop import batch_rows
from anadil.transfer.move import move

PROOF, SETTINGS, SAMPLE = "proof.json", "settings.json", "sample.json"
TIMES, TOKENIZERS, ROWS = "seconds_per_step.json", "tokenizers", "rows"
SPARE_TEXT = 3.0
"""The sample holds so many times the text that `keep` sees: others see more of it in the same seconds."""
TIMING_ROUNDS = 3
WARMUP_SHARE = 0.05


def prove(proof: Proof, out: Path, context: Context) -> dict[str, Any]:
    """Run what is not done yet and return what `proof.json` holds. UserError for a folder of other settings."""
    with durable.lock(out):
        durable.clean(out)
        _claim(proof, out)
        base = hub.local_folder(str(proof.base.path), proof.base.revision)
        hub.check_rows(base, read_vocabulary(base).size)
        corpus = _corpus(proof, out, context)
        folders = _tokenizers(proof, base, corpus, out, context)
        sizes = _sample(proof, corpus, out)
        ready = [_make_ready(label, folder, base, proof, out, context) for label, folder in folders.items()]
        times = seconds_per_step(
            {one.label: (one.model, one.shards) for one in ready}, proof.training, out / TIMES, context, TIMING_ROUNDS
        )
        median = {label: sorted(values)[len(values) // 2] for label, values in times.items()}
        points = _points(proof, ready, sizes["target_bytes"], median)
        domains = read_domains(corpus, proof.tokenizer.measure_on, proof.documents)
        _train(proof, ready, points, domains, out, context)
        facts = proof_facts(proof, ready, points, domains, median, corpus, out / ROWS)
        durable.write_json(out / PROOF, facts, "proof")
        return facts


def _claim(proof: Proof, out: Path) -> None:
    settings = proof.model_dump(mode="json")
    file = out / SETTINGS
    if file.is_file():
        known = json.loads(file.read_bytes())
        if differing := sorted(key for key in settings if settings[key] != known.get(key) and key != "seeds"):
            what = f"{out} holds a proof with other settings: {', '.join(differing)}"
            raise UserError(what, hint="name another folder with --out, or remove this one; more seeds can be added")
    durable.write_json(file, settings, "proof")


def _corpus(proof: Proof, out: Path, context: Context) -> Path:
    if proof.corpus_folder:
        return proof.corpus_folder
    assert proof.corpus
    if not (out / "corpus" / "sources.json").is_file():
        build_corpus(proof.corpus, proof.language, out / "corpus", context.progress)
    return out / "corpus"


def _tokenizers(proof: Proof, base: Path, corpus: Path, out: Path, context: Context) -> dict[str, Path]:
    """Folders of the tokenizers by label, `keep` first; decision.json, written last, says that they are there."""
    table = proof.tokenizer.model_copy(update={"mode": "keep", "new_tokens": None})
    folder = out / TOKENIZERS
    if not (folder / DECISION).is_file():
        build_and_measure(table, base, corpus, proof.language, proof.base.language, folder, context.progress)
    found = {candidate.label: folder / "candidates" / candidate.label for candidate in table.candidates}
    return {Candidate(mode="keep").label: folder} | found


def _sample(proof: Proof, corpus: Path, out: Path) -> dict[str, float]:
    file = out / SAMPLE
    if not file.is_file():
        wanted = int(max(proof.megabytes) * 1e6 * SPARE_TEXT)
        sizes = make_sample(corpus, out / "sample", proof.language, wanted, proof.replay)
        durable.write_json(file, sizes, "sample")
    sizes = json.loads(file.read_bytes())
    if sizes["target_bytes"] < max(proof.megabytes) * 1e6:
        most = sizes["target_bytes"] / 1e6
        what = (
            f"the corpus has {most:.2f} MB of training text in the target language, {max(proof.megabytes):g} are asked"
        )
        raise UserError(what, hint=f"state --megabytes {most * 0.9:.2g} or less, or give more text")
    return dict(sizes)


def _make_ready(label: str, tokenizer: Path, base: Path, proof: Proof, out: Path, context: Context) -> Vocabulary:
    encoded, moved = out / "encode" / label, out / "models" / label
    encode(out / "sample", tokenizer, encoded, context.threads, context.progress)
    shards = TokenShards(encoded)
    if not moved.is_dir():
        model = load.load(base, device=context.device)
        move(
            model, base, out / "sample", tokenizer, shards, method=proof.transfer.method,
            sample_tokens=proof.transfer.sample_tokens, seed=1, context=context,
        )  # fmt: skip
        with durable.new_folder(moved, "model") as folder:
            load.save(model, folder)
            load.copy_companions(tokenizer, folder)
    return Vocabulary(label, tokenizer, moved, shards)


def _points(
    proof: Proof, ready: list[Vocabulary], target_bytes: float, seconds: dict[str, float]
) -> dict[str, dict[str, int]]:
    """By label: after which update a row has seen so many megabytes of the target, and after which it has trained as
    long as `keep` had by then."""
    batch_tokens = batch_rows(proof.training) * proof.training.sequence_length
    found: dict[str, dict[str, int]] = {}
    for one in ready:
        a_step = batch_tokens * one.target_bytes_per_token(target_bytes)
        bytes_ = {size: max(1, round(size * 1e6 / a_step)) for size in proof.megabytes}
        points = {"start": 0} | {f"{size:g} MB": steps for size, steps in bytes_.items()}
        of_keep = found.get(BASE, points)
        for size in proof.megabytes:
            steps = of_keep[f"{size:g} MB"] * seconds[BASE] / seconds[one.label]
            points[f"seconds of {size:g} MB"] = max(1, round(steps))
        found[one.label] = points
    return found


def _train(
    proof: Proof, ready: list[Vocabulary], points: dict[str, dict[str, int]], domains: list[Domain], out: Path,
    context: Context,
) -> None:  # fmt: skip
    warmup = max(1, round(WARMUP_SHARE * max(points[BASE].values())))
    target = [domain.name for domain in domains if domain.language == language_key(proof.language)]
    for seed in range(1, proof.seeds + 1):
        for one in ready:
            row = Row(one.label, seed, points[one.label], warmup)
            context.progress.line(f"row {row.name}: {row.steps:,} updates")
            heldout = Heldout(domains, one.tokenizer)
            train_row(row, one.model, one.shards, heldout, target, proof.training, out / ROWS / row.name, context)
