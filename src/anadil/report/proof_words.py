"""What a proof says, in sentences: for the page and for the terminal alike."""

import math
from collections.abc import Iterator

from anadil.report.estimate import Estimate
from anadil.report.proof_facts import BASE, FEW_DOCUMENTS, Candidate, Proof, seconds_of
from anadil.report.words import duration, number, ratio, share

FORESEES = {
    "better": "foresees unseen {} better",
    "worse": "foresees unseen {} worse",
    "unclear": "is not shown to foresee unseen {} better or worse",
}


def headline(proof: Proof) -> str:
    """Go or no-go, in a few words."""
    return f"Go: {proof.verdict.label}" if proof.verdict.go else f"No-go: stay with {BASE}"


def reason(proof: Proof) -> str:
    """Why, in a sentence or two."""
    one = proof.subject
    if proof.verdict.go:
        return f"{_trained(proof, one)} {_others(proof)}".strip() if one else ""
    said = f"No candidate is shown to foresee unseen {proof.target_said} better in the same training time without a "
    closest = f" Closest: {one.label}. {_trained(proof, one)}" if one else ""
    most = f"more than {proof.verdict.limit:.0%}" if proof.verdict.limit is not None else "too much"
    return f"{said}kept language losing {most} by it.{closest}"


def _trained(proof: Proof, one: Candidate | None) -> str:
    found = proof.compared(one.label, proof.target, seconds_of(proof.last)) if one else None
    if not found or not found.estimate or not (shares := found.shares) or found.keep is None:
        return ""
    then = f"{ratio(found.keep + found.estimate.value)} bits per byte instead of {ratio(found.keep)}"
    worst = proof.worst_kept(found.label)
    paid = (
        f" {proof.named(worst.language)}: {share(worst.share)} bits per byte."
        if worst and worst.share is not None
        else ""
    )
    return (
        f"Trained for the same seconds as the base with its own vocabulary ({BASE}), {found.label} "
        f"{FORESEES[found.estimate.direction].format(proof.target_said)}: {then} ({_with_interval(shares)}).{paid}"
    )


def _with_interval(at: Estimate) -> str:
    if at.low is None or at.high is None:
        return share(at.value)
    return f"{share(at.value)}, 95% interval {share(at.low)} to {share(at.high)}"


def _others(proof: Proof) -> str:
    """A better one does not make the others bad."""
    good = [one.label for one in proof.others if one.label not in {proof.verdict.label, *proof.verdict.against}]
    return f"Also better than {BASE}, but by less: {', '.join(good)}." if good else ""


def against(proof: Proof) -> dict[str, list[str]]:
    """What speaks against candidates: labels by reason."""
    found: dict[str, list[str]] = {}
    for label, why in proof.verdict.against.items():
        found.setdefault(why, []).append(label)
    return found


def caveats(proof: Proof) -> Iterator[str]:
    """What a reader must know before trusting the figures."""
    for code in [proof.target, *proof.kept]:
        if 0 < (count := proof.documents(code)) < FEW_DOCUMENTS:
            yield (
                f"Only {number(count)} held-out {'document' if count == 1 else 'documents'} of {proof.named(code)} "
                f"(fewer than {FEW_DOCUMENTS}): its intervals are themselves unsure, and too narrow."
            )
    if proof.settings.seeds == 1:
        yield (
            "One seed: how much the result varies from one training to the next is not seen; the intervals are over "
            "documents only."
        )
    if torn := [one.label for one in proof.others if _disagree(proof, one.label)]:
        yield f"Better than {BASE} with one seed and worse with another: {', '.join(torn)}."
    if again := [one for one in proof.candidates if (one.epochs or 0) > 1]:
        said = ", ".join(f"{one.label} {one.epochs:.1f} times" for one in again)
        yield f"Some rows went over their text more than once, which new text would not repeat: {said}."


def _disagree(proof: Proof, label: str) -> bool:
    found = proof.compared(label, proof.target, seconds_of(proof.last))
    return bool(found and found.seeds_disagree)


def no_forecast(proof: Proof, candidate: Candidate) -> str:
    """Why there is no forecast of bits per byte."""
    full, last = candidate.full_corpus.megabytes, max((one or 0.0 for one in proof.settings.megabytes), default=0.0)
    if full is None:
        return "not measured"
    if full <= last:
        return "no more text than was measured"
    return "takes three sizes" if len(proof.sizes) < 3 else "too far to forecast"


def hours(seconds: float | None) -> str:
    """Short enough for a column: hours, and less than one of them as minutes."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if abs(seconds) < 3600:
        return duration(seconds) if abs(seconds) < 60 else f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.1f} h" if abs(seconds) < 3.6e5 else f"{seconds / 3600:,.0f} h"


def ranges(proof: Proof) -> list[str]:
    """How often the tokens of each bucket occur: "10 to 99", the last "10,000 and more"."""
    starts = [one.start for one in max((c.by_frequency for c in proof.candidates), key=len, default=[])]
    return [_range(*pair) for pair in zip(starts, [*starts[1:], None], strict=False)]


def _range(start: float | None, following: float | None) -> str:
    if start is None:
        return "not measured"
    return f"{number(start)} and more" if following is None else f"{number(start)} to {number(following - 1)}"
