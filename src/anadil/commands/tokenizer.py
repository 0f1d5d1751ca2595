"""`tokenizer build`: candidates for a vocabulary from the command line, without a recipe."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from anadil import hub
from anadil.corpus.build import sources
from anadil.errors import UserError
from anadil.languages import profile_source
from anadil.progress import to_stderr
from anadil.recipe import Tokenizer

_MODES = ("keep", "extend", "inplace", "replace")
_SIZED = {"extend": "new_tokens", "inplace": "new_tokens", "replace": "vocab_size"}
_CANDIDATE = "write MODE or MODE:SIZE, such as extend:16000, inplace:32000 (new tokens) or replace:32000 (entries)"
_MEASURE = "write NAME=PATH for texts in the target language, or NAME=LANGUAGE:PATH, such as news=tr:news.jsonl"
_LANGUAGE = re.compile(r"([a-z]{2,8}|[^:]+\.toml):(.+)")


@dataclass(frozen=True)
class Wishes:
    """What the options of `tokenizer build` say, as they were given."""

    language: str
    original: str
    mode: str
    new_tokens: int | None
    vocab_size: int
    candidate: tuple[str, ...]
    keep: tuple[str, ...]
    keep_min_count: int
    target_min_count: int
    min_pair_count: int
    measure_on: tuple[str, ...]
    text_field: str
    most_kept_languages_may_pay: float


def build_tokenizer(base: str, corpus: Path, out: Path, wishes: Wishes, *, as_json: bool) -> None:
    """Build and measure the vocabularies, write the chosen one to `out`, and print the decision."""
    try:
        table = table_of(wishes)
        _check_place(out, corpus)
        folder = hub.local_folder(base, None)
        for language in (wishes.language, wishes.original):
            profile_source(language)
        sources(corpus)
        made = _made(table, folder, corpus, wishes, out)
    except UserError as error:
        raise with_options(error) from error
    if as_json:
        print(json.dumps(made.metrics | {"out": str(out), "decision": made.decision}, indent=2, ensure_ascii=False))
        return
    _print(made.decision, out)


def _made(table: Tokenizer, base: Path, corpus: Path, wishes: Wishes, out: Path) -> Any:
    from anadil import durable
    from anadil.report.decision import write_page
    from anadil.stages.tokenizer import DECISION, build_and_measure

    with durable.new_folder(out, "tokenizer") as folder:  # all of it or nothing, so that it can be tried again
        made = build_and_measure(table, base, corpus, wishes.language, wishes.original, folder, to_stderr())
        write_page(folder / DECISION)
    return made


def _print(decision: dict[str, Any], out: Path) -> None:
    from rich.console import Console

    from anadil.report.decision import PAGE, terminal

    Console(highlight=False).print(terminal(decision))
    print(f"\nwritten to {out}; more in {out / PAGE}")


def _check_place(out: Path, corpus: Path) -> None:
    """UserError where something else is, or where the corpus is: what stands there is not ours to replace."""
    if out.resolve().is_relative_to(corpus.resolve()):
        raise UserError(f"--out {out} lies in --corpus {corpus}", hint="name a folder of its own")
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        what = f"--out {out} is there already" + (" and is not empty" if out.is_dir() else ", and is a file")
        raise UserError(what, hint="name another folder, or remove that one first")


def table_of(wishes: Wishes) -> Tokenizer:
    """The options as the recipe's [tokenizer]."""
    given = {key: value for key, value in asdict(wishes).items() if key in Tokenizer.model_fields}
    given |= {"candidates": [_candidate(text) for text in wishes.candidate], "keep": list(wishes.keep)}
    given["measure_on"] = [_measure_on(text, wishes) for text in wishes.measure_on]
    try:
        return Tokenizer.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        message = str(first["msg"]).removeprefix("Value error, ")
        where = f"{option_name(str(first['loc'][0]))} {first['input']!r}: " if first["loc"] else ""
        raise UserError(where + message, hint="`anadil tokenizer build --help` says what can be given") from error


def _candidate(text: str) -> dict[str, Any]:
    mode, colon, size = text.partition(":")
    if mode not in _MODES or (colon and (mode not in _SIZED or not size.isdecimal())):
        raise UserError(f"--candidate {text!r} is none", hint=_CANDIDATE)
    if mode == "extend" and not colon:
        raise UserError(f"--candidate {text!r} lacks the number of tokens to add", hint="write it as extend:16000")
    return {"mode": mode} | ({_SIZED[mode]: int(size)} if colon else {})


def _measure_on(text: str, wishes: Wishes) -> dict[str, Any]:
    name, equals, path = text.partition("=")
    if not name or not equals or not path:
        raise UserError(f"--measure-on {text!r} has no name or no path", hint=_MEASURE)
    language = wishes.language
    if found := _LANGUAGE.fullmatch(path):
        language, path = found.groups()
    return {"name": name, "path": path, "language": language, "text_field": wishes.text_field}


def with_options(error: UserError) -> UserError:
    """The same error in the words of the command line: --new-tokens 9 for tokenizer.new_tokens = 9."""
    what, hint = _in_options(error.what), _in_options(error.hint)
    if of := re.match(r"candidate (\w+)", what):
        hint = re.sub(r"set --(?:new-tokens|vocab-size) (\d+)", rf"write --candidate {of[1]}:\1", hint)
    return UserError(what, hint=hint)


def _in_options(text: str) -> str:
    text = text.replace("mend tokenizer.keep (none: keep = [])", "mend --keep (none: leave it out)")
    text = text.replace("in `keep`", "in --keep").replace("base.path", "--base")
    text = re.sub(r"(a path|paths) in a recipe (is|are) relative to the recipe file", "check the path", text)
    keys = "|".join(sorted(Tokenizer.model_fields, key=len, reverse=True))
    text = re.sub(rf"(?:tokenizer\.)?\b({keys}) = ", lambda found: f"{option_name(found[1])} ", text)
    text = re.sub(rf"tokenizer\.({keys})\b", lambda found: option_name(found[1]), text)
    return re.sub(rf"(?<![-\w])({'|'.join(key for key in Tokenizer.model_fields if '_' in key)})\b", _bare, text)


def _bare(found: re.Match[str]) -> str:
    return option_name(found[1])


def option_name(key: str) -> str:
    """The option that stands for a key of the recipe's [tokenizer]."""
    return "--" + {"candidates": "candidate"}.get(key, key.replace("_", "-"))
