"""Does `anadil doctor` know what training will take? Its estimate beside the peak of a process that does two updates.

    python benchmarks/bench_memory.py quickstart recipes/tiny-base.toml recipes/az.toml

For each recipe and each of its training stages. Appends a row to results/memory.jsonl.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from anadil.commands.forecast import _fit, _maker
from anadil.commands.run import context_of, find_recipe
from anadil.environment import describe
from anadil.model.load import plain_model
from anadil.recipe import load
from anadil.train.data import Batch
from anadil.train.engine import Engine

ROWS = Path(__file__).parent / "results" / "memory.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak_of:
        print(peak(options.recipes[0], options.peak_of))
        return
    found = [row for name in options.recipes for row in compared(name)]
    row = {"what": "memory", "stages": found, "environment": describe()}
    print(json.dumps(row, indent=1))
    with open(ROWS, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def compared(name: str) -> list[dict[str, Any]]:
    doctor = [sys.executable, "-m", "anadil.cli", "doctor", name, "--no-time", "--json"]
    rows = []
    for forecast in json.loads(subprocess.run(doctor, check=True, capture_output=True).stdout):
        command = [sys.executable, __file__, name, "--peak-of", forecast["stage"]]
        measured = int(subprocess.run(command, check=True, capture_output=True, env=os.environ).stdout.split()[-1])
        row = {"recipe": name, "stage": forecast["stage"], "micro_batch_tokens": forecast["micro_batch_tokens"]}
        row |= {"parameters": forecast["parameters"], "estimate_gib": round(forecast["memory_gib"], 3)}
        row |= {"peak_gib": round(measured / 2**30, 3)}
        rows.append(row | {"estimate_over_peak": round(forecast["memory_gib"] / row["peak_gib"], 3)})
    return rows


def peak(name: str, stage: str) -> int:
    """Bytes of this process at its peak: two updates of two micro batches on random tokens."""
    recipe = load(find_recipe(name))
    settings = recipe.pretrain if stage == "pretrain" else recipe.sft
    assert settings is not None
    context, make = context_of(recipe.run), _maker(stage, recipe)
    way, _ = _fit(make, settings, context)
    model, length = make(), settings.sequence_length
    engine = Engine(model, settings, context)
    rows = 2 * way.micro_batch_tokens // length
    for _ in range(2):
        ids = torch.randint(0, plain_model(model).config.vocab_size, (rows, length + 1))
        engine.update(Batch(ids[:, :-1], ids[:, 1:], torch.arange(length).repeat(rows, 1)), 1e-4)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


if __name__ == "__main__":
    main()
