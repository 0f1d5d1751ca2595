"""What all tables of a recipe share: frozen, unknown keys refused, paths relative to the recipe file."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationInfo


class Table(BaseModel):
    """A table of the recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def _resolve(path: Path, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / path.expanduser()


RecipePath = Annotated[Path, AfterValidator(_resolve)]
"""A path that the recipe file states relative to itself; absolute after loading."""


def _path_or_url(value: Any, info: ValidationInfo) -> Any:
    return _resolve(Path(value), info) if isinstance(value, str) and "://" not in value else value


PathOrUrl = Annotated[Path | str, BeforeValidator(_path_or_url)]
"""A path as `RecipePath`, or what has a protocol, such as hf://, as it is."""


def _resolve_profile(language: str, info: ValidationInfo) -> str:
    return str(_resolve(Path(language), info)) if language.endswith(".toml") else language


Language = Annotated[str, AfterValidator(_resolve_profile)]
"""The code of a language profile, or the path of one (.toml) relative to the recipe file; absolute after loading."""


def _content(value: Any) -> Any:
    path = isinstance(value, Path) or (isinstance(value, str) and value.endswith(".toml"))
    return Path(value).name if path else value


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested tables as `{"pretrain.learning_rate": 0.001}`; paths by their file name, since content counts."""
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {k: v for name, item in value.items() for k, v in flatten(item, f"{prefix}.{name}").items()}
    if isinstance(value, (list, tuple)):
        return {k: v for i, item in enumerate(value) for k, v in flatten(item, f"{prefix}[{i}]").items()}
    return {prefix.lstrip("."): _content(value)}
