"""A thousand documents of which it is known what must become of each: the account says exactly that."""

import json
import random
import unicodedata
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from anadil.corpus.build import build
from anadil.languages import load_profile
from anadil.progress import silent
from anadil.recipe import Corpus, EvaluationSet, Source

SENTENCES = Path(__file__).parents[2] / "scripts/detector"
AZ = load_profile("az")
ITEM = "Azərbaycanın ən hündür dağı olan Bazardüzü hansı iki rayonun ərazisində yerləşir?"


def sentences(code: str) -> list[str]:
    return (SENTENCES / f"{code}.txt").read_text(encoding="utf-8").splitlines()


def planted(rng: random.Random) -> list[tuple[str, bytes]]:
    """(what must become of it, line)."""
    lines = [line for line in sentences("az") if len(line.split()) > 6]
    clean = [" ".join(rng.sample(lines, 6)) for _ in range(500)]
    rows = [("kept", text) for text in clean]
    rows += [("duplicate", unicodedata.normalize("NFD", text)) for text in clean[:70]]
    rows += [("near_duplicate", text + " Bu da ki var.") for text in clean[70:120]]
    rows += [("near_duplicate", AZ.fold_ascii(text).upper()) for text in clean[120:150]]
    rows += [("contaminated", f"{text} {ITEM} {lines[3]}") for text in clean[150:160]]
    folded = [" ".join(rng.sample(lines, 6)) for _ in range(20)]
    rows += [("contaminated", f"{text} {AZ.fold_ascii(ITEM).lower()}") for text in folded]
    for code in ("tr", "crh", "tk", "uz"):
        rows += [("wrong_language", " ".join(rng.sample(sentences(code), 4))) for _ in range(30)]
    rows += [
        ("wrong_script", f"Это предложение номер {n} написано на другом языке и другими буквами.") for n in range(20)
    ]
    rows += [("masked", " ".join(rng.sample(lines, 6)) + f" Zəng edin: 050 {300 + n} 45 67.") for n in range(50)]
    rows += [("too_short", f"Salam, {n}.") for n in range(40)]
    rows += [("empty", " \n ") for _ in range(20)]
    rows += [("look_alikes", " ".join(rng.sample(lines, 6)).replace("ə", "ә")) for _ in range(40)]
    written = [(what, json.dumps({"text": text}, ensure_ascii=False).encode()) for what, text in rows]
    written += [("unreadable", b'{"text": "s\xff' + str(n).encode() + b'"}') for n in range(30)]
    return written


@pytest.mark.parametrize("workers", [1])
def test_the_account_of_planted_documents_is_exact(tmp_path: Path, workers: int) -> None:
    rows = planted(random.Random(5))
    assert len(rows) == 1000
    # what must stay comes first, or a copy would be kept for its original
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(line for _, line in rows) + b"\n")
    exam = tmp_path / "exam.jsonl"
    exam.write_text(json.dumps({"question": ITEM}, ensure_ascii=False) + "\n", encoding="utf-8")
    source = Source(name="a", path=tmp_path / "a.jsonl", language="az")
    table = EvaluationSet(name="exam", path=exam)
    corpus = Corpus(sources=[source], on_error="skip", contamination=[table], repeated_paragraph_words=0)
    account = build(corpus, "az", tmp_path / "out", silent(), workers=workers)["a"]
    wanted = Counter(what for what, _ in rows)
    got = {verdict: count.documents for verdict, count in account.by_verdict.items() if count.documents}
    kept = got.pop("train", 0) + got.pop("heldout", 0)
    assert account.closes()
    assert account.unreadable == wanted.pop("unreadable")
    assert account.changes["personal_data"]["masked"].documents == wanted["masked"]
    assert account.found == {"phone": wanted["masked"]}
    assert account.changes["repair"]["look_alikes"].documents == wanted["look_alikes"]
    assert kept == wanted.pop("kept") + wanted.pop("masked") + wanted.pop("look_alikes")
    assert got == dict(wanted)
    rejected = pq.read_table(tmp_path / "out/rejected/a.parquet").to_pylist()
    assert Counter(row["reason"] for row in rejected) == wanted
