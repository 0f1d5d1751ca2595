"""The vocabularies to choose from: built from the same counts, measured on the same text, the base beside them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tokenizers import Tokenizer

from anadil.errors import UserError
from anadil.languages import LanguageProfile
from anadil.progress import Progress
from anadil.recipe import Candidate
from anadil.recipe import Tokenizer as Table
from anadil.tokenizer.gather import Gathered
from anadil.tokenizer.load import Vocabulary, load_tokenizer, other_kind, read_vocabulary
from anadil.tokenizer.measure import Measured, Sample, measure, pooled
from anadil.tokenizer.reach import token_counts, unreachable, words_only
from anadil.tokenizer.surgery import Prepared, Size, Surgery, check_mode
from anadil.tokenizer.writing import AS_WRITTEN, CODE, writings

BASE = "keep"
"""Label of the base as it is, which is measured whether or not the recipe asks for it."""
CANDIDATES = "candidates"
RARE = 100
"""A new token that occurs less often in the training text is counted as rare: too seldom to be learned well."""


@dataclass(frozen=True)
class Built:
    """A vocabulary to choose from; `surgery` is None for the base as it is."""

    label: str
    mode: str
    tokenizer: Tokenizer
    vocabulary: Vocabulary
    surgery: Surgery | None
    seconds: float

    @cached_property
    def plain(self) -> Tokenizer:
        """For words that are cut already."""
        return words_only(self.tokenizer)


@dataclass(frozen=True)
class Texts:
    """All texts measured, by name, with the language of each; the target's as also written; and by language."""

    languages: dict[str, str]
    domains: dict[str, Measured]
    writing: dict[str, Measured]
    by_language: dict[str, Measured]

    def failures(self, label: str) -> int:
        """Texts that do not come back, each counted once."""
        ways = (way for way in self.writing.values() if all(way is not whole for whole in self.by_language.values()))
        return sum(measured.failures[label] for measured in (*self.domains.values(), *ways))


def build_candidates(base: Path | None, table: Table, words: Gathered, out: Path, progress: Progress) -> list[Built]:
    """Build the vocabulary that goes on into `out`, each other one into `out/candidates/<label>`; the base is first."""
    wanted = {table.chosen.label: (table.chosen, out)}
    wanted |= {other.label: (other, out / CANDIDATES / other.label) for other in table.candidates}
    for candidate, _ in wanted.values():
        check_mode(base, candidate.mode)
    prepared = Prepared(base, words.target.words, words.as_kept())
    found = [] if base is None or BASE in wanted or other_kind(base) else [_as_it_is(base)]
    with progress.task("build", len(wanted), "vocabularies") as task:
        for label, (candidate, folder) in sorted(wanted.items(), key=lambda item: item[0] != BASE):
            task.note(label)
            found.append(_build(prepared, candidate, table, words, folder))
            task.advance()
    return found


def _as_it_is(base: Path) -> Built:
    return Built(BASE, "keep", load_tokenizer(base), read_vocabulary(base), None, 0.0)


def _build(prepared: Prepared, candidate: Candidate, table: Table, words: Gathered, folder: Path) -> Built:
    size = Size(
        vocab_size=candidate.vocab_size,
        new_tokens=candidate.new_tokens,
        target_min_count=table.target_min_count,
        min_pair_count=table.min_pair_count,
        keep_scripts=words.scripts,
    )
    began = time.monotonic()
    try:
        surgery = prepared.build(candidate.mode, size, folder)
    except UserError as error:
        if candidate == table.chosen:
            raise
        raise UserError(f"candidate {candidate.label}: {error.what}", hint=error.hint) from error
    seconds = time.monotonic() - began
    return Built(candidate.label, candidate.mode, load_tokenizer(folder), read_vocabulary(folder), surgery, seconds)


def measure_candidates(
    built: Sequence[Built], samples: Sequence[Sample], profile: LanguageProfile, target: str, progress: Progress
) -> Texts:
    """Read every sample once through all vocabularies, and the target's once more for each way of writing."""
    tokenizers = {one.label: one.tokenizer for one in built}
    languages = {sample.name: sample.language for sample in samples}
    joined = _joined([sample for sample in samples if sample.language == target], target)
    ways = writings(profile, joined, with_code=CODE not in languages.values())
    with progress.task("measure", len(samples) + len(ways), "texts") as task:

        def measured(sample: Sample) -> Measured:
            task.note(sample.name)
            found = measure(tokenizers, sample.texts())
            task.advance()
            return found

        domains = {sample.name: measured(sample) for sample in samples}
        by_language = {
            language: pooled((domains[name] for name in domains if languages[name] == language), list(tokenizers))
            for language in dict.fromkeys([target, *languages.values()])
        }
        writing = {AS_WRITTEN: by_language[target]} | {way.name: measured(way) for way in ways}
    if CODE in by_language:
        writing[CODE] = by_language[CODE]
    return Texts(languages, domains, writing, by_language)


def _joined(parts: Sequence[Sample], language: str) -> Sample:
    return Sample("target", language, lambda: (text for part in parts for text in part.texts()))


def token_facts(one: Built, texts: Texts, words: Gathered) -> dict[str, int]:
    """How many ordinary tokens are in none of the texts measured; can be in no text; are new and rare in training."""
    used = set[int]().union(*(measured.used[one.label] for measured in texts.domains.values()))
    counts = token_counts(one.plain, words.target.words)
    for kept, _ in words.kept.values():
        counts.update(token_counts(one.plain, kept.words))
    new = {identifier for identifier, _ in one.surgery.new} if one.surgery else set()
    ordinary = set(one.vocabulary.tokens.values())
    return {
        "unused_tokens": len(ordinary - used),
        "unreachable_tokens": len(unreachable(one.tokenizer, one.plain, one.vocabulary)),
        "rare_new_tokens": sum(counts[identifier] < RARE for identifier in new & ordinary),
    }
