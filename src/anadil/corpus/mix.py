"""How often each source is read in one epoch: the recipe's weights, and what [corpus.mix] makes of them.

Nothing is copied: the weights are written down, and the loader applies them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from anadil.recipe import Mix


@dataclass(frozen=True)
class Share:
    """A source in the mix."""

    name: str
    is_original: bool
    """Whether it is in the base's own language: replay, against forgetting."""
    weight: float
    bytes: int
    words: int
    """Of its training text, once."""


def mixed(shares: Sequence[Share], mix: Mix) -> list[float]:
    """The weight of each source.

    With `temperature` t the share of a source becomes its share to the power of t, and one epoch keeps its length;
    then sources in the base's language are scaled to `original_share` of all words; then `most_epochs` caps each.
    """
    weights = [share.weight for share in shares]
    total = sum(w * s.words for w, s in zip(weights, shares, strict=True))
    if total and mix.temperature != 1:
        parts = [
            (w * s.words / total) ** mix.temperature if w * s.words else 0.0
            for w, s in zip(weights, shares, strict=True)
        ]
        weights = [
            total * part / sum(parts) / s.words if s.words and part else w
            for w, part, s in zip(weights, parts, shares, strict=True)
        ]
    if mix.original_share is not None:
        weights = _with_replay(weights, shares, mix.original_share)
    return [min(weight, mix.most_epochs) if mix.most_epochs else weight for weight in weights]


def _with_replay(weights: list[float], shares: Sequence[Share], wanted: float) -> list[float]:
    words = {
        original: sum(w * s.words for w, s in zip(weights, shares, strict=True) if s.is_original == original)
        for original in (True, False)
    }
    if not words[True] or not words[False]:
        return weights
    factor = wanted / (1 - wanted) * words[False] / words[True]
    return [w * factor if s.is_original else w for w, s in zip(weights, shares, strict=True)]


def table(shares: Sequence[Share], weights: Sequence[float]) -> list[str]:
    """The mix in lines for a terminal: of one epoch, bytes, words and share of the words."""
    rows = [(s.name, w, w * s.bytes, w * s.words) for s, w in zip(shares, weights, strict=True) if w * s.words]
    words = sum(row[3] for row in rows) or 1
    width = max([len(row[0]) for row in rows], default=0)
    return [
        f"  {name:<{width}}  x{weight:<6.3g} {size / 1e6:>10,.2f} MB {count:>13,.0f} words  {count / words:6.1%}"
        for name, weight, size, count in rows
    ]
