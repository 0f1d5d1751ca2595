"""Right after transfer, before any training: bits per byte with each way of making new rows, of target and English.

    python benchmarks/bench_transfer.py --base runs/proxy-base/export/hf --texts texts --work work

`--texts` is the folder of proxy_texts.py; ANADIL_DATA names the public texts. Each round has a third of the
Azerbaijani that the base has not seen for itself: its own vocabulary, counts and sample to calibrate on. All methods
of a round move the same base onto the same vocabulary and are measured on the same sentences. Appends a row to
results/transfer.jsonl.
"""

import argparse
import hashlib
import json
import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from anadil.bootstrap import paired_change, ratio
from anadil.context import Context
from anadil.corpus.build import build as build_corpus
from anadil.environment import describe
from anadil.model import load
from anadil.model.score import score_documents
from anadil.progress import to_stderr
from anadil.recipe import Candidate, Corpus, Source, Tokenizer
from anadil.stages.tokenizer import build_and_measure
from anadil.tokenizer.chat import BOS, control_id, encode_plain
from anadil.tokenizer.encode import encode
from anadil.tokenizer.load import load_tokenizer
from anadil.tokenizer.shards import TokenShards
from anadil.transfer.move import move

ROWS = Path(__file__).parent / "results" / "transfer.jsonl"
METHODS = ("random", "mean", "calibrated")
MODES = {
    "inplace": Candidate(mode="inplace", new_tokens=8000),
    "extend": Candidate(mode="extend", new_tokens=8000),
    "replace": Candidate(mode="replace", vocab_size=32768),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mode", choices=sorted(MODES), default="inplace")
    options = parser.parse_args()
    sentences = {name: _sentences(code) for name, code in (("target", "azj_Latn"), ("original", "eng_Latn"))}
    base = {name: _nats(load.load(options.base), options.base, texts) for name, texts in sentences.items()}
    rounds = [_round(number, options, sentences) for number in range(options.rounds)]
    row = {
        "what": "transfer",
        "mode": options.mode,
        "rounds": options.rounds,
        "documents": {name: len(texts) for name, texts in sentences.items()},
        "base": {name: _bits_per_byte(base[name], texts) for name, texts in sentences.items()},
        "methods": {
            method: {
                name: _summary([r[method][name] for r in rounds], base[name], texts)
                for name, texts in sentences.items()
            }
            for method in METHODS
        },
        "environment": describe(),
    }
    print(json.dumps(row, indent=1))
    with open(ROWS, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def _sentences(code: str) -> list[str]:
    folder = Path(os.environ["ANADIL_DATA"]) / "eval" / "sib200_flores"
    lines = (folder / f"{code}_dev.jsonl").read_text().splitlines() + (
        folder / f"{code}_train.jsonl"
    ).read_text().splitlines()
    return [json.loads(line)["text"] for line in lines[:400]]


def _round(
    number: int, options: argparse.Namespace, sentences: dict[str, list[str]]
) -> dict[str, dict[str, list[float]]]:
    """Nats of each sentence by method and language."""
    work = options.work / f"{options.mode}-{number}"
    corpus, tokenizer, encoded = work / "corpus", work / "tokenizer", work / "encode"
    if not (encoded / "shards.json").is_file():
        shutil.rmtree(work, ignore_errors=True)
        build_corpus(_corpus(number, options, work), "az", corpus, to_stderr())
        table = Tokenizer.model_validate(
            MODES[options.mode].model_dump() | {"keep": ["en", "code"], "keep_min_count": 60, "target_min_count": 50}
        )
        build_and_measure(table, options.base, corpus, "az", "en", tokenizer, to_stderr())
        encode(corpus, tokenizer, encoded, 2, to_stderr())
    shards = TokenShards(encoded)
    found = {}
    for method in METHODS:
        model = load.load(options.base)
        move(
            model, options.base, corpus, tokenizer, shards,
            method=method, sample_tokens=16_384, seed=number, context=Context(to_stderr(), threads=2),
        )  # fmt: skip
        found[method] = {name: _nats(model, tokenizer, texts) for name, texts in sentences.items()}
        print(number, method, {name: round(_bits_per_byte(found[method][name], t), 4) for name, t in sentences.items()})
    return found


def _corpus(number: int, options: argparse.Namespace, work: Path) -> Corpus:
    third = work / "az.jsonl"
    third.parent.mkdir(parents=True)
    lines = (options.texts / "az_unseen.jsonl").read_text(encoding="utf-8").splitlines()
    chosen = [line for line in lines if int(hashlib.sha256(line.encode()).hexdigest(), 16) % 3 == number]
    third.write_text("\n".join(chosen) + "\n", encoding="utf-8")
    books = Path(os.environ["ANADIL_DATA"]) / "en" / "classic_books" / "train.jsonl.gz"
    return Corpus(
        sources=[
            Source(name="az", path=third, language="az"),
            Source(name="books", path=books, language="en", weight=0.1),
            Source(name="code", path=options.texts / "code.jsonl", language="code", weight=0.1),
        ],
        heldout_share=0.01,
    )


def _nats(model: Any, folder: Path, texts: Sequence[str]) -> list[float]:
    tokenizer = load_tokenizer(folder)
    torch.set_num_threads(2)
    return score_documents(model, [[control_id(tokenizer, BOS), *encode_plain(tokenizer, text)] for text in texts])


def _sizes(texts: Sequence[str]) -> list[int]:
    return [len(text.encode()) for text in texts]


def _bits_per_byte(nats: Sequence[float], texts: Sequence[str]) -> float:
    return sum(nats) / math.log(2) / sum(_sizes(texts))


def _summary(rounds: list[list[float]], base: list[float], texts: Sequence[str]) -> dict[str, Any]:
    """Mean over rounds with its interval, the change from the base (paired by sentence), and each round alone."""
    sizes, rows = _sizes(texts), torch.tensor(rounds, dtype=torch.float64) / math.log(2)
    mean = rows.mean(0).numpy()
    before = [nats / math.log(2) for nats in base]
    return {
        "bits_per_byte": vars(ratio(mean, sizes)),
        "change": vars(paired_change((before, sizes), (mean, sizes))),
        "by_round": [float(row.sum() / sum(sizes)) for row in rows],
    }


if __name__ == "__main__":
    main()
