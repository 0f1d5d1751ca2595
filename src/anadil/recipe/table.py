"""What all tables of a recipe share: frozen, unknown keys refused, paths relative to the recipe file."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo


class Table(BaseModel):
    """A table of the recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def _resolve(path: Path, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / path.expanduser()


RecipePath = Annotated[Path, AfterValidator(_resolve)]
"""A path that the recipe file states relative to itself; absolute after loading."""


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested tables as `{"pretrain.learning_rate": 0.001}`; paths by their file name, since content counts."""
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {k: v for name, item in value.items() for k, v in flatten(item, f"{prefix}.{name}").items()}
    if isinstance(value, (list, tuple)):
        return {k: v for i, item in enumerate(value) for k, v in flatten(item, f"{prefix}[{i}]").items()}
    return {prefix.lstrip("."): value.name if isinstance(value, Path) else value}
