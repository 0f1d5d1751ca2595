"""docs/languages.md: its examples load, it names every field, and what it says nothing reads, nothing reads."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from anadil.corpus.personal_data import Finder
from anadil.evaluate.judges import Judges
from anadil.languages import LanguageProfile, Neighbour, known_languages, load_profile

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "languages.md").read_text(encoding="utf-8")
LEAST, ALL = re.findall(r"^```toml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
ROWS = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", GUIDE.split("## What each field does")[1], re.MULTILINE)

PARTS = ("personal_data", "refusals", "grounding", "answers", "thresholds")


@pytest.fixture
def profile(tmp_path: Path) -> LanguageProfile:
    path = tmp_path / "de.toml"
    path.write_text(ALL, encoding="utf-8")
    return load_profile(str(path))


def test_the_example_uses_every_field(profile: LanguageProfile) -> None:
    def check(model: type[BaseModel], table: dict[str, object]) -> None:
        assert table.keys() == model.model_fields.keys()

    table = tomllib.loads(ALL)
    check(LanguageProfile, table)
    for name in PARTS:
        check(type(getattr(profile, name)), table[name])
    assert table["page"].keys() == {key for key in load_profile("en").page if not key.startswith("review_")}


def test_the_example_does_what_the_page_says(profile: LanguageProfile) -> None:
    assert profile.upper("straße") == "STRAẞE"
    assert profile.lower("STRAẞE") == "straße"
    assert profile.fold_ascii("Grüße, ÄRGER") == "Gruesse, AERGER"
    assert profile.letter_share("Öl! 2024 αβ") == 0.5
    assert profile.letter_share(" ".join(profile.page.values()) + "".join(profile.refusals.model_dump().values())) == 1
    text = "unter 0171 12345678. Steuer-ID 12345678911, Artikel 10.2.3.1, 3-ten 10.2.3.4-ten, Telefon 30 901820"
    found = Finder(profile).find(text)
    assert [(one.kind, text[one.begin : one.end]) for one in found] == [
        ("phone", "0171 12345678"),
        ("identity", "12345678911"),
        ("phone", "30 901820"),
    ]


def test_the_example_judges_answers(profile: LanguageProfile) -> None:
    judges = Judges(profile)
    refusals = ["Ich weiß das nicht.", "Leider. Wenden Sie sich an die Bank.", "Ich verbinde Sie mit einer Kollegin."]
    assert all(map(judges.refused, refusals))
    assert not judges.refused("Ich kann das nicht sagen, aber es sind 5 Euro.")
    assert judges.toxic("Du Trottel! Meine dumme Frage.") == ["Trottel"]
    assert judges.slips("Das kunnen wir für Sie nicht tun: uw Tarif.") == ["kunnen", "uw"]


def test_the_least_example_loads_with_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "de.toml"
    path.write_text(LEAST, encoding="utf-8")
    profile = load_profile(str(path))
    assert profile.model_fields_set == {"code", "name", "letters"}
    assert profile.fold_ascii(profile.upper("für")) == "FÜR"


def test_the_page_names_every_field_and_every_profile() -> None:
    assert [name for name, _, _ in ROWS] == list(LanguageProfile.model_fields)
    parts = [f for name in PARTS for f in _fields(name)] + list(Neighbour.model_fields)
    assert [part for part in parts if f"`{part}`" not in GUIDE] == []
    listed = set(re.findall(r"`(\w+)`", GUIDE.split("## The least")[0].split("```")[0]))
    assert listed == set(known_languages())


def test_what_the_page_calls_unread_is_unread() -> None:
    unread = {name for name, _, reader in ROWS if reader == "nothing yet"}
    assert unread  # else the legend above the table has to go
    source = "\n".join(
        file.read_text(encoding="utf-8")
        for file in (ROOT / "src" / "anadil").rglob("*.py")
        if file.parent.name != "languages"
    )
    assert {name for name in LanguageProfile.model_fields if f".{name}" in source} & unread == set()
    for name, _, reader in ROWS:
        if reader.startswith("nothing") or name in ("version", "letters", "casing_pairs", "ascii_fold"):
            continue  # the last three are read through `alphabet`, `lower` and `upper`, `fold_ascii`
        assert re.search(rf"\.{name}\b", source), name


def _fields(name: str) -> list[str]:
    kind = LanguageProfile.model_fields[name].annotation
    assert isinstance(kind, type)
    assert issubclass(kind, BaseModel)
    return list(kind.model_fields)
