"""Make `src/anadil/languages/detector.npz`, the weights of `anadil.corpus.language`, and `letters.npz`, the 4-gram
tables of `anadil.corpus.letters`, in two minutes.

    ANADIL_DATA=/path/to/data python scripts/train_detector.py

From the sentences in `scripts/detector/`, which were written for it, and public texts. No text is in the weights: they
are sums over n-grams that fall together 65,536 to a class.
"""

import gzip
import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from anadil.corpus.language import HASH_BITS, LONGEST_NGRAM, TYPED, hashes, ngram_places, prepare
from anadil.corpus.letters import EDGE, OTHER, letter_numbers, ngram_table
from anadil.languages import load_profile

DATA = Path(os.environ["ANADIL_DATA"])
OWN = Path(__file__).parent / "detector"
OUT = Path(__file__).parents[1] / "src/anadil/languages/detector.npz"
LETTERS = OUT.with_name("letters.npz")
WITH_LETTERS = ("az", "tr")
FOLDED = ("az", "tr")
UPDATES, ROWS, RATE, DECAY = 5000, 512, 0.02, 3e-7
FILES = {
    "az": [("az/raw_law_codes/train.jsonl.gz", 4000), ("az/social_reviews_sentiment/train.jsonl.gz", 20000),
           ("az/raw_wiki_sentences/train.jsonl.gz", 2000), ("az/raw_wiki_literature/train.jsonl.gz", 3000),
           ("az/raw_kodlar_articles/train.jsonl.gz", 2000), ("az/raw_education_site_news/train.jsonl.gz", 2000),
           ("az/telecom_customer_comments/train.jsonl.gz", 8000), ("az/telecom_customer_comments/train.jsonl.gz", 8000),
           ("az/social_reviews_sentiment/train.jsonl.gz", 20000), ("az/raw_react_docs/train.jsonl.gz", 500),
           ("az/raw_progit/train.jsonl.gz", 500)],
    "tr": [("other_languages/tr_libreoffice_help/train.jsonl.gz", 4000),
           ("other_languages/tr_python_docs/train.jsonl.gz", 3000)],
    "fi": [("other_languages/fi_libreoffice_help/train.jsonl.gz", 4000)],
    "et": [("other_languages/et_libreoffice_help/train.jsonl.gz", 4000)],
    "en": [("en/classic_books/train.jsonl.gz", 6000)],
    "kk": [],
}  # fmt: skip
PAIRS = {"tr": "tur", "fi": "fin", "et": "est", "kk": "kaz", "en": None}


def sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?…])\s+|\n+", text) if len(part) > 8]


def of_file(path: Path, limit: int) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        found = [one for line in lines for one in sentences(json.loads(line)["text"])]
    random.Random(1).shuffle(found)
    yield from found[:limit]


def texts(code: str) -> list[list[str]]:
    """Groups of sentences; each group is drawn from as often as another."""
    groups = [list(of_file(DATA / name, limit)) for name, limit in FILES.get(code, [])]
    own = OWN / f"{code}.txt"
    if own.exists():
        groups += [own.read_text(encoding="utf-8").splitlines()] * 2
    if PAIRS.get(code):
        rows = (DATA / f"parallel/tatoeba_{PAIRS[code]}-eng.jsonl").read_text(encoding="utf-8").splitlines()
        keys = json.loads(rows[0]).keys()
        key = next(k for k in keys if k.startswith(str(PAIRS[code])) or k == code)
        groups.append([json.loads(row)[key] for row in rows])
    return groups


def main() -> None:
    torch.manual_seed(1)
    drawn = random.Random(2)
    sets: dict[str, list[list[str]]] = {}
    for code in sorted({*FILES, *(path.stem for path in OWN.glob("*.txt"))}):
        sets[code] = texts(code)
        if code in FOLDED:
            fold = load_profile(code).fold_ascii
            sets[code + TYPED] = [[fold(text) for text in group] for group in sets[code]]
    classes = sorted(sets)
    own = sorted({name.removesuffix(TYPED) for name in classes})
    is_own = torch.tensor([[float(name.removesuffix(TYPED) == one) for one in own] for name in classes])
    balance = len(classes) / is_own.sum(0) - 1
    width = len(classes) + len(own)
    weights = nn.EmbeddingBag(1 << HASH_BITS, width, mode="sum")
    nn.init.zeros_(weights.weight)
    bias = nn.Parameter(torch.zeros(width))
    optimizer = torch.optim.Adam([*weights.parameters(), bias], lr=RATE, weight_decay=DECAY)
    for update in range(UPDATES):
        labels = torch.tensor([drawn.randrange(len(classes)) for _ in range(ROWS)])
        letters, starts = prepare([sample(sets[classes[label]], drawn) for label in labels])
        inside, starts = ngram_places(starts)
        ids = (
            np.stack([hashes(letters, n)[inside] for n in range(1, LONGEST_NGRAM + 1)], 1).astype(np.int64).reshape(-1)
        )
        counts = torch.from_numpy(np.diff(starts))[:, None]
        logits = weights(torch.from_numpy(ids), torch.from_numpy(starts[:-1] * LONGEST_NGRAM)) / counts + bias
        loss = nn.functional.cross_entropy(logits[:, : len(classes)], labels)
        loss += nn.functional.binary_cross_entropy_with_logits(
            logits[:, len(classes) :], is_own[labels], pos_weight=balance
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, 2 * (1 - update / UPDATES))
        optimizer.step()
        if update % 500 == 0:
            print(update, f"{loss.item():.4f}", flush=True)
    table = weights.weight.detach().numpy()
    scale = np.abs(table).max(axis=0) / 127
    np.savez_compressed(
        OUT, classes=np.array([*classes, *(f"={name}" for name in own)]), scale=scale.astype(np.float32),
        weights=np.round(table / scale).astype(np.int8), bias=bias.detach().numpy(),
    )  # fmt: skip
    np.savez_compressed(LETTERS, **{code: letters_of(code) for code in WITH_LETTERS})  # type: ignore[arg-type]
    print(f"{OUT}: {OUT.stat().st_size:,} bytes; {', '.join(classes)}")


def letters_of(code: str) -> np.ndarray:
    """How often each letter follows each three, at the edges of words too."""
    profile = load_profile(code)
    numbers = letter_numbers(profile)
    counts = np.zeros((len(numbers) + 2,) * 4)
    for group in texts(code):
        for word in re.findall(r"[^\W\d_]+", profile.lower(" ".join(group[:20000]))):
            line = [EDGE, EDGE, EDGE, *(numbers.get(letter, OTHER) for letter in word), EDGE]
            for place in range(3, len(line)):
                counts[tuple(line[place - 3 : place + 1])] += 1
    return ngram_table(counts)


def sample(groups: list[list[str]], drawn: random.Random) -> str:
    """A sentence, sometimes two, sometimes part of one, sometimes shouted."""
    group = drawn.choice(groups)
    text = drawn.choice(group)
    if drawn.random() < 0.3:
        text += " " + drawn.choice(group)
    words = text.split()
    if drawn.random() < 0.5 and len(words) > 6:
        begin = drawn.randrange(len(words) - 5)
        words = words[begin : begin + drawn.randint(4, 20)]
    return " ".join(words)[:300]


if __name__ == "__main__":
    main()
