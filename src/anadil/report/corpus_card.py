"""The data card: what a corpus is made of, under which licences, and where every document went; no text of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anadil
from anadil import durable
from anadil.corpus.account import KEPT, STEPS, Account, Count
from anadil.errors import UserError
from anadil.languages import load_profile
from anadil.report.page import environment, style
from anadil.report.words import number, plain

PAGE = "card.html"
GROUPS = {
    "kept": KEPT,
    "copies": STEPS["duplicates"],
    "language": STEPS["language"],
    "filtered": (*STEPS["filter"], *STEPS["length"]),
    "other": (*STEPS["repair"], *STEPS["personal_data"], *STEPS["contamination"]),
}
"""What a bar is made of, and the verdicts in each part."""
REASONS = {
    "empty": "nothing in it",
    "broken": "letters lost or words taken apart, beyond repair",
    "too_short": "too few words",
    "wrong_script": "in another script",
    "wrong_language": "in another language",
    "personal_data": "personal data in it",
    "contaminated": "an item of an evaluation set in it",
    "duplicate": "copies",
    "near_duplicate": "copies with other words here and there",
    "repeated_elsewhere": "nothing left without paragraphs that others have",
    "short_words": "words too short to be text",
    "long_words": "words too long to be text",
    "symbols": "too many symbols",
    "digits": "too many digits",
    "repeated_lines": "lines repeated",
    "repeated_words": "few words, over and over",
    "repeated_passages": "passages repeated",
    "list_lines": "a list, no text",
    "unfinished_lines": "lines cut off",
}
CHANGES = {
    "nfc": "letters written in two parts joined",
    "mojibake": "read in the wrong encoding, put right",
    "invisible": "invisible signs and odd blanks",
    "look_alikes": "letters of another alphabet that look the same",
    "split_letters": "words taken apart, put together",
    "boilerplate": "menu lines and notices taken out",
    "line_ends": "line ends and blanks at edges",
    "other_language": "passages in another language taken out",
    "masked": "personal data masked",
    "repeated_paragraphs": "paragraphs that others have taken out",
}
STEP_NAMES = {
    "repair": "repair", "length": "length", "language": "language", "personal_data": "personal data",
    "filter": "filter", "contamination": "evaluation sets", "duplicates": "copies", "split": "training and held out",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A source as the card shows it."""

    name: str
    language: str
    licence: str
    weight: float
    account: Account

    @property
    def kept(self) -> Count:
        """What is for training and held out."""
        found = Count()
        for split in KEPT:
            found.add(self.account.by_verdict[split])
        return found

    def parts(self) -> list[tuple[str, int, float]]:
        """Of a bar: group, documents, per cent."""
        read = max(1, self.account.read.documents)
        counts = {
            name: sum(self.account.by_verdict[v].documents for v in verdicts) for name, verdicts in GROUPS.items()
        }
        return [(name, count, 100 * count / read) for name, count in counts.items() if count]

    @property
    def epoch_words(self) -> float:
        """Words in one epoch."""
        return self.weight * self.account.by_verdict["train"].words


def write_card(corpus: Path) -> Path:
    """Write `corpus/card.html` from what the corpus stage left; UserError if that is no corpus."""
    path = corpus / PAGE
    durable.write_text(path, render(_read(corpus, "accounting.json"), _read(corpus, "sources.json")), "card")
    return path


def render(accounts: Mapping[str, Any], listed: Mapping[str, Any]) -> str:
    """The page; every text is escaped."""
    rows = []
    for facts in listed["sources"]:
        account = Account.from_dict(accounts[facts["name"]])
        name, licence = plain(facts["name"]), plain(facts["licence"])
        rows.append(Row(name, _language(facts["language"]), licence, float(facts["weight"]), account))
    total = Account()
    for row in rows:
        total.add(row.account)
    kept = Count()
    for row in rows:
        kept.add(row.kept)
    words = sum(row.epoch_words for row in rows)
    return (
        environment(count=number)
        .get_template("corpus_card.html.jinja")
        .render(
            rows=rows,
            total=total,
            kept=kept,
            steps=list(total.steps()),
            mix=[(row, 100 * row.epoch_words / words) for row in rows if row.epoch_words] if words else [],
            groups=list(GROUPS),
            reasons=REASONS,
            changes=CHANGES,
            step_names=STEP_NAMES,
            version=anadil.__version__,
            style=style("report.css", "corpus_card.css"),
        )
    )


def _language(code: str) -> str:
    try:
        return load_profile(code).name
    except UserError:
        return plain(Path(code).stem)


def _read(corpus: Path, name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((corpus / name).read_bytes())
    except (OSError, ValueError) as error:
        hint = "name the folder that `anadil corpus run --out` or the stage corpus wrote"
        raise UserError(f"{corpus} is no corpus: it has no whole {name}", hint=hint) from error
    return found
