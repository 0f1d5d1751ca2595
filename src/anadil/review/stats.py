"""What votes say: how often A is preferred, and how far reviewers agree."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from anadil import shares
from anadil.review.pairs import Pairs
from anadil.review.store import REASONS, Choice, Vote

CHOICES: tuple[Choice, ...] = ("a", "b", "both_good", "both_bad")
POINTS = {"a": 1.0, "b": 0.0, "both_good": 0.5, "both_bad": 0.5}
"""Of A: a tie is half a win, whether both are good or both bad."""


def results(pairs: Pairs, votes: Sequence[Vote]) -> dict[str, Any]:
    """Everything that is known of a review; votes on answers that a run no longer gives are counted and left out."""
    current = {pair.key for pair in pairs.shown}
    counted = [vote for vote in votes if vote.pair in current]
    by_pair = defaultdict[str, list[Vote]](list)
    for vote in counted:
        by_pair[vote.pair].append(vote)
    found: dict[str, Any] = {
        "questions": len(pairs.shown) + pairs.identical,
        "identical": pairs.identical,
        "shown": len(pairs.shown),
        "judged": len(by_pair),
        "votes": len(counted),
        "votes_on_other_answers": len(votes) - len(counted),
    }
    found |= win_rate(pairs, by_pair)
    found["choices"] = _choices(counted)
    found["left_share"] = _left_share(counted)
    found["reviewers"] = [_reviewer(name, counted) for name in sorted({vote.reviewer for vote in counted})]
    found["agreement"] = agreement(by_pair.values())
    found["reasons"] = {side: _reasons(side, counted) for side in ("a", "b")}
    return found


def win_rate(pairs: Pairs, by_pair: dict[str, list[Vote]]) -> dict[str, float | None]:
    """Share of questions at which A is better, a tie counting half, with Wilson's interval; None before any vote.

    The item is the question: several votes on one are averaged, since they are not independent. Questions with
    identical answers are ties; while some pairs have no vote, they count in the proportion in which pairs have one.
    """
    means = [sum(POINTS[vote.choice] for vote in votes) / len(votes) for votes in by_pair.values()]
    ties = pairs.identical * len(means) / len(pairs.shown) if pairs.shown else 0.0
    return _rate("win_rate", sum(means) + ties / 2, len(means) + ties) | _rate(
        "win_rate_where_different", sum(means), len(means)
    )


def _rate(name: str, held: float, count: float) -> dict[str, float | None]:
    if not count:
        return {name: None, f"{name}_low95": None, f"{name}_high95": None}
    interval = shares.share_of(held, count)
    return {name: interval.value, f"{name}_low95": interval.low95, f"{name}_high95": interval.high95}


def agreement(votes_of_pairs: Iterable[Sequence[Vote]]) -> dict[str, float | None]:
    """How far reviewers agree on the pairs that two or more judged, in A, B or tie; None where nothing can be said.

    `raw` is the share of equal ones among all twos of votes on one pair, `alpha` Krippendorff's, nominal.
    """
    units = [[_preferred(vote.choice) for vote in votes] for votes in votes_of_pairs if len(votes) > 1]
    twos = sum(len(unit) * (len(unit) - 1) for unit in units)
    equal = sum(count * (count - 1) for unit in units for count in Counter(unit).values())
    raw = equal / twos if twos else None
    return {"shared_pairs": len(units), "raw": raw, "alpha": krippendorff_alpha(units)}


def krippendorff_alpha(units: Iterable[Sequence[str]]) -> float | None:
    """Agreement beyond chance, at most 1, for any number of raters and with gaps (nominal values).

    `units` holds the values that each item was given; those with less than two say nothing. None if no item has two
    or all values are the same, for then nothing is known of chance. https://repository.upenn.edu/asc_papers/43
    """
    counts = [Counter(unit) for unit in units if len(unit) > 1]
    totals = sum(counts, Counter[str]())
    values = totals.total()
    expected = values**2 - sum(count**2 for count in totals.values())
    if not expected:
        return None
    observed = sum(_disagreements(unit) / (unit.total() - 1) for unit in counts)
    return 1 - (values - 1) * observed / expected


def _disagreements(unit: Counter[str]) -> int:
    return unit.total() ** 2 - sum(count**2 for count in unit.values())


def _preferred(choice: Choice) -> str:
    return choice if choice in ("a", "b") else "tie"


def _choices(votes: Sequence[Vote]) -> dict[str, int]:
    counts = Counter(vote.choice for vote in votes)
    return {choice: counts[choice] for choice in CHOICES}


def _left_share(votes: Sequence[Vote]) -> float | None:
    """Of the votes for one side, how many were for the left one; far from a half, sides were chosen and not answers."""
    sides = [(vote.choice == "a") == vote.a_is_left for vote in votes if vote.choice in ("a", "b")]
    return sum(sides) / len(sides) if sides else None


def _reviewer(name: str, votes: Sequence[Vote]) -> dict[str, Any]:
    own = [vote for vote in votes if vote.reviewer == name]
    return {"reviewer": name, "votes": len(own), **_choices(own), "left_share": _left_share(own)}


def _reasons(side: str, votes: Sequence[Vote]) -> dict[str, int]:
    """What was said against the answers of one side: where the other was preferred, or both were bad."""
    other = "b" if side == "a" else "a"
    against = Counter(reason for vote in votes if vote.choice in (other, "both_bad") for reason in vote.reasons)
    return {reason: against[reason] for reason in REASONS}
