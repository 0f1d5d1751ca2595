import json
import math
from pathlib import Path

import anadil
from anadil.tokenizer.cost import Shape, read_shape

BASE = Path(anadil.__file__).parent / "quickstart" / "base"


def weights(folder: Path) -> dict[str, list[int]]:
    with open(folder / "model.safetensors", "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}


def test_parameters_are_those_of_the_weights():
    shape, tensors = read_shape(BASE), weights(BASE)
    total = sum(math.prod(size) for size in tensors.values())
    table = tensors["model.embed_tokens.weight"]
    assert (shape.rows, shape.width) == tuple(table)
    assert shape.embedding(shape.rows) == math.prod(table)
    assert shape.body + shape.embedding(shape.rows) == total


def test_compute_is_six_a_parameter_and_the_output_table_counts_once():
    for tables in (1, 2):
        assert Shape(1000, 10, 50, tables).flops_per_token(80) == 6 * (1000 + 80 * 10)
    assert Shape(1000, 10, 50, 2).embedding(80) == 2 * Shape(1000, 10, 50, 1).embedding(80) == 1600


def test_what_is_not_known_is_not_guessed(tmp_path):
    config = json.loads((BASE / "config.json").read_bytes())
    assert read_shape(tmp_path) is None
    for change in ({"num_experts": 8}, {"hidden_size": None}):
        (tmp_path / "config.json").write_text(json.dumps(config | change))
        assert read_shape(tmp_path) is None
    (tmp_path / "config.json").write_text("[]")
    assert read_shape(tmp_path) is None
