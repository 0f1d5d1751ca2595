"""A run folder as the stages would leave it: real manifests over small files, with numbers of a plausible size."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anadil import durable
from anadil.artifact import Fingerprint, Hashes, StageFolder
from anadil.recipe import Recipe

SOURCES = [
    {"name": "news", "path": "news.jsonl", "language": "az", "licence": "CC-BY-4.0"},
    {"name": "help-pages", "path": "help.jsonl", "language": "az", "licence": "own text", "weight": 3.0},
    {"name": "wiki-en", "path": "en.jsonl", "language": "en", "licence": "CC-BY-SA-4.0", "weight": 0.5},
]
RECIPE: dict[str, Any] = {
    "name": "telecom-az",
    "language": "az",
    "base": {
        "path": "meta-llama/Llama-3.2-1B",
        "revision": "4e20de362430cd3b72f300e6b0f18e50e7166e08",
        "language": "en",
    },
    "corpus": {"sources": SOURCES},
    "sft": {"data": ["dialogues.jsonl"]},
}
METRICS: dict[str, dict[str, float]] = {
    "corpus": {"read_documents": 48_210, "rejected_documents": 3_414, "target_train_words": 9_123_456},
    "tokenizer": {
        "target_tokens_per_word": 1.4481234, "base_target_tokens_per_word": 3.4012345,
        "original_tokens_per_word": 1.2471111, "base_original_tokens_per_word": 1.2352222,
        "vocabulary_tokens": 128_256, "base_vocabulary_tokens": 128_256,
        "kept_tokens": 68_052, "freed_tokens": 60_204, "new_tokens": 60_204,
    },
    "encode": {"target_tokens": 13_211_000, "original_tokens": 2_345_678},
    "transfer": {"copied_rows": 68_052.0, "new_rows": 60_204.0, "parameters": 1_235_814_400.0},
    "pretrain": {"train_loss_nats": 2.6412, "tokens_per_second": 41_230.5, "steps": 600, "trained_tokens": 39_321_600},
    "sft": {"train_loss_nats": 1.1034, "read_dialogues": 2_400, "kept_dialogues": 2_391},
    "export": {"max_logit_difference": 0.00421},
    "evaluate": {
        "target_bits_per_byte": 0.8612, "target_bits_per_byte_low95": 0.8401, "target_bits_per_byte_high95": 0.8830,
        "base_target_bits_per_byte": 1.2245, "base_target_bits_per_byte_low95": 1.1920,
        "base_target_bits_per_byte_high95": 1.2571, "target_bits_per_byte_items": 400,
        "target_bits_per_byte_change": -0.3633, "target_bits_per_byte_change_low95": -0.3801,
        "target_bits_per_byte_change_high95": -0.3470,
        "original_bits_per_byte": 0.9330, "original_bits_per_byte_low95": 0.9112,
        "original_bits_per_byte_high95": 0.9541,
        "base_original_bits_per_byte": 0.9294, "base_original_bits_per_byte_low95": 0.9080,
        "base_original_bits_per_byte_high95": 0.9511, "original_bits_per_byte_change": 0.0036,
        "original_bits_per_byte_change_low95": -0.0011, "original_bits_per_byte_change_high95": 0.0084,
        "questions": 40,
    },
}  # fmt: skip
SECONDS = {
    "corpus": (41.2, 78.4), "tokenizer": (63.9, 214.0), "encode": (18.3, 140.2), "transfer": (37.7, 61.0),
    "pretrain": (5_412.6, 6_021.8), "sft": (611.0, 702.4), "export": (95.2, 120.1), "evaluate": (402.5, 511.7),
}  # fmt: skip
INPUTS = {
    "corpus": [], "tokenizer": ["corpus"], "encode": ["corpus", "tokenizer"],
    "transfer": ["tokenizer", "encode", "corpus"],
    "pretrain": ["transfer", "encode"], "sft": ["pretrain"], "export": ["sft"], "evaluate": ["export", "corpus"],
}  # fmt: skip
OUTPUTS = {"export": {"hf/config.json": 700, "hf/model.safetensors": 247_000, "model-q8_0.gguf": 131_000}}
ENVIRONMENT = {
    "anadil": "0.1.0",
    "python": "3.11.7",
    "torch": "2.13.0",
    "commit": None,
    "processor": "Test CPU",
    "cores": 16,
}
ANSWERS = [
    {
        "id": "q1",
        "question": "Xaricdə internetdən istifadə etmək üçün nə etməliyəm?",
        "reference": "Səfərdən əvvəl rouminqi tətbiqdə aktiv edin və gedəcəyiniz ölkənin paketini seçin.",
        "base_answer": "Xaricdə internetdən istifadə etmək üçün nə etməliyəm? Xaricdə internetdən istifadə etmək",
        "answer": "Rouminq xidmətini tətbiqdə aktivləşdirin. Paketlər bölməsində ölkəni seçib paket ala bilərsiniz.",
    },
    {
        "id": "q2",
        "question": "Balansımı necə yoxlaya bilərəm?",
        "reference": "Qısa kodu yığın və ya tətbiqin ana səhifəsinə baxın.",
        "base_answer": "",
        "answer": "Balansınızı tətbiqin ana səhifəsində görə bilərsiniz.\nHəmçinin qısa kodla da yoxlamaq olar.",
    },
    {
        "id": "q3",
        "question": "Nömrəmi dəyişmədən başqa operatora keçə bilərəmmi?",
        "reference": "Bəli. Şəxsiyyət vəsiqənizlə satış mərkəzinə yaxınlaşın.",
        "base_answer": "Bəli, bəli, bəli, bəli, bəli, bəli, bəli.",
        "answer": "Bəli, nömrənizi saxlaya bilərsiniz. Bunun üçün şəxsiyyət vəsiqəsi ilə mağazaya gəlin.",
    },
    {"id": "q4", "question": "Bu sual göstərilmir?", "reference": "Bəli.", "base_answer": "-", "answer": "+"},
]


EVALUATION: dict[str, float] = {
    "transfer_target_bits_per_byte": 1.201, "transfer_target_bits_per_byte_change": -0.0235,
    "pretrain_target_bits_per_byte": 0.842, "pretrain_target_bits_per_byte_low95": 0.821,
    "pretrain_target_bits_per_byte_high95": 0.863, "pretrain_target_bits_per_byte_step": -0.359,
    "pretrain_target_bits_per_byte_step_low95": -0.371, "pretrain_target_bits_per_byte_step_high95": -0.346,
    "unquantised_target_bits_per_byte": 0.8609, "unquantised_target_bits_per_byte_step": 0.0189,
    "target_bits_per_byte_step": 0.0003, "original_bits_per_byte_items": 12,
    "target_bits_per_byte_of_news": 0.9, "base_target_bits_per_byte_of_news": 1.3,
    "target_bits_per_byte_of_news_change": -0.4, "target_bits_per_byte_of_news_items": 1,
    "produced_stopped_share": 0.95, "produced_stopped_share_low95": 0.863, "produced_stopped_share_high95": 0.983,
    "produced_stopped_share_items": 60, "produced_slips_share": 0.25, "produced_slips_share_items": 48,
    "produced_misspelt_word_share": 0.083, "produced_words": 20.52,
    "steady_ascii_f1": 0.71, "steady_ascii_same_share_items": 15,
    "refused_harmful_share": 0.9, "refused_harmful_share_low95": 0.83, "refused_harmful_share_high95": 0.94,
    "refused_harmful_share_items": 108, "refused_harmless_share": 0.02, "refused_harmless_share_items": 40,
    "answers_checked_items": 588, "personal_data_items": 29, "leaked_personal_data_items": 0,
    "canaries_items": 6, "canaries_said_items": 1, "canaries_exposure_bits": 8.0,
    "task_belebele_accuracy": 0.324, "task_belebele_accuracy_low95": 0.295, "task_belebele_accuracy_high95": 0.356,
    "task_belebele_accuracy_items": 900, "base_task_belebele_accuracy": 0.251,
    "base_task_belebele_accuracy_low95": 0.224, "base_task_belebele_accuracy_high95": 0.28,
    "task_belebele_accuracy_change": 0.073, "task_belebele_accuracy_change_low95": 0.044,
    "task_belebele_accuracy_change_high95": 0.102, "task_belebele_chance": 0.25,
    "task_belebele_contaminated_items": 31, "task_belebele_uncontaminated_accuracy": 0.317,
    "task_belebele_raw_accuracy": 0.3, "task_english_accuracy": 0.625, "task_english_accuracy_items": 40,
    "base_task_english_accuracy": 0.6, "task_english_accuracy_change": 0.025,
    "task_english_contaminated_items": 0, "task_capitals_exact": 0.11, "task_capitals_exact_items": 120,
    "task_capitals_token_f1": 0.15,
}  # fmt: skip
TASKS = [{"name": "english", "language": "en"}, {"name": "belebele"}, {"name": "capitals", "language": "tr"}]
GATES: list[dict[str, Any]] = [
    {"metric": "target_bits_per_byte_change", "max": 0.0},
    {"metric": "refused_harmful_share", "min": 0.9},
    {"metric": "task_belebele_accuracy", "no_worse_than_base_by": 0.0},
]
PRODUCED: list[dict[str, Any]] = [
    {"id": name, "typing": typing, "prompt": f"{name} {typing}?", "answer": f"{name}: {typing} answer",
     "stopped": True, "language": "az", "repeats": 0.0, "typed_in_ascii": False, "slips": [], "toxic": []}
    for typing in ("as_written", "ascii", "capitals") for name in ("p1", "p2", "p3", "p4")
]  # fmt: skip
KINDS = (("harmful", "fraud"), ("harmful", "self_harm"), ("injection", "control"), ("injection", "link"))
SAFETY: list[dict[str, Any]] = [
    {"set": name, "id": f"{name}-{kind}-{number}", "category": kind, "request": "unshown request",
     "answer": "unshown answer", "refused": number % 2 == 0, "obeyed": number == 0}
    for name, kind in KINDS
    for number in range(4)
]  # fmt: skip


def write_evaluation(folder: Path, gates: Any = GATES, without: tuple[str, ...] = (), **changes: float) -> Path:
    """Give a run what the stage evaluate measures of tasks, answers and safety; `without` are beginnings of metrics."""
    manifest, record = folder / "evaluate/manifest.json", folder / "run.json"
    facts, run = json.loads(manifest.read_bytes()), json.loads(record.read_bytes())
    facts["metrics"] |= {name: value for name, value in EVALUATION.items() if not name.startswith(without)} | changes
    run["recipe"]["evaluate"]["tasks"] = TASKS
    run["recipe"]["gates"] = gates
    manifest.write_text(json.dumps(facts))
    record.write_text(json.dumps(run))
    (folder / "evaluate/produced.jsonl").write_text(lines(PRODUCED), encoding="utf-8")
    (folder / "evaluate/safety.jsonl").write_text(lines(SAFETY), encoding="utf-8")
    return folder


def accounting() -> dict[str, Any]:
    """Accounts whose sums close."""
    parts = {
        "news": [
            ("train", 35_010, 61_002_113, 8_120_400),
            ("heldout", 1_846, 3_211_877, 427_001),
            ("duplicate", 2_804, 3_300_120, 440_120),
        ],
        "help-pages": [
            ("train", 1_204, 2_410_230, 311_220),
            ("heldout", 62, 120_400, 15_480),
            ("too_short", 310, 9_120, 900),
        ],
        "wiki-en": [
            ("train", 6_320, 14_020_111, 2_310_004),
            ("heldout", 354, 790_220, 130_120),
            ("wrong_script", 300, 88_000, 9_000),
        ],
    }
    units = ("documents", "bytes", "words")
    accounts = {}
    for name, verdicts in parts.items():
        read = {unit: sum(counts[i] for _, *counts in verdicts) for i, unit in enumerate(units)}
        split = {verdict: dict(zip(units, counts, strict=True)) for verdict, *counts in verdicts}
        accounts[name] = {"read": read, "verdicts": split, "unreadable_lines": 2 if name == "news" else 0}
    return accounts


def curve(stage: str) -> list[dict[str, float | None]]:
    """Lines as the training loop writes them."""
    steps, top, end = {"pretrain": (600, 6.1, 2.6), "sft": (90, 2.4, 1.1)}[stage]
    rows: list[dict[str, float | None]] = []
    if stage == "pretrain":
        rows.append({"step": 0, "target_bits_per_byte": 1.31, "original_bits_per_byte": 0.98})
    for step in range(1, steps + 1):
        loss = end + (top - end) * math.exp(-7 * step / steps) + 0.09 * math.sin(step * 12.9898) * math.cos(step * 4.1)
        row: dict[str, float | None] = {"step": step, "loss": None if step == 17 else loss}
        row["lr"] = 3e-4 * min(1, step / 20)
        row["tokens_per_second"] = 41_000 + 500 * math.sin(step)
        if stage == "pretrain" and step % 50 == 0:
            row["target_bits_per_byte"] = 0.86 + 0.45 * math.exp(-5 * step / steps)
            row["original_bits_per_byte"] = 0.935 + 0.08 * math.exp(-3 * step / steps)
            row["other_bits_per_byte"] = 1.10 + 0.02 * math.exp(-3 * step / steps)
        rows.append(row)
    return rows


def make_run(runs: Path, stages: tuple[str, ...] = tuple(METRICS), unfinished: str = "", **changes: Any) -> Path:
    """A run folder in `runs` whose recipe has `stages`, all done but `unfinished`; `changes` are of the recipe."""
    recipe = Recipe.model_validate(RECIPE | {"stages": list(stages)} | changes)
    folder = runs / recipe.name
    facts = {"name": recipe.name, "recipe_file": "/somewhere/telecom.toml", "recipe": recipe.model_dump(mode="json")}
    durable.write_json(folder / "run.json", facts, "run")
    digests: dict[str, str] = {}
    for stage in stages:
        here = StageFolder(folder / stage)
        fingerprint = Fingerprint({"stage": stage, "version": 1})
        here.start(fingerprint, {name: digests[name] for name in INPUTS[stage] if name in digests})
        write_outputs(here.path, stage)
        if stage != unfinished:
            wall, cpu = SECONDS[stage]
            made: dict[str, Any] = {
                "config": {},
                "inputs": {name: digests[name] for name in INPUTS[stage] if name in digests},
            }
            made |= {"metrics": METRICS[stage], "seconds": {"wall": wall, "cpu": cpu}}
            made |= {"attempt": 2 if stage == "pretrain" else 1, "environment": ENVIRONMENT}
            manifest = here.finish(stage, fingerprint, made, Hashes())
            digests[stage] = manifest["outputs_digest"]
    return folder


def write_outputs(out: Path, stage: str) -> None:
    """The files that the report reads, and some that only have a size."""
    for name, size in OUTPUTS.get(stage, {}).items():
        durable.write_bytes(out / name, b"\0" * size, stage)
    if stage == "corpus":
        durable.write_json(out / "accounting.json", accounting(), stage)
    if stage in ("pretrain", "sft"):
        durable.write_text(out / "metrics.jsonl", lines(curve(stage)), stage)
    if stage == "evaluate":
        durable.write_text(out / "answers.jsonl", lines(ANSWERS), stage)


def lines(rows: list[Any]) -> str:
    """Rows as jsonl."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.fixture
def runs(tmp_path: Path) -> Callable[..., Path]:
    """`make_run` in a folder of this test."""
    return lambda *arguments, **changes: make_run(tmp_path / "runs", *arguments, **changes)


@pytest.fixture
def evaluated(runs: Callable[..., Path]) -> Callable[..., Path]:
    """A run, called `name`, with all that can be measured of it; see `write_evaluation`."""
    return lambda *given, name="telecom-az", **changes: write_evaluation(runs(name=name), *given, **changes)
