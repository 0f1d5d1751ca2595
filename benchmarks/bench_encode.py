"""Encoding law text and short reviews: the project's Encoder against Hugging Face's `encode_batch_fast`.

ANADIL_DATA=... .venv/bin/python benchmarks/bench_encode.py [--rounds N] [--threads N] [--dry]

One tokenizer, Llama 3 in place, made by the project from these texts. Both sides get the same list of texts, begin
every round with a new encoder (no word is remembered from the round before), use the same number of threads, and
end with all ids in one numpy array; they take turns. Ids are compared in every round. Rows go to results/encode.jsonl.
"""

import argparse
import gzip
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from anadil.environment import available_cores, describe
from anadil.tokenizer.count import count_words
from anadil.tokenizer.fast import Agreement, Encoder, compare
from anadil.tokenizer.surgery import Kept, Size, build, pre_tokenizer_of

ROWS = Path(__file__).parent / "results" / "encode.jsonl"
TEXTS = {"law text": "az/raw_law_codes/train.jsonl.gz", "short reviews": "az/social_reviews_sentiment/train.jsonl.gz"}
KEPT = "en/classic_books/train.jsonl.gz"
NEW_TOKENS = 20_000


def read(file: Path) -> list[str]:
    """The texts of a gzipped JSON Lines file."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def make_tokenizer(data: Path, texts: list[str], folder: Path) -> Agreement:
    """Llama 3 in place in `folder`, and what comparing the two libraries on every word of the texts gave."""
    base = folder / "base"
    base.mkdir()
    (base / "tokenizer.json").write_bytes(gzip.decompress((data / "tokenizers/llama3/tokenizer.json.gz").read_bytes()))
    cut = pre_tokenizer_of(base)
    words = count_words(texts, cut).words
    kept = [Kept("en", count_words(read(data / KEPT), cut).words, 2)]
    build(base, "inplace", words, kept, Size(new_tokens=NEW_TOKENS), folder)
    return compare(folder, words)


def timed(work: Callable[[], np.ndarray[Any, Any]]) -> tuple[np.ndarray[Any, Any], float, float]:
    """The result, and wall and CPU seconds (all threads)."""
    wall, cpu = time.perf_counter(), time.process_time()
    ids = work()
    return ids, time.perf_counter() - wall, time.process_time() - cpu


def one_round(folder: Path, agreement: Agreement, texts: list[str], fast_first: bool) -> dict[str, Any]:
    """Seconds of both sides, each with a new encoder; raises AssertionError where ids differ."""
    sides: dict[str, Callable[[Encoder], np.ndarray[Any, Any]]] = {
        "anadil": lambda encoder: encoder.encode(texts).ids,
        "tokenizers": lambda encoder: encoder.reference(texts).ids,
    }
    found, row = {}, {}
    for name in sorted(sides, reverse=not fast_first):
        began = time.perf_counter()
        encoder = Encoder(folder, agreement if name == "anadil" else None)
        assert bool(encoder.library) == (name == "anadil")  # which loads it
        loading = time.perf_counter() - began
        found[name], wall, cpu = timed(lambda side=sides[name], encoder=encoder: side(encoder))
        row[name] = {"wall_seconds": wall, "cpu_seconds": cpu, "loading_seconds": loading}
    assert np.array_equal(found["anadil"], found["tokenizers"]), "the two sides gave different ids"
    return row | {"tokens": len(found["anadil"])}


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians, every round's wall seconds, and how many times as fast."""
    sides: dict[str, Any] = {}
    for name in ("anadil", "tokenizers"):
        keys = ("wall_seconds", "cpu_seconds", "loading_seconds")
        sides[name] = {key: round(statistics.median(r[name][key] for r in rounds), 3) for key in keys}
        sides[name]["rounds_wall_seconds"] = [round(r[name]["wall_seconds"], 3) for r in rounds]
    ratios = {
        f"times_as_fast_{kind}": round(sides["tokenizers"][f"{kind}_seconds"] / sides["anadil"][f"{kind}_seconds"], 2)
        for kind in ("wall", "cpu")
    }
    return {**sides, **ratios, "tokens": rounds[0]["tokens"]}


def main() -> None:
    """Make the tokenizer, run the rounds of every kind of text, append a row for each (not with --dry)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=min(2, available_cores()))
    parser.add_argument("--dry", action="store_true", help="print the rows, write none")
    arguments = parser.parse_args()
    # read by both libraries when they first make threads
    os.environ |= {"RAYON_NUM_THREADS": str(arguments.threads), "TOKENIZERS_PARALLELISM": "true"}
    data, load = Path(os.environ["ANADIL_DATA"]), os.getloadavg()[0]
    texts = {name: read(data / file) for name, file in TEXTS.items()}
    with tempfile.TemporaryDirectory() as folder:
        agreement = make_tokenizer(data, [text for some in texts.values() for text in some], Path(folder))
        for name, some in texts.items():
            rounds = [one_round(Path(folder), agreement, some, bool(r % 2)) for r in range(arguments.rounds)]
            row = {"what": f"encode {name}", "tokenizer": f"Llama 3 in place, {NEW_TOKENS:,} new tokens"}
            row |= {"library": agreement.library, "words_compared": agreement.words, "differing": agreement.differing}
            row |= {"texts": len(some), "bytes": sum(len(text.encode()) for text in some)}
            row |= {"rounds": len(rounds), "threads": arguments.threads, **summary(rounds), "same_ids": True}
            row |= {"load_before": round(load, 2), "environment": describe()}
            print(json.dumps(row))
            if not arguments.dry:
                with open(ROWS, "a", encoding="utf-8") as rows:
                    rows.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
