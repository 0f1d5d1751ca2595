"""The table of stages: the whole road on one page. `anadil.stages.<name>.run` is the code of each row."""

from collections.abc import Sequence
from pathlib import Path

from anadil import hub
from anadil.corpus.files import source_files, source_root, text_files
from anadil.dialogues.prepare import Surroundings
from anadil.dialogues.prepare import check as check_dialogues
from anadil.dialogues.read import dialogue_files
from anadil.errors import UserError
from anadil.evaluate.files import check_evaluation, evaluation_files
from anadil.languages import language_key, profile_digest
from anadil.recipe import Recipe
from anadil.stages.spec import Files, StageSpec

SHOWN = ("name", "own_name", "page", "answers", "eval_sets")
SPOKEN = (*SHOWN, "refusals", "grounding")
"""Tables of a profile that sft does not read, and the corpus neither."""
MODEL = ("sft", "pretrain", "transfer")
SEEN = ("sft.data", "sft.prompt_field", "sft.answer_field", "sft.on_error", "sft.grounded")
SFT = ("sft", "serve.system_prompt", "corpus.own_contacts")
EVALUATE = ("evaluate", "serve.system_prompt", "serve.context_tokens", "corpus.own_contacts", *SEEN)


def _corpus_files(recipe: Recipe) -> Files:
    languages = {recipe.language, *(source.language for source in recipe.corpus.sources)}
    files: dict[str, Path | str] = {
        f"profile {language_key(code)}": profile_digest(code, without=SPOKEN) for code in sorted(languages)
    }
    for source in recipe.corpus.sources:
        files |= {f"{source.name}/{_below(path, source_root(source))}": path for path in source_files(source)}
    for table in recipe.corpus.contamination:
        files[f"contamination {table.name}"] = _existing(table.path, "corpus.contamination.path")
    return files


def _below(path: Path, source: Path) -> Path:
    """The path of a source's file from where its folder or its glob begins; where that lies does not matter."""
    fixed = source if source.is_dir() else source.parent
    while any(mark in str(fixed) for mark in "*?["):
        fixed = fixed.parent
    return path.relative_to(fixed)


def _base_files(recipe: Recipe) -> dict[str, Path]:
    """The base's files; none for a model from nothing, or on the hub (it enters by its commit)."""
    if not recipe.base.path or hub.is_on_hub(recipe.base.path, recipe.base.revision):
        return {}
    folder = Path(recipe.base.path)
    hub.check_model_folder(folder)
    return {f"base/{file.name}": file for file in sorted(folder.iterdir()) if file.is_file()}


def _base_tokenizer_files(recipe: Recipe) -> dict[str, Path]:
    return {label: file for label, file in _base_files(recipe).items() if file.suffix in (".json", ".jinja")}


def _tokenizer_files(recipe: Recipe) -> dict[str, Path]:
    """The base's tokenizer, the samples of what is kept, and the texts to measure on."""
    files, table = _base_tokenizer_files(recipe), recipe.tokenizer
    named = [(f"tokenizer.keep[{place}]", entry.sample) for place, entry in enumerate(table.keep)]
    named += [(f"tokenizer.measure_on {texts.name}", texts.path) for texts in table.measure_on]
    for key, path in named:
        if path:
            files |= {f"{key} {_below(file, path)}": file for file in text_files(path, key)}
    return files


def _sft_files(recipe: Recipe) -> Files:
    """All that rows are made of; the evaluation questions too, for a dialogue that has one is left out."""
    if recipe.sft is None:
        return {}
    table, code = recipe.sft, recipe.language
    files: dict[str, Path | str] = {f"profile {language_key(code)}": profile_digest(code, without=SHOWN)}
    named: dict[str, Sequence[Path | str]] = {
        "sft.data": table.data,
        "sft.grounded.faq": table.grounded.faq,
        "sft.grounded.tables": table.grounded.tables,
    }
    for key, places in named.items():
        for number, place in enumerate(places):
            files |= {f"{key}[{number}] {file.name}": file for file in dialogue_files(place, key)}
    if isinstance(table.template, Path):
        files["sft.template"] = _existing(table.template, "sft.template")
    if recipe.evaluate.questions:
        files["questions"] = _existing(recipe.evaluate.questions, "evaluate.questions")
    return {**files, **(_base_tokenizer_files(recipe) if table.template == "base" else {})}


def _check_sft(recipe: Recipe) -> None:
    assert recipe.sft is not None, "checked by the recipe: the stage sft has its table"
    base = hub.local_folder(recipe.base.path, recipe.base.revision) if recipe.base.path else None
    check_dialogues(recipe.sft, Surroundings.of(recipe), base)


def _evaluate_files(recipe: Recipe) -> Files:
    profile = {"profile": profile_digest(recipe.language, without=("page",))}
    return {**_base_files(recipe), **_sft_files(recipe), **profile, **evaluation_files(recipe)}


def _existing(path: Path, key: str) -> Path:
    if not path.is_file():
        raise UserError(f"{key}: no file at {path}", hint="paths in a recipe are relative to the recipe file")
    return path


STAGES: tuple[StageSpec, ...] = (
    StageSpec("corpus", 2, ("corpus",), ("language",), (), _corpus_files, saves_on_stop=True),
    StageSpec("tokenizer", 2, ("tokenizer",), ("language", "base"), ("corpus",), _tokenizer_files),
    StageSpec("encode", 2, (), (), ("corpus", "tokenizer"), lambda recipe: {}, saves_on_stop=True),
    StageSpec(
        "transfer", 3, ("transfer",), ("base", "seed"), ("tokenizer", "encode", "corpus"), _base_files, True, True
    ),
    StageSpec("pretrain", 2, ("pretrain",), ("seed",), ("transfer", "encode"), lambda recipe: {}, True, True, True),
    StageSpec(
        "sft", 3, SFT, ("language", "base", "seed"), (MODEL[1:], "encode"), _sft_files, True, True, True, _check_sft
    ),
    StageSpec("export", 2, ("export",), ("name", "language", "base"), (MODEL, "corpus"), lambda recipe: {}),
    StageSpec(
        "evaluate",
        2,
        EVALUATE,
        ("language", "base"),
        ("export", "corpus"),
        _evaluate_files,
        uses_gpu=True,
        check=check_evaluation,
        also=("transfer", "pretrain"),
    ),
)


def specs(recipe: Recipe) -> list[StageSpec]:
    """The rows that this recipe runs, in order."""
    return [spec for spec in STAGES if spec.name in recipe.stages]
