"""`corpus inspect`, `trace` and the data card, on a run of the small road."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from anadil.commands.inspect_corpus import _drawn, inspect
from anadil.commands.trace import trace, traces
from anadil.context import Context
from anadil.corpus.account import Account
from anadil.errors import UserError
from anadil.recipe import load
from anadil.report.corpus_card import render, write_card
from anadil.stages.run import run
from anadil.tokenizer.load import load_tokenizer
from anadil.tokenizer.shards import TokenShards
from tests.roads import write_road


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tools")
    recipe = write_road(made / "in", stages=["corpus", "tokenizer", "encode"])
    run(load(recipe), recipe, made / "small", Context())
    return made / "small"


def test_a_document_is_found_in_its_shard(folder: Path) -> None:
    shards, tokenizer = TokenShards(folder / "encode"), load_tokenizer(folder / "tokenizer")
    for number in (0, 7, 59):
        (found,) = traces(f"az-{number}", folder)
        (place,) = found.places
        shard = next(s for s in shards.split("az", found.verdict) if str(s.path).endswith(place.shard))
        ids = shard.ids[place.begin : place.end].tolist()
        text = json.loads((folder.parent / "in/az.jsonl").read_text().splitlines()[number])["text"]
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
        assert found.models == []


def test_a_rejected_document_and_the_one_it_is_a_copy_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = traces("dirty-2", folder)
    assert (found.verdict, found.detail, found.places) == ("duplicate", "dirty/dirty-0", [])
    (original,) = traces("dirty-0", folder)
    assert original.copies == ["dirty/dirty-2"]
    trace("dirty-2", [folder], as_json=False)
    assert "its text is there as dirty/dirty-0" in capsys.readouterr().out
    trace("dirty-0", [folder], as_json=True)
    assert json.loads(capsys.readouterr().out)[0]["copies"] == ["dirty/dirty-2"]
    with pytest.raises(UserError, match="no document 'nobody'"):
        trace("nobody", [folder], as_json=False)


def test_documents_are_shown_with_the_reason(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inspect(folder, [], "", "", 2, 1)
    shown = capsys.readouterr().out
    assert all(f"{kind}: " in shown for kind in ("kept", "rejected", "repaired", "copies"))
    assert "duplicate: dirty/dirty-" in shown
    inspect(folder / "corpus", ["rejected"], "wrong_script", "dirty", 5, 1)
    shown = capsys.readouterr().out
    assert "rejected: 1" in shown
    assert "Это другой алфавит" in shown
    with pytest.raises(UserError, match="no source 'none'"):
        inspect(folder, [], "", "none", 1, 1)
    with pytest.raises(UserError, match="nothing was rejected as 'odd'") as caught:
        inspect(folder, ["rejected"], "odd", "", 1, 1)
    assert "wrong_script" in caught.value.hint
    with pytest.raises(UserError, match="is no corpus"):
        inspect(folder / "encode", [], "", "", 1, 1)


def test_the_card_holds_the_account_and_no_text(folder: Path) -> None:
    corpus = folder / "corpus"
    page = write_card(corpus).read_text(encoding="utf-8")
    accounts = json.loads((corpus / "accounting.json").read_bytes())
    total = Account()
    for stored in accounts.values():
        total.add(Account.from_dict(stored))
    assert f"<strong>{total.read.documents}</strong> documents were read" in page
    assert "The account closes" in page
    assert "in another script" in page
    assert "Это другой" not in page
    assert "none stated" in page
    accounts["az"]["read"]["documents"] += 1
    assert "does not close" in render(accounts, json.loads((corpus / "sources.json").read_bytes()))
    with pytest.raises(UserError, match="is no corpus"):
        write_card(folder / "encode")


def test_names_in_the_card_are_escaped(folder: Path) -> None:
    corpus = folder / "corpus"
    accounts, listed = (json.loads((corpus / name).read_bytes()) for name in ("accounting.json", "sources.json"))
    listed["sources"][0]["licence"] = "<script>alert(1)</script>"
    assert "<script>" not in render(accounts, listed)


def test_documents_are_drawn_evenly_and_all_are_counted() -> None:
    rows = [({"id": number}, "") for number in range(10)]
    drawn = Counter(row["id"] for seed in range(2000) for row, _ in _drawn(iter(rows), 3, random.Random(seed))[1])
    assert all(500 < count < 700 for count in drawn.values())  # 600 of 2,000, five standard deviations either way
    assert _drawn(iter(rows), 20, random.Random(1))[0] == 10
    assert _drawn(iter([]), 3, random.Random(1)) == (0, [])
