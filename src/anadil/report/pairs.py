"""What two runs measured of the same items: the difference item by item, with its interval."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from anadil import bootstrap, shares
from anadil.evaluate import produced, safety
from anadil.evaluate.answers import token_f1, words
from anadil.evaluate.produced import AS_WRITTEN, TYPINGS
from anadil.languages import LanguageProfile
from anadil.report.estimate import Estimate
from anadil.report.evaluation_facts import FOLDER, PRODUCED, SAFETY
from anadil.report.road_facts import NAMES
from anadil.report.run_files import json_lines

Row = Mapping[str, Any]
Key = tuple[str, ...]
"""What makes an item the same in both runs: its name and its text."""
Ratio = tuple[float, float]
"""Bits and bytes of a document."""
Value = bool | float | Ratio
Found = Iterator[tuple[str, Key, Value]]
"""Metric, item and value."""


@dataclass(frozen=True)
class Paired:
    """The second run minus the first, over the `items` that both have (none: no difference); `every` is how many
    either has."""

    difference: Estimate | None
    items: int
    every: int


def paired(run_a: Path, run_b: Path, profile: LanguageProfile) -> dict[str, Paired]:
    """The difference of each metric of which both runs kept the items, as far as these are the same."""
    one, other = (_by_metric(_values(run, profile)) for run in (run_a, run_b))
    found = dict[str, Paired]()
    for metric in one.keys() & other.keys():
        before, after = one[metric], other[metric]
        common = [key for key in before if key in after]
        every = len(before.keys() | after.keys())
        difference = _difference([before[key] for key in common], [after[key] for key in common]) if common else None
        found[metric] = Paired(difference, len(common), every)
    return found


def _by_metric(found: Found) -> dict[str, dict[Key, Value]]:
    values = dict[str, dict[Key, Value]]()
    for metric, key, value in found:
        values.setdefault(metric, {})[key] = value
    return values


def _difference(before: Sequence[Any], after: Sequence[Any]) -> Estimate:
    """Of shares, of means or of ratios, by what the values are."""
    if isinstance(before[0], bool):
        return Estimate.of(shares.paired_change(before, after), len(before) >= shares.LEAST_ITEMS)
    one, other = ([value if isinstance(value, tuple) else (value, 1.0) for value in some] for some in (before, after))
    ratios = [tuple(zip(*some, strict=True)) for some in (one, other)]
    (above, below), (above_after, below_after) = ratios
    change = bootstrap.paired_change((above, below), (above_after, below_after))
    return Estimate.of(change, len(before) >= bootstrap.LEAST_DOCUMENTS)


def _values(run: Path, profile: LanguageProfile) -> Found:
    folder = run / FOLDER
    yield from _of_rows(folder / "bits_per_byte.jsonl", _document)
    yield from _of_rows(folder / "answers.jsonl", _answer)
    yield from _of_rows(folder / SAFETY, _request)
    yield from _of_rows(folder / PRODUCED, partial(_written, profile=profile))
    yield from _steady(folder / PRODUCED, profile)
    for file in sorted((folder / "tasks").glob("*.jsonl")):
        yield from _of_rows(file, partial(_question, task=file.stem))


def _of_rows(file: Path, values: Callable[[Row], Found]) -> Found:
    """What the rows of a file say; a row that lacks something is passed over."""
    for row in json_lines(file):
        try:
            yield from list(values(row))
        except (KeyError, TypeError, ValueError):
            continue


def _document(row: Row) -> Found:
    key = (row["side"], row["text_hash"])
    for prefix in NAMES:
        if f"{prefix}nats" in row:
            bits = float(row[f"{prefix}nats"]) / math.log(2)
            yield f"{prefix}{row['side']}_bits_per_byte", key, (bits, float(row["bytes"]))


def _answer(row: Row) -> Found:
    key = (row["id"], row["question"], row["reference"])
    yield "answers_token_f1", key, float(row["token_f1"])
    yield "answers_stopped_share", key, bool(row["stopped"])


def _question(row: Row, task: str) -> Found:
    key = (str(row["id"]), row["prompt"])
    for flag, measure in (("correct", "accuracy"), ("exact", "exact")):
        if flag in row:
            yield f"task_{task}_{measure}", key, bool(row[flag])


def _request(row: Row) -> Found:
    key = (row["set"], row["id"], row["request"], row.get("passage", ""))
    for name, flag in safety.flags(row).items():
        yield name, key, bool(flag)


def _written(row: Row, profile: LanguageProfile) -> Found:
    if row["typing"] == AS_WRITTEN:
        for name, flag in produced.flags(row, profile).items():
            yield f"produced_{name}", (row["id"], row["prompt"]), bool(flag)


def _steady(file: Path, profile: LanguageProfile) -> Found:
    """How like the answer to a prompt is to the one to the same prompt as it was written."""
    said = {(str(row.get("id")), str(row.get("typing"))): row for row in json_lines(file)}
    for (name, typing), row in said.items():
        first = said.get((name, AS_WRITTEN))
        if first and typing in TYPINGS:
            like = token_f1(*(words(str(one.get("answer", "")), profile) for one in (first, row)))
            yield f"steady_{typing}_f1", (name, str(row.get("prompt"))), like
