"""In place on two published vocabularies with a little real text. The data stay where they are."""

import gzip
import json
import os
import shutil
from collections.abc import Callable
from functools import cache
from itertools import islice
from pathlib import Path

import pytest

from anadil.tokenizer.count import count_words
from anadil.tokenizer.surgery import Kept, Size, build, pre_tokenizer_of
from anadil.tokenizer.verify import verify_tokenizer

DATA = Path(os.environ.get("ANADIL_DATA") or Path(__file__).parents[3] / "shared/data")

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no public texts at {DATA}; set ANADIL_DATA"),
]


def texts(file: str, first: int, last: int) -> list[str]:
    with gzip.open(DATA / file, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in islice(lines, first, last)]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """A published vocabulary by name, and what became of it in place."""

    @cache
    def made(name: str) -> tuple[Path, Path]:
        base, out = tmp_path_factory.mktemp(name), tmp_path_factory.mktemp("inplace")
        packed = (DATA / "tokenizers" / name / "tokenizer.json.gz").read_bytes()
        (base / "tokenizer.json").write_bytes(gzip.decompress(packed))
        cut = pre_tokenizer_of(base)
        target = count_words(texts("az/raw_law_codes/train.jsonl.gz", 0, 300), cut).words
        english = count_words(texts("en/classic_books/train.jsonl.gz", 0, 300), cut).words
        build(base, "inplace", target, [Kept("en", english, 2)], Size(new_tokens=4000), out)
        return base, out

    return made


@pytest.mark.parametrize("name", ["llama3", "qwen"])
def test_in_place_loses_none_of_100_000_strings(make, name):
    base, out = make(name)
    real = [line for text in texts("az/raw_law_codes/train.jsonl.gz", 300, 500) for line in text.splitlines(True)]
    checks = verify_tokenizer(out, base, real, 100_000)
    assert [check for check in checks if not check.passed] == []
    found = {check.name: check for check in checks}
    assert found["round trip"].detail == "all of 100,000 strings come back"
    assert found["llama.cpp's check"].result == ("pass" if name == "llama3" else "not checked")
    assert found["kept tokens"].result == found["merges"].result == "pass"


def test_another_cut_of_digits_is_not_what_llama_cpp_knows(make, tmp_path):
    base, out = make("llama3")
    shutil.copytree(out, tmp_path / "damaged")
    file = tmp_path / "damaged" / "tokenizer.json"
    text = file.read_text(encoding="utf-8")
    assert "{1,3}" in text
    file.write_text(text.replace("{1,3}", "{1,2}", 1), encoding="utf-8")
    checks = verify_tokenizer(tmp_path / "damaged", base, strings=100)
    assert [check.name for check in checks if not check.passed] == ["llama.cpp's check"]
