"""The delivered Hugging Face folder: bfloat16 weights and files that plain `transformers` loads unpatched."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer

from anadil import durable
from anadil.errors import UserError
from anadil.model.load import LEGAL_FILES, copy_files, special_ids
from anadil.tokenizer.load import load_tokenizer
from anadil.tokenizer.template import FILE as TEMPLATE
from anadil.tokenizer.template import Template, template_of
from anadil.weights import INDEX, WEIGHTS, weight_files

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def export_huggingface(model: Path, out: Path, card: str = "") -> Path:
    """Write the model folder `model` as bfloat16 to the folder `out`, whole or not at all, with `card`; returns `out`.

    Weights are read file by file, one file in memory at a time; tied embeddings stay tied. Raises UserError for a
    folder without config, safetensors or control tokens, or whose tokenizer has more ids than the model rows.
    """
    config, tokenizer = read_config(model), load_tokenizer(model)
    check_rows(config, tokenizer, model)
    with durable.new_folder(out, "huggingface") as folder:
        _copy_weights(model, folder, bool(config.get("tie_word_embeddings")))
        template = template_of(model, tokenizer)
        _write_configs(config, template, folder)
        copy_files(model, folder, (*TOKENIZER_FILES, *LEGAL_FILES))
        (folder / TEMPLATE).write_text(template.text, encoding="utf-8")
        if card:
            (folder / "README.md").write_text(card, encoding="utf-8")
    return out


def read_config(model: Path) -> dict[str, Any]:
    """config.json of a model folder; UserError if there is none."""
    try:
        config: dict[str, Any] = json.loads((model / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        what = f"{model} has no readable config.json: {error}"
        raise UserError(what, hint="name the folder of a Hugging Face model") from error
    return config


def check_rows(config: dict[str, Any], tokenizer: Tokenizer, model: Path) -> None:
    """UserError if the tokenizer can give an id for which the model has no row."""
    highest = max(tokenizer.get_vocab(with_added_tokens=True).values())
    if highest >= config["vocab_size"]:
        what = f"{model}: the tokenizer goes up to id {highest}, the model has {config['vocab_size']} rows"
        raise UserError(what, hint="tokenizer and model are of different runs; run the transfer stage again")


def _copy_weights(model: Path, folder: Path, tied: bool) -> None:
    weight_map, total = dict[str, str](), 0
    files = weight_files(model)
    for file in files:
        tensors = _read_bfloat16(file, skip={"lm_head.weight"} if tied else set())
        save_file(tensors, folder / file.name, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(tensors, file.name)
        total += sum(tensor.nbytes for tensor in tensors.values())
    if files != [model / WEIGHTS]:
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _read_bfloat16(file: Path, skip: set[str]) -> dict[str, torch.Tensor]:
    with safe_open(file, framework="pt") as tensors:
        read = {name: tensors.get_tensor(name) for name in tensors.keys() if name not in skip}  # noqa: SIM118
    return {name: t.to(torch.bfloat16) if t.is_floating_point() else t for name, t in read.items()}


def _write_configs(config: dict[str, Any], template: Template, folder: Path) -> None:
    ids = special_ids(template)
    config = {key: value for key, value in config.items() if key not in ("torch_dtype", "_name_or_path")}
    _write_json(folder / "config.json", config | {"dtype": "bfloat16"} | ids)
    _write_json(folder / "generation_config.json", {"do_sample": False} | ids)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
