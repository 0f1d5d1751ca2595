"""The words that a recipe's [tokenizer] asks for, counted once for every candidate: the target's and those to keep."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from anadil.corpus.build import sources, texts
from anadil.corpus.files import text_files
from anadil.corpus.read import read
from anadil.corpus.repair import normalise
from anadil.errors import UserError
from anadil.languages import language_key, load_profile
from anadil.progress import Progress
from anadil.recipe import Keep, Source, Tokenizer
from anadil.tokenizer.count import WordCounts, check_script, count_words
from anadil.tokenizer.surgery import Kept


@dataclass(frozen=True)
class Gathered:
    """Counted words: the target's; by name those whose tokens stay; and the scripts that stay (see `prune.Scripts`)."""

    target: WordCounts
    kept: dict[str, tuple[WordCounts, int]]
    scripts: dict[str, int | None]

    def as_kept(self) -> list[Kept]:
        """What `surgery.build` takes."""
        return [Kept(name, counts.words, least) for name, (counts, least) in self.kept.items()]


def gather(
    table: Tokenizer, corpus: Path, target: str, pre_tokenizer: Mapping[str, Any], progress: Progress
) -> Gathered:
    """Count the training text of the target and of all that `table.keep` names (once, if it is the target itself).

    UserError, before anything is counted, for a language without text and a sample that is not there; after it for
    a target whose letters are not those of its profile.
    """
    entries = [entry for entry in table.keep if not entry.script and entry.language != target]
    modes = {candidate.mode for candidate in (table.chosen, *table.candidates)}
    entries = entries if modes - {"keep", "extend"} else []
    _check_texts(entries, [target] if modes - {"keep"} else [], corpus)
    kept: dict[str, tuple[WordCounts, int]] = {}
    with progress.task("count words", 1 + len(entries), "texts") as task:
        counted = count_words(_corpus_texts(corpus, target), pre_tokenizer)
        task.advance()
        check_script(counted.words, load_profile(target), f"the training text of {language_key(target)!r}")
        for entry in entries:
            found = count_words(_kept_texts(entry, corpus), pre_tokenizer)
            kept[entry.name] = found, entry.min_count or table.keep_min_count
            task.advance()
    return Gathered(counted, kept, {entry.script: entry.first_ids for entry in table.keep if entry.script})


def _source(entry: Keep) -> Source:
    assert entry.sample
    return Source(name="sample", path=entry.sample, language="", text_field=entry.text_field)


def _kept_texts(entry: Keep, corpus: Path) -> Iterator[str]:
    if entry.language:
        return _corpus_texts(corpus, entry.language)
    return (normalise(document.text) for document in read(_source(entry), _stop))


def _stop(error: UserError) -> None:
    raise error


def _corpus_texts(corpus: Path, language: str) -> Iterator[str]:
    named = [source["name"] for source in sources(corpus) if source["language"] == language_key(language)]
    return chain.from_iterable(texts(corpus, name, "train") for name in named)


def _check_texts(entries: Sequence[Keep], targets: Sequence[str], corpus: Path) -> None:
    """UserError for a language that the corpus has no training text of, or a sample that is not there."""
    languages = [(language, "the target") for language in targets]
    languages += [(entry.language, "in `keep`") for entry in entries if entry.language]
    for language, where in languages:
        if not any(_corpus_texts(corpus, language)):
            known = ", ".join(sorted({source["language"] for source in sources(corpus)}))
            what = f"the corpus has no training text in {language_key(language)!r} ({where})"
            hint = "add a source in that language, or mend tokenizer.keep (none: keep = [])"
            raise UserError(f"{what}; its sources are in: {known}", hint=hint)
    for entry in entries:
        if entry.sample:
            text_files(entry.sample, "tokenizer.keep")
