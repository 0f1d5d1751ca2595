"""A proof in a terminal, within 80 columns. Texts are printed as they are: no markup, no controls."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from anadil.report.estimate import Estimate
from anadil.report.proof_facts import BASE, Candidate, Comparison, Proof, seconds_of
from anadil.report.proof_words import against, caveats, headline, hours, reason
from anadil.report.words import number, ratio, share

ABSENT = "–"
HEADER = ("equal text", "equal\nseconds", "worst kept", "tokens\n/s", "whole\ncorpus")


def terminal_page(proof: Proof) -> RenderableType:
    """The verdict and why, the candidates after the largest size of text, what speaks against them, caveats."""
    parts: list[RenderableType] = [_headline(proof)]
    parts += [Text(said) for said in [reason(proof)] if said]
    if proof.candidates:
        parts += ["", Text(f"After {proof.last or 'training'}, bits per byte: less is better", "bold")]
        parts += [_indented(_candidates(proof)), _indented(Text(_key(proof), "dim"))]
    for heading, lines in (("Not taken", list(_against(proof))), ("Caveats", list(caveats(proof)))):
        if lines:
            parts += ["", Text(heading, "bold"), *(_indented(line) for line in lines)]
    return Group(*parts)


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2))


def _headline(proof: Proof) -> Text:
    style = "bold green" if proof.verdict.go else "bold"
    return Text.assemble(f"Proof for {proof.target_said}. ", (headline(proof), style))


def _candidates(proof: Proof) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("candidate", overflow="fold", min_width=9)
    for name in HEADER:
        table.add_column(name, justify="right", overflow="fold")
    for one in proof.candidates:
        style = "bold" if one.label == proof.verdict.label else ""
        table.add_row(*(Text(cell) for cell in _cells(proof, one)), style=style)
    return table


def _cells(proof: Proof, one: Candidate) -> tuple[str, ...]:
    places = [_place(proof, one, point) for point in (proof.last, seconds_of(proof.last))]
    worst = proof.worst_kept(one.label)
    paid = f"{worst.language}{_change(worst)}" if worst else "" if one.label == BASE else ABSENT
    speed = ABSENT if one.tokens_per_second is None else number(round(one.tokens_per_second))
    return one.label, *places, paid, speed, hours(one.full_corpus.seconds)


def _place(proof: Proof, one: Candidate, point: str) -> str:
    """Bits per byte, and under them the change against `keep`."""
    at = one.at(proof.target, point)
    return (ratio(at.value) if at else ABSENT) + _change(proof.compared(one.label, proof.target, point))


def _change(found: Comparison | None) -> str:
    at = found.shares if found else None
    if not at:
        return ""
    return f" {'≈' if at.direction == 'unclear' else ''}{share(at.value)}{_interval(at)}"


def _interval(at: Estimate) -> str:
    if at.low is None or at.high is None:
        return ""
    return f"\n{share(at.low).removesuffix('%')} to {share(at.high)}"


def _key(proof: Proof) -> str:
    full = proof.full_megabytes
    said = f"Changes are against {BASE}, with their 95% intervals; ≈ no difference shown. "
    said += f"Equal seconds: trained as long as {BASE} was. Worst kept: at equal seconds."
    return said if full is None else f"{said} Whole corpus: once over {number(full)} MB of the target, here."


def _against(proof: Proof) -> Iterator[Text]:
    for why, labels in against(proof).items():
        yield Text(f"{', '.join(labels)}: {why}")
