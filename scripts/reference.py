"""Writes docs/reference from the code, so that no key, default or option is described twice."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from anadil.cli import root
from anadil.recipe import Recipe

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
HEADER = "<!-- Written by `make docs` from the code: change the text there. -->\n"


def recipe_page() -> str:
    """Every table of the recipe with its keys, types, defaults and descriptions."""
    return "\n".join([HEADER, "# The recipe", "", *_tables(Recipe, "")])


def _tables(model: type[BaseModel], name: str, many: bool = False) -> Iterator[str]:
    yield from ([f"## [[{name}]]" if many else f"## [{name}]", ""] if name else [])
    yield from [" ".join((model.__doc__ or "").split()), "", "| key | type | default | meaning |", "|---|---|---|---|"]
    nested = {key: table for key, field in model.model_fields.items() if (table := _table_of(field.annotation))}
    for key, field in model.model_fields.items():
        if key not in nested:
            yield f"| `{key}` | {_type(model, key)} | {_default(field)} | {_cell(field.description or '')} |"
    yield ""
    for key, table in nested.items():
        many = get_origin(model.model_fields[key].annotation) in (list, tuple)
        yield from _tables(table, f"{name}.{key}".lstrip("."), many)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _table_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((table for part in get_args(annotation) if (table := _table_of(part))), None)


def _type(model: type[BaseModel], key: str) -> str:
    return _schema_type(model.model_json_schema()["properties"][key])


def _schema_type(schema: dict[str, Any]) -> str:
    if choices := schema.get("enum"):
        return ", ".join(f"`{choice}`" for choice in choices)
    if parts := schema.get("anyOf"):
        return " or ".join(_schema_type(part) for part in parts if part.get("type") != "null")
    if schema.get("type") == "array" and "items" in schema:
        return f"list of {_schema_type(schema['items'])}"
    return str(schema.get("const") or schema.get("type", "any"))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "" if value is None or value is PydanticUndefined else f"`{json.dumps(value, default=str)}`"


def commands_page() -> str:
    """The help of every command."""
    context = click.Context(root, info_name="anadil")
    return "\n".join([HEADER, "# Commands", "", *_commands(context)])


def _commands(context: click.Context) -> Iterator[str]:
    yield from [f"## {context.command_path}", "", "```text", context.get_help(), "```", ""]
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command and not command.hidden:
                yield from _commands(click.Context(command, info_name=name, parent=context))


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "recipe.md").write_text(recipe_page(), encoding="utf-8")
    (FOLDER / "commands.md").write_text(commands_page(), encoding="utf-8")
    schema = json.dumps(Recipe.model_json_schema(), indent=2, ensure_ascii=False)
    (FOLDER / "recipe.schema.json").write_text(schema + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
