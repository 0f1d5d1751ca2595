"""The fast library on Llama 3 in place and real text. The data stay where they are, outside the project."""

import gzip
import json
import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from anadil.tokenizer.count import count_words
from anadil.tokenizer.fast import Encoder, compare
from anadil.tokenizer.surgery import Kept, Size, build, pre_tokenizer_of

DATA = Path(os.environ.get("ANADIL_DATA") or Path(__file__).parents[3] / "shared/data")
TEXTS = {
    "law": "az/raw_law_codes/train.jsonl.gz",
    "reviews": "az/social_reviews_sentiment/train.jsonl.gz",
    "flores": "eval/sib200_flores/*_*.jsonl",
    "english": "en/classic_books/train.jsonl.gz",
}

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no public texts at {DATA}; set ANADIL_DATA"),
]


def read(pattern, count=None):
    found = []
    for file in sorted(DATA.glob(pattern)):
        with (gzip.open if file.suffix == ".gz" else open)(file, "rt", encoding="utf-8") as lines:
            found += [json.loads(line)["text"] for line in islice(lines, count)]
    assert found
    return found


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """Llama 3 in place for Azerbaijani, compared on every word of the law codes and reviews."""
    base, out = tmp_path_factory.mktemp("llama3"), tmp_path_factory.mktemp("inplace")
    packed = (DATA / "tokenizers/llama3/tokenizer.json.gz").read_bytes()
    (base / "tokenizer.json").write_bytes(gzip.decompress(packed))
    cut = pre_tokenizer_of(base)
    words = count_words(read(TEXTS["law"]) + read(TEXTS["reviews"]), cut).words
    english = count_words(read(TEXTS["english"], 300), cut).words
    build(base, "inplace", words, [Kept("en", english, 2)], Size(new_tokens=20_000), out)
    agreement = compare(out, words)
    assert (agreement.words, agreement.differing) == (len(words), 0)
    return Encoder(out, agreement)


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_gets_the_same_ids(encoder, name):
    texts = read(TEXTS[name])
    assert encoder.library
    fast, slow = encoder.encode(texts), encoder.reference(texts)
    assert np.array_equal(fast.lengths, slow.lengths)
    assert np.array_equal(fast.ids, slow.ids)
