"""The decision as data (decision.json): every candidate with what it costs whom, and the one recommended."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

from anadil.bootstrap import Interval
from anadil.errors import UserError
from anadil.languages import LanguageProfile, language_key, load_profile
from anadil.languages.scripts import script_of
from anadil.recipe import Tokenizer as Table
from anadil.tokenizer.candidates import BASE, Built, Texts, token_facts
from anadil.tokenizer.cost import SUSTAINED_FLOPS_PER_SECOND, Shape
from anadil.tokenizer.gather import Gathered
from anadil.tokenizer.load import from_bytes, to_bytes
from anadil.tokenizer.measure import Measured, Sample
from anadil.tokenizer.reach import pieces
from anadil.tokenizer.recommend import Case, Option, recommend

WORDS_SHOWN = 40
LEAST_LETTERS = 4
FREQUENT_WORDS = 20_000
"""Words looked at for ones that are cut differently."""
_SCRIPT_DOCUMENTS = 100


@dataclass(frozen=True)
class Decided:
    """What a decision is made from, beside the candidates."""

    table: Table
    target: str
    profile: LanguageProfile
    samples: Sequence[Sample]
    texts: Texts
    words: Gathered
    shape: Shape | None


def decide(built: Sequence[Built], by: Decided) -> dict[str, Any]:
    """The content of decision.json; what was not measured is null in it."""
    base = next((one for one in built if one.label == BASE), None)
    roles = _roles(by)
    facts = [_candidate(one, base, roles, by) for one in built]
    options = [_option(one, found, by) for one, found in zip(built, facts, strict=True)]
    name, label_of_base = by.profile.name, base.label if base else ""
    limit, target = by.table.most_kept_languages_may_pay, by.texts.by_language[by.target]
    case = Case(target, name, limit, label_of_base, by.shape is not None, _unmeasured(by))
    label, reason = recommend(options, case)
    return {
        "target": by.target,
        "target_name": name,
        "base_label": label_of_base,
        "chosen": by.table.chosen.label,
        "domains": list(by.texts.domains),
        "recommendation": {"label": label, "reason": reason},
        "candidates": facts,
        "words": differing_words(built, by.words.target.words, by.profile),
    }


def _candidate(one: Built, base: Built | None, roles: Mapping[str, str], by: Decided) -> dict[str, Any]:
    found: dict[str, Any] = {"label": one.label, "mode": one.mode, "vocab_size": one.vocabulary.size}
    found |= _surgery(one) | token_facts(one, by.texts, by.words) | _cost(one, base, by)
    found["build_seconds"] = one.seconds
    found["dropped_merges"] = dict(one.surgery.dropped_merges) if one.surgery else {}
    found["domains"] = {
        name: {"language": by.texts.languages[name], **measured.facts(one.label)}
        for name, measured in by.texts.domains.items()
    }
    found["writing"] = {name: measured.facts(one.label) for name, measured in by.texts.writing.items()}
    found["languages"] = {
        language: {"role": roles[language], **_language(measured, one, base)}
        for language, measured in by.texts.by_language.items()
    }
    found["scripts"] = _scripts(one, base)
    return found


def _surgery(one: Built) -> dict[str, int]:
    if one.surgery is None:
        kept = len(one.vocabulary.tokens) + len(one.vocabulary.added)
        return {"new_tokens": 0, "kept_tokens": kept, "freed_tokens": 0}
    return {"new_tokens": len(one.surgery.new), "kept_tokens": one.surgery.kept, "freed_tokens": one.surgery.freed}


def _rows(one: Built, shape: Shape) -> int:
    """A table that is kept is never made smaller, whatever its spare rows."""
    return one.vocabulary.size if one.mode == "replace" else max(one.vocabulary.size, shape.rows)


def _cost(one: Built, base: Built | None, by: Decided) -> dict[str, float | None]:
    target = by.texts.by_language[by.target]
    now, before = target.tokens_per_word(one.label), target.tokens_per_word(base.label) if base else None
    found: dict[str, float | None] = {
        "embedding_parameters": None,
        "parameters": None,
        "flops_per_word": None,
        "seconds_saved_per_million_words": None,
        "context_gained": before.value / now.value if now and before else None,
    }
    if by.shape:
        rows = _rows(one, by.shape)
        found["embedding_parameters"] = by.shape.embedding(rows)
        found["parameters"] = by.shape.body + by.shape.embedding(rows)
        if now:
            found["flops_per_word"] = now.value * by.shape.flops_per_token(rows)
        if now and base and before:
            saved = before.value * by.shape.flops_per_token(_rows(base, by.shape)) - (found["flops_per_word"] or 0.0)
            found["seconds_saved_per_million_words"] = saved * 1e6 / SUSTAINED_FLOPS_PER_SECOND
    return found


def _language(measured: Measured, one: Built, base: Built | None) -> dict[str, float | None]:
    change = measured.change(one.label, base.label) if base else None
    facts = measured.facts(one.label)
    found = {key: facts[key] for key in ("words", "tokens_per_word", "low95", "high95")}
    return found | {
        "change": change.value if change else None,
        "change_low95": change.low95 if change else None,
        "change_high95": change.high95 if change else None,
    }


def _roles(by: Decided) -> dict[str, str]:
    """target; kept: named in `keep`, or written in a script that is kept whole; other."""
    kept = {language_key(entry.language) for entry in by.table.keep if entry.language}
    whole = {script for script, limit in by.words.scripts.items() if limit is None}
    kept |= {sample.language for sample in by.samples if whole and _script(sample.texts()) in whole}
    roles = {language: "kept" if language in kept else "other" for language in by.texts.by_language}
    return roles | {by.target: "target"}


def _unmeasured(by: Decided) -> tuple[str, ...]:
    kept = dict.fromkeys(language_key(entry.language) for entry in by.table.keep if entry.language)
    read = {language for language, measured in by.texts.by_language.items() if measured.words}
    return tuple(language_name(code) for code in kept if code not in read)


def _script(texts: Iterable[str]) -> str:
    """The script of most letters of the first texts."""
    counts = Counter(script_of(letter) for text in islice(texts, _SCRIPT_DOCUMENTS) for letter in text)
    counts.pop("", None)
    return counts.most_common(1)[0][0] if counts else ""


def _scripts(one: Built, base: Built | None) -> dict[str, dict[str, int]]:
    """Tokens of the base by the script of their letters, and those of them that the candidate has too."""
    if base is None:
        return {}
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    for token in base.vocabulary.tokens:
        if script := _token_script(token):
            before[script] += 1
            after[script] += token in one.vocabulary.tokens
    return {script.capitalize(): {"base": count, "left": after[script]} for script, count in before.most_common()}


@cache
def _token_script(token: str) -> str:
    """The one script of a token's letters; empty for a part of a character, no letters, or several scripts."""
    try:
        found = {script_of(letter) for letter in to_bytes(token).decode()} - {""}
    except UnicodeDecodeError:
        return ""
    return found.pop() if len(found) == 1 else ""


def _option(one: Built, facts: Mapping[str, Any], by: Decided) -> Option:
    kept = [(language, at) for language, at in facts["languages"].items() if at["role"] == "kept"]
    measured = [(language, at) for language, at in kept if at["change"] is not None]
    worst = max(measured, key=lambda pair: pair[1]["change_high95"], default=None)
    pays = None
    if worst:
        name, at = language_name(worst[0]), worst[1]
        pays = name, Interval(at["change"], at["change_low95"], at["change_high95"])
    rows = _rows(one, by.shape) if by.shape else one.vocabulary.size
    cost = by.shape.flops_per_token(rows) if by.shape else 1.0
    return Option(one.label, one.mode, rows, cost, pays, by.texts.failures(one.label))


def language_name(code: str) -> str:
    """A language's English name where there is a profile of it, else the name it was measured under."""
    try:
        return load_profile(code).name
    except UserError:
        return code


def differing_words(
    built: Sequence[Built], counts: Mapping[str, int], profile: LanguageProfile
) -> list[dict[str, Any]]:
    """Frequent words of the target that the vocabularies cut differently, with the pieces of each.

    Words stand after a blank, as in running text, and have letters of the language only, more than three.
    """
    frequent = dict(islice(_own_words(counts, profile), FREQUENT_WORDS))
    spelled = [from_bytes(f" {word}".encode()) for word in frequent]
    cuts = {one.label: pieces(one.plain, spelled) for one in built}
    found = []
    for place, (word, count) in enumerate(frequent.items()):
        cut = {label: cuts[label][place] for label in cuts}
        if len({tuple(parts) for parts in cut.values()}) > 1:
            shown = {label: [readable(to_bytes(part)) for part in parts] for label, parts in cut.items()}
            found.append({"word": word, "count": count, "pieces": shown})
        if len(found) == WORDS_SHOWN:
            break
    return found


def _own_words(counts: Mapping[str, int], profile: LanguageProfile) -> Iterable[tuple[str, int]]:
    for token, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        word = to_bytes(token).decode(errors="replace")
        if word.startswith(" ") and len(word) > LEAST_LETTERS and profile.alphabet.issuperset(word[1:]):
            yield word[1:], count


def readable(data: bytes) -> str:
    """Bytes as text; those that are no whole character as <0xC9>."""
    return data.decode(errors="surrogateescape").translate(_ESCAPED)


_ESCAPED = {0xDC00 + byte: f"<0x{byte:02X}>" for byte in range(0x80, 0x100)}
