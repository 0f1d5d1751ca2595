import hashlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import anadil
from anadil import durable
from anadil.errors import Interrupted, UserError
from anadil.tokenizer.chat import encode_plain
from anadil.tokenizer.encode import _encoder, encode
from anadil.tokenizer.fast import FILE, Fast, compare
from anadil.tokenizer.load import from_bytes, load_tokenizer
from anadil.tokenizer.shards import TokenShards, dtype_of

QUICKSTART = Path(anadil.__file__).parent / "quickstart" / "base"
LETTERS = [from_bytes(chr(code).encode()) for code in range(0x80, 0x300)]
SMALL = 1  # bytes: every row group a shard


def hashes(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def encoded(corpus, base, tmp_path):
    encode(corpus, base, tmp_path / "out", shard_bytes=SMALL)
    return tmp_path / "out"


def test_documents_are_bos_text_eos_in_order(corpus, base, encoded):
    tokenizer, shards = load_tokenizer(base), TokenShards(encoded)
    for source, split in (("one", "train"), ("one", "heldout"), ("two", "train")):
        texts = pq.read_table(corpus / "text" / source / f"{split}.parquet")["text"].to_pylist()
        found = [
            shard.document(place).tolist() for shard in shards.split(source, split) for place in range(shard.documents)
        ]
        assert found == [[shards.bos, *encode_plain(tokenizer, text), shards.eos] for text in texts]
        assert sum(shard.bytes for shard in shards.split(source, split)) == sum(len(t.encode()) for t in texts)
    assert shards.split("two", "heldout") == []
    assert len(shards.split("one", "train")) == 4


def test_typed_control_tokens_do_not_become_control_ids(base, encoded):
    controls = set(load_tokenizer(base).get_added_tokens_decoder())
    shards = TokenShards(encoded)
    for shard in shards.split("one", "train"):
        for place in range(shard.documents):
            assert not controls.intersection(shard.document(place)[1:-1].tolist())


def test_any_number_of_workers_gives_the_same_bytes(corpus, base, encoded, tmp_path):
    encode(corpus, base, tmp_path / "two", workers=2, shard_bytes=SMALL)
    assert hashes(tmp_path / "two") == hashes(encoded)


@pytest.fixture
def agreed(base, tmp_path):
    """The tokenizer's folder with an agreement, as the tokenizer stage leaves it."""
    folder = shutil.copytree(base, tmp_path / "agreed")
    durable.write_json(folder / FILE, compare(base, LETTERS).to_json(), "tokenizer")
    return folder


def without_markers(folder):
    markers = {f"{path.relative_to(folder)}" for path in folder.rglob("tokens/*/*.json")}
    return {name: value for name, value in hashes(folder).items() if name not in markers}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_fast_library_gives_the_same_bytes(corpus, agreed, encoded, tmp_path, workers):
    metrics = encode(corpus, agreed, tmp_path / "fast", workers, shard_bytes=SMALL)
    assert without_markers(tmp_path / "fast") == without_markers(encoded)
    assert metrics["fast_encoding_documents"] == metrics["train_documents"] + metrics["heldout_documents"]
    assert metrics["fast_encoding_differences"] == 0
    assert metrics["fast_encoding_checked"] == 9  # every shard's first document


def test_without_an_agreement_nothing_is_encoded_fast(corpus, base, tmp_path):
    metrics = encode(corpus, base, tmp_path / "out")
    assert {name: metrics[f"fast_encoding_{name}"] for name in ("documents", "checked", "differences")} == {
        "documents": 0,
        "checked": 0,
        "differences": 0,
    }


def test_a_fast_library_that_differs_is_found_in_every_shard_and_not_used(
    corpus, agreed, encoded, tmp_path, monkeypatch
):
    config = json.loads((QUICKSTART / "tokenizer.json").read_text(encoding="utf-8"))
    monkeypatch.setattr(Fast, "load", staticmethod(lambda folder: Fast(config)))  # of another tokenizer
    _encoder.cache_clear()
    metrics = encode(corpus, agreed, tmp_path / "fast", shard_bytes=SMALL)
    _encoder.cache_clear()
    assert without_markers(tmp_path / "fast") == without_markers(encoded)
    assert metrics["fast_encoding_documents"] == 0
    assert metrics["fast_encoding_differences"] == metrics["fast_encoding_checked"] == 9
    marker = json.loads((tmp_path / "fast/tokens/one/train-00000.json").read_text(encoding="utf-8"))
    assert marker["fast_encoding"] == {"documents": 0, "checked": 1, "differences": 1}


def test_token_counts_are_of_training_text_and_weighted(encoded):
    shards = TokenShards(encoded)
    expected = np.zeros(600)
    for source, weight in (("one", 2.0), ("two", 0.5)):
        for shard in shards.split(source, "train"):
            expected += weight * np.bincount(shard.ids, minlength=600)
    assert shards.token_counts().tolist() == np.rint(expected).astype(int).tolist()


def test_metrics_are_the_sums(corpus, base, tmp_path):
    metrics = encode(corpus, base, tmp_path / "out")
    assert metrics["train_documents"] == 82
    assert metrics["heldout_documents"] == 3
    shards = TokenShards(tmp_path / "out")
    tokens = sum(shard.tokens for source in ("one", "two") for shard in shards.split(source, "train"))
    assert metrics["train_tokens"] == tokens
    assert [len(shards.split(name, "train")) for name in ("one", "two")] == [1, 1]


def test_a_stop_keeps_finished_shards_and_they_are_not_made_again(corpus, base, encoded, tmp_path):
    out = tmp_path / "stopped"
    asked = iter([False, False, True, True])
    with pytest.raises(Interrupted):
        encode(corpus, base, out, stop_requested=lambda: next(asked), shard_bytes=SMALL)
    with pytest.raises(UserError, match="not finished"):
        TokenShards(out)
    made = {path: path.stat().st_ino for path in out.rglob("*.bin")}
    assert len(made) == 2
    encode(corpus, base, out, shard_bytes=SMALL)
    assert {path: path.stat().st_ino for path in made} == made
    assert hashes(out) == hashes(encoded)


@pytest.mark.parametrize("place", range(1, 9))
@pytest.mark.parametrize("step", ["write", "rename"])
def test_a_full_disk_at_any_step_leaves_what_a_second_run_completes(
    corpus, base, encoded, tmp_path, monkeypatch, step, place
):
    durable._hits.clear()
    monkeypatch.setenv("ANADIL_FAILPOINT", f"shard.{step}:enospc@{place}")
    with pytest.raises(UserError, match="cannot write"):
        encode(corpus, base, tmp_path / "full", shard_bytes=SMALL)
    monkeypatch.delenv("ANADIL_FAILPOINT")
    encode(corpus, base, tmp_path / "full", shard_bytes=SMALL)
    assert hashes(tmp_path / "full") == hashes(encoded)


def test_another_tokenizer_or_corpus_is_encoded_anew(corpus, base, encoded, tmp_path):
    (corpus / "text/two/train.parquet").write_bytes((corpus / "text/one/heldout.parquet").read_bytes())
    encode(corpus, base, encoded, shard_bytes=SMALL)
    encode(corpus, base, tmp_path / "clean", shard_bytes=SMALL)
    shared = hashes(tmp_path / "clean")
    assert {name: value for name, value in hashes(encoded).items() if name in shared} == shared


def test_damage_is_named(encoded):
    shards = TokenShards(encoded)
    shards.verify()
    victim = encoded / "tokens/one/train-00002.bin"
    data = bytearray(victim.read_bytes())
    data[3] ^= 1
    victim.write_bytes(data)
    with pytest.raises(UserError, match=r"train-00002\.bin is damaged"):
        shards.verify()
    victim.write_bytes(data[:-2])
    with pytest.raises(UserError, match=r"train-00002\.bin has"):
        shards.split("one", "train")
    victim.unlink()
    with pytest.raises(UserError, match=r"train-00002\.bin is missing"):
        shards.split("one", "train")


def test_offsets_that_do_not_fit_are_named(encoded):
    np.save(encoded / "tokens/one/train-00001.offsets.npy", np.array([0, 5]))
    with pytest.raises(UserError, match="does not fit"):
        TokenShards(encoded).split("one", "train")
    (encoded / "tokens/one/train-00001.offsets.npy").write_bytes(b"x")
    with pytest.raises(UserError, match="cannot read"):
        TokenShards(encoded).split("one", "train")


def test_a_wrong_dtype_or_name_is_refused(encoded):
    with pytest.raises(UserError, match="no source 'three'"):
        TokenShards(encoded).split("three", "train")
    index = json.loads((encoded / "shards.json").read_text(encoding="utf-8"))
    (encoded / "shards.json").write_text(json.dumps(index | {"dtype": "uint32"}), encoding="utf-8")
    with pytest.raises(UserError, match="dtype"):
        TokenShards(encoded)
    (encoded / "token_counts.npy").unlink()
    (encoded / "shards.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(UserError, match="token_counts"):
        TokenShards(encoded).token_counts()


def test_a_folder_that_is_no_corpus_is_named(base, tmp_path):
    with pytest.raises(UserError, match=r"sources\.json"):
        encode(tmp_path, base, tmp_path / "out")


def test_ids_fit_their_dtype():
    assert dtype_of(65_536).itemsize == 2
    assert dtype_of(65_537).itemsize == 4


@pytest.mark.skipif(
    sys.platform != "linux", reason="the kernel is asked to end workers with their parent on Linux only"
)
def test_workers_die_with_a_killed_parent(tmp_path):
    code = f"""
import os, time, multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from anadil.tokenizer.encode import _start_worker
if __name__ == "__main__":
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)
    Path({str(tmp_path / "pid")!r}).write_text(str(pool.submit(os.getpid).result()))
    pool.submit(time.sleep, 600)
    time.sleep(600)
"""
    script = tmp_path / "parent.py"
    script.write_text(code)
    parent = subprocess.Popen([sys.executable, str(script)])
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    worker = int((tmp_path / "pid").read_text())
    parent.kill()
    parent.wait()
    wait_until(lambda: not Path(f"/proc/{worker}").exists() or "(zombie)" in Path(f"/proc/{worker}/status").read_text())


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
