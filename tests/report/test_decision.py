"""The tokenizer decision as a page and in a terminal: its numbers are those of the JSON, its texts stay texts."""

import io
import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from tests.report.reading import Page

from anadil.errors import UserError
from anadil.report import print_report, write
from anadil.report.decision import html, terminal, write_page
from anadil.report.dots import MOST_TICKS, nice_ticks
from anadil.report.pieces import pieces

MakeRun = Callable[..., Path]
NUMBERS = [
    "vocab_size", "new_tokens", "kept_tokens", "freed_tokens", "unused_tokens", "unreachable_tokens",
    "rare_new_tokens", "embedding_parameters", "parameters", "flops_per_word", "seconds_saved_per_million_words",
    "context_gained", "build_seconds",
]  # fmt: skip
MEASURES = [
    "documents", "words", "bytes", "tokens", "tokens_per_word", "low95", "high95", "bytes_per_token",
    "single_token_words", "continued_words", "round_trip_failures",
]  # fmt: skip
LABELS = ["keep", "inplace", "extend-16000", "replace-32000", *(f"inplace-{n}000" for n in range(40, 48))]
WRITINGS = ["as_written", "ascii", "uppercase", "digits", "emoji", "code"]
ROLES = {"az": "target", "en": "kept", "tr": "other"}
HOSTILE = [
    "<script>alert(1)</script>",
    "\u202e\x1b[2J\x00",
    "عربي",
    "e\u0301",
    "👩\u200d👧",
    "[bold]x[/]",
    "{{ 7*7 }}",
    '"><img src=//x>',
]


def decision(numbers: Iterator[float | None], labels: list[str] = LABELS[:3], **changes: Any) -> dict[str, Any]:
    """A decision over `labels`, the first of them the base, whose figures are taken from `numbers` in turn."""

    def some(names: list[str]) -> dict[str, Any]:
        return {name: next(numbers) for name in names}

    def candidate(label: str) -> dict[str, Any]:
        change = ["change", "change_low95", "change_high95"]
        return {
            "label": label,
            "mode": label.partition("-")[0],
            **some(NUMBERS),
            "dropped_merges": some(["makes an old token"]),
            "domains": {name: {"language": "az"} | some(MEASURES) for name in ("news", "chats")},
            "writing": {name: some(MEASURES) for name in WRITINGS},
            "languages": {code: {"role": role} | some(MEASURES + change) for code, role in ROLES.items()},
            "scripts": {name: some(["base", "left"]) for name in ("Latin", "Cyrillic")},
        }

    words = ["müştərilər", "evlərimizdən"]
    return {
        "target": "az",
        "target_name": "Azerbaijani",
        "base_label": labels[0],
        "chosen": labels[-1],
        "domains": ["news", "chats"],
        "recommendation": {"label": labels[len(labels) // 2], "reason": "fewest tokens; nobody pays"},
        "candidates": [candidate(label) for label in labels],
        "words": [cut(word, labels) | {"count": next(numbers)} for word in words],
    } | changes


def cut(word: str, labels: list[str]) -> dict[str, Any]:
    """A word cut into letters by the first candidate and left whole by the others."""
    return {"word": word, "count": 3, "pieces": {label: [word] for label in labels} | {labels[0]: list(word)}}


def distinct() -> Iterator[float]:
    """No two alike, of all sizes that figures have."""
    return (round(2.5 + n * 1.37 + 0.001, 4) for n in itertools.count())


def leaves(value: Any) -> Iterator[float]:
    """All numbers in a JSON value."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from leaves(part)
    elif isinstance(value, int | float):
        yield value


def printed(made: dict[str, Any], width: int = 80) -> str:
    """What a terminal of this width shows."""
    file = io.StringIO()
    Console(file=file, width=width, highlight=False, color_system=None).print(terminal(made))
    return file.getvalue()


@pytest.mark.parametrize("labels", [LABELS[:1], LABELS[:3], LABELS])
def test_numbers_of_the_page_are_those_of_the_json(labels: list[str]) -> None:
    made = decision(distinct(), labels)
    assert set(Page(html(made)).exact) == set(leaves(made))


def test_null_is_shown_as_not_measured() -> None:
    page = Page(html(decision(itertools.repeat(None))))
    assert page.exact == []
    assert page.text.count("not measured") > 100
    assert not re.search(r"\b(None|null|nan)\b", page.text)
    assert " – " in printed(decision(itertools.repeat(None)))


def test_a_measure_that_is_absent_is_as_good_as_null() -> None:
    made = decision(distinct())
    for candidate in made["candidates"]:
        for name in NUMBERS:
            del candidate[name]
    assert Page(html(made)).text.count("not measured") >= 10
    assert "Candidates" in printed(made)


def test_page_is_well_formed_and_loads_nothing() -> None:
    text = html(decision(distinct(), LABELS))
    page = Page(text)
    text.encode("utf-8")
    assert '<meta charset="utf-8">' in text
    assert len(page.ids) == len(set(page.ids))
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
    assert "http" not in text.replace("http-equiv", "")
    assert "url(" not in text
    assert "@import" not in text
    assert {value for name, value in page.attributes if name == "aria-labelledby"} <= set(page.ids)


def test_hostile_texts_stay_text() -> None:
    labels = [f"{text}{index}" for index, text in enumerate(HOSTILE)]
    made = decision(distinct(), labels, target=HOSTILE[0], target_name=HOSTILE[0])
    made["recommendation"]["reason"] = "".join(HOSTILE)
    made["words"] = [
        {"word": text, "count": 1, "pieces": {key: [text, " ", text] for key in labels}} for text in HOSTILE
    ]
    for candidate in made["candidates"]:
        for part in ("domains", "writing", "languages", "scripts", "dropped_merges"):
            candidate[part] |= dict(zip(HOSTILE, itertools.cycle(candidate[part].values()), strict=False))
    text = html(made)
    page = Page(text)
    assert not {"script", "img"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text + printed(made))
    assert page.text.count("<script>alert(1)</script>") > 10
    assert "{{ 7*7 }}" in page.text
    assert "[bold]x[/]" in printed(made)


def test_pieces_are_parted_in_their_own_direction() -> None:
    words = [cut("مرحبا", LABELS[:2]), cut("salam", LABELS[:2])]
    page = Page(html(decision(distinct(), LABELS[:2], words=words)))
    assert [value for name, value in page.attributes if name == "dir"] == ["rtl", "rtl", "ltr", "ltr"]
    assert page.attributes.count(("class", "piece")) == 5 + 1 + 5 + 1


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        ([" ev", "lər"], ["ev", "lər"]),
        ([" ", "ev"], ["␣", "ev"]),
        (["e", "\u0301t"], ["e", "◌\u0301t"]),
        (["👩", "\u200d👧"], ["👩", "◌\u200d👧"]),
        ([" <0xC9>", "<0x99><0xc9>v"], ["C9", "99·C9·v"]),
        (["a b\n"], ["a␣b␣"]),
        ([""], ["(empty)"]),
        ([], []),
    ],
)
def test_each_token_is_one_piece_that_can_be_seen(parts: list[str], shown: list[str]) -> None:
    assert [piece.text for piece in pieces(parts)] == shown


def test_words_that_are_cut_alike_are_counted_not_shown() -> None:
    made = decision(distinct())
    made["words"].append({"word": "alike", "count": 9, "pieces": {key: ["alike"] for key in LABELS[:3]}})
    page = Page(html(made))
    assert "not shown: 1 of 3" in page.text
    assert "alike" not in page.text.split("not shown")[1].split("Tokens that do little")[0]


def test_few_words_and_a_single_text_are_said() -> None:
    made = decision(distinct())
    for candidate in made["candidates"]:
        candidate["domains"]["news"] |= {"words": 52, "documents": 1, "low95": 1.0625, "high95": 1.0625}
        candidate["domains"]["chats"]["words"] = 2_000
        candidate["writing"] = {}
    page = Page(html(made))
    assert "With few words (news 52; fewer than 2,000)" in page.text
    assert 1.0625 not in page.exact


def test_another_choice_than_the_recommended_and_failures_come_first() -> None:
    made = decision(iter([0, 7] * 1000), LABELS[:3])
    page = Page(html(made))
    assert "Chosen is extend-16000; the measurements speak for inplace." in page.text
    assert "texts do not come back as they were written" in page.text
    agreed = decision(itertools.repeat(0), LABELS[:3], chosen="inplace")
    assert "Read this first" not in Page(html(agreed)).text


def test_terminal_shows_every_figure_whole_in_80_columns() -> None:
    made = decision((number / 7 for number in itertools.count(1)), LABELS)
    for candidate in made["candidates"]:
        candidate |= {"vocab_size": 128_256, "new_tokens": 60_204, "flops_per_word": 4.2e9, "context_gained": 2.348}
        candidate["languages"]["az"] |= {"tokens_per_word": 1.4479, "low95": 1.4301, "high95": 1.4602, "change": -0.574}
        candidate["languages"]["en"]["change"] = 0.0125
    text = printed(made)
    assert max(cell_len(line) for line in text.splitlines()) <= 80
    assert "Recommended for Azerbaijani: inplace-42000; chosen: inplace-47000" in text
    for label in LABELS[1:]:
        line = next(line for line in text.splitlines() if f" {label} " in line and "128,256" in line)
        assert re.search(r"1\.448 +−57\.4% +en \+1\.2% +0\.0% +60,204", line)
    assert text.count("1.430–1.460") == len(LABELS)
    assert "e│v│l│ə│r│i│m│i│z│d│ə│n" in text


NUMBER = st.none() | st.integers(0, 10**10) | st.floats(-1e9, 1e9) | st.just(float("nan")) | st.just(float("inf"))
TEXT = st.text(max_size=12) | st.sampled_from(HOSTILE)


@st.composite
def decisions(draw: st.DrawFn) -> dict[str, Any]:
    """1 to 12 candidates; figures of any size or none; labels, names and words of any letters."""
    labels = draw(st.lists(TEXT.filter(str.strip), min_size=1, max_size=12, unique=True))
    pool = draw(st.lists(NUMBER, min_size=1, max_size=40))
    made = decision(itertools.cycle(pool), labels)
    made["base_label"], made["chosen"] = draw(st.sampled_from([*labels, ""])), draw(st.sampled_from([*labels, ""]))
    made["recommendation"] = {"label": draw(st.sampled_from([*labels, ""])), "reason": draw(TEXT)}
    words = draw(st.lists(st.tuples(TEXT, st.lists(TEXT, max_size=4)), max_size=3))
    made["words"] = [{"word": word, "pieces": {labels[0]: parts, labels[-1]: [word]}} for word, parts in words]
    for part in draw(st.sets(st.sampled_from(["domains", "writing", "languages", "scripts", "dropped_merges"]))):
        for candidate in made["candidates"][:: draw(st.integers(1, 2))]:
            candidate[part] = {}
    return made


@settings(max_examples=12, deadline=None)
@given(decisions())
def test_any_decision_can_be_shown(made: dict[str, Any]) -> None:
    page = Page(html(made))
    assert not {"script", "img"} & set(page.tags)
    assert max(cell_len(line) for line in printed(made).splitlines()) <= 80


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_ticks_are_round_few_and_around_the_figures(low: float, width: float) -> None:
    ticks = nice_ticks(low, low + width)
    assert 2 <= len(ticks) <= MOST_TICKS
    step = ticks[1] - ticks[0]
    slack = 1e-6 * max(step, abs(low), abs(low + width))
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + width - slack
    assert all(abs(b - a - step) <= slack for a, b in itertools.pairwise(ticks))


def test_page_is_written_beside_the_json_and_again_the_same(tmp_path: Path) -> None:
    path = tmp_path / "decision.json"
    path.write_text(json.dumps(decision(distinct())))
    page = write_page(path)
    assert page == tmp_path / "decision.html"
    assert write_page(path).read_bytes() == page.read_bytes()
    assert str(tmp_path) not in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no decision at"), ("{", "is not JSON"), ("[]", "holds no decision"), ('{"candidates": 3}', "candidates")],
)
def test_no_decision_is_a_user_error(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "decision.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=said):
        write_page(path)


def test_report_of_a_run_names_the_recommendation_and_links_to_the_page(runs: MakeRun) -> None:
    folder = runs(("corpus", "tokenizer"))
    without = Page(write(folder).read_text(encoding="utf-8"))
    assert "Recommended" not in without.text
    assert not (folder / "tokenizer/decision.html").exists()
    (folder / "tokenizer/decision.json").write_text(json.dumps(decision(distinct())))
    page = Page(write(folder).read_text(encoding="utf-8"))
    assert "Recommended: inplace: fewest tokens; nobody pays" in page.text
    link = next(value for name, value in page.attributes if name == "href")
    assert Page((folder / link).read_text(encoding="utf-8")).headings[0] == "The recommendation"
    console = Console(file=io.StringIO(), width=80, highlight=False)
    print_report(folder, console)
    assert "recommended: inplace: fewest tokens" in console.file.getvalue()  # type: ignore[attr-defined]
