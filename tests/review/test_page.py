"""The review page in a real browser."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from anadil.languages import load_profile
from anadil.review.pairs import Pair, Pairs
from anadil.review.store import Store
from tests.serve.test_page import browser, contrast, expect, pytestmark  # noqa: F401  (a fixture, and the marks)

WORDS = load_profile("az").page
KEYS = {"ArrowLeft": "left", "ArrowRight": "right", "ArrowUp": "both_good", "ArrowDown": "both_bad"}
MARKUP = "<img src=x onerror=alert(1)> <b>qalın</b> &amp; </div><script>alert(2)</script>"


@pytest.fixture
def pairs() -> Pairs:
    lines = "sətir\n  sətir\n\n- bənd"
    texts = [("bir", "iki"), (MARKUP, "sadə"), ("", "boş deyil"), ("uzun" * 200, "w" * 300), (lines, "x"), ("a", "b")]
    asked = [f"Sual {number}: {MARKUP if number == 1 else 'nədir?'}" for number in range(len(texts))]
    return Pairs([Pair(question, *two) for question, two in zip(asked, texts, strict=True)], 0)


@pytest.fixture
def opened(browser: Any, url: str) -> Iterator[Callable[..., Any]]:  # noqa: F811
    """Open the page in a browser of its own; every response that it gets is in `page.seen`."""
    contexts, faults = [], list[str]()

    def start(width: int = 320, height: int = 568, address: str = url, **settings: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(8_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security" in said.text else None)
        page.seen = seen = list[Any]()
        page.on("response", lambda response: seen.append(response))
        page.goto(address)
        page.wait_for_selector("body.ready")
        return page

    yield start
    for context in contexts:
        context.close()
    assert faults == []


def begin(page: Any, name: str = "Aygün") -> Any:
    """Give a name with the keyboard alone; the first pair is there afterwards."""
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    expect(page.locator("#number")).to_be_focused()
    return page


def number_of(page: Any) -> int:
    return int(page.locator("#number").inner_text().split()[-1])


def no_wider(page: Any) -> bool:
    width = page.viewport_size["width"]
    return bool(page.evaluate("document.documentElement.scrollWidth") <= width)


def chosen(store: Store, pairs: Pairs) -> dict[str, str]:
    """question -> the text that was preferred, or how both were."""
    voted = [(next(pair for pair in pairs.shown if pair.key == vote.pair), vote.choice) for vote in store.votes()]
    return {pair.question: {"a": pair.a, "b": pair.b}.get(choice, choice) for pair, choice in voted}


def test_all_pairs_by_keyboard_at_phone_width(opened: Callable[..., Any], store: Store, pairs: Pairs) -> None:
    page = opened()
    assert page.get_attribute("html", "lang") == "az"
    assert page.title() == WORDS["review_title"]
    begin(page)
    expected, keys = {}, [*KEYS, *KEYS]
    for done in range(len(pairs.shown)):
        expect(page.locator("#number")).to_have_text(f"Sual {done + 1}")
        expect(page.locator("#number")).to_be_focused()
        expect(page.locator("#count")).to_have_text(f"{done} / 6")
        expect(page.get_by_role("status")).to_have_text(f"Qiymətləndirilib: {done} / 6")
        assert no_wider(page)
        texts = {side: page.locator(f"#{side} .text").text_content() for side in ("left", "right")}
        choice = KEYS[keys[done]]
        expected[page.locator("#question").text_content()] = texts.get(choice, choice).replace(
            WORDS["review_empty"], ""
        )
        page.keyboard.press(keys[done])
    expect(page.locator("#thanks")).to_be_focused()
    expect(page.locator("#count")).to_have_text("6 / 6")
    assert no_wider(page)
    assert chosen(store, pairs) == expected
    assert {vote.reviewer for vote in store.votes()} == {"Aygün"}


def test_back_shows_the_vote_and_changes_it(opened: Callable[..., Any], store: Store) -> None:
    page = begin(opened())
    page.keyboard.press("2")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#number")).to_have_text("Sual 2")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#number")).to_have_text("Sual 3")
    for number in (2, 1, 1):  # before the first there is nothing
        page.keyboard.press("Backspace")
        expect(page.locator("#number")).to_have_text(f"Sual {number}")
    expect(page.get_by_role("button", name=WORDS["review_both_good"])).to_have_attribute("aria-pressed", "true")
    assert page.get_by_label(WORDS["review_reason_wrong_content"]).is_checked()
    page.keyboard.press("2")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#number")).to_have_text("Sual 3")  # on to the first that has no vote
    assert sorted((vote.choice, vote.reasons) for vote in store.votes()) == [("both_bad", ()), ("both_good", ())]
    page.keyboard.press("Enter")
    expect(page.locator("#number")).to_have_text("Sual 3")  # and not past it without one


def test_reasons_and_a_comment_go_with_the_vote_and_are_not_lost_without_one(
    opened: Callable[..., Any], store: Store
) -> None:
    page = begin(opened())
    page.keyboard.press("ArrowUp")
    expect(page.locator("#number")).to_have_text("Sual 2")
    page.keyboard.press("1")
    page.fill("#comment", "sonra ←")
    page.keyboard.press("ArrowLeft")  # moves in the text, votes for nothing
    page.keyboard.press("Backspace")
    expect(page.locator("#comment")).to_have_value("sonra←")
    page.keyboard.press("Escape")
    expect(page.locator("#number")).to_be_focused()
    page.keyboard.press("Backspace")
    expect(page.locator("#number")).to_have_text("Sual 1")
    page.fill("#comment", "əlavə")
    page.get_by_role("button", name=WORDS["review_next"]).click()
    expect(page.locator("#number")).to_have_text("Sual 2")
    assert [(vote.choice, vote.comment) for vote in store.votes()] == [("both_good", "əlavə")]
    expect(page.locator("#comment")).to_have_value("sonra←")
    page.get_by_role("button", name=WORDS["review_both_bad"]).click()
    expect(page.locator("#number")).to_have_text("Sual 3")
    assert {(vote.reasons, vote.comment) for vote in store.votes()} == {((), "əlavə"), (("language_errors",), "sonra←")}
    expect(page.locator("#comment")).to_have_value("")
    assert page.locator("#reasons :checked").count() == 0


def test_markup_stays_text_and_what_is_empty_says_so(opened: Callable[..., Any], pairs: Pairs) -> None:
    page = begin(opened())
    seen = set()
    for number in range(1, 7):
        expect(page.locator("#number")).to_have_text(f"Sual {number}")
        seen |= {*page.locator("#pair .text").evaluate_all("all => all.map((one) => one.textContent)")}
        assert page.locator("#pair .text *").count() == 0
        page.keyboard.press("ArrowUp")
    texts = {text for pair in pairs.shown for text in (pair.question, pair.a, pair.b)}
    assert seen == texts - {""} | {WORDS["review_empty"]}


def test_a_vote_that_did_not_arrive_is_said_and_can_be_given_again(opened: Callable[..., Any], store: Store) -> None:
    page = begin(opened())
    page.route("**/votes", lambda route: route.abort())
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#failed")).to_have_text(WORDS["review_not_saved"])
    expect(page.locator("#number")).to_have_text("Sual 1")
    assert no_wider(page)
    page.unroute("**/votes")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#number")).to_have_text("Sual 2")
    expect(page.locator("#failed")).to_be_empty()
    assert len(store.votes()) == 1


def test_a_key_that_is_held_votes_once(opened: Callable[..., Any], store: Store) -> None:
    page = begin(opened())
    page.keyboard.down("ArrowUp")
    expect(page.locator("#number")).to_have_text("Sual 2")
    for _ in range(3):  # it is still down: these repeat
        page.keyboard.down("ArrowUp")
    page.keyboard.up("ArrowUp")
    page.keyboard.press("Control+ArrowUp")
    page.keyboard.press("Backspace")
    expect(page.locator("#number")).to_have_text("Sual 1")
    assert len(store.votes()) == 1


def test_a_reload_goes_on_and_another_name_begins_anew(opened: Callable[..., Any], store: Store) -> None:
    page = begin(opened())
    page.keyboard.press("ArrowUp")
    expect(page.locator("#number")).to_have_text("Sual 2")
    page.reload()
    expect(page.locator("#number")).to_have_text("Sual 2")
    page.get_by_role("button", name=WORDS["review_change_name"]).click()
    expect(page.locator("#name")).to_have_value("Aygün")
    page.fill("#name", " ")
    page.keyboard.press("Enter")
    expect(page.locator("#name-wrong")).to_have_text(WORDS["review_name_wrong"])
    page.fill("#name", "Nigar")
    page.keyboard.press("Enter")
    expect(page.locator("#number")).to_have_text("Sual 1")
    expect(page.locator("#count")).to_have_text("0 / 6")
    assert {vote.reviewer for vote in store.votes()} == {"Aygün"}


def test_the_list_of_keys_opens_and_takes_the_keys(opened: Callable[..., Any], store: Store) -> None:
    page = begin(opened(1280, 800))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name=WORDS["review_keys"])).to_be_visible()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#number")).to_have_text("Sual 1")
    assert store.votes() == []


def test_names_and_places_for_who_does_not_see_it(opened: Callable[..., Any]) -> None:
    page = opened()
    expect(page.get_by_role("textbox", name=WORDS["review_name"])).to_be_focused()
    begin(page)
    for role, count in (("banner", 1), ("main", 1), ("contentinfo", 1), ("article", 2), ("status", 1)):
        assert page.get_by_role(role).count() == count
    for side in "AB":
        assert page.get_by_role("article", name=WORDS["review_answer"].format(side=side)).is_visible()
        assert page.get_by_role("button", name=WORDS["review_better"].format(side=side)).is_visible()
    assert page.get_by_role("group", name=WORDS["review_choose"]).get_by_role("button").count() == 4
    assert page.get_by_role("group", name=WORDS["review_reasons"]).get_by_role("checkbox").count() == 4
    assert page.get_by_role("textbox", name=WORDS["review_comment"]).is_visible()
    assert page.get_by_role("heading").evaluate_all("all => all.map((one) => one.localName)") == [
        "h1",
        "h2",
        "h3",
        "h3",
    ]
    assert page.locator("#number").get_attribute("aria-describedby") == "question"


@pytest.mark.parametrize(("width", "height"), [(320, 568), (390, 844), (844, 390), (1280, 800)])
def test_nothing_sticks_out_and_the_choices_are_in_reach(opened: Callable[..., Any], width: int, height: int) -> None:
    page = begin(opened(width, height), "x" * 80)
    for number in range(1, 7):
        expect(page.locator("#number")).to_have_text(f"Sual {number}")
        assert no_wider(page)
        boxes = [page.locator(f"[data-choice={choice}]").bounding_box() for choice in KEYS.values()]
        assert all(box["height"] >= 44 and box["width"] >= 44 for box in boxes)  # WCAG 2.2, 2.5.5
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
        if height > 416:  # in lower windows they scroll with the rest
            assert all(box["y"] + box["height"] <= height for box in boxes)
        bar, header = (page.locator(name).bounding_box() for name in ("#bar", "header"))
        assert abs(bar["y"] - header["y"] - header["height"]) < 4
        left, right = (page.locator(f"#{side}").bounding_box() for side in ("left", "right"))
        assert left["y"] == right["y"] if width > 704 else right["y"] >= left["y"] + left["height"]
        page.keyboard.press("ArrowUp")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_enough_contrast(opened: Callable[..., Any], scheme: str) -> None:
    page = opened(color_scheme=scheme)
    read = "name => getComputedStyle(document.documentElement).getPropertyValue(name)"
    names = ("page", "raised", "soft", "ink", "muted", "accent", "on-accent", "danger")
    colours = {name: page.evaluate(read, f"--{name}") for name in names}
    pairs = [("ink", "page"), ("ink", "raised"), ("ink", "soft"), ("muted", "page"), ("muted", "raised")]
    pairs += [("on-accent", "accent"), ("danger", "page"), ("accent", "raised")]
    low = {pair: contrast(*(colours[name] for name in pair)) for pair in pairs}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}  # WCAG 2.2, 1.4.3 level AA


def test_the_browser_gets_and_keeps_nothing_that_tells_the_runs_apart(
    opened: Callable[..., Any], store: Store, pairs: Pairs
) -> None:
    page = begin(opened())
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#number")).to_have_text("Sual 2")
    assert {response.url.removeprefix(page.url) for response in page.seen} == {
        "", "review.css", "review.js", "icon.svg", "page.json", "pairs", "votes"
    }  # fmt: skip
    said = json.loads(next(response for response in page.seen if response.url.endswith("pairs")).body())
    assert {frozenset(pair) for pair in said["pairs"]} == {frozenset(("id", "question", "left", "right", "vote"))}
    kept = page.evaluate(
        "JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie])"
    )
    assert "Aygün" in kept
    hidden = [store.secrets().hidden, str(store.path.parent), *(pair.key for pair in pairs.shown)]
    whole = (
        kept
        + page.content()
        + "".join(response.text() for response in page.seen if "json" in response.headers["content-type"])
    )
    assert [word for word in hidden if word in whole] == []
