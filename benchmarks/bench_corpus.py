"""The corpus engine: megabytes a CPU-second and peak memory, beside datatrove on the same text in the same run.

    ANADIL_DATA=/path/to/data python benchmarks/bench_corpus.py --work work
    ... --only-ours --megabytes 3000      (memory at ten times the size)

Whole processes, interleaved, medians of three; CPU-seconds of all their processes, peak memory of all together. The
peer works on the first `--shared` megabytes, ours on these and on all. Appends a row to results/corpus.jsonl.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from anadil.environment import describe

HERE = Path(__file__).parent
ROWS = HERE / "results" / "corpus.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--shared", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only-ours", action="store_true")
    options = parser.parse_args()
    row: dict[str, Any] = {"what": "corpus", "megabytes": options.megabytes, "workers": options.workers}
    if not options.only_ours:
        row |= side_by_side(options)
    texts = grown(options.work, options.megabytes)
    runs = [
        ours(texts, options.work / "ours", options.workers) for _ in range(1 if options.only_ours else options.rounds)
    ]
    size = sum(file.stat().st_size for file in texts.iterdir()) / 1e6
    cpu = statistics.median(run["cpu_seconds"] for run in runs)
    row |= {"megabytes": round(size, 1), "runs": runs, "mb_per_cpu_second": round(size / cpu, 3)}
    row["peak_gb"] = max(run["peak_gb"] for run in runs)
    row["account"] = account(options.work / "ours")
    row["environment"] = describe("cpu") | {"load": os.getloadavg()[0]}
    with open(ROWS, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps({key: value for key, value in row.items() if key not in ("environment", "runs")}, indent=1))


def side_by_side(options: argparse.Namespace) -> dict[str, Any]:
    texts, out = grown(options.work, options.shared), options.work / "peer"
    size = sum(file.stat().st_size for file in texts.iterdir()) / 1e6
    mine, theirs = [], []
    for _ in range(options.rounds):
        mine.append(ours(texts, options.work / "ours", 1))
        shutil.rmtree(out, ignore_errors=True)
        theirs.append(timed([sys.executable, str(HERE / "peer_corpus.py"), str(texts), str(out)]))
    rates = {
        name: round(size / statistics.median(run["cpu_seconds"] for run in runs), 3)
        for name, runs in (("ours", mine), ("datatrove", theirs))
    }
    return {
        "shared_megabytes": round(size, 1),
        "shared_mb_per_cpu_second": rates | {"ratio": round(rates["ours"] / rates["datatrove"], 2)},
        "shared_runs": {"ours": mine, "datatrove": theirs},
        "same_verdict": round(agreement(texts, options.work / "ours", out / "kept"), 4),
        "datatrove": version("datatrove"),
    }


def grown(work: Path, megabytes: int) -> Path:
    folder = work / f"text-{megabytes}"
    if not folder.is_dir():
        command = [sys.executable, str(HERE / "corpus_text.py"), "--megabytes", str(megabytes)]
        subprocess.run([*command, "--out", str(folder) + ".new"], check=True)
        Path(str(folder) + ".new").rename(folder)
    return folder


def ours(texts: Path, out: Path, workers: int) -> dict[str, float]:
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "anadil.cli", "corpus", "run", "--in", str(texts), "--out", str(out), "--json"]
    return timed([*command, "--language", "az", "--on-error", "skip", "--workers", str(workers)])


def timed(command: list[str]) -> dict[str, float]:
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak, over = [0], threading.Event()
    watcher = threading.Thread(target=lambda: watch(process.pid, peak, over))
    watcher.start()
    _, status, usage = os.wait4(process.pid, 0)
    over.set()
    watcher.join()
    if status:
        raise SystemExit(f"{command} ended with {status}")
    cpu = usage.ru_utime + usage.ru_stime
    wall = time.monotonic() - began
    return {"wall_seconds": round(wall, 2), "cpu_seconds": round(cpu, 2), "peak_gb": round(peak[0] / 1e9, 3)}


def watch(pid: int, peak: list[int], over: threading.Event) -> None:
    """Resident memory of a process and all below it, ten times a second."""
    while not over.wait(0.1):
        peak[0] = max(peak[0], sum(map(resident, family(pid))))


def family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in family(int(child)))]


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def agreement(texts: Path, mine: Path, theirs: Path) -> float:
    """Share of the documents that both keep or both drop."""
    every = ids(texts)
    splits = (mine / "text" / "text" / f"{split}.parquet" for split in ("train", "heldout"))
    kept = {one for path in splits for one in pq.read_table(path, columns=["id"])["id"].to_pylist()}
    peers = set(ids(theirs))
    return sum((one in kept) == (one in peers) for one in every) / len(every)


def ids(folder: Path) -> list[str]:
    files = (file.read_text(encoding="utf-8") for file in sorted(folder.iterdir()))
    return [json.loads(line)["id"] for text in files for line in text.split("\n") if line]


def account(out: Path) -> dict[str, int]:
    verdicts = json.loads((out / "accounting.json").read_bytes())["text"]["verdicts"]
    return {name: count["documents"] for name, count in verdicts.items()}


if __name__ == "__main__":
    main()
