"""The files that an evaluation reads, and what can be known to be wrong with them before any model is there."""

from pathlib import Path

from anadil import hub
from anadil.errors import UserError
from anadil.evaluate import canaries, produced, safety, tasks
from anadil.evaluate.answers import read_questions
from anadil.evaluate.sets import set_of
from anadil.languages import LanguageProfile, load_profile
from anadil.progress import silent
from anadil.recipe import Recipe
from anadil.tokenizer.template import template_text


def evaluation_files(recipe: Recipe) -> dict[str, Path]:
    """By label; UserError for one that is not there."""
    settings, profile = recipe.evaluate, load_profile(recipe.language)
    named = {
        "evaluate.questions": settings.questions,
        "evaluate.produced.prompts": prompts_of(recipe, profile),
        "evaluate.produced.word_list": settings.produced.word_list,
        "evaluate.safety.canaries": settings.safety.canaries,
    }
    for task in settings.tasks:
        named |= {
            f"evaluate.tasks {task.name} path": task.path,
            f"evaluate.tasks {task.name} shots_path": task.shots_path,
        }
    folder = requests_of(recipe, profile)
    named |= {f"evaluate.safety.requests {name}": folder / f"{name}.jsonl" for name in safety.SETS if folder}
    for key, path in named.items():
        if path and not path.is_file():
            raise UserError(f"{key}: no file at {path}", hint="paths in a recipe are relative to the recipe file")
    return {key: path for key, path in named.items() if path}


def prompts_of(recipe: Recipe, profile: LanguageProfile) -> Path | None:
    """The prompts that are asked; None for none."""
    settings = recipe.evaluate.produced
    return (settings.prompts or set_of(profile, "prompts.jsonl")) if settings.most_prompts else None


def requests_of(recipe: Recipe, profile: LanguageProfile) -> Path | None:
    """The folder of the requests that are asked; None for none."""
    settings = recipe.evaluate.safety
    return (settings.requests or set_of(profile)) if settings.most_requests else None


def chats(recipe: Recipe, base: Path | None) -> bool:
    """Whether the model has learned a chat template: to ask one that has not would measure nothing."""
    return "sft" in recipe.stages or (base is not None and template_text(base) is not None)


def check_evaluation(recipe: Recipe) -> None:
    """UserError for a file that cannot be used."""
    profile, settings = load_profile(recipe.language), recipe.evaluate
    if settings.questions:
        read_questions(settings.questions)
        base = hub.local_folder(recipe.base.path, recipe.base.revision) if recipe.base.path else None
        if not chats(recipe, base):
            what = f"evaluate.questions = {settings.questions}: the model has no chat template to ask them with"
            raise UserError(what, hint="add the stage sft, take a base that chats, or leave evaluate.questions out")
    if prompts := prompts_of(recipe, profile):
        produced.read_prompts(prompts, settings.produced.most_prompts, 0, profile)
    if folder := requests_of(recipe, profile):
        safety.read_requests(folder, settings.safety.most_requests)
    if settings.safety.canaries:
        canaries.read_canaries(settings.safety.canaries)
    tasks.check(settings.tasks, profile, silent())
