from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from anadil.recipe import Task

OWN = {"name": "exam", "path": "exam.jsonl", "prompt": "{{question}}"}
KNOWN = {"name": "read", "harness": "belebele_azj_Latn"}


def test_paths_are_relative_to_the_recipe() -> None:
    task = Task.model_validate(OWN | {"shots": 1, "shots_path": "shots.jsonl"}, context={"folder": Path("/recipes")})
    assert (task.path, task.shots_path) == (Path("/recipes/exam.jsonl"), Path("/recipes/shots.jsonl"))


@pytest.mark.parametrize(
    "fields", [KNOWN | {"hub": True}, KNOWN | {"path": "rows.jsonl"}, OWN | {"choices": ["a", "b"]}]
)
def test_what_fits_together_is_taken(fields: dict[str, Any]) -> None:
    assert Task.model_validate(fields).most_items == 0


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (OWN | {"name": "my exam"}, "String should match pattern"),
        (OWN | {"name": ""}, "String should match pattern"),
        ({"name": "exam"}, "a task has the `path` of its rows"),
        ({"name": "exam", "path": "exam.jsonl"}, "has a `prompt`"),
        (OWN | {"choices": ["a"]}, "lists 1 of at least two"),
        (OWN | {"hub": True}, "hub = true belongs to a task of the harness"),
        (OWN | {"shots": 2}, "shots = 2 needs shots_path"),
        (OWN | {"shots_path": "shots.jsonl"}, "shots_path is read where there are shots"),
        (KNOWN, "would be fetched from the hub"),
        (KNOWN | {"hub": True, "path": "a.jsonl"}, "not both"),
        (KNOWN | {"path": "a.jsonl", "prompt": "{{a}}"}, "prompt belongs to rows of your own"),
        (KNOWN | {"path": "a.jsonl", "shots": 2}, "shots = 2 needs shots_path"),
        (KNOWN | {"hub": True, "shots_path": "a.jsonl"}, "shots_path is read where there are shots"),
        (OWN | {"chioces": "choices"}, "Extra inputs are not permitted"),
    ],
)
def test_what_does_not_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Task.model_validate(fields)
    assert said in str(caught.value)
