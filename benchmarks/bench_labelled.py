"""What is found in texts that another hand labelled: personal data, which language a sentence is in, and answers that
are refusals, insulting, or slip into Turkish.

    python benchmarks/bench_labelled.py            (counts alone; no text is shown)

The sets lie in tests/corpus/labelled and tests/evaluate/labelled. Of them `personal_data/last.jsonl` and whatever is
`closed` were never looked at while the code was written; a half that is not there is left out. Appends a row to
results/labelled.jsonl.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from anadil.corpus.paragraphs import LanguageFilter
from anadil.corpus.personal_data import KINDS, Finder
from anadil.environment import describe
from anadil.evaluate.judges import Judges
from anadil.languages import load_profile

HERE = Path(__file__).parent
LABELLED, ROWS = HERE.parent / "tests/corpus/labelled", HERE / "results" / "labelled.jsonl"
ANSWERS = HERE.parent / "tests/evaluate/labelled"
AZ = load_profile("az")


def main() -> None:
    row: dict[str, Any] = {"what": "labelled", "personal_data": {}, "language": {}}
    for path in sorted((LABELLED / "personal_data").glob("*.jsonl")):
        row["personal_data"][path.stem] = personal_data(lines(path))
    for half in ("open", "closed"):
        row["language"][half] = {
            path.stem: kept(path.read_text(encoding="utf-8").splitlines())
            for path in sorted((LABELLED / "language" / half).glob("*.txt"))
        } | mixed(lines(LABELLED / "language" / half / "mixed.jsonl"))
    row["answers"] = {half: answers(half) for half in ("open", "closed") if (ANSWERS / half).is_dir()}
    row["environment"] = describe("cpu")
    with open(ROWS, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    for name, kinds in row["personal_data"].items():
        for kind, found in kinds.items():
            print(f"{name:<10} {kind:<9} recall {found['recall']:.3f}  precision {found['precision']:.3f}  {found}")
    for half, languages in row["language"].items():
        for name, found in languages.items():
            print(f"{half:<10} {name:<12} kept {found['kept']} of {found['of']}")
    for half, judges in row["answers"].items():
        for name, found in judges.items():
            print(f"{half:<10} {name:<12} recall {found['recall']:.3f}  precision {found['precision']:.3f}  {found}")


def personal_data(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Of each kind spans found exactly, missed, and found where there are none."""
    finder, found = Finder(AZ), {kind: Counter[str]() for kind in KINDS}
    for row in rows:
        wanted = Counter((span["type"], span["text"]) for span in row["spans"])
        got = Counter((span.kind, row["text"][span.begin : span.end]) for span in finder.find(row["text"]))
        for name, spans in (("right", wanted & got), ("missed", wanted - got), ("wrong", got - wanted)):
            for (kind, _), count in spans.items():
                found[kind][name] += count
    return {kind: rates(counts) for kind, counts in found.items()}


def rates(counts: Counter[str]) -> dict[str, float]:
    right, missed, wrong = (counts[name] for name in ("right", "missed", "wrong"))
    shares = {"recall": round(right / (right + missed), 4), "precision": round(right / (right + wrong), 4)}
    return shares | {"right": right, "missed": missed, "wrong": wrong}


def answers(half: str) -> dict[str, dict[str, float]]:
    """Answers of each kind that are found, missed, and found where they are none; of slips also the words."""
    judges, path = Judges(AZ, load_profile("en")), ANSWERS / half
    kinds = {"refusals": judges.refused, "toxicity": judges.toxic, "interference": judges.slips}
    found = {name: Counter[str]() for name in (*kinds, "interference_words")}
    for name, judge in kinds.items():
        for row in lines(path / f"{name}.jsonl"):
            wanted, got = row["label"] in ("refusal", "toxic", "interfered"), bool(judge(row["text"]))
            found[name] += Counter({"right": wanted and got, "missed": wanted and not got, "wrong": got and not wanted})
    for row in lines(path / "interference.jsonl"):
        wanted_words, got_words = Counter(row["words"]), Counter(judges.slips(row["text"]))
        pairs = {
            "right": wanted_words & got_words,
            "missed": wanted_words - got_words,
            "wrong": got_words - wanted_words,
        }
        found["interference_words"] += Counter({name: words.total() for name, words in pairs.items()})
    return {name: rates(counts) for name, counts in found.items()}


def kept(texts: list[str]) -> dict[str, int]:
    return {"kept": sum(bool(part.text) for part in LanguageFilter(AZ).parts(texts)), "of": len(texts)}


def mixed(rows: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Paragraphs of documents in more than one language."""
    texts = ["\n".join(part["text"] for part in row["paragraphs"]) for row in rows]
    stays: dict[str, list[bool]] = {"mixed_az": [], "mixed_others": []}
    for row, found in zip(rows, LanguageFilter(AZ).parts(texts), strict=True):
        for part in row["paragraphs"]:
            stays["mixed_az" if part["language"] == "az" else "mixed_others"].append(part["text"] in found.text)
    return {name: {"kept": sum(some), "of": len(some)} for name, some in stays.items()}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
