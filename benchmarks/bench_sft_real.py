"""Fine-tuning on what real customers wrote and operators answered: what held-out answers cost before and after.

    ANADIL_DATA=/path/to/data python benchmarks/bench_sft_real.py --run runs/quickstart --work work

Telecom dialogues without answers that are cut off or templates, and native instructions; a tenth is held out by its
question. The base, the run's pretrained model and the chat model made of it answer the same held-out questions, side by
side in work/answers.txt, for people to read: what real people wrote is never committed. Appends a row of figures to
results/sft_real.jsonl.
"""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anadil.commands.init import quickstart
from anadil.context import Context
from anadil.dialogues.prepare import Surroundings, prepare
from anadil.engines.protocol import GenerateParams, text_of
from anadil.engines.transformers import TransformersEngine
from anadil.environment import available_cores, describe
from anadil.languages import load_profile
from anadil.recipe import Sft
from anadil.tokenizer.load import load_tokenizer
from anadil.tokenizer.template import Template
from anadil.train.sft import HELDOUT, run_sft

HERE = Path(__file__).parent
ROWS = HERE / "results" / "sft_real.jsonl"
AZ = load_profile("az")
KEPT = (
    "answers_bits_per_byte", "answers_bits_per_byte_before", "read_dialogues", "kept_dialogues", "heldout_dialogues",
    "steps", "planned_steps", "learned_tokens_per_epoch",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--epochs", type=float, default=6)
    parser.add_argument("--shown", type=int, default=12)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    data = options.work / "dialogues.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in dialogues(Path(os.environ["ANADIL_DATA"]))))
    settings = Sft(
        data=[data], sequence_length=512, over_long="drop", global_batch_tokens=8192, rank=32, alpha=64,
        learning_rate=2e-3, epochs=options.epochs, heldout_share=0.1, eval_every=20, patience=2, on_error="skip",
    )  # fmt: skip
    around, before = Surroundings(AZ, seed=1), options.run / "pretrain/model"
    context = Context(threads=available_cores(), fingerprint=json.dumps(vars(options), default=str))
    metrics = run_sft(before, options.work / "sft", settings, context, around)
    row: dict[str, Any] = {"what": "sft_real", "epochs": options.epochs} | {k: metrics[k] for k in KEPT if k in metrics}
    row |= {key: value for key, value in metrics.items() if key.startswith(("out_", "changed_"))}
    row["environment"] = describe("cpu")
    side_by_side(options, before, settings, around)
    with open(ROWS, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps({key: value for key, value in row.items() if key != "environment"}, indent=1))
    print(f"{HELDOUT}: {row[f'{HELDOUT}_before']:.4f} before, {row[HELDOUT]:.4f} after")


def dialogues(data: Path) -> Iterator[dict[str, Any]]:
    for line in (data / "az/telecom_operator_dialogues/train.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if not row["operator_reply_truncated"] and not row["reply_is_template"]:
            yield {"prompt": row["customer"], "answer": row["operator"]}
    for line in (data / "instruct/khazar08_native/train.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield {"prompt": row["instruction"], "answer": row["response"]}


def side_by_side(options: argparse.Namespace, before: Path, settings: Sft, around: Surroundings) -> None:
    heldout = prepare(settings, Template(load_tokenizer(before)), around).heldout[: options.shown]
    places = {"base": quickstart() / "base", "pretrained": before, "chat": options.work / "sft/model"}
    said: dict[str, list[str]] = {}
    for name, model in places.items():
        with TransformersEngine(model, threads=available_cores(), context_tokens=512) as engine:
            params = GenerateParams(max_new_tokens=80)
            said[name] = [text_of(engine.generate(row.messages[:-1], params)) for row in heldout]
    lines = []
    for number, row in enumerate(heldout):
        lines += [f"## {row.messages[-2]['content']}", f"operator: {row.messages[-1]['content']}"]
        lines += [f"{name}: {answers[number]}" for name, answers in said.items()] + [""]
    (options.work / "answers.txt").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
