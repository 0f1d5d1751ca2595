"""In place on Llama 3's own vocabulary with a little real text. The data stay where they are, outside the project."""

import gzip
import hashlib
import json
import os
from itertools import islice
from pathlib import Path

import pytest

from anadil.tokenizer.count import count_words
from anadil.tokenizer.load import load_tokenizer, read_vocabulary
from anadil.tokenizer.measure import measure
from anadil.tokenizer.prune import check_ids, check_text
from anadil.tokenizer.surgery import Kept, Size, build, pre_tokenizer_of

DATA = Path(os.environ.get("ANADIL_DATA") or Path(__file__).parents[3] / "shared/data")
LLAMA_BPE_SHA256 = "0ef9807a4087ebef797fc749390439009c3b9eda9ad1a097abbe738f486c01e5"
"""By which llama.cpp's converter knows Llama 3's pre-tokenizer: of the ids of its check text with BOS."""

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no public texts at {DATA}; set ANADIL_DATA"),
]


def texts(file, count):
    with gzip.open(DATA / file, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in islice(lines, count)]


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama3")
    packed = (DATA / "tokenizers/llama3/tokenizer.json.gz").read_bytes()
    (folder / "tokenizer.json").write_bytes(gzip.decompress(packed))
    return folder


@pytest.fixture(scope="module")
def operated(llama, tmp_path_factory):
    out = tmp_path_factory.mktemp("inplace")
    cut = pre_tokenizer_of(llama)
    target = count_words(texts("az/raw_law_codes/train.jsonl.gz", 300), cut).words
    english = count_words(texts("en/classic_books/train.jsonl.gz", 300), cut).words
    return out, build(llama, "inplace", target, [Kept("en", english, 2)], Size(new_tokens=4000), out)


def test_llama_cpp_still_knows_the_vocabulary(llama, operated):
    from transformers import AutoTokenizer

    before, (out, _) = read_vocabulary(llama), operated
    ids = AutoTokenizer.from_pretrained(out).encode(check_text(before))
    assert ids[1:] == check_ids(before)
    assert hashlib.sha256(str(ids).encode()).hexdigest() == LLAMA_BPE_SHA256


def test_size_special_ids_and_kept_ids_stay(llama, operated):
    before, (out, done) = read_vocabulary(llama), operated
    after = read_vocabulary(out)
    assert done.vocab_size == before.size == 128_256
    assert after.added_ids == before.added_ids
    assert 3_990 < len(done.new) == done.freed <= 4_000  # one that is freed and learned again keeps its id
    new = {identifier for identifier, _ in done.new}
    assert {t: i for t, i in after.tokens.items() if i not in new}.items() <= before.tokens.items()


def test_the_target_gets_shorter_english_does_not_and_all_text_comes_back(llama, operated):
    held_out = {
        "target": texts("az/raw_law_codes/train.jsonl.gz", 400)[300:],
        "original": texts("en/classic_books/train.jsonl.gz", 400)[300:],
    }
    tokenizers = {"before": load_tokenizer(llama), "after": load_tokenizer(operated[0])}
    found = {name: measure(tokenizers, some) for name, some in held_out.items()}
    changes = {name: measured.change("after", "before").high95 for name, measured in found.items()}
    assert changes["target"] < -0.3
    assert changes["original"] < 0.01
    assert all(measured.failures["after"] == 0 for measured in found.values())
