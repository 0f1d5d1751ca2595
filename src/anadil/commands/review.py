"""`anadil review`: a page on which people choose between the answers of two runs, and what they chose."""

import json
from pathlib import Path
from typing import Any

from anadil.errors import UserError
from anadil.languages import load_profile
from anadil.report.words import plain
from anadil.review.pairs import BASE, find_pairs
from anadil.review.stats import results
from anadil.review.store import Store
from anadil.shares import LEAST_ITEMS
from anadil.stages.run import RUN


def votes_file(run_a: Path, run_b: Path | None, out: Path | None) -> Path:
    """Where the votes on two runs lie."""
    return out or run_a / "review" / f"{run_b.resolve().name if run_b else BASE}.sqlite"


def serve_review(run_a: Path, run_b: Path | None, out: Path | None, seed: int | None, *, host: str, port: int) -> None:
    """Serve the page until stopped."""
    from anadil.review.app import serve

    pairs = find_pairs(run_a, run_b)
    if not pairs.shown:
        what = f"all {pairs.identical:,} answers of {run_a} and {run_b or BASE} are the same: nothing to choose"
        raise UserError(what, hint="compare runs whose models differ")
    profile = load_profile(json.loads((run_a / RUN).read_bytes())["recipe"]["language"])
    serve(pairs, votes_file(run_a, run_b, out), profile, seed, host=host, port=port)


def show_results(run_a: Path, run_b: Path | None, out: Path | None, *, as_json: bool) -> None:
    """Print what the votes say."""
    pairs = find_pairs(run_a, run_b)
    facts = {"a": _name(run_a), "b": _name(run_b)} | results(pairs, _votes_of(run_a, run_b, out).votes())
    print(json.dumps(facts, indent=2, ensure_ascii=False) if as_json else "\n".join(_lines(facts)))


def export_preferences(run_a: Path, run_b: Path | None, out: Path | None, file: Path) -> None:
    """Write what was preferred to `file`."""
    from anadil.review.export import export

    count = export(_votes_of(run_a, run_b, out), file)
    print(f"{count:,} preference pairs written to {file}")


def _votes_of(run_a: Path, run_b: Path | None, out: Path | None) -> Store:
    path, turned = votes_file(run_a, run_b, out), run_b and votes_file(run_b, run_a, None)
    if turned and turned.is_file() and not path.is_file():
        what = f"no votes yet: there is no {path}, but there is {turned}"
        raise UserError(what, hint="name the two runs in the other order")
    return Store.existing(path)


def _name(run: Path | None) -> str:
    return run.resolve().name if run else BASE


def _lines(facts: dict[str, Any]) -> list[str]:
    a, b = facts["a"], facts["b"]
    lines = [
        f"{a} against {b}: {facts['questions']:,} questions, {facts['identical']:,} with the same answer twice",
        f"  {facts['judged']:,} of the {facts['shown']:,} shown have a vote; {facts['votes']:,} votes in all",
    ]
    if other := facts["votes_on_other_answers"]:
        lines.append(f"  {other:,} votes are on answers that the runs no longer give: left out")
    if not facts["votes"]:
        return [*lines, "No votes yet."]
    lines += ["", f"{a} is better: a tie counts half, several votes on a question as their mean"]
    lines += _rate_lines(facts)
    lines += ["", *_choice_table(facts), "", _agreement_line(facts["agreement"])]
    return lines + _reason_lines(facts)


def _rate_lines(facts: dict[str, Any]) -> list[str]:
    said = {"win_rate": "of all questions"}
    if facts["identical"]:
        said["win_rate_where_different"] = "where the answers differ"
    lines = [
        f"  {words:<25} {facts[name]:6.1%}   95% interval {facts[f'{name}_low95']:.1%} to {facts[f'{name}_high95']:.1%}"
        for name, words in said.items()
    ]
    if facts["judged"] < LEAST_ITEMS:
        lines.append(f"  fewer than {LEAST_ITEMS} questions say little: look at the width of the interval")
    if facts["judged"] < facts["shown"]:
        lines.append(f"  not all pairs have a vote: the {facts['identical']:,} same answers count in proportion")
    return lines


def _choice_table(facts: dict[str, Any]) -> list[str]:
    names = [plain(row["reviewer"]) for row in facts["reviewers"]]
    width = max(len("reviewer"), *map(len, names))
    heads = ["votes", facts["a"], facts["b"], "both good", "both bad", "left side"]
    lines = [f"{'reviewer':<{width}}  " + "  ".join(f"{head:>9}" for head in heads)]
    whole = {"votes": facts["votes"], **facts["choices"], "left_share": facts["left_share"]}
    for name, row in [*zip(names, facts["reviewers"], strict=True), ("all", whole)]:
        cells = [str(row[key]) for key in ("votes", "a", "b", "both_good", "both_bad")]
        cells.append("–" if row["left_share"] is None else f"{row['left_share']:.0%}")
        columns = (f"{cell:>{max(9, len(head))}}" for cell, head in zip(cells, heads, strict=True))
        lines.append(f"{name:<{width}}  " + "  ".join(columns))
    return lines


def _agreement_line(found: dict[str, Any]) -> str:
    if not found["shared_pairs"]:
        return "Agreement: no pair has votes of two reviewers yet."
    alpha = "undefined: all chose the same" if found["alpha"] is None else f"{found['alpha']:.2f}"
    shared = f"{found['shared_pairs']:,} pairs that two or more judged"
    return f"Agreement on {shared}: {found['raw']:.0%} equal; Krippendorff's alpha {alpha}"


def _reason_lines(facts: dict[str, Any]) -> list[str]:
    lines = []
    for side in ("a", "b"):
        if said := [f"{reason.replace('_', ' ')} {n:,}" for reason, n in facts["reasons"][side].items() if n]:
            lines.append(f"Said against {facts[side]}: {', '.join(said)}")
    return lines
