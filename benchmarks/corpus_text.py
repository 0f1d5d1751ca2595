"""Dirty text of any size, grown from real text: what `bench_corpus.py` cleans.

    ANADIL_DATA=/path/to/data python benchmarks/corpus_text.py --megabytes 300 --out texts/

Each document is a real one with a third of its words exchanged for words of its source, so that it is a document of its
own. Besides, 8% exact copies, 10% copies with 3% of words changed, 7% Turkish, 3% junk, 5% decomposed (NFD), 1% with an
invented phone number and address.
"""

import argparse
import gzip
import json
import os
import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path

SOURCES = ("raw_law_codes", "social_reviews_sentiment", "raw_wiki_literature", "raw_wiki_sentences", "raw_progit",
           "raw_react_docs", "raw_kodlar_articles", "telecom_customer_comments")  # fmt: skip
FILE_BYTES = 32 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    data = Path(os.environ["ANADIL_DATA"])
    options.out.mkdir(parents=True, exist_ok=True)
    rows, size, left, part = list[str](), 0, options.megabytes * 1_000_000, 0
    for number, text in enumerate(documents(data, random.Random(1))):
        rows.append(json.dumps({"id": f"d{number}", "text": text}, ensure_ascii=False) + "\n")
        size, left = size + len(text.encode()), left - len(text.encode())
        if size > FILE_BYTES or left <= 0:
            (options.out / f"part-{part:04d}.jsonl").write_text("".join(rows), encoding="utf-8")
            rows, size, part = [], 0, part + 1
        if left <= 0:
            return


def documents(data: Path, rng: random.Random) -> Iterator[str]:
    texts = {name: list(read(data / "az" / name)) for name in SOURCES}
    words = {name: [word for text in some for word in text.split()] for name, some in texts.items()}
    foreign = list(read(data / "other_languages/tr_libreoffice_help"))
    recent: list[str] = []
    while True:
        for name, some in texts.items():
            for text in some:
                kind = rng.random()
                if kind < 0.08 and recent:
                    text = rng.choice(recent)
                elif kind < 0.18 and recent:
                    text = exchanged(rng.choice(recent), words[name], 0.03, rng)
                elif kind < 0.25:
                    text = rng.choice(foreign)[:600]
                elif kind < 0.28:
                    text = "| " * rng.randint(20, 80) + " ".join(str(rng.randint(0, 9999)) for _ in range(40))
                else:
                    text = exchanged(text, words[name], 0.35, rng)
                    if rng.random() < 0.05:
                        text = unicodedata.normalize("NFD", text)
                    if rng.random() < 0.01:
                        number = f"{rng.randint(200, 999)} {rng.randint(10, 99)} {rng.randint(10, 99)}"
                        text += f" Əlaqə: 050 {number}, a.b@mail.az"
                recent.append(text)
                del recent[:-2000]
                yield text


def exchanged(text: str, words: list[str], share: float, rng: random.Random) -> str:
    """The text, line ends and all, with a share of its words exchanged."""
    lines = (line.split(" ") for line in text.split("\n"))
    return "\n".join(" ".join(rng.choice(words) if rng.random() < share else word for word in line) for line in lines)


def read(folder: Path) -> Iterator[str]:
    with gzip.open(folder / "train.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]


if __name__ == "__main__":
    main()
