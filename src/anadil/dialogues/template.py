"""Which chat template a recipe trains with."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tokenizers import Tokenizer

from anadil.errors import UserError
from anadil.recipe import Sft
from anadil.tokenizer.template import Template, template_of, template_text


def choose_template(settings: Sft, tokenizer: Tokenizer, model_folder: Path, base: Path | None) -> Template:
    """The template that the recipe asks for; UserError if a model cannot be trained with it."""
    text = template_asked_for(settings, base)
    if text is None:
        return Template(tokenizer)
    with named(settings):
        return template_of(model_folder, tokenizer, text)


@contextmanager
def named(settings: Sft) -> Iterator[None]:
    """Within, what is wrong with a template names its file."""
    try:
        yield
    except UserError as error:
        if isinstance(settings.template, Path):
            error.what = f"{settings.template}: {error.what}"
        raise


def template_asked_for(settings: Sft, base: Path | None) -> str | None:
    """Its text, None for our own; UserError if it cannot be read, or the base has none."""
    if settings.template == "llama3":
        return None
    if isinstance(settings.template, Path):
        try:
            return settings.template.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            what = f"cannot read the chat template {settings.template}: {error}"
            raise UserError(what, hint='name a Jinja file in sft.template, or set it to "llama3"') from error
    found = template_text(base) if base else None
    if found is None:
        what = f'sft.template = "base", and the base {base or ""} has no chat template'
        raise UserError(what, hint='set sft.template = "llama3": the format of Llama 3 in our own text')
    return found
