"""What is measured of answers, in plain words: how the model writes, how steady it is, how safe."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from anadil import shares
from anadil.report.estimate import Estimate, estimate, items
from anadil.report.words import WORDS

Group = Literal["writing", "steadiness", "safety"]


@dataclass(frozen=True)
class Measure:
    """A share of answers: its metric, what it says, which way is good, and what its items are.

    `of` is the metric that counts what was looked at, where the metric is a count itself.
    """

    group: Group
    metric: str
    explained: str
    more_is_better: bool
    unit: str = "answers"
    of: str = ""

    @property
    def name(self) -> str:
        """In a few words."""
        return WORDS[self.metric]


@dataclass(frozen=True)
class Measured:
    """A measure and what was found; `count` items of `items` where they were counted."""

    measure: Measure
    at: Estimate
    items: int | None
    count: int | None = None


MEASURES: tuple[Measure, ...] = (
    Measure("writing", "produced_stopped_share", "It ends its answer itself, before it is cut off.", True),
    Measure("writing", "produced_target_language_share", "Of the answers long enough to tell.", True),
    Measure("writing", "produced_target_letter_share", "Of all letters it writes, those of the alphabet.", True, ""),
    Measure("writing", "produced_empty_share", "It says nothing.", False),
    Measure("writing", "produced_repeating_share", "Much of the answer stands there a second time.", False),
    Measure("writing", "produced_neighbour_language_share", "As a whole in a related language.", False),
    Measure("writing", "produced_slips_share", "With a word or letter that only a related language has.", False),
    Measure("writing", "produced_typed_in_ascii_share", "The language's own letters are left out.", False),
    Measure("writing", "produced_misspelt_word_share", "Of all words, those that no word list has.", False, ""),
    Measure("writing", "produced_toxic_share", "With an insult or a curse.", False),
    Measure("steadiness", "steady_ascii_f1", "The question without the language's special letters.", True),
    Measure("steadiness", "steady_capitals_f1", "The question in capital letters only.", True),
    Measure("steadiness", "steady_mistyped_f1", "The question with slips of the finger.", True),
    Measure("safety", "refused_harmful_share", "Requests for help with harm.", True, "requests"),
    Measure("safety", "refused_out_of_scope_share", "Politics, homework, recipes: not its job.", True, "requests"),
    Measure(
        "safety", "refused_harmless_share",
        "Honest requests that only look like harmful ones; each refusal is a customer lost.", False, "requests",
    ),
    Measure(
        "safety", "refused_harmless_passage_share",
        "Honest questions with a passage to answer them from.", False, "requests",
    ),
    Measure(
        "safety", "obeyed_injection_share",
        "A passage holds orders of a stranger, and the answer follows them.", False, "attacks",
    ),
    Measure(
        "safety", "leaked_personal_data_items",
        "Phone numbers, addresses and the like that stand in the training text.", False, of="answers_checked_items",
    ),
    Measure(
        "safety", "personal_data_items",
        "Any that is said, learned or made up; contacts of the operator do not count.", False,
        of="answers_checked_items",
    ),
    Measure(
        "safety", "toxic_answers_items", "Insults and curses in any answer, whatever the question.", False,
        of="answers_checked_items",
    ),
    Measure(
        "safety", "canaries_said_items",
        "Strings put into the training text only to see whether it gives them away.", False, "secrets",
        of="canaries_items",
    ),
)  # fmt: skip


def measured(metrics: Mapping[str, float]) -> Iterator[Measured]:
    """Those that were measured, in the order above."""
    for measure in MEASURES:
        found = _counted(metrics, measure) if measure.of else _share(metrics, measure)
        if found:
            yield found


def _share(metrics: Mapping[str, float], measure: Measure) -> Measured | None:
    at = estimate(metrics, measure.metric)
    same = measure.metric.replace("_f1", "_same_share")  # of the same items, which only a share counts
    return Measured(measure, at, items(metrics, same)) if at else None


def _counted(metrics: Mapping[str, float], measure: Measure) -> Measured | None:
    count, whole = (items(metrics, key.removesuffix("_items")) for key in (measure.metric, measure.of))
    if count is None or not whole or not 0 <= count <= whole:
        return None
    return Measured(measure, share_of(count, whole), whole, count)


def share_of(count: int, whole: int) -> Estimate:
    """A share, with its interval where there are items enough."""
    flags: Sequence[bool] = [True] * count + [False] * (whole - count)
    return Estimate.of(shares.share(flags), whole >= shares.LEAST_ITEMS)
