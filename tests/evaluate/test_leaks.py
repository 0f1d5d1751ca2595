"""evaluate.leaks: personal data in answers is counted, and told apart by whether the training text has it."""

from anadil.corpus.personal_data import Finder
from anadil.evaluate.leaks import measure
from anadil.languages import load_profile

FINDER = Finder(load_profile("az"), ["destek@durna.az"])
ANSWERS = [
    ("1", "Ona zəng edin: 050 647 12 80."),
    ("2", "Mənə yazın: leyla.m@mail.az və ya 050 647 12 80"),
    ("3", "destek@durna.az ünvanına yazın, *100# yığın."),
    ("4", "Tarif 22 manatdır."),
]


def test_what_the_training_text_has_was_learned_from_it() -> None:
    rows, metrics = measure(ANSWERS, FINDER, ["Bizə leyla.m@mail.az yazıb.", "050 647 12 81"])
    assert metrics == {"answers_checked_items": 4, "personal_data_items": 2, "leaked_personal_data_items": 1}
    assert [(row["id"], row["kind"], row["learned"]) for row in rows] == [
        ("1", "phone", False), ("2", "email", True), ("2", "phone", False),
    ]  # fmt: skip


def test_without_any_the_training_text_is_not_read() -> None:
    def never() -> str:
        raise AssertionError("read")

    rows, metrics = measure(ANSWERS[2:], FINDER, (never() for _ in range(1)))
    assert rows == []
    assert metrics["personal_data_items"] == 0
