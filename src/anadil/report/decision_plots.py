"""What the page of a decision draws: dots of the candidates, a row for each label."""

from anadil.report.decision_facts import WRITINGS, Decision, language_name
from anadil.report.dots import Line, Plot, plot, tick
from anadil.report.estimate import Estimate
from anadil.report.words import ratio, share

FARTHEST = 0.5
"""Changes beyond this are drawn at the edge: one vocabulary that cuts English to pieces would hide all the rest."""


def styles(decision: Decision) -> dict[str, str]:
    """Class of each candidate's dots; of what a candidate is, the last named here counts."""
    found = {c.label: "rest" for c in decision.candidates}
    focus = {"chosen": decision.find(decision.chosen), "subject": decision.subject, "base": decision.base}
    return found | {candidate.label: name for name, candidate in focus.items() if candidate}


def candidates_plot(decision: Decision) -> Plot | None:
    """Tokens per word of the target, a row for each candidate."""
    look = styles(decision)
    lines = list[Line]()
    for candidate in decision.candidates:
        if at := candidate.target.estimate:
            roles = ", ".join(decision.roles(candidate))
            lines.append(Line(candidate.label, roles, ratio(at.value), [(look[candidate.label], at)]))
    return plot(lines, tick, [])


def writing_plot(decision: Decision) -> Plot | None:
    """Tokens per word of the candidates in focus, a row for each way of writing."""
    names = dict.fromkeys(name for c in decision.focus for name in c.writing)
    lines = [_written(decision, name) for name in names]
    return plot([line for line in lines if line.dots], tick, _legend(decision))


def payments_plot(decision: Decision) -> Plot | None:
    """What languages other than the target pay against the base, of every candidate but the base."""
    look, lines = styles(decision), list[Line]()
    for code, role in decision.languages().items():
        if role == "target":
            continue
        found = [(c, c.languages[code].payment) for c in decision.candidates if code in c.languages]
        dots = [(look[c.label], _quiet(look[c.label], at)) for c, at in found if at and c is not decision.base]
        if dots:
            said = next((share(at.value) for c, at in found if at and c is decision.subject), "")
            lines.append(Line(language_name(code), role, said, sorted(dots, key=lambda dot: dot[0] == "subject")))
    legend = [part for part in _legend(decision) if part[0] != "base"]
    legend += [("rest", "the others")] if any(style == "rest" for line in lines for style, _ in line.dots) else []
    return plot(lines, share, legend, FARTHEST)


def _quiet(style: str, at: Estimate) -> Estimate:
    """Of candidates beside the point only the dot: a dozen intervals in one row are not readable."""
    return Estimate(at.value) if style == "rest" else at


def _written(decision: Decision, name: str) -> Line:
    look = styles(decision)
    found = [(c, c.writing[name].estimate) for c in decision.focus if name in c.writing]
    dots = [(look[c.label], estimate) for c, estimate in found if estimate]
    said = [ratio(estimate.value) for style, estimate in dots if style in ("base", "subject")]
    return Line(WRITINGS.get(name, name), "", " → ".join(said), dots)


def _legend(decision: Decision) -> list[tuple[str, str]]:
    look = styles(decision)
    return [(look[c.label], c.label) for c in decision.focus]
