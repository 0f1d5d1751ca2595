"""Which metrics are tasks, and what they say."""

from anadil import shares
from anadil.report.estimate import Estimate
from anadil.report.evaluation_plots import forest
from anadil.report.task_facts import tasks
from anadil.report.words import Side

LANGUAGES: dict[str, tuple[Side, str]] = {"": ("target", "Azerbaijani")}


def metrics(name: str, seen: int = 0) -> dict[str, float]:
    flags, base = [True] * 40 + [False] * 60, [True] * 25 + [False] * 75
    found = shares.metrics(f"task_{name}_accuracy", flags, base)
    found |= shares.metrics(f"task_{name}_uncontaminated_accuracy", flags[seen:], base[seen:])
    return found | {
        f"task_{name}_raw_accuracy": 0.3,
        f"task_{name}_chance": 0.25,
        f"task_{name}_contaminated_items": float(seen),
    }


def test_a_task_is_found_once_with_all_that_belongs_to_it() -> None:
    (task,) = tasks(metrics("mmlu", seen=10), LANGUAGES)
    assert (task.name, task.measure, task.items, task.contaminated) == ("mmlu", "accuracy", 100, 10)
    assert (task.after.value, task.before.value if task.before else 0) == (0.4, 0.25)
    assert task.chance == Estimate(0.25)
    assert task.uncontaminated
    assert task.uncontaminated.value == 30 / 90


def test_what_no_question_was_seen_of_has_no_second_figure() -> None:
    (task,) = tasks(metrics("mmlu"), LANGUAGES)
    assert task.uncontaminated is None


def test_stated_names_may_look_like_metrics_and_keep_their_order() -> None:
    names = ["x_uncontaminated", "x_raw", "x"]
    stated: dict[str, tuple[Side, str]] = dict.fromkeys(names, ("original", "English"))
    found = tasks(metrics("x") | metrics("x_raw") | metrics("x_uncontaminated"), LANGUAGES | stated)
    assert [(task.name, task.side) for task in found] == [(name, "original") for name in names]


def test_the_forest_has_a_row_for_each_task_and_a_line_of_chance() -> None:
    found = [*tasks(metrics("a") | metrics("b", seen=3), LANGUAGES)]
    picture = forest(found)
    assert picture
    assert [row.label for row in picture.rows] == ["a", "b"]
    assert [row.said for row in picture.rows] == ["25.0% → 40.0%"] * 2
    assert "3 of them seen in training" in picture.rows[1].detail
    assert [style for style, _ in picture.legend] == ["base", "subject", "mark"]
    base, subject = picture.rows[0].dots
    assert (picture.rows[0].mark or 0) <= base.x < subject.x
    assert forest([]) is None
