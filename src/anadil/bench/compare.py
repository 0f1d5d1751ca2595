"""Ways of training side by side: in processes of their own, in turns, so that what else the machine does hits all."""

import json
import os
import statistics
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from anadil import durable
from anadil.bench.ways import WAYS, Outcome, Work
from anadil.environment import describe
from anadil.errors import UserError
from anadil.progress import Progress

ROUNDS, RESULT = "rounds", "train.json"
WARM_UP = 2
"""Updates at the beginning that are not timed."""


def compare(
    ways: list[str], work: Work, out: Path, rounds: int, words_per_token: float | None, progress: Progress
) -> dict[str, Any]:
    """Run each way `rounds` times; leaves `out/train.json` and returns what is in it.

    A run that is in `out/rounds` is not made again. UserError when a way fails, with what it said, and when `out` holds
    other work.
    """
    if work.updates <= WARM_UP:
        raise UserError(f"{work.updates} updates are too few to time", hint=f"make at least {WARM_UP + 1}")
    _same_work(work, out)
    outcomes: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    for number in range(rounds):
        for way in ways:
            file = out / ROUNDS / f"{way}-{number}.json"
            if not file.is_file():
                progress.line(f"  {WAYS[way]}, round {number + 1} of {rounds}")
                durable.write_json(file, _run(way, work, out / f"{way}.log"), "round")
            outcomes[way].append(json.loads(file.read_bytes()))
    tokens = work.global_batch_tokens // work.sequence_length * work.sequence_length
    rows = [_row(way, found, tokens, words_per_token) for way, found in outcomes.items()]
    result = {"work": asdict(work), "rounds": rounds, "ways": rows, "environment": describe(work.device)}
    durable.write_json(out / RESULT, result, "bench")
    return result


def _same_work(work: Work, out: Path) -> None:
    file = out / "work.json"
    if file.is_file() and json.loads(file.read_bytes()) != asdict(work):
        raise UserError(f"{out} holds measurements of other work", hint="name another folder with --out")
    durable.write_json(file, asdict(work), "bench")


def _run(way: str, work: Work, log: Path) -> dict[str, Any]:
    given = json.dumps({"way": way, "work": asdict(work)})
    command = [sys.executable, "-m", "anadil.bench.ways", given]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"TOKENIZERS_PARALLELISM": "false"})
    if done.returncode == UserError.exit_code:
        what, hint = json.loads(done.stdout.splitlines()[-1])
        raise UserError(f"{WAYS[way]} failed: {what}", hint=hint)
    if done.returncode:
        durable.write_text(log, done.stderr, "bench")
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise UserError(f"{WAYS[way]} failed: {last}", hint=f"see {log}; leave it out by naming others with --way")
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    Outcome(*(outcome[key] for key in Outcome.__annotations__))  # all there
    return outcome


def _row(way: str, found: list[dict[str, Any]], tokens: int, words_per_token: float | None) -> dict[str, Any]:
    """Medians over the rounds of each round's median update, and the spread of them."""
    speeds = [tokens / statistics.median(outcome["seconds"][WARM_UP:]) for outcome in found]
    row: dict[str, Any] = {"way": way, "what": WAYS[way], "tokens_per_second": round(statistics.median(speeds), 1)}
    row["tokens_per_second_by_round"] = [round(speed, 1) for speed in speeds]
    if words_per_token:
        row["words_per_second"] = round(row["tokens_per_second"] * words_per_token, 1)
    row["cpu_seconds"] = round(statistics.median(outcome["cpu_seconds"] for outcome in found), 1)
    row["peak_gib"] = round(statistics.median(outcome["peak_bytes"] for outcome in found) / 2**30, 3)
    if found[0]["reserved_bytes"] is not None:
        row["reserved_gib"] = round(statistics.median(outcome["reserved_bytes"] for outcome in found) / 2**30, 3)
    row["first_loss"], row["last_loss"] = found[0]["losses"][0], found[0]["losses"][-1]
    row["losses"] = found[0]["losses"]
    return row


def table(result: dict[str, Any]) -> str:
    """The rows as text, each against the first."""
    first = result["ways"][0]
    lines = [f"{'':<52} {'tokens/s':>10} {'words/s':>10} {'x':>6} {'peak GiB':>9} {'last loss':>10}"]
    for row in result["ways"]:
        words = f"{row['words_per_second']:,.0f}" if "words_per_second" in row else "-"
        ratio = row["tokens_per_second"] / first["tokens_per_second"]
        lines.append(
            f"{row['what']:<52} {row['tokens_per_second']:>10,.0f} {words:>10} {ratio:>6.2f} {row['peak_gib']:>9.2f} "
            f"{row['last_loss']:>10.4f}"
        )
    return "\n".join(lines)
