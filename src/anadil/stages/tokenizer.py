"""tokenizer: the base's vocabulary -> one that fits the language, chosen by measurement among candidates."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from anadil import durable, hub
from anadil.artifact import LOG
from anadil.context import Context
from anadil.languages import language_key, load_profile
from anadil.progress import Progress
from anadil.recipe import Recipe, Tokenizer
from anadil.tokenizer.candidates import BASE, Built, Texts, build_candidates, measure_candidates
from anadil.tokenizer.cost import read_shape
from anadil.tokenizer.decide import Decided, decide
from anadil.tokenizer.fast import FILE as AGREEMENT
from anadil.tokenizer.fast import compare
from anadil.tokenizer.foreign import read_foreign
from anadil.tokenizer.gather import Gathered, gather
from anadil.tokenizer.load import other_kind, read_vocabulary
from anadil.tokenizer.measure import Sample, flat, pooled
from anadil.tokenizer.samples import samples
from anadil.tokenizer.surgery import pre_tokenizer_of
from anadil.tokenizer.verify import verify_tokenizer

DECISION = "decision.json"
VERIFIED_STRINGS = 2_000


@dataclass(frozen=True)
class Made:
    """Flat metrics of the chosen tokenizer, and the decision over all candidates."""

    metrics: dict[str, float]
    decision: dict[str, Any]


def run(recipe: Recipe, inputs: dict[str, Path], out: Path, context: Context) -> dict[str, float]:
    """Build and measure the tokenizer; metrics are tokens per word and bytes per token, `base_` for before."""
    base = hub.local_folder(recipe.base.path, recipe.base.revision) if recipe.base.path else None
    if base:
        hub.check_rows(base, (read_foreign(base) if other_kind(base) else read_vocabulary(base)).size)
    table, original = recipe.tokenizer, recipe.base.language
    return build_and_measure(table, base, inputs["corpus"], recipe.language, original, out, context.progress).metrics


def build_and_measure(
    table: Tokenizer, base: Path | None, corpus: Path, target: str, original: str, out: Path, progress: Progress
) -> Made:
    """Build the vocabularies of `table` from a corpus folder, the one that goes on in `out` and the others below it.

    Writes decision.json (all candidates and the one recommended), measure.json (the chosen one beside the base) and
    a line with the seconds of each build to the log.
    """
    texts_to_measure = samples(corpus, table.measure_on)  # a missing file is known before any work
    words = gather(table, corpus, target, pre_tokenizer_of(base), progress)
    progress.line(f"  {len(words.target.words):,} distinct words of {language_key(target)}")
    built = build_candidates(base, table, words, out, progress)
    profile, code = load_profile(target), language_key(target)
    texts = measure_candidates(built, texts_to_measure, profile, code, progress)
    shape = read_shape(base) if base else None
    decision = decide(built, Decided(table, code, profile, texts_to_measure, texts, words, shape))
    measured_base = base if any(one.label == BASE for one in built) else None  # none of another kind, to be replaced
    _verify(out, measured_base, texts_to_measure)
    durable.write_json(out / AGREEMENT, compare(out, _distinct(words)).to_json(), "tokenizer")
    _write(out, decision, built)
    chosen = next(one for one in built if one.label == table.chosen.label)
    measured = _measured(chosen.label, BASE if measured_base else "", texts, code, language_key(original))
    durable.write_json(out / "measure.json", measured, "tokenizer")
    _say(decision, progress)
    return Made(_metrics(chosen, measured_base, measured, decision), decision)


def _verify(out: Path, base: Path | None, texts: Iterable[Sample]) -> None:
    """What we wrote must be sound on some real and random strings; if it is not, that is a bug of ours."""
    real = (text for sample in texts for text in islice(sample.texts(), VERIFIED_STRINGS // 8))
    failed = [check for check in verify_tokenizer(out, base, real, VERIFIED_STRINGS) if not check.passed]
    if failed:
        raise AssertionError("; ".join(f"{check.name}: {check.detail}" for check in failed))


def _distinct(words: Gathered) -> set[str]:
    return set(words.target.words).union(*(counts.words for counts, _ in words.kept.values()))


def _write(out: Path, decision: Mapping[str, Any], built: Iterable[Built]) -> None:
    """The decision without times, which differ from run to run and stand in the log."""
    (out / LOG).unlink(missing_ok=True)  # of an attempt that was broken off
    for one in built:
        durable.append_jsonl(out / LOG, {"candidate": one.label, "seconds": round(one.seconds, 3)})
    candidates = [{**candidate, "build_seconds": None} for candidate in decision["candidates"]]
    durable.write_json(out / DECISION, {**decision, "candidates": candidates}, "tokenizer")


def _measured(label: str, base: str, texts: Texts, target: str, original: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Of the target, the base's own language and each text: {name: {after, before}}, `before` where there is a base."""
    named = {"target": texts.by_language[target]}
    named["original"] = texts.by_language.get(original) or pooled([], named["target"].labels)
    named |= {f"source_{name}": measured for name, measured in texts.domains.items()}
    labels = {"after": label} | ({"before": base} if base else {})
    facts = {name: {when: of.facts(which) for when, which in labels.items()} for name, of in named.items()}
    if base and (difference := named["target"].difference(label, base)):
        facts["target"]["change"] = asdict(difference)
    return facts


def _metrics(
    chosen: Built, base: Path | None, measured: Mapping[str, Any], decision: Mapping[str, Any]
) -> dict[str, float]:
    """Flat: target_tokens_per_word, of the base base_target_tokens_per_word, ...; what is not measured is absent."""
    found: dict[str, float] = {}
    for name, by_time in measured.items():
        found |= flat(name, by_time["after"]) | flat(f"base_{name}", by_time.get("before", {}))
    if change := measured["target"].get("change"):
        found |= {"target_tokens_per_word_change": change["value"]}
        found |= {f"target_tokens_per_word_change_{end}": change[end] for end in ("low95", "high95")}
    facts = {candidate["label"]: candidate for candidate in decision["candidates"]}
    mine, before = facts[chosen.label], facts.get(BASE) if base else None
    for key in ("unused_tokens", "unreachable_tokens", "rare_new_tokens"):
        found[key] = mine[key]
    if before:
        found["base_unused_tokens"] = before["unused_tokens"]
    paid = [at["change"] for at in mine["languages"].values() if at["role"] == "kept" and at["change"] is not None]
    if paid:
        found["kept_languages_change_max"] = max(paid)
    found |= {"vocabulary_tokens": mine["vocab_size"], "base_vocabulary_tokens": before["vocab_size"] if before else 0}
    return found | {key: mine[key] for key in ("kept_tokens", "freed_tokens", "new_tokens")}


def _say(decision: Mapping[str, Any], progress: Progress) -> None:
    label, reason = decision["recommendation"]["label"], decision["recommendation"]["reason"]
    if label == decision["chosen"]:
        progress.line(f"  {reason}")
    elif label:
        progress.line(f"  going on with {decision['chosen']} as the recipe says; recommended is {label}: {reason}")
    else:
        progress.line(f"  no recommendation: {reason}")
