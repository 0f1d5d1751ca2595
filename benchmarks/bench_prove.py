"""Does another vocabulary learn faster? `keep` against in place, extend and replace, at equal text and equal seconds.

    ANADIL_DATA=/path/to/data python benchmarks/bench_prove.py --base runs/proxy-base/export/hf --work work --seeds 2

Runs `anadil prove` on the proxy base (recipes/proxy-base.toml) with Azerbaijani that the base has not seen, and appends
a row to results/prove.jsonl. Rows of training that are in the work folder are not made again.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from anadil.environment import describe

ROWS = Path(__file__).parent / "results" / "prove.jsonl"
SETTINGS = (
    "--candidate inplace:8000 --candidate extend:8000 --candidate replace:32768 --keep en --keep code "
    "--keep-min-count 60 --target-min-count 50 --sequence-length 256 --batch-tokens 8192 --learning-rate 1e-3 "
    "--documents 200"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--texts", type=Path, required=True, help="the folder that proxy_texts.py wrote")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    data = Path(os.environ["ANADIL_DATA"])
    flores = {code: _flores(data, name, options.texts) for code, name in (("az", "azj_Latn"), ("en", "eng_Latn"))}
    command = [sys.executable, "-m", "anadil.cli", "prove", "--base", str(options.base), *SETTINGS.split()]
    corpus = {"az": options.texts / "az_unseen.jsonl", "en": data / "en/classic_books/train.jsonl.gz"}
    for language, file in (corpus | {"code": options.texts / "code.jsonl"}).items():
        command += ["--corpus", f"{language}={file}"]
    command += ["--measure-on", f"flores-az={flores['az']}", "--measure-on", f"flores-en=en:{flores['en']}"]
    subprocess.run([*command, "--seeds", str(options.seeds), "--out", str(options.work)], check=True)
    row = condensed(json.loads((options.work / "proof.json").read_bytes())) | {"environment": describe()}
    print(json.dumps(row, indent=1, ensure_ascii=False))
    with open(ROWS, "a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def condensed(proof: dict[str, Any]) -> dict[str, Any]:
    """What is compared: bits per byte by candidate, language and point, changes from `keep`, frequency, forecast."""
    kept = ("label", "vocab_size", "seconds_per_step", "points", "languages", "by_frequency", "full_corpus")
    return {
        "what": "prove",
        "seeds": proof["settings"]["seeds"],
        "candidates": [{key: candidate[key] for key in kept} for candidate in proof["candidates"]],
        "against_keep": proof["comparisons"],
        "verdict": proof["verdict"],
    }


def _flores(data: Path, name: str, folder: Path) -> Path:
    """The sentences of both published parts as one file, in their order."""
    parts = [data / "eval/sib200_flores" / f"{name}_{part}.jsonl" for part in ("train", "dev")]
    out = folder / f"flores_{name}.jsonl"
    out.write_text("".join(part.read_text(encoding="utf-8") for part in parts), encoding="utf-8")
    return out


if __name__ == "__main__":
    main()
