"""The parts of the road as tools of their own: `corpus run`, `eval bpb`."""

import json
from pathlib import Path
from typing import Any

from anadil.artifact import Hashes
from anadil.corpus.build import build
from anadil.environment import available_cores
from anadil.progress import to_stderr
from anadil.recipe import Corpus, Source
from anadil.report.corpus_card import write_card


def run_corpus(
    path: Path, out: Path, *, language: str, text_field: str, on_error: Any, heldout_share: float, workers: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Clean one source and print its account."""
    source = Source(name="text", path=path, language=language, text_field=text_field)
    corpus = Corpus(sources=[source], heldout_share=heldout_share, on_error=on_error)
    accounts = build(corpus, language, out, to_stderr(), workers=workers or available_cores())
    account = accounts["text"].as_dict()
    page = write_card(out)
    if as_json:
        hashes = Hashes()
        files = {str(f.relative_to(out)): hashes.of(f) for f in sorted(out.rglob("*.parquet"))}
        print(json.dumps(account | {"out": str(out), "files": files}, indent=2, ensure_ascii=False))
        return
    print(f"read {account['read']['documents']:,} documents, {account['read']['words']:,} words")
    for verdict, count in account["verdicts"].items():
        print(f"  {verdict:<13} {count['documents']:>9,} documents {count['words']:>12,} words")
    if account["unreadable_lines"]:
        print(f"could not be read and skipped: {account['unreadable_lines']:,} lines, rows or files")
    print(f"written to {out}; data card: {page}")


def measure_bits_per_byte(model: Path, file: Path, text_field: str, *, as_json: bool) -> None:
    """Print bits per byte of a model on a file."""
    from anadil.evaluate.bits_per_byte import evaluate_file

    facts = evaluate_file(model, file, text_field)
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    print(f"{facts['bits_per_byte']:.4f} bits per byte, 95% interval {facts['low95']:.4f} to {facts['high95']:.4f}")
    print(f"{facts['documents']:,} documents, {facts['bytes']:,} bytes, {facts['tokens']:,} tokens")
