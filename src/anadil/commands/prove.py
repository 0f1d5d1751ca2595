"""`prove`: the first hour with a base and a text of one's own, from the command line."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from anadil.commands.run import context_of
from anadil.commands.tokenizer import Wishes, option_name, table_of, with_options
from anadil.errors import UserError
from anadil.languages import language_key, profile_source
from anadil.recipe import Base, Corpus, Optimisation, Proof, Run, Source, Tokenizer, Transfer

_CORPUS = "write LANGUAGE=PATH, such as az=texts/ en=books.jsonl, once for each language; or one corpus folder"


@dataclass(frozen=True)
class Amounts:
    """How much is trained and measured: the options of `prove` of the same names."""

    megabytes: tuple[float, ...]
    replay: float
    seeds: int
    documents: int
    sequence_length: int
    batch_tokens: int
    learning_rate: float
    precision: Any
    method: Any


def prove_on(
    base: str, texts: tuple[str, ...], out: Path, wishes: Wishes, amounts: Amounts, run: Run, *, as_json: bool
) -> bool:
    """Run the proof (going on where it stopped), write proof.html, print the verdict; whether it is a go."""
    try:
        proof = _proof(base, texts, wishes, amounts)
        facts = _prove(proof, out, run)
    except UserError as error:
        raise with_options(error) from error
    if as_json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        _print(facts, out)
    return bool(facts["verdict"]["go"])


def _prove(proof: Proof, out: Path, run: Run) -> dict[str, Any]:
    from anadil.prove.run import PROOF, TOKENIZERS, prove
    from anadil.report import decision
    from anadil.report import proof as page
    from anadil.stages.run import stoppable
    from anadil.stages.tokenizer import DECISION

    with stoppable(context_of(run), saves=True) as context:
        facts = prove(proof, out, context)
    decision.write_page(out / TOKENIZERS / DECISION)
    page.write_page(out / PROOF)
    return facts


def _print(facts: dict[str, Any], out: Path) -> None:
    from rich.console import Console

    from anadil.report.proof import PAGE, terminal

    Console(highlight=False).print(terminal(facts))
    print(f"\nmore in {out / PAGE}")


def _proof(base: str, texts: tuple[str, ...], wishes: Wishes, amounts: Amounts) -> Proof:
    for language in (wishes.language, wishes.original):
        profile_source(language)
    training = {
        "sequence_length": amounts.sequence_length,
        "global_batch_tokens": amounts.batch_tokens,
        "learning_rate": amounts.learning_rate,
        "precision": amounts.precision,
        "checkpoint_every": 50,
    }
    try:
        return Proof(
            base=Base(path=base, language=wishes.original),
            language=wishes.language,
            tokenizer=_tokenizer(wishes, texts),
            training=Optimisation.model_validate(training),
            transfer=Transfer(method=amounts.method),
            megabytes=sorted(amounts.megabytes),
            replay=amounts.replay,
            seeds=amounts.seeds,
            documents=amounts.documents,
            **_corpus(texts, wishes.language),
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{option_name(str(first['loc'][-1]))} {first['input']!r}: " if first["loc"] else ""
        raise UserError(where + str(first["msg"]), hint="`anadil prove --help` says what can be given") from error


def _tokenizer(wishes: Wishes, texts: tuple[str, ...]) -> Tokenizer:
    """The candidates; languages of the texts other than the target are kept unless --keep says otherwise."""
    table = table_of(wishes)
    if table.keep or not _by_language(texts):
        return table
    others = [language for language in _by_language(texts) if language != wishes.language]
    return Tokenizer.model_validate(table.model_dump() | {"keep": others})


def _corpus(texts: tuple[str, ...], target: str) -> dict[str, Any]:
    if not (paths := _by_language(texts)):
        return {"corpus_folder": Path(texts[0]).resolve()}
    if target not in paths:
        what = f"--corpus gives texts in {', '.join(paths)}, none in the target language {target}"
        raise UserError(what, hint=f"add --corpus {target}=PATH, or name the target with --language")
    sources = [
        Source(name=Path(language_key(language)).stem.lower(), path=path.resolve(), language=language)
        for language, path in paths.items()
    ]
    return {"corpus": Corpus(sources=sources)}


def _by_language(texts: tuple[str, ...]) -> dict[str, Path]:
    """Paths by language; empty for a single corpus folder."""
    if len(texts) == 1 and "=" not in texts[0]:
        if not (Path(texts[0]) / "sources.json").is_file():
            raise UserError(f"--corpus {texts[0]!r} is no corpus folder and names no language", hint=_CORPUS)
        return {}
    found: dict[str, Path] = {}
    for text in texts:
        language, _, path = text.partition("=")
        if not language or not path or language in found:
            raise UserError(f"--corpus {text!r} cannot be used", hint=_CORPUS)
        profile_source(language)
        found[language] = Path(path)
    return found
