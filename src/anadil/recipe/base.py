"""[base]: the open model that is adapted, or the shape of one to be trained from nothing."""

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from anadil.recipe.table import Language, Table


def _local_or_hub(path: str, info: ValidationInfo) -> str:
    local = (info.context or {}).get("folder")
    return str(local / path) if local is not None and (local / path).exists() else path


class Shape(Table):
    """Shape of a Llama model that is initialised at random."""

    hidden_size: int = Field(default=256, gt=0, description="width of the residual stream")
    layers: int = Field(default=6, gt=0, description="number of decoder blocks")
    heads: int = Field(default=8, gt=0, description="attention heads")
    kv_heads: int = Field(default=4, gt=0, description="key and value heads")
    ffn_size: int = Field(default=704, gt=0, description="width of the feed-forward layer")
    max_position: int = Field(default=1024, gt=0, description="longest sequence, tokens")
    rope_theta: float = Field(default=10000.0, gt=0, description="base of the rotary embedding")


class Base(Table):
    """The model to start from: `path`, or `shape` to train one from nothing."""

    path: Annotated[str, AfterValidator(_local_or_hub)] | None = Field(
        default=None, description="Hugging Face folder (relative to the recipe) or hub id such as org/model"
    )
    revision: str | None = Field(default=None, description="commit of the hub model; required for a hub id")
    language: Language = Field(default="en", description="the language the base speaks best; its loss is watched")
    shape: Shape | None = Field(default=None, description="train a Llama of this shape from nothing instead")

    @model_validator(mode="after")
    def _one_of(self) -> "Base":
        if (self.path is None) == (self.shape is None):
            raise ValueError("state either base.path or [base.shape]")
        return self
