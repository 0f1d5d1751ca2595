"""Which vocabulary to take: the least compute for a word of the target, among those that others can afford."""

from collections.abc import Sequence
from dataclasses import dataclass

from anadil.bootstrap import Interval
from anadil.tokenizer.cost import SUSTAINED_FLOPS_PER_SECOND
from anadil.tokenizer.measure import Measured

CHANGE_ORDER = ("keep", "inplace", "extend", "replace")
"""The smaller change first: nothing; the same tables with other rows in them; larger tables; every row another."""


@dataclass(frozen=True)
class Option:
    """A candidate as the choice sees it. `cost` is compute for a token, or 1 where the model is not known.

    `pays` names the kept language that pays most, and how much more (0.02: 2% more tokens); None: none measured.
    """

    label: str
    mode: str
    rows: int
    cost: float
    pays: tuple[str, Interval] | None
    failures: int


@dataclass(frozen=True)
class Case:
    """What the choice rests on: the target's text and its language's name, and the limit for kept languages.

    `unmeasured` names the kept languages of which there was no text to measure on.
    """

    target: Measured
    name: str
    limit: float
    base: str
    by_compute: bool
    unmeasured: tuple[str, ...] = ()

    def compared(self, one: Option, other: Option) -> Interval:
        """Compute for a word of `one` over that of `other`, minus 1."""
        found = self.target.change(one.label, other.label, one.cost / other.cost)
        assert found, "nothing was measured"
        return found

    def tokens(self, option: Option) -> float:
        """Tokens per word."""
        found = self.target.tokens_per_word(option.label)
        assert found, "nothing was measured"
        return found.value


def recommend(options: Sequence[Option], case: Case) -> tuple[str, str]:
    """Label and reason; no label where there is no text of the target to judge by, or nothing that may be advised.

    Differences that the interval does not tell from none go to the smaller change.
    """
    if not case.target.words:
        what = f"There was no text in {case.name} to measure on"
        return "", f"{what}: hold out more of the corpus, or name texts to measure on."
    allowed = [option for option in options if not _objection(option, case)]
    if not allowed:
        return "", f"None can be advised: {'; '.join(f'{o.label}: {_objection(o, case)}' for o in options)}."
    best = min(allowed, key=lambda option: case.tokens(option) * option.cost)
    tied = [option for option in allowed if option is best or case.compared(option, best).low95 <= 0]
    picked = min(tied, key=lambda option: (CHANGE_ORDER.index(option.mode), option.rows, option.label))
    return picked.label, _reason(picked, best, options, case)


def _objection(option: Option, case: Case) -> str:
    """Why a candidate is not advised; empty if it may be."""
    if option.failures:
        return f"texts do not come back as they were ({option.failures:,})"
    if option.pays and option.pays[1].high95 > case.limit:
        name, pays = option.pays
        return f"{name} pays {_percent(pays.value)} (up to {_percent(pays.high95)}, {_percent(case.limit)} allowed)"
    return ""


def _reason(picked: Option, best: Option, options: Sequence[Option], case: Case) -> str:
    base = next((option for option in options if option.label == case.base), None)
    said = f"{picked.label} needs {case.tokens(picked):.2f} tokens per word of {case.name}"
    if base and base is not picked:
        said += f", the base {case.tokens(base):.2f}" + _saved(picked, base, case)
    if picked is not best:
        said += f"; {best.label} is no better beyond the interval, and a larger change"
    if picked.pays and base is not picked:
        name, pays = picked.pays
        most = f"{name} pays most, {_percent(pays.value)}" if pays.value > 0 else "none needs more tokens"
        said += f"; of the kept languages {most}"
    if case.unmeasured:
        said += f"; what {' and '.join(case.unmeasured)} would pay was not measured"
    return ". ".join([said, *_runner_up(picked, options, case)]) + "."


def _saved(picked: Option, base: Option, case: Case) -> str:
    if not case.by_compute:
        return ""
    less = case.tokens(base) * base.cost - case.tokens(picked) * picked.cost
    seconds = less * 1e6 / SUSTAINED_FLOPS_PER_SECOND
    speed = f"{SUSTAINED_FLOPS_PER_SECOND / 1e12:.0f} TFLOP/s"
    share = -case.compared(picked, base).value
    return f": {_percent(share)} less compute, {seconds:,.3g} s less a million words at {speed}"


def _runner_up(picked: Option, options: Sequence[Option], case: Case) -> list[str]:
    """What the next one would give: the best that is refused if it beats the picked one, else the next allowed."""
    others = sorted((o for o in options if o is not picked), key=lambda o: case.tokens(o) * o.cost)
    refused = [o for o in others if _objection(o, case) and case.compared(o, picked).value < 0]
    allowed = [o for o in others if not _objection(o, case)]
    for option in [*refused, *allowed, *others][:1]:
        change, objection = case.compared(option, picked).value, _objection(option, case)
        less, measure = ("less", "compute per word") if case.by_compute else ("fewer", "tokens per word")
        more = f"{_percent(abs(change))} {less if change < 0 else 'more'} {measure}"
        said = f"{option.label} would give {case.tokens(option):.2f}, {more}"
        return [f"{said}, but {objection}" if objection else f"Next best, {said}"]
    return []


def _percent(share: float) -> str:
    return f"{share:.1%}"
