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
from typing import Any

from anadil.environment import describe

ROWS = Path(__file__).parent / "results" / "quickstart.jsonl"
TOKENS_PER_WORD = [f"{base}{side}_tokens_per_word" for base in ("base_", "") for side in ("target", "original")]


def one_round() -> dict[str, Any]:
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


def readme_table(row: dict[str, Any]) -> str:
    """The table of the README, from a row."""
    f = row["figures"]

    def change(name: str) -> str:
        value = f[f"{name}_change"]
        if f"{name}_change_low95" not in f:
            return f"{value:+.3f} ({f[f'{name}_items']:.0f} documents: too few for an interval)"
        low, high = (f[f"{name}_change_{end}95"] for end in ("low", "high"))
        return f"{value:+.3f} (95% interval {low:+.3f} to {high:+.3f})"

    lines = ["| | before | after | change |", "|---|---|---|---|"]
    for side, name in (("target", "Azerbaijani"), ("original", "English")):
        before, after = f[f"base_{side}_tokens_per_word"], f[f"{side}_tokens_per_word"]
        lines.append(f"| tokens per word, {name} | {before:.2f} | {after:.2f} | {100 * (after / before - 1):+.1f}% |")
    for side, name in (("target", "Azerbaijani"), ("original", "English")):
        before, after = f[f"base_{side}_bits_per_byte"], f[f"{side}_bits_per_byte"]
        lines.append(
            f"| bits per byte, held-out {name} | {before:.3f} | {after:.3f} | {change(f'{side}_bits_per_byte')} |"
        )
    before, after = f["base_answers_token_f1"], f["answers_token_f1"]
    lines.append(
        f"| token F1 of {f['answers_items']:.0f} answers | {before:.3f} | {after:.3f} | {change('answers_token_f1')} |"
    )
    before, after = f["base_answers_stopped_share"], f["answers_stopped_share"]
    lines.append(f"| answers that stop by themselves | {before:.0%} | {after:.0%} | |")
    minutes, seconds = divmod(round(row["wall_seconds"]), 60)
    cores = row["environment"]["cores"]
    lines.append(f"| time, {cores} cores | | {minutes} min {seconds} s | {row['cpu_seconds']:.0f} CPU-seconds |")
    return "\n".join(lines)


def newest_row() -> dict[str, Any]:
    """The last row that was measured."""
    row: dict[str, Any] = json.loads(ROWS.read_text(encoding="utf-8").splitlines()[-1])
    return row


def main() -> None:
    """Run the rounds and append a row; figures are those of the last round, seconds the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    load = os.getloadavg()[0]
    rounds = [one_round() for _ in range(parser.parse_args().rounds)]
    row = {
        "what": "quickstart",
        "rounds": len(rounds),
        "wall_seconds": statistics.median(r["wall_seconds"] for r in rounds),
        "cpu_seconds": statistics.median(r["cpu_seconds"] for r in rounds),
        "load_before": round(load, 2),
        "figures": rounds[-1]["figures"],
        "environment": describe(),
    }
    with open(ROWS, "a", encoding="utf-8") as rows:
        rows.write(json.dumps(row) + "\n")
    print(readme_table(row))


if __name__ == "__main__":
    main()
