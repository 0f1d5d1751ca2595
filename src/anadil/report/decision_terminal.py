"""The tokenizer decision in a terminal, within 80 columns. Texts are printed as they are: no markup, no controls."""

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from anadil.report.decision_facts import Candidate, Decision, Word
from anadil.report.estimate import Estimate
from anadil.report.pieces import Piece, pieces
from anadil.report.words import number, ratio, share

SHOWN_WORDS = 8
MARKS = {"recommended": "★", "chosen": "▶", "base": "○"}
ABSENT = "–"


def terminal_page(decision: Decision) -> RenderableType:
    """The recommendation and its reason, the candidates, and words that are cut differently."""
    parts: list[RenderableType] = [_headline(decision), Text(decision.recommendation.reason)]
    if decision.candidates:
        parts += ["", Text("Candidates", "bold"), _indented(_candidates(decision)), _indented(_key(decision))]
    if words := list(decision.telling_words())[:SHOWN_WORDS]:
        parts += ["", Text("Words", "bold"), _indented(_words(decision, words))]
    return Group(*parts)


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2))


def _headline(decision: Decision) -> Text:
    said = Text.assemble("Recommended for ", decision.target_name or decision.target or "the target", ": ")
    said.append(decision.recommendation.label or "none", "bold")
    if decision.chosen and decision.chosen != decision.recommendation.label:
        said.append(f"; chosen: {decision.chosen}", "bold")
    return said


def _candidates(decision: Decision) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("candidate", overflow="fold", min_width=7)
    for name in ("vocab-\nulary", "tokens/word\n(95%)", "change", "worst\nkept", _cost_name(decision), "new\ntokens"):
        table.add_column(name, justify="right", overflow="fold")
    for candidate in decision.candidates:
        marks = "".join(MARKS[role] for role in decision.roles(candidate))
        style = "bold" if "recommended" in decision.roles(candidate) else ""
        table.add_row(marks, *(Text(cell) for cell in _cells(decision, candidate)), style=style)
    return table


def _cells(decision: Decision, candidate: Candidate) -> tuple[str, ...]:
    target, worst = candidate.target, candidate.worst_kept
    change = ABSENT if target.change is None else share(target.change)
    paid = f"{worst[0]} {share(worst[1].change or 0.0)}" if worst else ABSENT
    if candidate is decision.base:
        change = paid = ""
    known = (number(candidate.vocab_size), _interval(target.estimate), change, paid)
    return candidate.label, *known, _cost(decision, candidate), number(candidate.new_tokens)


def _interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return ABSENT
    if estimate.low is None or estimate.high is None:
        return ratio(estimate.value)
    return f"{ratio(estimate.value)}\n{ratio(estimate.low)}–{ratio(estimate.high)}"


def _computed(decision: Decision) -> bool:
    return any(candidate.flops_per_word is not None for candidate in decision.candidates)


def _cost_name(decision: Decision) -> str:
    """Compute needs a model's shape; without one, what a context holds says the same."""
    return "compute\n/word" if _computed(decision) else "context\ngained"


def _cost(decision: Decision, candidate: Candidate) -> str:
    if not _computed(decision):
        return ABSENT if candidate.context_gained is None else f"{candidate.context_gained:.2f}×"
    own, base = candidate.flops_per_word, decision.base.flops_per_word if decision.base else None
    if own is None or not base:
        return ABSENT if own is None else f"{own:.2g}"
    return share((own - base) / base)


def _key(decision: Decision) -> Text:
    used = dict.fromkeys(role for candidate in decision.candidates for role in decision.roles(candidate))
    names = {"recommended": "recommended", "chosen": "chosen", "base": "the base"}
    return Text(", ".join([*(f"{MARKS[role]} {names[role]}" for role in used), f"{ABSENT} not measured"]), "dim")


def _words(decision: Decision, words: list[Word]) -> Table:
    shown = list({c.label: c for c in (decision.base, decision.subject) if c}.values())
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for candidate in shown:
        table.add_column(Text(candidate.label), overflow="fold", ratio=1)
    for word in words:
        table.add_row(*(_cut(pieces(word.pieces[c.label])) if c.label in word.pieces else ABSENT for c in shown))
    return table


def _cut(parts: list[Piece]) -> Text:
    return Text("│").join(Text(part.text, "dim" if part.byte else "") for part in parts)
