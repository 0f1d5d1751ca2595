"""The quickstart from nothing, as a user runs it: appends a row of its figures to results/quickstart.jsonl.

.venv/bin/python benchmarks/bench_quickstart.py [--rounds N]
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from anadil.environment import describe

ROWS = Path(__file__).parent / "results" / "quickstart.jsonl"
TOKENS_PER_WORD = [f"{base}{side}_tokens_per_word" for base in ("base_", "") for side in ("target", "original")]


def one_round() -> dict[str, object]:
    """Run it in an empty folder; returns its seconds and metrics."""
    with tempfile.TemporaryDirectory() as home:
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        program = [sys.executable, "-m", "anadil.cli"]
        subprocess.run([*program, "run", "quickstart"], cwd=home, check=True, stdout=subprocess.DEVNULL)
        wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        shown = subprocess.run([*program, "show", "quickstart", "--json"], cwd=home, check=True, capture_output=True)
        metrics = json.loads(shown.stdout)["metrics"]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    figures = {name: round(metrics["tokenizer"][name], 4) for name in TOKENS_PER_WORD}
    figures |= {name: round(value, 4) for name, value in metrics["evaluate"].items()}
    return {"wall_seconds": round(wall, 1), "cpu_seconds": round(cpu, 1), "figures": figures}


def main() -> None:
    """Run the rounds and append a row; figures are those of the last round, seconds the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    load = os.getloadavg()[0]
    rounds = [one_round() for _ in range(parser.parse_args().rounds)]
    row = {
        "what": "quickstart",
        "rounds": len(rounds),
        "wall_seconds": statistics.median(r["wall_seconds"] for r in rounds),  # type: ignore[type-var]
        "cpu_seconds": statistics.median(r["cpu_seconds"] for r in rounds),  # type: ignore[type-var]
        "load_before": round(load, 2),
        "figures": rounds[-1]["figures"],
        "environment": describe(),
    }
    with open(ROWS, "a", encoding="utf-8") as rows:
        rows.write(json.dumps(row) + "\n")
    print(json.dumps(row, indent=2))


if __name__ == "__main__":
    main()
