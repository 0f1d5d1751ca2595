"""Whether a model folder and the tokenizer in it belong together, and its weights are whole.

Tensors are read one at a time; only the last check loads the model.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig

from anadil.errors import UserError
from anadil.model.load import load, special_ids
from anadil.tokenizer.chat import BOS, control_id, encode_plain
from anadil.tokenizer.check import Check, not_checked
from anadil.tokenizer.load import load_tokenizer
from anadil.tokenizer.template import template_of
from anadil.tokenizer.verify_base import read_record

_TEXT = "Salam! How are you today? 12,5"
_FETCH = "fetch or make the model again"


@dataclass(frozen=True)
class _Weights:
    """The tensors of a folder by file, and the names of its input and output table."""

    files: Mapping[str, Path]
    shapes: Mapping[str, Sequence[int]]
    input: str
    output: str

    @property
    def tables(self) -> list[str]:
        """The tables that the files have; a tied one is there once."""
        return [name for name in dict.fromkeys([self.input, self.output]) if name in self.files]

    def read(self, name: str) -> Tensor:
        with safe_open(self.files[name], framework="pt") as file:
            tensor: Tensor = file.get_tensor(name)
        return tensor


def verify_model(folder: Path, base: Path | None = None) -> list[Check]:
    """Check the model in a Hugging Face folder; with `base`, a model's folder, also that tied tables stay tied.

    A surgery.json in the folder explains which rows may be equal. UserError if config, weights or tokenizer are
    absent or cannot be read.
    """
    config, tokenizer = _config(folder), load_tokenizer(folder)
    weights = _weights(folder, config)
    ids = sorted(tokenizer.get_vocab(with_added_tokens=True).values())
    sound = [_rows(weights, config, ids[-1] + 1), _tied(weights, config, base), _finite(weights)]
    checks = [*sound, _special_ids(folder, tokenizer)]
    if broken := [check.name for check in sound if not check.passed]:
        return [*checks, *(not_checked(name, f"{broken[0]} failed") for name in ("distinct rows", "forward pass"))]
    return [*checks, _distinct_rows(folder, weights, ids), _forward(folder, weights, tokenizer, ids[-1] + 1)]


def _config(folder: Path) -> PretrainedConfig:
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} has no config.json", hint="name the folder of a Hugging Face model")
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"cannot read {folder / 'config.json'}: {error}", hint=_FETCH) from error
    return config


def _weights(folder: Path, config: PretrainedConfig) -> _Weights:
    files, shapes = dict[str, Path](), dict[str, Sequence[int]]()
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118  # no dict
                    files[name], shapes[name] = path, file.get_slice(name).get_shape()
        except (OSError, SafetensorError) as error:
            raise UserError(f"cannot read {path}: {error}", hint=_FETCH) from error
    if not files:
        raise UserError(f"{folder} has no weights (model.safetensors)", hint="fetch the model's weight files too")
    return _Weights(files, shapes, *_table_names(folder, config))


def _table_names(folder: Path, config: PretrainedConfig) -> tuple[str, str]:
    """Names of input and output table in the model's class, made without memory for weights."""
    try:
        with torch.device("meta"):
            model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    except ValueError as error:
        what = f"{folder} has no causal language model: its config.json says {config.model_type}"
        raise UserError(what, hint="name the folder of a model that continues text") from error
    names = {id(module): f"{name}.weight" for name, module in model.named_modules()}
    return names[id(model.get_input_embeddings())], names[id(model.get_output_embeddings())]


def _rows(weights: _Weights, config: PretrainedConfig, vocabulary: int) -> Check:
    name, expected = "rows", config.get_text_config().vocab_size
    if weights.input not in weights.files:
        return Check(name, False, f"there is no tensor {weights.input}")
    for table in weights.tables:
        rows = weights.shapes[table][0]
        if rows != expected:
            return Check(name, False, f"{table} has {rows:,} rows, config.json says vocab_size {expected:,}")
        if rows < vocabulary:
            return Check(name, False, f"{table} has {rows:,} rows, the tokenizer {vocabulary:,} ids")
    return Check(name, True, f"{expected:,} for {vocabulary:,} ids")


def _tied(weights: _Weights, config: PretrainedConfig, base: Path | None) -> Check:
    name, tied = "tied tables", bool(config.tie_word_embeddings)
    if base and (base / "config.json").is_file():
        before = bool(_config(base).tie_word_embeddings)
        if before != tied:
            words = {True: "tied", False: "untied"}
            return Check(name, False, f"config.json says {words[tied]}, the base's {words[before]}")
    separate = weights.output != weights.input and weights.output in weights.files
    if not tied:
        detail = "untied, an output table of its own" if separate else f"untied, but there is no {weights.output}"
        return Check(name, separate, detail)
    both = weights.tables if separate else []
    if len(both) == 2 and not torch.equal(weights.read(both[0]), weights.read(both[1])):
        return Check(name, False, f"config.json says tied, but {weights.output} is another table")
    return Check(name, True, "tied")


def _finite(weights: _Weights) -> Check:
    name, values = "finite weights", 0
    for tensor_name in sorted(weights.files):
        tensor = weights.read(tensor_name)
        values += tensor.numel()
        if tensor.is_floating_point() and not bool((finite := torch.isfinite(tensor)).all()):
            first, count = (~finite).nonzero()[0].tolist(), int((~finite).sum())
            return Check(name, False, f"{tensor_name} has {count:,} values that are not finite, first at {first}")
    return Check(name, True, f"{values:,} values in {len(weights.files):,} tensors")


def _special_ids(folder: Path, tokenizer: Tokenizer) -> Check:
    """`pad_token_id` may be absent; of the ends one may be enough for a model that is not a chatbot yet."""
    name = "special ids"
    try:
        expected = special_ids(template_of(folder, tokenizer))
    except UserError as error:
        return Check(name, False, error.what)
    for file in ("config.json", "generation_config.json"):
        if not (folder / file).is_file():
            continue
        found = _json(folder / file)
        for key, right in expected.items():
            value = found.get(key)
            if not _fits(value, right, may_be_absent=key == "pad_token_id" or file != "config.json"):
                return Check(name, False, f"{file}: {key} is {value}, of the tokenizer {right}")
    return Check(name, True, ", ".join(f"{key.removesuffix('_token_id')} {value}" for key, value in expected.items()))


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"cannot read {path}: {error}", hint=_FETCH) from error
    return found


def _fits(value: Any, right: int | list[int], may_be_absent: bool) -> bool:
    if value is None:
        return may_be_absent
    values = set(value) if isinstance(value, list) else {value}
    return bool(values) and values <= (set(right) if isinstance(right, list) else {right})


def _distinct_rows(folder: Path, weights: _Weights, ids: Sequence[int]) -> Check:
    """A row of zeros was never filled; new rows that are equal are one token to the model, unless they are made of
    the same pieces."""
    name, record = "distinct rows", read_record(folder)
    for table in weights.tables:
        rows_VD = weights.read(table)
        filled = (rows_VD != 0).any(1).tolist()
        if zero := [i for i in ids if not filled[i]]:
            return Check(name, False, f"{table}: {len(zero):,} rows are all zero, first of id {zero[0]}")
        pieces = {i: olds for i, olds in record.new.items() if len(olds) > 1} if record else {}
        for equal in _equal_rows(rows_VD, ids) if pieces else ():
            if len({_mixture(pieces.get(i, [i])) for i in equal}) > 1 and not pieces.keys().isdisjoint(equal):
                return Check(name, False, f"{table}: the rows of ids {equal[:4]} are equal, made of other pieces")
    known = "new rows are distinct" if record else "which are new is not known without surgery.json"
    return Check(name, True, f"none of {len(ids):,} is all zero; {known}")


def _equal_rows(rows_VD: Tensor, ids: Iterable[int]) -> list[list[int]]:
    """Groups of ids whose rows are the same bytes."""
    bytes_VB = rows_VD.contiguous().view(torch.uint8).numpy()
    groups: defaultdict[bytes, list[int]] = defaultdict(list)
    for identifier in ids:
        groups[hashlib.blake2b(bytes_VB[identifier].tobytes(), digest_size=16).digest()].append(identifier)
    return [group for group in groups.values() if len(group) > 1]


def _mixture(pieces: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Shares of the pieces: a mean of rows knows neither their order nor a common factor."""
    counts = Counter(pieces)
    factor = gcd(*counts.values())
    return tuple(sorted((piece, count // factor) for piece, count in counts.items()))


@torch.no_grad()
def _forward(folder: Path, weights: _Weights, tokenizer: Tokenizer, vocabulary: int) -> Check:
    name = "forward pass"
    half = weights.read(weights.input).dtype != torch.float32
    try:
        model = load(folder, dtype=torch.bfloat16 if half else torch.float32)
        ids = [control_id(tokenizer, BOS), *encode_plain(tokenizer, _TEXT)]
    except UserError as error:
        return Check(name, False, error.what)
    logits_TV = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
    if not bool(torch.isfinite(logits_TV).all()):
        return Check(name, False, "a short text gives logits that are not finite")
    if (likeliest := int(logits_TV.argmax(-1).max())) >= vocabulary:
        return Check(
            name, False, f"the likeliest id after a short text is {likeliest}, the tokenizer has {vocabulary:,}"
        )
    return Check(name, True, f"{len(ids)} tokens, finite logits, the likeliest ids are the tokenizer's")
