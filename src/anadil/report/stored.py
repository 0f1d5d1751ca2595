"""JSON that other parts of anadil stored, read as facts: what is null there was not measured, and stays None."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from anadil.errors import UserError
from anadil.report.words import plain


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(value: Any) -> str:
    return "" if value is None else plain(value)


Text = Annotated[str, BeforeValidator(_text)]
Number = Annotated[int | float | None, BeforeValidator(_finite)]


class Part(BaseModel):
    """An object in such a file; keys that are not known are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


PartT = TypeVar("PartT", bound=Part)


def check(kind: type[PartT], found: Mapping[str, Any], where: str, hint: str) -> PartT:
    """The facts; UserError that names `where` and the first key that does not fit."""
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{where}: {key}: {first['msg']}", hint=hint) from error


def read(path: Path, name: str, hint: str) -> dict[str, Any]:
    """The object in a file; UserError, which calls it `name`, if there is none."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f"no {name} at {path}", hint=hint) from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}", hint=hint) from error
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no {name}", hint=hint)
    return found
