"""LoRA matrices: put into a model, written in peft's format, and added to the weights file by file.

Papers: LoRA https://arxiv.org/abs/2106.09685, rsLoRA https://arxiv.org/abs/2312.03732, DoRA
https://arxiv.org/abs/2402.09353.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedModel

from anadil.errors import UserError
from anadil.model.load import quietly
from anadil.recipe import Sft
from anadil.weights import read_header, weight_files

ADAPTER = "adapter"
"""Folder of a stage."""
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."
_EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "embed_in.weight", "lm_head.weight")


def with_lora(model: PreTrainedModel, settings: Sft, seed: int) -> PeftModel:
    """The model with LoRA matrices on all linear layers but the output head; nothing else is trained, unless the
    embeddings are asked for, which then train whole and stay tied.

    All layers, MLP too: https://thinkingmachines.ai/blog/lora.
    """
    torch.manual_seed(seed)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # only ever divided by r
        use_rslora=settings.rslora,
        use_dora=settings.dora,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    with quietly():
        wrapped = get_peft_model(model, config)
    assert isinstance(wrapped, PeftModel)
    if settings.train_embeddings:  # peft's modules_to_save would put a copy beside them, which unties them
        plain: Any = model
        for embedding in (plain.get_input_embeddings(), plain.get_output_embeddings()):
            embedding.weight.requires_grad_(True)
    return wrapped


def save_adapter(model: PeftModel, state: Mapping[str, Tensor], folder: Path) -> None:
    """Write what was trained as peft does; `state` has it whole, by the names of the parameters of `model`.

    `folder` is a temporary one of `durable`.
    """
    lora = {name: tensor for name, tensor in state.items() if "lora_" in name}
    found = dict(get_peft_model_state_dict(model, state_dict=lora, save_embedding_layers=False))
    tied = bool(getattr(model.config, "tie_word_embeddings", False))
    for name, tensor in state.items():
        if "lora_" not in name and not (tied and name.endswith("lm_head.weight")):
            found[name] = tensor
    config = model.peft_config["default"]
    config.base_model_name_or_path, config.inference_mode = None, True  # no path of this machine
    config.save_pretrained(str(folder))
    save_file({name: tensor.contiguous().cpu() for name, tensor in found.items()}, folder / WEIGHTS, {"format": "pt"})


class Adapter:
    """An adapter in peft's format, opened for merging. UserError for one that cannot be merged into a plain model."""

    def __init__(self, folder: Path):
        self.folder = folder
        try:
            self.config: dict[str, Any] = json.loads((folder / CONFIG).read_bytes())
            with safe_open(folder / WEIGHTS, framework="pt") as file:
                self.tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, ValueError, SafetensorError) as error:
            what = f"{folder} is no whole adapter: {error}"
            raise UserError(what, hint=f"name a folder with {CONFIG} and {WEIGHTS}, or make it again") from error
        self._check_kind()
        self.targets = sorted(
            {name.removeprefix(_PREFIX).split(".lora_A")[0] for name in self.tensors if ".lora_A" in name}
        )
        self.whole = {name.removeprefix(_PREFIX): t for name, t in self.tensors.items() if ".lora_" not in name}

    def _check_kind(self) -> None:
        kind = self.config.get("peft_type")
        unknown = [key for key in ("layer_replication", "fan_in_fan_out", "lora_bias") if self.config.get(key)]
        if kind != "LORA" or unknown or self.config.get("bias", "none") != "none":
            what = f"{self.folder} is an adapter of the kind {kind}" + (
                f" with {', '.join(unknown)}" if unknown else ""
            )
            raise UserError(f"{what}: it cannot be merged", hint="LoRA, rsLoRA and DoRA without biases can")

    def scale(self, target: str) -> float:
        """What B A is multiplied with."""
        rank = self._of("rank_pattern", target, self.config["r"])
        alpha = self._of("alpha_pattern", target, self.config["lora_alpha"])
        return float(alpha / math.sqrt(rank) if self.config.get("use_rslora") else alpha / rank)

    def _of(self, pattern: str, target: str, default: float) -> float:
        special: dict[str, float] = self.config.get(pattern) or {}
        return next((value for name, value in special.items() if target.endswith(name)), default)

    def merged(self, name: str, weight: Tensor) -> Tensor:
        """A weight of the base, [out, in], with what the adapter adds to it, in its own dtype; UserError if the shapes
        do not fit."""
        if (whole := self.whole.get(name)) is not None:
            self._check_shape(name, tuple(weight.shape), tuple(whole.shape))
            return whole.to(weight.dtype)
        target = name.removesuffix(".weight")
        a = self.tensors.get(f"{_PREFIX}{target}.lora_A.weight")
        if a is None or not name.endswith(".weight"):
            return weight
        b = self.tensors[f"{_PREFIX}{target}.lora_B.weight"]
        self._check_shape(name, tuple(weight.shape), (b.shape[0], a.shape[1]))
        moved = weight.float() + self.scale(target) * (b.float() @ a.float())
        lengths = self.tensors.get(f"{_PREFIX}{target}.lora_magnitude_vector")
        if lengths is not None:
            moved = moved * (lengths.float() / torch.linalg.vector_norm(moved, dim=1))[:, None]
        return moved.to(weight.dtype)

    def _check_shape(self, name: str, base: tuple[int, ...], mine: tuple[int, ...]) -> None:
        if base != mine:
            what = f"the adapter {self.folder} is of another model: {name} is {list(base)} here and {list(mine)} there"
            raise UserError(what, hint="merge it into the base that it was trained on, with the same vocabulary")


def merge(base: Path, adapter: Path, folder: Path) -> None:
    """Write the weights of the model in `base` with the adapter added to `folder`, one tensor in memory at a time.

    UserError if the adapter is of another base or vocabulary, or of a kind that cannot be merged.

    `folder` is a temporary one of `durable`; config and tokenizer are the caller's to copy.
    """
    found = Adapter(adapter)
    names = {name for file in weight_files(base) for name in read_header(file)[0]}
    wanted = {f"{target}.weight" for target in found.targets} | set(found.whole)
    if missing := sorted(wanted - names):
        what = f"the adapter {adapter} changes {missing[0]}, which the model in {base} does not have"
        raise UserError(what, hint="merge it into the base that it was trained on")
    for file in weight_files(base):
        _merge_file(file, found, folder / file.name)


def _merge_file(file: Path, adapter: Adapter, out: Path) -> None:
    """The header stays as it is: neither names nor shapes nor types change."""
    header, raw = read_header(file)
    order = sorted(header, key=lambda name: int(header[name]["data_offsets"][0]))
    with safe_open(file, framework="pt") as tensors, open(out, "wb") as written:
        written.write(raw)
        for name in order:
            tensor = adapter.merged(name, tensors.get_tensor(name)).contiguous()
            written.write(tensor.view(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
