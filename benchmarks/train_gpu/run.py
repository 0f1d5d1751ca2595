"""The comparison on one GPU: Llama 3.2 1B's shape at random weights, ways of training under one memory cap.

    python benchmarks/train_gpu/run.py --out rows --seconds 520

Takes the next open rows of a ranked queue until the time is up; called again with the rows that are there it goes on.
First each way's micro batch is tuned, then what matters most is repeated, in turns; see `queue`. Each row is a file;
`--table` prints what there is. On a machine without a GPU `--shape tiny` tries the whole of it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from anadil.bench.ways import WAYS, Work, available
from anadil.environment import describe

SHAPES: dict[str, dict[str, Any]] = {
    "llama-1b": {
        "vocab_size": 128_256, "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 8192, "max_position_embeddings": 131_072, "head_dim": 64,
        "rms_norm_eps": 1e-5, "tie_word_embeddings": True, "rope_parameters": {
            "rope_type": "llama3", "rope_theta": 500_000.0, "factor": 32.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
        },
    },
    "tiny": {
        "vocab_size": 512, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 128, "max_position_embeddings": 16_384,
        "tie_word_embeddings": True,
    },
}  # fmt: skip
CAP_GIB = 80.0
EQUAL_SEQUENCES = 2
"""Of the micro batch at which peaks are compared."""
MAIN = ("anadil", "hf-liger", "hf")
LEVERS = ("anadil-loss", "anadil-compile", "anadil-packed")


@dataclass(frozen=True)
class Task:
    """One row: a way at a size, in a process of its own."""

    way: str
    sequence_length: int
    sequences: int
    """Of a micro batch."""
    updates: int
    round: int = 0

    @property
    def name(self) -> str:
        return f"{self.way}-s{self.sequence_length}-b{self.sequences}-u{self.updates}-r{self.round}"


Rows = dict[str, dict[str, Any]]


def queue(rows: Rows, ways: list[str], lengths: tuple[int, ...], largest: int) -> Iterator[Task]:
    """What is worth measuring, the most wanted first; what depends on rows that are not there yet comes later.

    1. the best micro batch of each main way, doubling until it does not fit or is not faster; 2. two more rounds of
    these; 3. peaks at an equal micro batch; 4. the loss after 100 updates; then the same at the next length, and last
    each part of ours left out.
    """
    main = [way for way in MAIN if way in ways]
    for length in lengths:
        for way in main:
            yield from _tuning(rows, way, length, largest)
        best = {way: task for way in main if (task := tuned(rows, way, length, largest))}
        for number in (1, 2):
            yield from (replace(task, round=number) for task in best.values())
        yield from (Task(way, length, EQUAL_SEQUENCES, 6) for way in main)
        if length == lengths[0]:
            yield from (Task(way, length, 1, 100) for way in main)
    for way in LEVERS:
        if way in ways and (task := tuned(rows, "anadil", lengths[0], largest)):
            yield replace(task, way=way)


def _tuning(rows: Rows, way: str, length: int, largest: int) -> Iterator[Task]:
    sequences, before = 1, 0.0
    while sequences <= largest:
        task = Task(way, length, sequences, 6)
        yield task
        row = rows.get(task.name)
        if row is None or row.get("failed") or speed(row) < 1.01 * before:
            return
        sequences, before = 2 * sequences, speed(row)


def tuned(rows: Rows, way: str, length: int, largest: int) -> Task | None:
    """The fastest of the tuning's rows, once the tuning is done; None before."""
    tasks = list(_tuning(rows, way, length, largest))
    if any(task.name not in rows for task in tasks):
        return None
    ran = [task for task in tasks if not rows[task.name].get("failed")]
    return max(ran, key=lambda task: speed(rows[task.name]), default=None)


def speed(row: dict[str, Any]) -> float:
    """Tokens a second: median of the updates after the first two."""
    return float(row["tokens"] / statistics.median(row["seconds"][2:]))


def read(folder: Path) -> Rows:
    """The rows that are there."""
    return {file.stem: json.loads(file.read_bytes()) for file in sorted(folder.glob("*.json"))}


def measure(task: Task, model: Path, device: str, limit: float) -> dict[str, Any]:
    """Run a task; a row that says `failed` where it does not fit or does not run."""
    tokens = task.sequence_length * task.sequences
    work = Work(
        str(model), None, device, os.cpu_count() or 1, task.sequence_length, tokens, tokens, "bf16", task.updates,
        CAP_GIB if device.startswith("cuda") else None,
    )  # fmt: skip
    given = json.dumps({"way": task.way, "work": asdict(work)})
    began, row = time.monotonic(), asdict(task) | {"tokens": tokens, "environment": describe(device)}
    try:
        command = [sys.executable, "-m", "anadil.bench.ways", given]
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return asdict(task) | {
            "failed": f"not done in {limit:.0f} s",
            "tokens": tokens,
            "environment": describe(device),
        }
    row = asdict(task) | {"tokens": tokens, "wall_seconds": round(time.monotonic() - began, 1)}
    row["environment"] = describe(device)
    if done.returncode:
        return row | {"failed": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:500]}
    return row | json.loads(done.stdout.splitlines()[-1])


def make_model(shape: str, folder: Path) -> Path:
    """Random weights, bfloat16 in the file; the same for the same versions."""
    if not (folder / "config.json").is_file():
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        torch.manual_seed(1)
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            model = LlamaForCausalLM(LlamaConfig(**SHAPES[shape], dtype=torch.bfloat16)).to(torch.bfloat16)
        model.cpu().save_pretrained(folder)
    return folder


def table(rows: Rows) -> str:
    """Rows by name with what they say; repeats of one task are one line, its median."""
    groups: dict[tuple[object, ...], list[dict[str, Any]]] = {}
    for row in rows.values():
        groups.setdefault((row["way"], row["sequence_length"], row["sequences"], row["updates"]), []).append(row)
    lines = []
    for (way, length, sequences, updates), some in sorted(groups.items(), key=lambda item: str(item[0])):
        ran = [row for row in some if not row.get("failed")]
        if not ran:
            lines.append(f"{WAYS[str(way)]:<50} s{length} b{sequences}: {some[0]['failed']}")
            continue
        fast, peak = statistics.median(map(speed, ran)), statistics.median(row["peak_bytes"] for row in ran) / 2**30
        loss = ran[0]["losses"][-1]
        lines.append(
            f"{WAYS[str(way)]:<50} s{length} b{sequences}: {fast:>9,.0f} tokens/s, peak {peak:.1f} GiB, loss after "
            f"{updates} updates {loss:.4f}, {len(ran)} rounds"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of rows; those that are there are not made again"
    )
    parser.add_argument("--seconds", type=float, default=520)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="llama-1b")
    parser.add_argument("--model", type=Path, default=Path("runs/train_gpu_model"), help="where the weights are made")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    deadline, on_gpu = time.monotonic() + options.seconds, options.shape != "tiny"
    device, lengths, largest = ("cuda", (4096, 8192), 32) if on_gpu else ("cpu", (64, 128), 4)
    ways = available(device)
    model = options.model if options.table else make_model(options.shape, options.model)
    while not options.table:
        rows = read(options.out)
        task = next((task for task in queue(rows, ways, lengths, largest) if task.name not in rows), None)
        left = deadline - time.monotonic()
        if task is None or left < 30:
            break
        row = measure(task, model, device, left)
        if "not done in" in str(row.get("failed")) and left < 240:
            break  # it was cut off by the end of the call, not by itself
        (options.out / f"{task.name}.json").write_text(json.dumps(row), encoding="utf-8")
        print(table({task.name: row}), flush=True)
    print(table(read(options.out)))


if __name__ == "__main__":
    main()
