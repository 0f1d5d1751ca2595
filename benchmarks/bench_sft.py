"""Fine-tuning with LoRA, in tokens a second: `run_sft` beside TRL's SFTTrainer (`peer_trl.py`), both packing dialogues.

    pip install trl
    python benchmarks/bench_sft.py [--model runs/quickstart/transfer/model]

The quickstart's dialogues, rendered by us; its base, whose vocabulary makes one dialogue to a sequence of them, or
another model. The same on both sides: float32 weights, bfloat16 autocast, token ids and labels, LoRA, AdamW, constant
rate, clipping, threads, sequences in an update. No evaluation; checkpoints after the last update. Dialogues longer than
a sequence are left out of both, for each cuts them in a way of its own. Whole processes in turns, medians of
`--rounds`. Each times itself from the end of its second update to the end of its last, with what lies between them.
Tokens are those of the dialogues, so that padding counts for nothing.

TRL has the micro batch and the attention with which it is fastest here, tried first. What cannot be made equal: it
packs whole dialogues where we pack all but the last token (which is a label only), its last update of an epoch is a
short one, and it takes entropy and accuracy of every update. Packs and their order therefore differ, so that losses are
compared over an epoch: `untrained_loss` with adapters that do not move (the same work: it has to agree),
`first_epoch_loss` while they learn. Appends a row to results/sft_speed.jsonl.
"""

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from anadil.commands.init import quickstart
from anadil.context import Context
from anadil.dialogues.prepare import Surroundings
from anadil.environment import available_cores, describe
from anadil.languages import load_profile
from anadil.model.load import tokenizer
from anadil.recipe import Sft
from anadil.tokenizer.template import Template
from anadil.train.data import Batch
from anadil.train.engine import Engine, Update
from anadil.train.sft import run_sft

HERE = Path(__file__).parent
ROWS = HERE / "results" / "sft_speed.jsonl"
WARM_UP = 2
"""Updates at the beginning that are not timed."""
TRIED = [("sdpa", 1), ("sdpa", 2), ("sdpa", 4), ("sdpa", 8), ("sdpa", 16), ("eager", 4)]
STILL = 1e-12
"""A rate at which nothing moves."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="default: the quickstart's base")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=34)
    parser.add_argument("--sequence-length", type=int, default=256)
    parser.add_argument("--sequences", type=int, default=16, help="in an update")
    parser.add_argument("--threads", type=int, default=min(2, available_cores()))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(json.loads(options.one))
        return
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        work, texts = prepared(options, Path(folder))
        model = "/".join(options.model.parts[-4:]) if options.model else "quickstart base"
        row = {"what": "sft_speed", "model": model, **texts}
        row |= {name: value for name, value in work.items() if name not in ("model", "dialogues", "rows")}
        row |= {"warm_up": WARM_UP, "rounds": options.rounds, **compared(work, texts, options.rounds)}
    packages = {name: version(name) for name in ("trl", "accelerate", "datasets")}
    row |= {"load_before": round(load, 2), "environment": describe() | packages}
    with open(ROWS, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps({name: value for name, value in row.items() if name != "environment"}, indent=1))


def prepared(options: argparse.Namespace, folder: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The work that each process gets, and what is in its texts: dialogues for us, their ids and labels for TRL."""
    model = options.model or quickstart() / "base"
    ours, theirs, tokens, learned, long = [], [], 0, 0, 0
    template = Template(tokenizer(model))
    for line in (quickstart() / "dialogues.jsonl").read_text(encoding="utf-8").splitlines():
        rendered = template.render(json.loads(line)["messages"])
        ids, learn = rendered.ids, rendered.learned
        if len(ids) > options.sequence_length:
            long += 1
            continue
        labels = [number if wanted else -100 for number, wanted in zip(ids, learn, strict=True)]
        ours.append(line)
        theirs.append(json.dumps({"input_ids": ids, "labels": labels}))
        tokens, learned = tokens + len(ids), learned + sum(learn)
    work = {"model": str(model), "threads": options.threads, "seed": 1, "rank": 32, "alpha": 64, "rate": 2.5e-3}
    work |= {"sequence_length": options.sequence_length, "sequences": options.sequences, "updates": options.updates}
    for name, lines in (("dialogues", ours), ("rows", theirs)):
        work[name] = str(folder / f"{name}.jsonl")
        Path(work[name]).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return work, {"dialogues": len(ours), "left_out_over_long": long, "tokens": tokens, "learned": learned}


def compared(work: dict[str, Any], texts: dict[str, int], rounds: int) -> dict[str, Any]:
    """Both sides in turns, after the choice of TRL's setting and an epoch of each in which nothing moves."""
    setting, tried = fastest(work)
    still = work | {"rate": STILL, "sequences": 1, "updates": None}
    untrained = {side: run(side, still | setting)["updates"] for side in ("anadil", "trl")}
    for side, updates in untrained.items():
        trained = {name: sum(update[name] for update in updates) for name in ("tokens", "learned")}
        if trained != {name: texts[name] for name in trained}:
            raise SystemExit(f"{side} trained {trained} in an epoch of {texts}")
    found: dict[str, list[dict[str, Any]]] = {"anadil": [], "trl": []}
    for number in range(rounds):
        for side in found:
            found[side].append(run(side, work | setting))
            print(f"round {number + 1}, {side}: {rates(found[side][-1])}", file=sys.stderr)
    sides = {side: summary(outcomes, texts["tokens"]) for side, outcomes in found.items()}
    times = {
        kind: round(sides["anadil"][f"tokens_per_{kind}"] / sides["trl"][f"tokens_per_{kind}"], 2)
        for kind in ("second", "cpu_second")
    }
    return {
        "sides": sides,
        "times_as_fast": times,
        "untrained_loss": {side: round(mean_loss(updates), 5) for side, updates in untrained.items()},
        "trl_setting": setting | {"documents_leak": found["trl"][0]["leaks"]},
        "trl_tried": tried,
    }


def fastest(work: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """TRL's attention and micro batch with the most tokens a second, and what each gave; the better of two tries."""
    tried: list[dict[str, Any]] = [
        {"attention": attention, "at_a_time": many, "tokens_per_second": 0.0} for attention, many in TRIED
    ]
    for _ in range(2):
        for row in tried:
            rate, _ = rates(run("trl", work | row | {"updates": WARM_UP + 3}))
            row["tokens_per_second"] = max(row["tokens_per_second"], rate)
    best = max(tried, key=lambda row: row["tokens_per_second"])
    return {"attention": best["attention"], "at_a_time": best["at_a_time"]}, tried


def run(side: str, work: dict[str, Any]) -> dict[str, Any]:
    """A process of one side; its outcome."""
    script = [str(HERE / "peer_trl.py")] if side == "trl" else [__file__, "--one"]
    # our allocator setting, which keeps freed memory, for both sides
    quiet = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "2147483647"}
    quiet |= {"OMP_NUM_THREADS": str(work["threads"]), "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, *script, json.dumps(work)], capture_output=True, text=True, env=os.environ | quiet
    )
    if done.returncode:
        raise SystemExit(f"{side} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outcome


def one(work: dict[str, Any]) -> None:
    """Our side, in a process of its own; prints a line of JSON. All that it needs to know of `anadil.train`."""
    updates, plain = list[dict[str, float]](), Engine.update

    def watched(engine: Engine, batch: Batch, rate: float) -> Update:
        found = plain(engine, batch, rate)
        updates.append({"wall": time.monotonic(), "cpu": time.process_time(), "loss": found.loss, **counted(batch)})
        return found

    Engine.update = watched  # type: ignore
    settings = Sft(
        data=[work["dialogues"]], sequence_length=work["sequence_length"], rank=work["rank"], alpha=work["alpha"],
        global_batch_tokens=work["sequences"] * work["sequence_length"], learning_rate=work["rate"], warmup_share=0.0,
        min_learning_rate_ratio=1.0, steps=work["updates"], epochs=1.0, checkpoint_every=1_000_000,
        typed_share=0, heldout_share=0, personal_data="keep",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        around = Surroundings(load_profile("az"), work["seed"])
        run_sft(Path(work["model"]), Path(folder), settings, Context(threads=work["threads"]), around)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    print(json.dumps({"updates": updates, "peak_bytes": peak}))


def counted(batch: Batch) -> dict[str, int]:
    """What is in a batch: every dialogue ends with a label, so that padding is what comes after a row's last."""
    learned = batch.labels_BT != -100
    places = torch.arange(1, learned.shape[1] + 1)
    used_B = (places * learned).amax(1, keepdim=True)
    dialogues = int(((batch.position_ids_BT == 0) & (places <= used_B)).sum())
    inputs = int(used_B.sum())
    return {"tokens": inputs + dialogues, "inputs": inputs, "slots": learned.numel(), "learned": int(learned.sum())}


def rates(outcome: dict[str, Any]) -> tuple[float, float]:
    """Tokens a second, and a CPU-second, after the warm-up."""
    updates = outcome["updates"]
    tokens = sum(update["tokens"] for update in updates[WARM_UP:])
    wall, cpu = (updates[-1][clock] - updates[WARM_UP - 1][clock] for clock in ("wall", "cpu"))
    return round(tokens / wall, 1), round(tokens / cpu, 1)


def summary(outcomes: list[dict[str, Any]], epoch: int) -> dict[str, Any]:
    """Medians of the rounds; counts and losses are those of the first round."""
    speeds = [rates(outcome) for outcome in outcomes]
    updates = outcomes[0]["updates"]
    timed, first = updates[WARM_UP:], list[dict[str, float]]()
    while sum(update["tokens"] for update in first) < epoch and len(first) < len(updates):
        first.append(updates[len(first)])
    inputs, slots = (sum(update[name] for update in timed) for name in ("inputs", "slots"))
    return {
        "tokens_per_second": statistics.median(wall for wall, _ in speeds),
        "tokens_per_cpu_second": statistics.median(cpu for _, cpu in speeds),
        "tokens_per_second_by_round": [wall for wall, _ in speeds],
        "tokens_per_cpu_second_by_round": [cpu for _, cpu in speeds],
        "tokens_timed": sum(update["tokens"] for update in timed),
        "learned_timed": sum(update["learned"] for update in timed),
        "padding_share": round(1 - inputs / slots, 4),
        "peak_gib": round(statistics.median(outcome["peak_bytes"] for outcome in outcomes) / 2**30, 3),
        "first_epoch_loss": round(mean_loss(first), 4),
        "first_epoch_updates": len(first),
    }


def mean_loss(updates: list[dict[str, float]]) -> float:
    """Nats a learned token."""
    return math.fsum(u["loss"] * u["learned"] for u in updates) / sum(u["learned"] for u in updates)


if __name__ == "__main__":
    main()
