"""The chat page in a real browser."""

import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from anadil.languages import load_profile
from tests.serve.scripted import Scripted

playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
expect = playwright.expect
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on the PATH (or its path in CHROMIUM)"),
]
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WORDS = load_profile("az").page
PAGE = Path(__file__).parents[2] / "src/anadil/serve/page"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, url: str) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(8_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
    page.goto(url)
    page.wait_for_selector("body.ready")
    yield page
    context.close()
    assert faults == []


def ask(page: Any, text: str) -> None:
    page.fill("#question", text)
    page.press("#question", "Enter")


def answered(page: Any) -> str:
    page.wait_for_selector(".assistant:last-child:not(.running)")
    return page.locator(".assistant .text").last.inner_text()


def test_words_and_language_are_the_profiles(page: Any) -> None:
    assert page.get_attribute("html", "lang") == "az"
    assert page.title() == WORDS["title"]
    assert page.get_by_role("button", name=WORDS["new_chat"]).is_visible()
    assert page.get_by_role("textbox", name=WORDS["placeholder"]).is_visible()
    assert page.get_by_role("log").get_attribute("aria-labelledby") == "title"
    assert page.evaluate("document.activeElement.id") == "question"


def test_a_question_is_answered_and_survives_a_reload(page: Any, engine: Scripted) -> None:
    ask(page, "Salam")
    assert answered(page) == engine.script
    ask(page, "İkinci")
    assert answered(page) == engine.script
    page.reload()
    page.wait_for_selector("body.ready")
    assert page.locator(".text").all_inner_texts() == ["Salam", engine.script, "İkinci", engine.script]
    ask(page, "Üçüncü")
    answered(page)
    assert "Salam" in engine.asked[-1][0]
    page.click("#new")
    assert page.locator(".turn").count() == 0
    page.reload()
    assert page.locator(".turn").count() == 0


def test_the_answer_comes_word_by_word_and_can_be_stopped(page: Any, engine: Scripted) -> None:
    engine.endless, engine.context_tokens, engine.gate = True, 100_000, threading.Semaphore(3)
    ask(page, "Salam")
    expect(page.locator(".assistant .text")).to_have_text(" ".join(engine.script.split(" ")[:3]))
    assert page.get_by_role("log").get_attribute("aria-busy") == "true"
    assert page.get_by_role("status").inner_text() == WORDS["thinking"]
    page.get_by_role("button", name=WORDS["stop"]).click()
    assert answered(page) == " ".join(engine.script.split(" ")[:3])
    assert page.evaluate("document.activeElement.id") == "question"
    engine.gate.release(1000)
    assert engine.idle.wait(10)
    engine.gate = None


def test_stopped_before_the_first_word_the_question_comes_back(page: Any, engine: Scripted) -> None:
    engine.gate = threading.Semaphore(0)
    ask(page, "Salam")
    page.wait_for_selector(".running")
    page.keyboard.press("Escape")
    expect(page.locator("#question")).to_have_value("Salam")
    expect(page.locator(".turn")).to_have_count(0)
    engine.gate.release(1000)


def test_a_new_chat_leaves_the_old_answer_behind(page: Any, engine: Scripted) -> None:
    engine.gate = threading.Semaphore(2)
    ask(page, "Birinci")
    expect(page.locator(".assistant .text")).to_have_text(" ".join(engine.script.split(" ")[:2]))
    page.click("#new")
    engine.gate.release(1000)
    ask(page, "İkinci")
    assert answered(page) == engine.script
    assert page.locator(".text").all_inner_texts() == ["İkinci", engine.script]
    assert "Birinci" not in engine.asked[-1][0]


def test_retry_asks_again_with_another_seed(page: Any, engine: Scripted) -> None:
    ask(page, "Salam")
    answered(page)
    engine.script = "Yeni cavab"
    page.get_by_role("button", name=WORDS["retry"]).click()
    expect(page.locator(".assistant .text")).to_have_text("Yeni cavab")
    assert page.locator(".turn").count() == 2
    assert engine.asked[1][0] == engine.asked[0][0]
    assert engine.asked[1][1].temperature > 0
    assert engine.asked[1][1].seed is not None


def test_a_failure_is_said_and_can_be_retried(page: Any, engine: Scripted) -> None:
    page.route("**/v1/chat/completions", lambda route: route.abort())
    ask(page, "Salam")
    page.wait_for_selector(".failed")
    assert page.locator(".failed .text").inner_text() == WORDS["error"]
    page.unroute("**/v1/chat/completions")
    page.get_by_role("button", name=WORDS["retry"]).click()
    page.wait_for_selector(".failed", state="detached")
    assert answered(page) == engine.script


def test_when_the_context_is_full_the_oldest_turns_are_left_out(page: Any, engine: Scripted) -> None:
    for number in range(6):
        ask(page, f"sual-{number} " + "x" * 20)
        assert answered(page) == engine.script
    assert "sual-5" in engine.asked[-1][0]
    assert "sual-0" not in engine.asked[-1][0]
    assert page.locator(".user").count() == 6


def test_markup_stays_text(page: Any, engine: Scripted) -> None:
    engine.script = "<img src=x onerror=alert(1)> <b>qalın</b> &amp;"
    ask(page, "<script>alert(1)</script>")
    assert answered(page) == engine.script
    assert page.locator("#log img, #log b, #log script").count() == 0


def test_copy_takes_the_answer(page: Any, engine: Scripted) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, "Salam")
    answered(page)
    page.get_by_role("button", name=WORDS["copy"]).click()
    expect(page.get_by_role("status")).to_have_text(WORDS["copied"])
    assert page.evaluate("navigator.clipboard.readText()") == engine.script


def test_shift_enter_is_a_new_line(page: Any, engine: Scripted) -> None:
    page.focus("#question")
    height = page.locator("#question").bounding_box()["height"]
    page.keyboard.type("bir")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("iki")
    assert page.locator("#question").bounding_box()["height"] > height
    page.keyboard.press("Enter")
    answered(page)
    assert page.locator(".user .text").inner_text() == "bir\niki"


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_sticks_out_sideways(page: Any, engine: Scripted, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    engine.script = "uzun" * 100
    ask(page, "w" * 100)
    answered(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelector('#scroller').scrollWidth") <= width


def test_a_long_answer_is_followed_to_its_end(page: Any, engine: Scripted) -> None:
    engine.script = "\n".join(["sətir"] * 120) + " son"
    ask(page, "Salam")
    answered(page)
    place = "(s => s.scrollHeight - s.scrollTop - s.clientHeight)(document.querySelector('#scroller'))"
    assert page.evaluate(place) < 4


@pytest.fixture
def dark(browser: Any, serving: Callable[..., str], engine: Scripted) -> Iterator[Any]:
    context = browser.new_context(color_scheme="dark", viewport={"width": 390, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto(serving(engine))
    page.wait_for_selector("body.ready")
    yield page
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_enough_contrast(page: Any, dark: Any, scheme: str) -> None:
    view = {"light": page, "dark": dark}[scheme]
    read = "name => getComputedStyle(document.documentElement).getPropertyValue(name)"
    colours = {name: view.evaluate(read, f"--{name}") for name in ("page", "raised", "bubble", "ink", "muted")}
    colours |= {name: view.evaluate(read, f"--{name}") for name in ("accent", "on-accent", "danger", "danger-soft")}
    pairs = [("ink", "page"), ("ink", "raised"), ("ink", "bubble"), ("muted", "page"), ("muted", "raised")]
    pairs += [("on-accent", "accent"), ("danger", "danger-soft")]
    low = {pair: contrast(*(colours[name] for name in pair)) for pair in pairs}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}  # WCAG 2.2, 1.4.3 level AA


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    digits = re.sub(r"^#(.)(.)(.)$", r"#\1\1\2\2\3\3", colour.strip())
    parts = [int(digits[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_page_is_small_and_loads_nothing_from_elsewhere() -> None:
    files = sorted(PAGE.iterdir())
    assert sum(file.stat().st_size for file in files) <= 60 * 1024
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    assert set(re.findall(r"https?://[^\s\"')]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|style=|\son\w+=\"", text)
