"""A proof as a page and in a terminal: its numbers are those of the JSON, its texts stay texts."""

import io
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from tests.report.reading import Page

from anadil.errors import UserError
from anadil.report import proof_plots as plots
from anadil.report.proof import html, terminal, write_page
from anadil.report.proof_facts import proof_facts

LABELS = ["keep", "inplace", "extend-16000", "replace-32000"]
SIZES = [0.15, 1.5, 3.0]
HOSTILE = ["<script>alert(1)</script>", "\u202e\x1b[2J\x00", "عربي", "[bold]x[/]", "{{ 7*7 }}", '"><img src=//x>']


def points_of(sizes: list[float]) -> list[str]:
    return ["start", *(f"{prefix}{size:g} MB" for prefix in ("", "seconds of ") for size in sizes)]


def proof(
    numbers: Iterator[float | None], labels: list[str] = LABELS, sizes: list[float] = SIZES, **changes: Any
) -> dict[str, Any]:
    """A proof over `labels`, the first of them the base's own, whose figures are taken from `numbers` in turn."""

    def some(*names: str) -> dict[str, Any]:
        return {name: next(numbers) for name in names}

    points = points_of(sizes)
    candidates = [
        {
            "label": label,
            **some("vocab_size", "seconds_per_step", "tokens_per_second", "epochs"),
            "points": {point: 10 * index for index, point in enumerate(points)},
            "languages": {code: {point: some("value", "low95", "high95") for point in points} for code in ("az", "en")},
            "by_frequency": [{"from": low} | some("tokens", "bytes", "bits") for low in (0, 10, 100)],
            "full_corpus": some("megabytes", "seconds", "bits_per_byte"),
        }
        for label in labels
    ]
    comparisons = [
        {"language": code, "label": label, "at": point, "by_seed": [next(numbers), next(numbers)]}
        | some("keep", "share", "change", "low95", "high95")
        for code in ("az", "en")
        for label in labels[1:]
        for point in points[1:]
    ]
    return {
        "target": "az",
        "target_name": "Azerbaijani",
        "base": "some/base",
        "settings": {"megabytes": sizes, "seeds": 2, "training": {"learning_rate": 1e-3}},
        "candidates": candidates,
        "domains": {"held-out az": {"language": "az", "documents": 200}, "en": {"language": "en", "documents": 90}},
        "comparisons": comparisons,
        "verdict": {"go": len(labels) > 1, "label": labels[-1], "against": dict.fromkeys(labels[1:-1], "it is worse")},
    } | changes


def distinct() -> Iterator[float]:
    return (round(1.5 + n * 0.37, 4) for n in itertools.count())


def measured(made: dict[str, Any]) -> Iterator[float]:
    """All that was measured."""
    for candidate in made["candidates"]:
        yield from (candidate[key] for key in ("vocab_size", "seconds_per_step", "tokens_per_second", "epochs"))
        parts = [at for points in candidate["languages"].values() for at in points.values()]
        for part in [*parts, *candidate["by_frequency"], candidate["full_corpus"], {0: 0, **candidate["points"]}]:
            yield from part.values()
    for one in made["comparisons"]:
        yield from one["by_seed"]
        yield from (one[key] for key in ("keep", "share", "change", "low95", "high95"))


def level(made: dict[str, Any], label: str, change: float, kept: float = 0.01, width: float = 0.02) -> None:
    """Let a candidate differ from `keep` by so much, at every point."""
    for one in made["comparisons"]:
        if one["label"] == label:
            own = change if one["language"] == "az" else kept
            ends = {"low95": own - width, "high95": own + width}
            one |= {"keep": 2.0, "change": own, "share": own / 2.0, "by_seed": [own, own]} | ends


def printed(made: dict[str, Any]) -> str:
    """What a terminal of 80 columns shows."""
    file = io.StringIO()
    Console(file=file, width=80, highlight=False, color_system=None).print(terminal(made))
    return file.getvalue()


@pytest.mark.parametrize("labels", [LABELS[:1], LABELS, [*LABELS, "inplace-8000", "inplace-4000", "extend-1"]])
def test_numbers_of_the_page_are_those_of_the_json(labels: list[str]) -> None:
    made = proof(distinct(), labels)
    for candidate in made["candidates"]:
        candidate["full_corpus"]["megabytes"] = 301.25
    exact = set(Page(html(made)).exact)
    assert set(measured(made)) <= exact
    settings_and_documents = {2, 1e-3, 200, 90}
    steps = {one["seconds_per_step"] * at for one in made["candidates"] for at in one["points"].values()}
    buckets = [bucket for one in made["candidates"] for bucket in one["by_frequency"]]
    parts = {one["bits"] / one["bytes"] for one in buckets}
    wholes = [sum(bucket["bytes"] for bucket in one["by_frequency"]) for one in made["candidates"] for _ in range(3)]
    parts |= {bucket["bytes"] / whole for bucket, whole in zip(buckets, wholes, strict=True)}
    assert exact - set(measured(made)) <= settings_and_documents | steps | parts


def test_null_is_shown_as_not_measured() -> None:
    page = Page(html(proof(itertools.repeat(None))))
    assert page.text.count("not measured") > 50
    assert not re.search(r"\b(None|null|nan)\b", page.text)
    assert " – " in printed(proof(itertools.repeat(None)))


def test_page_is_well_formed_and_loads_nothing() -> None:
    text = html(proof(distinct()))
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
    assert "http" not in text.replace("http-equiv", "")
    assert not re.search(r"url\(|@import", text)
    assert not {"src", "href"} & {name for name, _ in page.attributes}
    assert {value for name, value in page.attributes if name == "aria-labelledby"} <= set(page.ids)


def test_hostile_texts_stay_text() -> None:
    labels = ["keep", *(f"{text}{index}" for index, text in enumerate(HOSTILE))]
    domains = {text: {"language": text, "documents": 3} for text in HOSTILE}
    made = proof(distinct(), labels, target_name=HOSTILE[0], base="/home/<b>x</b>", domains=domains)
    made["verdict"]["against"] = dict(zip(labels[1:], HOSTILE, strict=True))
    for candidate in made["candidates"]:
        candidate["languages"] |= dict(zip(HOSTILE, itertools.repeat(candidate["languages"]["en"]), strict=False))
    text = html(made)
    page = Page(text)
    assert not {"script", "img", "b"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text + printed(made))
    assert page.text.count("<script>alert(1)</script>") > 10
    assert "{{ 7*7 }}" in page.text
    assert "/home/<b>x</b>" in page.text
    assert "[bold]x[/]" in printed(made)


def test_go_says_with_what_and_how_much() -> None:
    made = proof(distinct(), LABELS[:3])
    level(made, "inplace", -0.05)
    level(made, "extend-16000", -0.1)
    made["verdict"]["against"] = {}
    said = "extend-16000 foresees unseen Azerbaijani better: 1.900 bits per byte instead of 2.000 (−5.0%, 95% interval"
    for shown in (Page(html(made)).text, " ".join(printed(made).split())):
        assert "Go: extend-16000" in shown
        assert (
            f"{said} −6.0% to −4.0%). English: +0.5% bits per byte. Also better than keep, but by less: inplace."
            in shown
        )


def test_no_go_says_why_and_what_came_closest() -> None:
    against = {"inplace": "no difference shown", "extend-16000": "en loses 9%", "replace-32000": "no difference shown"}
    made = proof(distinct(), verdict={"go": False, "label": "keep", "against": against})
    for label, change in (("inplace", -0.01), ("extend-16000", 0.2), ("replace-32000", 0.01)):
        level(made, label, change)
    page = Page(html(made))
    assert "No-go: stay with keep" in page.text
    assert "Closest: inplace." in page.text
    assert "inplace is not shown to foresee unseen Azerbaijani better or worse" in page.text
    assert "≈ no difference shown" in page.text
    assert "▲ worse" in page.text
    text = printed(made)
    assert "No-go: stay with keep" in text.splitlines()[0]
    assert "inplace, replace-32000: no difference shown" in text
    assert "≈−0.5%" in text


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("domains", "en", "documents"), 49, "Only 49 held-out documents of English (fewer than 50)"),
        (("settings", "seeds"), 1, "One seed: how much the result varies"),
        (("candidates", 1, "epochs"), 2.25, "more than once, which new text would not repeat: inplace 2.2 times"),
        (("comparisons", 5, "by_seed"), [-0.1, 0.1], "Better than keep with one seed and worse with another: inplace"),
    ],
)
def test_caveats_come_with_their_cause_and_only_then(path: tuple[Any, ...], value: Any, said: str) -> None:
    made = proof(itertools.repeat(1.0))
    assert "Read this first" not in Page(html(made)).text
    assert "Caveats" not in printed(made)
    place: Any = made
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    for shown in (Page(html(made)).text, " ".join(printed(made).split())):
        assert said in shown


@pytest.mark.parametrize(
    ("sizes", "full", "said"),
    [
        (SIZES, 3_000.0, "too far to forecast"),
        (SIZES, 3.0, "no more text than was measured"),
        (SIZES[:2], 30.0, "takes three sizes"),
        (SIZES, None, "not measured"),
    ],
)
def test_absent_forecast_says_why(sizes: list[float], full: float | None, said: str) -> None:
    made = proof(distinct(), sizes=sizes)
    assert said not in Page(html(made)).text
    for candidate in made["candidates"]:
        candidate["full_corpus"] = {"megabytes": full, "seconds": 3600.0}
    assert Page(html(made)).text.count(said) >= len(LABELS)


def test_buckets_without_bytes_are_no_zeros() -> None:
    made = proof(distinct())
    made["candidates"][0]["by_frequency"] = [{"from": low, "tokens": 0, "bytes": 0, "bits": 0.0} for low in (0, 10)]
    page = Page(html(made))
    assert page.text.count("no such tokens") == 2
    assert "100 and more" in page.text


def test_terminal_shows_every_figure_whole_in_80_columns() -> None:
    made = proof(distinct())
    for candidate in made["candidates"]:
        candidate |= {"tokens_per_second": 12_345.6, "full_corpus": {"megabytes": 300.0, "seconds": 410_400.0}}
        for point in ("3 MB", "seconds of 3 MB"):
            candidate["languages"]["az"][point] = {"value": 2.0941, "low95": 2.0, "high95": 2.2}
    for label in LABELS[1:]:
        level(made, label, -0.1)
    text = printed(made)
    assert max(cell_len(line) for line in text.splitlines()) <= 80
    for label in LABELS[1:]:
        line = next(line for line in text.splitlines() if line.startswith(f"  {label} "))
        assert re.search(r" 2\.094 −5\.0% +2\.094 −5\.0% +en ≈\+0\.5% +12,346 +114 h", line)


def test_curves_meet_at_equal_text_and_at_equal_seconds() -> None:
    """Every line ends at the last size; labels do not stand on each other."""
    made = proof(itertools.repeat(2.0), LABELS)
    for candidate, seconds in zip(made["candidates"], (2.0, 1.0, 4.0, 2.0), strict=True):
        candidate["seconds_per_step"] = seconds
        candidate["points"]["seconds of 3 MB"] = 800 / seconds
    for plot in (plots.by_text(proof_facts(made)), plots.by_seconds(proof_facts(made))):
        assert plot
        assert [curve.label for curve in plot.curves] == LABELS
        assert {curve.marks[-1].x for curve in plot.curves} == {100.0}
        assert len({curve.look for curve in plot.curves}) == len({curve.look.path for curve in plot.curves}) == 4
        labels = sorted(curve.label_y for curve in plot.curves)
        assert all(b - a >= plots.BETWEEN_LABELS - 1e-6 for a, b in itertools.pairwise(labels))
        assert labels[0] >= 0
        assert labels[-1] <= plots.HEIGHT


def test_lines_that_begin_high_do_not_press_the_rest_together() -> None:
    made = proof(itertools.repeat(2.0), LABELS[:2])
    made["candidates"][1]["languages"]["az"]["start"] = {"value": 17.0, "low95": 16.0, "high95": 18.0}
    plot = plots.by_text(proof_facts(made))
    assert plot
    assert plot.beyond
    assert float(plot.y_ticks[-1][1]) < 3
    assert [len(curve.marks) for curve in plot.curves] == [4, 3]
    assert "Lines that come in from above" in Page(html(made)).text


NUMBER = st.none() | st.integers(0, 10**10) | st.floats(-1e9, 1e9) | st.just(float("nan")) | st.just(float("inf"))
TEXT = st.text(max_size=12) | st.sampled_from(HOSTILE)


@st.composite
def proofs(draw: st.DrawFn) -> dict[str, Any]:
    """1 to 6 candidates beside `keep`, 1 to 4 sizes; figures of any size or none; parts left out."""
    others = TEXT.filter(lambda text: text.strip() and text != "keep")
    labels = ["keep", *draw(st.lists(others, min_size=1, max_size=6, unique=True))]
    sizes = draw(st.lists(st.floats(1e-4, 1e4), min_size=1, max_size=4, unique=True))
    made = proof(itertools.cycle(draw(st.lists(NUMBER, min_size=1, max_size=40))), labels, sizes)
    made["verdict"] = {"go": draw(st.booleans()), "label": draw(st.sampled_from(labels)), "against": {labels[-1]: "x"}}
    for key in draw(st.sets(st.sampled_from(["domains", "comparisons", "settings", "verdict"]))):
        del made[key]
    for key in draw(st.sets(st.sampled_from(["points", "languages", "by_frequency", "full_corpus"]))):
        for candidate in made["candidates"][:: draw(st.integers(1, 2))]:
            del candidate[key]
    if draw(st.booleans()):
        for bucket in made["candidates"][0].get("by_frequency", []):
            bucket["bytes"] = 0
    return made


@settings(max_examples=15, deadline=None)
@given(proofs())
def test_any_proof_can_be_shown(made: dict[str, Any]) -> None:
    page = Page(html(made))
    assert not {"script", "img"} & set(page.tags)
    assert max(cell_len(line) for line in printed(made).splitlines()) <= 80


def test_page_is_written_beside_the_json_and_again_the_same(tmp_path: Path) -> None:
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(proof(distinct())))
    page = write_page(path)
    assert page == tmp_path / "proof.html"
    assert write_page(path).read_bytes() == page.read_bytes()
    assert str(tmp_path) not in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no proof at"), ("{", "is not JSON"), ("[]", "holds no proof"), ('{"candidates": 3}', "candidates")],
)
def test_no_proof_is_a_user_error(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "proof.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=said):
        write_page(path)
