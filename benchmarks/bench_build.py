"""Building a vocabulary in place, each in a fresh process: appends a row of its figures to results/build.jsonl.

ANADIL_DATA=/path/to/data .venv/bin/python benchmarks/bench_build.py --base /path/to/llama3 [--grown-mb 1000]

Without --grown-mb the target's text is all Azerbaijani text of the data. With it the text is grown from that to the
size named: sentences are drawn with replacement, and words in them replaced by made-up ones (the head of one real
word, the tail of another) so that the number of distinct words follows Heaps' law as fitted to the real text; every
second replacement repeats an earlier made-up word. Growing it is not timed, reading it is.
"""

import argparse
import glob
import gzip
import json
import math
import os
import random
import re
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from anadil.environment import describe
from anadil.tokenizer.count import WordCounts, count_words
from anadil.tokenizer.load import load_tokenizer
from anadil.tokenizer.surgery import Kept, Prepared, Size, pre_tokenizer_of

ROWS = Path(__file__).parent / "results" / "build.jsonl"
ENGLISH_BYTES = 10_000_000
HELD_OUT_FILES = 10
"""One file of so many of Python's library is not counted but measured on."""


def read(pattern: Path) -> Iterator[str]:
    """The `text` of every line of jsonl files."""
    for name in sorted(glob.glob(str(pattern))):
        with (gzip.open if name.endswith(".gz") else open)(name, "rt", encoding="utf-8") as lines:
            yield from (str(row["text"]) for row in map(json.loads, lines) if isinstance(row.get("text"), str))


def english(data: Path) -> Iterator[str]:
    """All of wikitext-2 that is there, then books in random order, 10 MB in all."""
    wiki = [path.read_text(encoding="utf-8") for path in sorted((data / "en/wikitext2").glob("*.txt"))]
    books = list(read(data / "en/classic_books/train.jsonl.gz"))
    random.Random(1).shuffle(books)
    texts = [*wiki, *books]
    sizes = accumulate(len(text.encode()) for text in texts)
    yield from (text for text, size in zip(texts, sizes, strict=True) if size <= ENGLISH_BYTES)


def code(held_out: bool) -> Iterator[str]:
    """Python's own library: nine files of ten, or (held out) the tenth."""
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py"))
    files = [file for file in files if "site-packages" not in file.parts]
    for place, file in enumerate(files):
        if (place % HELD_OUT_FILES == 0) == held_out:
            yield file.read_text(encoding="utf-8", errors="ignore")


def sentences(data: Path) -> list[str]:
    """Sentences of all Azerbaijani text, with the space or line end after each."""
    return [part for text in read(data / "az/*/*.jsonl*") for part in re.findall(r".+?(?:[.!?…]\s+|\n+|$)", text)]


def heaps(words: list[str]) -> tuple[float, float]:
    """K and beta of `types = K * words ** beta`, through the counts at a quarter of the words and at the end."""
    early, late = len(words) // 4, len(words)
    few, many = len(set(words[:early])), len(set(words))
    beta = math.log(many / few) / math.log(late / early)
    return many / late**beta, beta


def grown(parts: list[str], size: int) -> Iterator[str]:
    """Documents of 50 sentences, `size` bytes in all, whose distinct words grow as those of `parts` do."""
    rng = random.Random(1)
    real = [word for part in parts for word in part.split()]
    rng.shuffle(shuffled := list(parts))
    factor, beta = heaps([word for part in shuffled for word in part.split()])
    made: list[str] = []
    base, words, written = len(set(real)), 0, 0
    while written < size:
        drawn = rng.choices(parts, k=50)
        words += sum(part.count(" ") + 1 for part in drawn)
        for _ in range(2 * max(0, int(factor * words**beta) - base - len(made))):
            place = rng.randrange(50)
            first, space, rest = drawn[place].partition(" ")
            if not made or rng.random() < 0.5:
                head, tail = rng.choice(real), rng.choice(real)
                made.append(head[: len(head) // 2 + 1] + tail[len(tail) // 2 :].lower())
                first = made[-1]
            else:
                first = rng.choice(made)
            drawn[place] = first + space + rest
        document = "".join(drawn)
        written += len(document.encode())
        yield document


def write(texts: Iterable[str], file: Path) -> None:
    """Texts as a parquet file."""
    with pq.ParquetWriter(file, schema := pa.schema([("text", pa.string())])) as writer:
        batch: list[str] = []
        for text in texts:
            batch.append(text)
            if len(batch) == 1000:
                writer.write_table(pa.table({"text": batch}, schema))
                batch.clear()
        writer.write_table(pa.table({"text": batch}, schema))


def stored(file: Path) -> Iterator[str]:
    """The texts of such a file."""
    with pq.ParquetFile(file) as opened:
        for batch in opened.iter_batches(256):
            yield from batch.column(0).to_pylist()


def tokens_per_word(tokenizer: Tokenizer, texts: list[str]) -> float:
    """On white-space words."""
    tokens = sum(len(one.ids) for one in tokenizer.encode_batch_fast(texts, add_special_tokens=False))
    return tokens / sum(len(text.split()) for text in texts)


def one_build(base: Path, data: Path, target: Path | None, size: Size, keep_min_count: int) -> dict[str, Any]:
    """Count and build; the measuring after it is not in the seconds."""
    began, cut = time.monotonic(), pre_tokenizer_of(base)
    found: WordCounts = count_words(stored(target) if target else read(data / "az/*/*.jsonl*"), cut)
    others = {"en": count_words(english(data), cut).words, "code": count_words(code(False), cut).words}
    counted = time.monotonic()
    kept = [Kept(name, words, keep_min_count) for name, words in others.items()]
    with tempfile.TemporaryDirectory() as out:
        done = Prepared(base, found.words, kept).build("inplace", size, Path(out))
        usage, built = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        figures = {name: _change(base, Path(out), texts) for name, texts in _measured_on(data).items()}
    return {
        "target_bytes": found.bytes,
        "target_words": found.words.total(),
        "target_word_types": len(found.words),
        "dropped_words": found.dropped_words,
        "scale": done.scale,
        "count_seconds": round(counted - began, 1),
        "build_seconds": round(built - counted, 1),
        "wall_seconds": round(built - began, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": round(usage.ru_maxrss / 1000),
        "vocabulary_tokens": done.vocab_size,
        "new_tokens": len(done.new),
        "kept_tokens": done.kept,
        "settings": {"keep_min_count": keep_min_count, "target_min_count": size.target_min_count},
        "tokens_per_word": figures,
    }


def _measured_on(data: Path) -> dict[str, list[str]]:
    names = {"az": "azj", "en": "eng", "kk": "kaz", "tr": "tur"}
    flores = {name: list(read(data / f"eval/sib200_flores/{code}_*_*.jsonl")) for name, code in names.items()}
    return flores | {"code": list(code(True))}


def _change(base: Path, out: Path, texts: list[str]) -> dict[str, float]:
    before, after = (tokens_per_word(load_tokenizer(folder), texts) for folder in (base, out))
    return {"before": round(before, 4), "after": round(after, 4), "change": round(after / before - 1, 4)}


def fresh(arguments: list[str]) -> dict[str, Any]:
    """One build in a process of its own."""
    command = [sys.executable, __file__, *arguments, "--here"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def main() -> None:
    """Run a build and append its row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True, help="folder with the base's tokenizer.json")
    parser.add_argument("--grown-mb", type=int, default=0, help="size of grown text; 0: the real text")
    parser.add_argument("--keep-min-count", type=int, default=2)
    parser.add_argument("--target-min-count", type=int, default=5)
    parser.add_argument("--keep-script", action="append", default=[])
    parser.add_argument("--target", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given, data = parser.parse_args(), Path(os.environ["ANADIL_DATA"])
    size = Size(target_min_count=given.target_min_count, keep_scripts=dict.fromkeys(given.keep_script or ["cyrillic"]))
    if given.here:
        print(json.dumps(one_build(given.base, data, given.target, size, given.keep_min_count)))
        return
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        arguments = sys.argv[1:]
        if given.grown_mb:
            write(grown(sentences(data), given.grown_mb * 1_000_000), Path(folder) / "grown.parquet")
            arguments += ["--target", str(Path(folder) / "grown.parquet")]
        row = {"what": f"grown {given.grown_mb} MB" if given.grown_mb else "real text", **fresh(arguments)}
    row |= {"load_before": round(load, 2), "environment": describe()}
    with open(ROWS, "a", encoding="utf-8") as rows:
        rows.write(json.dumps(row) + "\n")
    print(json.dumps(row, indent=2))


if __name__ == "__main__":
    main()
