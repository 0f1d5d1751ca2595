"""tokenizer: the base's vocabulary -> one that fits the language, measured before and after."""

from collections import Counter
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from anadil import durable, hub
from anadil.context import Context
from anadil.corpus.build import sources, texts
from anadil.errors import UserError
from anadil.languages import language_key
from anadil.progress import Progress
from anadil.recipe import Recipe, Tokenizer
from anadil.tokenizer.load import load_tokenizer, read_vocabulary
from anadil.tokenizer.measure import flatten, measure
from anadil.tokenizer.surgery import Size, build, pre_tokenizer_of
from anadil.tokenizer.train import count_words


def run(recipe: Recipe, inputs: dict[str, Path], out: Path, context: Context) -> dict[str, float]:
    """Build and measure the tokenizer; metrics are tokens per word and bytes per token, `base_` for before."""
    base = hub.local_folder(recipe.base.path, recipe.base.revision) if recipe.base.path else None
    if base:
        hub.check_rows(base, read_vocabulary(base).size)
    table, original = recipe.tokenizer, recipe.base.language
    return build_and_measure(table, base, inputs["corpus"], recipe.language, original, out, context.progress)


def build_and_measure(
    table: Tokenizer, base: Path | None, corpus: Path, target: str, original: str, out: Path, progress: Progress
) -> dict[str, float]:
    """Build a tokenizer folder in `out` from a corpus folder; `measure.json` and the result hold the measurements."""
    cut = pre_tokenizer_of(base)
    with progress.task("count words", None, "languages") as task:
        counts = {}
        for language in dict.fromkeys([target, *table.keep]):
            counts[language] = count_words(_texts(corpus, language, "train"), cut)
            task.advance()
    _check_words(counts, table, target, corpus)
    progress.line(f"  {len(counts[target]):,} distinct words of {target}; building, mode {table.mode}")
    size = Size(
        vocab_size=table.vocab_size,
        new_tokens=table.new_tokens,
        keep_min_count=table.keep_min_count,
        target_min_count=table.target_min_count,
        min_pair_count=table.min_pair_count,
    )
    kept = {language: counts[language] for language in table.keep if language != target}
    surgery = build(base, table.mode, counts[target], kept, size, out)
    samples: dict[str, Iterable[str]] = {"target": _texts(corpus, target, "heldout")}
    samples["original"] = _texts(corpus, original, "heldout")
    for source in sources(corpus):
        if source["heldout"]["documents"]:
            samples[f"source_{source['name']}"] = texts(corpus, source["name"], "heldout")
    measured = measure(load_tokenizer(base) if base else None, load_tokenizer(out), samples)
    durable.write_json(out / "measure.json", measured, "tokenizer")
    facts = {"vocabulary_tokens": surgery.vocab_size, "base_vocabulary_tokens": surgery.source_tokens}
    facts |= {"kept_tokens": surgery.kept, "freed_tokens": surgery.freed, "new_tokens": len(surgery.new)}
    return flatten(measured) | facts


def _check_words(counts: dict[str, Counter[str]], table: Tokenizer, target: str, corpus: Path) -> None:
    """UserError for a language that the mode needs text of and the corpus has none of."""
    needed = {"keep": [], "extend": [target], "inplace": [target, *table.keep], "replace": [target, *table.keep]}
    for language in needed[table.mode]:
        if not counts[language]:
            known = ", ".join(sorted({source["language"] for source in sources(corpus)}))
            where = "the target" if language == target else "in `keep`"
            what = (
                f"the corpus has no training text in {language_key(language)!r} ({where}); its sources are in: {known}"
            )
            raise UserError(what, hint="add a source in that language, or mend tokenizer.keep (none: keep = [])")


def _texts(corpus: Path, language: str, split: str) -> "chain[str]":
    named = [source["name"] for source in sources(corpus) if source["language"] == language_key(language)]
    return chain.from_iterable(texts(corpus, name, split) for name in named)
