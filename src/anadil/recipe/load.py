"""Reading a recipe: TOML, environment variables, overrides, and errors that say what to write instead."""

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from anadil.errors import UserError
from anadil.recipe.recipe import Recipe

_VARIABLE = re.compile(r"\$\{(\w+)\}")


def load(path: Path, settings: list[str] | None = None) -> Recipe:
    """Read the recipe at `path`; each of `settings` is an override such as `pretrain.learning_rate=2e-4`."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        hint = "name a recipe file, or `quickstart` for the built-in example; `anadil init` writes one"
        raise UserError(f"no recipe at {path}", hint=hint) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, IsADirectoryError) as error:
        raise UserError(f"{path} is not a TOML file: {error}", hint="mend the place named") from error
    for setting in settings or []:
        override(data, setting)
    return parse(data, path)


def parse(data: dict[str, Any], path: Path) -> Recipe:
    """Check the tables of the recipe at `path`; UserError names key, value, what was expected and the nearest key."""
    try:
        return Recipe.model_validate(_expand(data), context={"folder": path.resolve().parent})
    except ValidationError as error:
        problems = [_explain(item) for item in error.errors()[:5]]
        raise UserError(f"{path}: {problems[0][0]}", hint="\n  ".join(_hints(problems))) from error


def override(data: dict[str, Any], setting: str) -> None:
    """Apply `table.key=value` to the tables; the value is read as TOML, else as text."""
    key, equals, value = setting.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--set {setting!r} has no value", hint="write it as --set pretrain.steps=100")
    *tables, last = key.strip().split(".")
    for table in tables:
        data = data.setdefault(table, {})
        if not isinstance(data, dict):
            raise UserError(f"--set {key}: {table} is not a table", hint="lists are changed in the recipe file")
    try:
        data[last] = tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        data[last] = value


def _expand(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _expand(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item) for item in value]
    return _VARIABLE.sub(_environment, value) if isinstance(value, str) else value


def _environment(match: re.Match[str]) -> str:
    name = match.group(1)
    if name not in os.environ:
        raise UserError(f"the recipe uses ${{{name}}}, which is not set", hint=f"export {name}=/path/to/it")
    return os.environ[name]


def _hints(problems: list[tuple[str, str]]) -> list[str]:
    hints = [problems[0][1]] if problems[0][1] else []
    return hints + [f"also: {what}" + (f" ({hint})" if hint else "") for what, hint in problems[1:]]


def _explain(error: Any) -> tuple[str, str]:
    location = [part for part in error["loc"] if not str(part).startswith("function-")]
    key = ".".join(str(part) for part in location).replace(".0", "[0]") or "recipe"
    if error["type"] == "extra_forbidden":
        known = _fields(location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys here: {', '.join(known)}"
        return f"unknown key {key!r}", hint
    if error["type"] == "missing":
        return f"{key} is missing", f"add it: {_description(location)}"
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "value_error":
        return (f"{key}: {message}" if location else message), ""
    return f"{key} = {error['input']!r}: {message}", _description(location)


def _model(location: list[Any]) -> type[BaseModel] | None:
    model: type[BaseModel] | None = Recipe
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part) if model else None
        model = next(iter(_models(field.annotation)), None) if field else None
    return model


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _fields(location: list[Any]) -> list[str]:
    model = _model(location)
    return list(model.model_fields) if model else []


def _description(location: list[Any]) -> str:
    names = [part for part in location if not isinstance(part, int)]
    model = _model(names[:-1])
    field = model.model_fields.get(names[-1]) if model and names else None
    return (field.description or "") if field else ""
