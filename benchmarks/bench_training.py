"""Training on this machine, in tokens a second: Hugging Face's Trainer, anadil, and anadil without each of its parts.

    python benchmarks/bench_training.py --run runs/quickstart --work work

The model and the text are those of a run (after transfer and encode). The same weights, tokens, dtype and threads in
all; in turns, medians of `--rounds`. Runs `anadil bench train` and appends a row to results/training.jsonl.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROWS = Path(__file__).parent / "results" / "training.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=10)
    parser.add_argument("--sequence-length", type=int, default=256)
    parser.add_argument("--precision", default="bf16")
    options = parser.parse_args()
    command = [sys.executable, "-m", "anadil.cli", "bench", "train", "--json", "--out", str(options.work)]
    command += ["--model", str(options.run / "transfer/model"), "--tokens", str(options.run / "encode")]
    command += ["--rounds", str(options.rounds), "--updates", str(options.updates)]
    command += ["--sequence-length", str(options.sequence_length), "--precision", options.precision]
    result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    result["work"] |= {"model": options.run.name, "tokens": options.run.name}
    with open(ROWS, "a", encoding="utf-8") as file:
        file.write(json.dumps({"what": "training", **result}) + "\n")
    first = result["ways"][0]
    for row in result["ways"]:
        print(f"{row['what']:<50} {row['tokens_per_second'] / first['tokens_per_second']:.2f}x  {row['peak_gib']} GiB")


if __name__ == "__main__":
    main()
