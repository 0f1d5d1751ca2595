"""Does the model read the passage? Answers about tariffs with numbers that it has never seen, with and without passage.

    python benchmarks/bench_grounded.py --run runs/quickstart --work work

Fine-tunes the run's pretrained model on its dialogues and on grounded rows from a table of invented tariffs, then asks
about another table, whose names and numbers are fresh. Counted is how many answers hold the number asked for; a number
by chance is what the columns without a passage show. Before is the same model before fine-tuning. Appends a row to
results/grounded.jsonl.
"""

import argparse
import csv
import json
import random
import re
from pathlib import Path
from typing import Any

from anadil.commands.init import quickstart
from anadil.context import Context
from anadil.dialogues.ground import GroundedRow, grounded_rows
from anadil.dialogues.passages import with_passages
from anadil.dialogues.prepare import Surroundings
from anadil.dialogues.read import Fields
from anadil.engines.protocol import Engine, GenerateParams, text_of
from anadil.engines.transformers import TransformersEngine
from anadil.environment import available_cores, describe
from anadil.languages import load_profile
from anadil.recipe import Grounded, Sft
from anadil.train.sft import run_sft

HERE = Path(__file__).parent
ROWS = HERE / "results" / "grounded.jsonl"
PARTS = ("Ulduz", "Dalğa", "Külək", "Bulaq", "Zirvə", "Yarpaq", "Körpü", "Qaya", "Şimşək", "Çiçək", "Bahar", "Səhra")
KINDS = ("", " Plus", " Mini", " Maks", " 2", " 3", " Ailə", " Gənc", " Biznes", " Gecə")
COLUMNS = (("aylıq ödəniş (AZN)", 5, 99), ("internet (GB)", 1, 300), ("danışıq (dəqiqə)", 50, 3000), ("SMS", 10, 900))
AZ = load_profile("az")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--asked", type=int, default=60)
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--passages", type=int, default=1)
    parser.add_argument("--invented", type=int, default=20)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    names = [part + kind for part in PARTS for kind in KINDS]
    random.Random(1).shuffle(names)
    half = len(names) // 2
    learned = table(options.work / "learned.csv", names[:half], seed=1)
    fresh = table(options.work / "fresh.csv", names[half:], seed=2)
    settings = Sft(
        data=[quickstart() / "dialogues.jsonl"], sequence_length=384,
        grounded=grounded(learned, options.passages, options.invented),
        global_batch_tokens=6144, rank=32, alpha=64, learning_rate=2.5e-3, epochs=options.epochs, keep="last",
        over_long="drop", heldout_share=0, checkpoint_every=50, personal_data="keep",
    )  # fmt: skip
    around = Surroundings(AZ, seed=1, questions=quickstart() / "questions.jsonl")
    before = options.run / "pretrain/model"
    context = Context(threads=available_cores(), fingerprint=json.dumps(vars(options), default=str))
    metrics = run_sft(before, options.work / "sft", settings, context, around)
    rows = grounded_rows(grounded(fresh, options.passages, 0, all_answered=True), Fields(), AZ, 3)[: options.asked]
    row: dict[str, Any] = {
        "what": "grounded",
        "asked": len(rows),
        "passages": options.passages,
        "invented": options.invented,
    }
    row |= {"learned_rows": {k: v for k, v in metrics.items() if k.startswith("made_")}}
    for name, model in (("before", before), ("after", options.work / "sft/model")):
        with TransformersEngine(model, threads=available_cores(), context_tokens=512) as engine:
            row[name] = {"with_passage": share(engine, rows, True), "without": share(engine, rows, False)}
    row["environment"] = describe("cpu")
    with open(ROWS, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps({key: value for key, value in row.items() if key != "environment"}, indent=1, ensure_ascii=False))


def table(path: Path, names: list[str], seed: int) -> Path:
    rng = random.Random(seed)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["tarif", *(column for column, _, _ in COLUMNS)])
        writer.writerows([name, *(rng.randint(least, most) for _, least, most in COLUMNS)] for name in names)
    return path


def grounded(path: Path, passages: int, invented: int, *, all_answered: bool = False) -> Grounded:
    shares = {"unanswerable_share": 0.0, "handover_share": 0.0} if all_answered else {}
    return Grounded(tables=[path], questions_a_row=4, invented=invented, passages=passages, **shares)


def share(engine: Engine, rows: list[GroundedRow], shown: bool) -> float:
    """Of the answers, how many hold the number that the passage has for what is asked."""
    found = 0
    for row in rows:
        question = with_passages(row.question, row.passages if shown else (), AZ)
        answer = text_of(engine.generate([{"role": "user", "content": question}], GenerateParams(max_new_tokens=40)))
        wanted = re.findall(r"\d+", row.answer.rsplit("[", 1)[0].rsplit(":", 1)[1])[0]
        found += bool(re.search(rf"(?<!\d){wanted}(?!\d)", answer))
    return round(found / len(rows), 4)


if __name__ == "__main__":
    main()
