"""What a proof found, from its rows: proof.json."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anadil.corpus.build import sources
from anadil.languages import language_key, load_profile
from anadil.prove import verdict
from anadil.prove.heldout import Domain
from anadil.prove.rows import read_row
from anadil.recipe import Proof
from anadil.tokenizer.shards import TokenShards
from anadil.train.loop import batch_rows

Sizes = dict[str, dict[str, list[int]]]
"""By language and domain: bytes of each document."""


@dataclass(frozen=True)
class Vocabulary:
    """One candidate, made ready: the moved model and the encoded sample."""

    label: str
    tokenizer: Path
    model: Path
    shards: TokenShards

    def target_bytes_per_token(self, target_bytes: float) -> float:
        """Bytes of the target's text for each token of an epoch (of all languages)."""
        tokens = sum(
            shard.tokens for source in self.shards.sources for shard in self.shards.split(source["name"], "train")
        )
        return target_bytes / tokens


def proof_facts(
    proof: Proof,
    ready: Sequence[Vocabulary],
    points: dict[str, dict[str, int]],
    domains: Sequence[Domain],
    seconds: dict[str, float],
    corpus: Path,
    folder: Path,
) -> dict[str, Any]:
    """Everything that the page and the terminal show; `folder` holds the finished rows, `seconds` are per update."""
    target = language_key(proof.language)
    rows = {
        one.label: [read_row(folder / f"{one.label}-seed{seed}") for seed in range(1, proof.seeds + 1)] for one in ready
    }
    sizes: Sizes = {}
    for domain in domains:
        sizes.setdefault(domain.language, {})[domain.name] = [len(text.encode()) for text in domain.texts]
    compared = _comparisons(proof, rows, sizes)
    final = [one for one in compared if one["at"] == f"seconds of {max(proof.megabytes):g} MB"]
    full = sum(source["train"]["bytes"] for source in sources(corpus) if source["language"] == target) / 1e6
    batch_tokens = batch_rows(proof.training) * proof.training.sequence_length
    candidates = [
        {
            "label": one.label,
            "vocab_size": one.shards.vocab_size,
            "seconds_per_step": seconds[one.label],
            "tokens_per_second": batch_tokens / seconds[one.label],
            "points": points[one.label],
            "epochs": rows[one.label][0]["epochs"],
            "languages": _curves(rows[one.label], sizes),
            "by_frequency": _by_frequency(rows[one.label]),
        }
        for one in ready
    ]
    for candidate in candidates:
        candidate["full_corpus"] = _full_corpus(candidate, proof.megabytes, target, full)
    names = _names(proof, [domain.language for domain in domains])
    return {
        "target": target,
        "target_name": names.get(target, target),
        "language_names": names,
        "base": Path(str(proof.base.path)).name,
        "settings": proof.model_dump(mode="json"),
        "candidates": candidates,
        "domains": {d.name: {"language": d.language, "documents": len(d.texts)} for d in domains},
        "comparisons": compared,
        "verdict": verdict.judge(
            [one for one in final if one["language"] == target],
            [one for one in final if one["language"] != target],
            names,
        ),
    }


def _names(proof: Proof, codes: Iterable[str]) -> dict[str, str]:
    """Names of languages by code; a profile of one's own is found by where the proof names it."""
    named = [proof.language, *(entry.language for entry in proof.tokenizer.measure_on)]
    named += [source.language for source in proof.corpus.sources] if proof.corpus else []
    profiles = {language_key(language): language for language in named}
    return {code: load_profile(profiles.get(code, code)).name for code in codes}


def _comparisons(proof: Proof, rows: verdict.Rows, sizes: Sizes) -> list[dict[str, Any]]:
    return [
        {"language": language} | verdict.compare(rows, label, (f"{size:g} MB", f"{prefix}{size:g} MB"), some)
        for language, some in sizes.items()
        for label in rows
        if label != verdict.BASE
        for size in proof.megabytes
        for prefix in ("", "seconds of ")
    ]


def _curves(rows: Sequence[dict[str, Any]], sizes: Sizes) -> dict[str, dict[str, Any]]:
    """By language and point: bits per byte with its interval, mean over seeds."""
    return {
        language: {point: vars(verdict.bits_per_byte(rows, point, some)) for point in rows[0]["points"]}
        for language, some in sizes.items()
    }


def _by_frequency(rows: Sequence[dict[str, Any]]) -> list[dict[str, float]]:
    """Mean over seeds, at the last point of the row."""
    buckets = [row["measured"][max(row["points"].values())]["by_frequency"] for row in rows]
    return [{key: sum(one[key] for one in same) / len(same) for key in same[0]} for same in zip(*buckets, strict=True)]


def _full_corpus(candidate: dict[str, Any], megabytes: Sequence[float], target: str, full: float) -> dict[str, float]:
    """Seconds for one time over the whole training text, and the bits per byte after it if they can be forecast."""
    last = max(megabytes)
    updates = candidate["points"][f"{last:g} MB"] * full / last
    curve = [(size, candidate["languages"][target][f"{size:g} MB"]["value"]) for size in sorted(megabytes)]
    found = {"megabytes": full, "seconds": updates * candidate["seconds_per_step"]}
    return found | (verdict.forecast(curve, full) or {})
