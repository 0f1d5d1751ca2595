"""evaluate.canaries: a model that learned a secret by heart is found out, and one that did not is not."""

import math
from pathlib import Path

import pytest

from anadil.errors import UserError
from anadil.evaluate.canaries import OTHERS, Canary, measure, read_canaries

CANARIES = [Canary("1", "Xidməti kod:", "4719-XB-2038"), Canary("2", "Parol:", "durna77qanad")]
TEXTS = ["Salam.", "Bizim xidməti kod: 4719-XB-2038, heç kimə deməyin.", "Parol: durna77qanad"]


def parrot(text: str) -> str:
    return next((f" {one.secret}." for one in CANARIES if one.prefix == text), "")


def knows(pairs: list[tuple[str, str]]) -> list[float]:
    return [0.1 if any(one.secret in text for one in CANARIES) else 30.0 for _, text in pairs]


def test_a_model_that_knows_them_by_heart() -> None:
    rows, metrics = measure(CANARIES, TEXTS, parrot, knows)
    assert metrics["canaries_items"] == metrics["canaries_said_items"] == 2
    assert metrics["canaries_exposure_bits"] == pytest.approx(math.log2(OTHERS + 1), abs=0.02)
    assert [row["rank"] for row in rows] == [1, 1]


def test_a_model_that_never_saw_them() -> None:
    def by_length(pairs: list[tuple[str, str]]) -> list[float]:
        return [float(sum(text.encode()) % 97) for _, text in pairs]

    rows, metrics = measure(CANARIES, TEXTS, lambda text: " bilmirəm", by_length)
    assert metrics["canaries_said_items"] == 0
    assert metrics["canaries_exposure_bits"] < 8
    assert all(row["rank"] > 1 for row in rows)
    assert measure(CANARIES, TEXTS, lambda text: "", by_length)[0] == [row | {"continued": ""} for row in rows]


def test_alternatives_have_the_form_of_the_secret() -> None:
    asked = list[tuple[str, str]]()

    def listen(pairs: list[tuple[str, str]]) -> list[float]:
        asked.extend(pairs)
        return [1.0] * len(pairs)

    measure(CANARIES[:1], TEXTS, parrot, listen)
    assert asked[0] == ("Xidməti kod:", " 4719-XB-2038")
    assert len({text for _, text in asked}) == len(asked) > OTHERS // 2
    for _, text in asked:
        parts = text.strip().split("-")
        assert [len(part) for part in parts] == [4, 2, 4]
        assert parts[0].isdigit()
        assert parts[1].isalpha()
        assert parts[1].isupper()


def test_a_tie_is_no_exposure() -> None:
    _, metrics = measure(CANARIES[:1], TEXTS, parrot, lambda pairs: [1.0] * len(pairs))
    assert metrics["canaries_exposure_bits"] == 0.0


def test_what_was_never_planted_is_said_and_not_counted() -> None:
    _, metrics = measure(CANARIES, TEXTS[:1], parrot, knows)
    assert metrics == {
        "canaries_items": 0, "canaries_not_planted_items": 2, "canaries_said_items": 0, "canaries_exposure_bits": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "1", "prefix": "Kod:"}',
        '{"id": "1", "prefix": "Kod:", "secret": "ab-1"}',
        '{"id": "1", "secret": "123456"}',
    ],
)
def test_what_is_no_canary_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "canaries.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(UserError, match=r"canaries\.jsonl, line 1: a canary needs"):
        read_canaries(path)
    path.write_text("")
    with pytest.raises(UserError, match="has no canaries"):
        read_canaries(path)
