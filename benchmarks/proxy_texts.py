"""The texts of the proxy base: Azerbaijani in two parts that share no document, and Python code.

    ANADIL_DATA=/path/to/data python benchmarks/proxy_texts.py FOLDER

`az_seen` goes into the proxy base, as real bases have seen some of every language; `az_unseen` is what later
training and every measurement of a transfer use. `az_few`, part of what is seen, is all that the proxy's vocabulary
is made on of Azerbaijani: that gives it 3.0 tokens per word (Llama 3: 3.4). `code` and `code_heldout` are
Python's standard library.
"""

import gzip
import hashlib
import json
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

SEEN_PERMILLE = 400
FEW_PERMILLE = 4
AZ = (
    "raw_law_codes",
    "social_reviews_sentiment",
    "raw_wiki_literature",
    "raw_wiki_sentences",
    "raw_progit",
    "raw_react_docs",
    "raw_kodlar_articles",
    "raw_education_site_news",
    "telecom_customer_comments",
)


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    data = Path(os.environ["ANADIL_DATA"])
    az = [text for name in AZ for text in _jsonl(data / "az" / name / "train.jsonl.gz")]
    _write(out / "az_few.jsonl", (text for text in az if _permille(text) < FEW_PERMILLE))
    _write(out / "az_seen.jsonl", (text for text in az if FEW_PERMILLE <= _permille(text) < SEEN_PERMILLE))
    _write(out / "az_unseen.jsonl", (text for text in az if _permille(text) >= SEEN_PERMILLE))
    code = list(_standard_library())
    _write(out / "code.jsonl", (text for text in code if _permille(text) >= 100))
    _write(out / "code_heldout.jsonl", (text for text in code if _permille(text) < 100))


def _permille(text: str) -> int:
    """0..999, from the content alone; the same text is on the same side however often it occurs."""
    return int(hashlib.sha256(b"proxy" + text.strip().encode()).hexdigest(), 16) % 1000


def _jsonl(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)["text"]


def _standard_library() -> Iterator[str]:
    root = Path(sysconfig.get_paths()["stdlib"])
    left_out = {"test", "tests", "idle_test", "site-packages", "dist-packages", "lib2to3", "__pycache__"}
    for path in sorted(root.rglob("*.py")):
        if not left_out & set(path.relative_to(root).parts):
            yield path.read_text(encoding="utf-8", errors="replace")


def _write(path: Path, texts: Iterator[str]) -> None:
    count = size = 0
    with open(path, "w", encoding="utf-8") as file:
        for text in texts:
            file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
            count, size = count + 1, size + len(text.encode())
    print(f"{path}: {count:,} documents, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
