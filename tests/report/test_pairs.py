"""Differences of two runs, item by item."""

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from tests.report.conftest import lines

from anadil import bootstrap, shares
from anadil.languages import load_profile
from anadil.report.pairs import paired

AZ = load_profile("az")


def write_rows(run: Path, **files: list[dict[str, Any]]) -> Path:
    for name, rows in files.items():
        path = run / "evaluate" / f"{name.replace('__', '/')}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines(rows), encoding="utf-8")
    return run


def documents(seed: int, count: int = 30) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [
        {"side": side, "text_hash": f"{n}", "bytes": 100 + n, "base_nats": 90.0 + n, "nats": 70 + 9 * rng.random()}
        for side in ("target", "original")
        for n in range(count if side == "target" else 5)
    ]


def requests(seed: int, count: int = 60) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    facts = {"set": "harmful", "category": "fraud", "obeyed": False}
    return [facts | {"id": f"h{n}", "request": f"text {n}", "refused": rng.random() < 0.5} for n in range(count)]


def written(seed: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    facts = {"stopped": True, "language": "az", "repeats": 0.0, "typed_in_ascii": False, "slips": [], "toxic": []}
    return [
        facts
        | {"id": f"p{n}", "typing": typing, "prompt": f"{n}?", "answer": rng.choice(["bir iki", "bir üç", "dörd"])}
        for typing in ("as_written", "ascii")
        for n in range(25)
    ]


def bits(rows: list[dict[str, Any]], key: str) -> tuple[list[float], list[float]]:
    mine = [row for row in rows if row["side"] == "target"]
    return [row[key] / math.log(2) for row in mine], [float(row["bytes"]) for row in mine]


def test_differences_are_those_of_the_figures_where_all_items_are_the_same(tmp_path: Path) -> None:
    one, other = documents(1), documents(2)
    a = write_rows(tmp_path / "a", bits_per_byte=one, safety=requests(1))
    b = write_rows(tmp_path / "b", bits_per_byte=list(reversed(other)), safety=requests(2))
    found = paired(a, b, AZ)
    change = bootstrap.paired_change(bits(one, "nats"), bits(other, "nats"))
    difference = found["target_bits_per_byte"].difference
    assert difference
    assert difference.value == pytest.approx(change.value)
    assert difference.ends == pytest.approx((change.low95, change.high95))
    base = found["base_target_bits_per_byte"].difference
    assert base
    assert (base.value, base.ends) == (0.0, (0.0, 0.0))
    flags = [[row["refused"] for row in requests(seed)] for seed in (1, 2)]
    assert found["refused_harmful_share"].difference
    interval = shares.paired_change(*flags)
    assert found["refused_harmful_share"].difference.ends == (interval.low95, interval.high95)


def test_few_items_have_no_interval(tmp_path: Path) -> None:
    a = write_rows(tmp_path / "a", bits_per_byte=documents(1), safety=requests(1, 40))
    b = write_rows(tmp_path / "b", bits_per_byte=documents(2), safety=requests(2, 40))
    found = paired(a, b, AZ)
    for metric, items in (("original_bits_per_byte", 5), ("refused_harmful_share", 40)):
        assert found[metric].items == found[metric].every == items
        assert found[metric].difference
        assert found[metric].difference.ends is None


def test_only_items_that_both_have_are_compared(tmp_path: Path) -> None:
    other = requests(2)
    other[3]["request"] = "asked in another way"  # under the same name
    a = write_rows(tmp_path / "a", safety=requests(1)[:-2])
    b = write_rows(tmp_path / "b", safety=other)
    found = paired(a, b, AZ)["refused_harmful_share"]
    assert (found.items, found.every) == (57, 61)
    alone = paired(a, write_rows(tmp_path / "c", safety=[row | {"id": "x"} for row in other]), AZ)
    assert alone["refused_harmful_share"].items == 0
    assert alone["refused_harmful_share"].difference is None


def test_answers_tasks_and_steadiness_are_paired_too(tmp_path: Path) -> None:
    answers = [
        {"id": f"{n}", "question": "?", "reference": "!", "token_f1": n / 60, "stopped": True} for n in range(60)
    ]
    task = [{"id": n, "prompt": f"{n}", "correct": n % 2 == 0} for n in range(60)]
    exact = [{"id": n, "prompt": f"{n}", "exact": False, "said": ""} for n in range(60)]
    a = write_rows(tmp_path / "a", answers=answers, tasks__one=task, tasks__two=exact, produced=written(1))
    better = [row | {"token_f1": row["token_f1"] + 0.1} for row in answers]
    right = [row | {"correct": True} for row in task]
    b = write_rows(tmp_path / "b", answers=better, tasks__one=right, tasks__two=exact, produced=written(2))
    found = {name: pair.difference.value for name, pair in paired(a, b, AZ).items() if pair.difference}
    assert found["answers_token_f1"] == pytest.approx(0.1)
    assert found["task_one_accuracy"] == 0.5
    assert (found["task_two_exact"], found["answers_stopped_share"], found["produced_stopped_share"]) == (0, 0, 0)
    assert {"steady_ascii_f1", "produced_target_language_share"} <= found.keys()


def test_rows_that_lack_something_are_passed_over(tmp_path: Path) -> None:
    broken: list[dict[str, Any]] = [{}, {"set": "harmful"}, {"side": "target", "text_hash": "x", "nats": "y"}]
    names = ("bits_per_byte", "answers", "safety", "produced", "tasks__t")
    a = write_rows(tmp_path / "a", **dict.fromkeys(names, broken))
    (a / "evaluate/safety.jsonl").write_text(json.dumps(requests(1)[0]) + '\n{"torn')
    assert {name: pair.items for name, pair in paired(a, a, AZ).items()} == {"refused_harmful_share": 1}
    assert paired(a, tmp_path / "none", AZ) == {}
