"""Runs as far as a review looks at them: run.json and the answers of the stage evaluate."""

import json
from pathlib import Path
from typing import Any

import httpx2

from tests.roads import write_jsonl

SAME = 2
"""How many of the questions both runs answer with the same words."""


def write_run(folder: Path, rows: list[dict[str, Any]], *, system: str = "", file: str = "answers.jsonl") -> Path:
    """A run whose evaluate left these rows."""
    write_jsonl(folder / "evaluate" / file, list(rows))
    recipe = {"name": folder.name, "language": "az", "serve": {"system_prompt": system}}
    facts = {"name": folder.name, "recipe_file": f"/home/somebody/{folder.name}.toml", "recipe": recipe}
    (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def rows_of(model: str, count: int = 8) -> list[dict[str, Any]]:
    """Answers of a made-up model; the last SAME are what every model says."""
    said = [f"{model} cavabı {number}" for number in range(count - SAME)] + ["Bəli."] * SAME
    return [
        {"id": f"q{number}", "question": f"Sual nömrə {number}?", "reference": "r", "answer": answer}
        | {"base_answer": f"əsas {number}"}
        for number, answer in enumerate(said)
    ]


def two_runs(folder: Path, count: int = 8) -> tuple[Path, Path]:
    """Two runs, `runs/almaz` and `runs/bakir`, that answered the same questions."""
    names = ("almaz", "bakir")
    one, other = (write_run(folder / "runs" / name, rows_of(f"x{len(name)}{name[0]}", count)) for name in names)
    return one, other


def post(url: str, path: str, body: object) -> httpx2.Response:
    """POST as the page does; bytes go out as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx2.post(f"{url}{path}", content=data, headers={"content-type": "application/json"}, timeout=60)


def pairs_of(url: str, reviewer: str) -> list[dict[str, Any]]:
    """What the page of this reviewer gets."""
    answer = post(url, "pairs", {"reviewer": reviewer})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["pairs"]
    return found
