"""The road in bits per byte: its facts, its picture, its sentences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anadil.evaluate import bits_per_byte
from anadil.evaluate.bits_per_byte import Scores
from anadil.report.estimate import Estimate
from anadil.report.evaluation_words import forgetting_said, road_said, said
from anadil.report.road_facts import NAMES, Road, domains, roads
from anadil.report.road_plot import HEIGHT, Series, road_plot, series
from anadil.report.words import Side

LANGUAGES: dict[Side, str] = {"target": "Azerbaijani", "original": "English", "other": "further languages"}
ALL = tuple(NAMES)


def measured(factors: list[float], documents: int = 30, prefixes: tuple[str, ...] = ALL, side: str = "target") -> Road:
    """A road as the stage evaluate measures it: each model needs `factors` as many nats as the base."""
    rng = np.random.default_rng(1)
    sizes = rng.integers(500, 2000, documents).astype(float)
    nats = sizes * rng.uniform(1.5, 2.5, documents)
    noise = rng.uniform(0.99, 1.01, (len(prefixes), documents))
    scores = {
        prefix: Scores(nats * factor * noise[n], sizes, sizes)
        for n, (prefix, factor) in enumerate(zip(prefixes, factors, strict=True))
    }
    (road,) = roads(bits_per_byte.metrics(side, scores, rounds=200), LANGUAGES, ["pretrain", "sft"])
    return road


@given(st.lists(st.floats(0.3, 3.0), min_size=5, max_size=5))
def test_the_steps_add_up_to_the_change(factors: list[float]) -> None:
    road = measured(factors)
    assert [stop.name for stop in road.stops] == ["base", "transfer", "pretrain", "sft", "served"]
    steps = [stop.step.value for stop in road.stops if stop.step]
    assert len(steps) == 4
    assert sum(steps) == pytest.approx(road.change.value)
    assert road.stops[1].step == road.stops[1].change


def test_each_step_has_the_name_of_what_led_there() -> None:
    road = measured([1.0, 0.9, 1.1], prefixes=("base_", "pretrain_", ""))  # delivered as it was trained
    assert [stop.did for stop in road.stops[1:]] == ["reading the corpus", "fine-tuning"]
    (other,) = roads({"base_target_bits_per_byte": 1.0, "unquantised_target_bits_per_byte": 2.0}, LANGUAGES, [])
    assert other.last.did == "export"


def test_one_model_is_no_road() -> None:
    assert not list(roads({"target_bits_per_byte": 1.0}, LANGUAGES, []))
    assert not list(roads({"target_bits_per_byte": 1.0, "base_target_bits_per_byte": np.nan}, LANGUAGES, []))


def test_sources_keep_the_order_of_the_corpus_whatever_they_are_called() -> None:
    names = ["b", "a_items", "a", "b_low95"]
    metrics = {f"target_bits_per_byte_of_{name}": float(n) for n, name in enumerate(names)}
    found = list(domains(metrics, LANGUAGES, names))
    assert [(one.source, one.after.value) for one in found] == [(name, float(n)) for n, name in enumerate(names)]


def test_the_sentence_names_the_greatest_gain_and_every_cost() -> None:
    sentence = road_said(measured([1.0, 0.95, 0.6, 0.8, 0.8]))
    assert "fell from" in sentence
    assert "Most was gained by reading the corpus (−" in sentence
    assert "fine-tuning (+" in sentence
    assert "transfer" not in sentence
    assert "bits (" not in sentence  # a step of nothing is not told


def test_a_difference_that_is_not_shown_is_not_told() -> None:
    assert road_said(measured([1.0, 1.0], prefixes=("base_", ""))).endswith("no difference shown.")


def test_the_own_language_of_the_base_is_there_to_be_kept() -> None:
    road = measured([1.0, 1.1, 1.1, 1.4, 1.4], side="original")
    assert said(road) == forgetting_said(road)
    assert said(road).startswith("English got worse: +")
    assert "Most was lost by fine-tuning" in said(road)
    assert "12 documents: too few for an interval" in said(measured([1.0, 1.1], 12, ("base_", ""), "original"))
    better = measured([1.0, 0.8], prefixes=("base_", ""), side="original")
    assert said(better).startswith("English got better: −")


@given(st.lists(st.floats(0.1, 5.0), min_size=2, max_size=5))
def test_higher_figures_are_drawn_higher(values: list[float]) -> None:
    figures = {prefix: Estimate(value, value - 0.05, value + 0.05) for prefix, value in zip(ALL, values, strict=False)}
    picture = road_plot([Series("target", "A", figures)], {prefix: NAMES[prefix][0] for prefix in ALL})
    assert picture
    (line,) = picture.lines
    order = sorted(range(len(values)), key=lambda n: -values[n])
    assert [line.marks[n].y for n in order] == sorted(mark.y for mark in line.marks)
    assert all(
        0 <= mark.high <= mark.y <= mark.low <= HEIGHT for mark in line.marks if mark.high is not None and mark.low
    )
    assert [x for x, _ in picture.columns] == [mark.x for mark in line.marks]


def test_figures_of_two_lines_are_written_on_either_side() -> None:
    one, other = measured([1.0, 0.9, 0.6, 0.8, 0.8]), measured([1.0, 0.9, 0.7, 0.7, 0.7])
    names = {prefix: NAMES[prefix][0] for prefix in ALL}
    picture = road_plot([series(one, "before", "A"), series(other, "target", "B")], names)
    assert picture
    for first, second in zip(*(line.marks for line in picture.lines), strict=True):
        upper, lower = (first, second) if first.text_y < second.text_y else (second, first)
        assert upper.y <= lower.y
        assert upper.text_y < upper.y <= lower.y < lower.text_y
    assert picture.description.startswith("Bits per byte. A: base ")


def test_one_column_is_no_picture() -> None:
    assert road_plot([Series("target", "A", {"": Estimate(1.0)})], {"": "served"}) is None
