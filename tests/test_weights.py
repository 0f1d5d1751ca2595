"""weights: what is wrong with a base's tables is known without loading it."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from anadil.errors import UserError
from anadil.weights import check_vocabulary_tables

NAME = "model.embed_tokens.weight"


def folder_of(path: Path, table: torch.Tensor, name: str = NAME) -> Path:
    save_file({name: table, "model.norm.weight": torch.full((4,), torch.nan)}, path / "model.safetensors")
    return path


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("row", [0, 8191, 8192, 9999])
def test_a_row_that_is_not_finite_is_named(tmp_path: Path, dtype: torch.dtype, value: float, row: int) -> None:
    table = torch.randn(10_000, 4).to(dtype)
    folder_of(tmp_path, table)
    check_vocabulary_tables(tmp_path, 10_000)
    table[row, 2] = value
    folder_of(tmp_path, table)
    with pytest.raises(UserError, match=rf"row {row} has values that are not finite"):
        check_vocabulary_tables(tmp_path, 10_000)


@pytest.mark.parametrize("name", [NAME, "lm_head.weight", "transformer.wte.weight"])
def test_a_table_with_too_few_rows_is_named(tmp_path: Path, name: str) -> None:
    folder_of(tmp_path, torch.zeros(7, 4), name)
    check_vocabulary_tables(tmp_path, 7)
    with pytest.raises(UserError, match=rf"{name} .* has 7 rows, the tokenizer 8 tokens"):
        check_vocabulary_tables(tmp_path, 8)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder_of(tmp_path, torch.zeros(7, 4))
    index = {"weight_map": {NAME: "model.safetensors", "x": "model-00002-of-00002.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match="lacks 1 of 2 weight files, first model-00002"):
        check_vocabulary_tables(tmp_path, 7)


@pytest.mark.parametrize("size", [0, 5, 40, -3])
def test_a_damaged_file_is_a_user_error(tmp_path: Path, size: int) -> None:
    file = folder_of(tmp_path, torch.zeros(700, 4)) / "model.safetensors"
    table_end = json.loads(file.read_bytes()[8 : 8 + int.from_bytes(file.read_bytes()[:8], "little")])
    whole = file.read_bytes()
    file.write_bytes(whole[:size] if size >= 0 else whole[: len(whole) - table_end[NAME]["data_offsets"][1] // 2])
    with pytest.raises(UserError, match=r"cannot be read|is cut off"):
        check_vocabulary_tables(tmp_path, 7)
