"""Two made-up languages and tiny bases: `old` words are the base's, `new` words the language it should learn."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anadil.tokenizer import surgery
from anadil.tokenizer.count import count_words
from anadil.tokenizer.load import Vocabulary, read_vocabulary

OLD_LETTERS = "abdeilmnorstu"
NEW_LETTERS = "zğəışöüçqxk"


def make_words(letters: str, count: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    syllables = ["".join(chance.choices(letters, k=chance.randint(1, 3))) for _ in range(40)]
    return ["".join(chance.choices(syllables, k=chance.randint(1, 4))) for _ in range(count)]


def make_texts(words: Sequence[str], documents: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    weights = [1 / (place + 1) for place in range(len(words))]
    return [
        " ".join(chance.choices(words, weights, k=60)) + f", {place} ({words[place % len(words)]})!\n"
        for place in range(documents)
    ]


@pytest.fixture(scope="session")
def old_texts() -> list[str]:
    return make_texts(make_words(OLD_LETTERS, 300, 1), 40, 2)


@pytest.fixture(scope="session")
def new_texts() -> list[str]:
    return make_texts(make_words(NEW_LETTERS, 300, 3), 40, 4)


@pytest.fixture(scope="session")
def old_words() -> list[str]:
    """Words of the old language, most of them in none of the texts."""
    return make_words(OLD_LETTERS, 3000, 1)


@pytest.fixture(scope="session")
def counts_of() -> Callable[[Sequence[str]], dict[str, int]]:
    pre_tokenizer = surgery.pre_tokenizer_of(None)
    return lambda texts: dict(count_words(texts, pre_tokenizer).words)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory, old_texts, counts_of) -> Path:
    """A base of 600 entries, 16 of them control tokens, trained on the old language."""
    out = tmp_path_factory.mktemp("base")
    surgery.build(None, "replace", counts_of(old_texts), [], surgery.Size(vocab_size=600), out)
    return out


def with_every_split(vocabulary: Vocabulary) -> Vocabulary:
    """As tiktoken vocabularies are converted: every pair that makes a token is a merge, ranked by the token's id."""
    tokens = vocabulary.tokens
    merges = [
        (token[:cut], token[cut:])
        for token in sorted(tokens, key=lambda token: tokens[token])
        for cut in range(1, len(token))
        if token[:cut] in tokens and token[cut:] in tokens
    ]
    return replace(vocabulary, merges=merges)


@pytest.fixture(scope="session")
def split_vocabulary(base: Path) -> Vocabulary:
    """The base's vocabulary in the form of Llama 3's: with every split of every token as a merge."""
    return with_every_split(read_vocabulary(base))


@pytest.fixture(scope="session", params=["trained", "every split", "no whole words"])
def vocabulary(request: pytest.FixtureRequest, base: Path) -> Vocabulary:
    """The base's vocabulary in the forms that bases come in."""
    read = read_vocabulary(base)
    if request.param == "every split":
        return with_every_split(read)
    return replace(read, ignore_merges=request.param == "trained")


@pytest.fixture
def write_base(tmp_path: Path) -> Callable[[dict[str, object]], Path]:
    def write(data: dict[str, object]) -> Path:
        (tmp_path / "written").mkdir(exist_ok=True)
        (tmp_path / "written" / "tokenizer.json").write_text(json.dumps(data), encoding="utf-8")
        return tmp_path / "written"

    return write


@pytest.fixture
def corpus(tmp_path: Path, old_texts, new_texts) -> Path:
    """A corpus folder of two sources; the target's training text has four row groups."""
    folder = tmp_path / "corpus"
    typed = [*new_texts, "qəz <|eot_id|> <|begin_of_text|>", ""]
    parts = {("one", "train"): typed, ("one", "heldout"): new_texts[:3], ("two", "train"): old_texts}
    for (source, split), texts in parts.items():
        (folder / "text" / source).mkdir(parents=True, exist_ok=True)
        table = pa.table({"id": [str(place) for place in range(len(texts))], "text": texts})
        pq.write_table(table, folder / "text" / source / f"{split}.parquet", row_group_size=11)
    sources = [
        {"name": "one", "language": "az", "weight": 2.0, "licence": ""},
        {"name": "two", "language": "en", "weight": 0.5, "licence": ""},
    ]
    (folder / "sources.json").write_text(json.dumps({"sources": sources}), encoding="utf-8")
    return folder
