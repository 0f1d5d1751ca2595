"""The review service over real HTTP: votes are kept as given, and nothing says whose an answer is."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from anadil.languages import LanguageProfile, load_profile
from anadil.review.app import MAX_COMMENT, MAX_NAME, PAGE, create_app
from anadil.review.pairs import Pairs
from anadil.review.store import Store, Vote
from tests.review.small import pairs_of, post
from tests.serve.conftest import running

FILES = ("", "review.css", "review.js", "icon.svg", "page.json")
Serving = Callable[..., str]


def ballot(pair: dict[str, str], choice: str = "left", reviewer: str = "Aygün", **more: object) -> dict[str, object]:
    return {"reviewer": reviewer, "pair": pair["id"], "choice": choice, **more}


@pytest.mark.parametrize("choice", ["left", "right", "both_good", "both_bad"])
def test_a_vote_is_kept_for_what_was_shown(url: str, store: Store, pairs: Pairs, choice: str) -> None:
    texts = {pair.question: pair for pair in pairs.shown}
    for shown in pairs_of(url, "Aygün"):
        assert post(url, "votes", ballot(shown, choice, reasons=["rude"], comment=" şərh ")).json() == {"saved": True}
        pair = texts[shown["question"]]
        meant = {"left": shown["left"], "right": shown["right"]}.get(choice)
        expected = {pair.a: "a", pair.b: "b"}.get(meant, choice)
        vote = next(vote for vote in store.votes("Aygün") if vote.pair == pair.key)
        assert vote == Vote("Aygün", pair.key, expected, shown["left"] == pair.a, ("rude",), "şərh")
    again = pairs_of(url, "Aygün")
    assert {json.dumps(one["vote"]) for one in again} == {
        json.dumps({"choice": choice, "reasons": ["rude"], "comment": "şərh"})
    }


def test_a_vote_can_be_changed_and_is_the_reviewers_own(url: str, store: Store) -> None:
    first = pairs_of(url, "Aygün")[0]
    for choice in ("left", "both_bad"):
        post(url, "votes", ballot(first, choice))
    assert [vote.choice for vote in store.votes()] == ["both_bad"]
    assert [one["vote"] for one in pairs_of(url, "Nigar")] == [None] * 6
    assert pairs_of(url, " Aygu\u0308n\u200b ")[0]["vote"]["choice"] == "both_bad", "one name, however it is typed"


def test_what_was_shown_counts_though_the_service_now_shows_it_otherwise(
    serving: Serving, store: Store, pairs: Pairs
) -> None:
    texts = {pair.question: pair for pair in pairs.shown}
    before, after = serving(seed=1), serving(seed=2)
    given = pairs_of(before, "Aygün")
    turned = {one["question"]: one["left"] for one in pairs_of(after, "Aygün")}
    assert any(turned[one["question"]] != one["left"] for one in given)
    for shown in given:
        assert post(after, "votes", ballot(shown, "left")).status_code == 200
        pair = texts[shown["question"]]
        vote = next(vote for vote in store.votes() if vote.pair == pair.key)
        assert {"a": pair.a, "b": pair.b}[vote.choice] == shown["left"]
    for shown in pairs_of(after, "Aygün"):
        chosen = {"left": shown["left"], "right": shown["right"]}[shown["vote"]["choice"]]
        assert chosen == next(one["left"] for one in given if one["question"] == shown["question"])


def test_nothing_served_says_whose_an_answer_is(url: str, store: Store, pairs: Pairs) -> None:
    """Of the fixture's runs: their names, folders, recipes, the order of the runs, and what the store keeps hidden."""
    shown = pairs_of(url, "Aygün")
    responses = [httpx2.get(url + file) for file in FILES]
    responses += [post(url, "pairs", {"reviewer": "Aygün"}), post(url, "votes", ballot(shown[0]))]
    responses += [post(url, "votes", b"{"), post(url, "votes", ballot({"id": "x"})), httpx2.get(f"{url}nothing")]
    seen = "\n".join(f"{response.headers} {response.text}" for response in responses)
    secrets = store.secrets()
    hidden = ["almaz", "bakir", "runs/", "evaluate", ".sqlite", str(store.path.parent), secrets.hidden, "a_is_left"]
    hidden += [pair.key for pair in pairs.shown]
    assert [word for word in hidden if word in seen] == []
    assert {frozenset(one) for one in shown} == {frozenset(["id", "question", "left", "right", "vote"])}


def test_ids_tell_nothing_and_are_each_reviewers_own(url: str) -> None:
    ids = [{one["id"] for one in pairs_of(url, name)} for name in ("Aygün", "Nigar")]
    assert not ids[0] & ids[1]
    assert all(re.fullmatch(r"[0-9a-f]{24}", one) for one in ids[0] | ids[1])
    mine = pairs_of(url, "Aygün")[0]
    assert post(url, "votes", ballot(mine, reviewer="Nigar")).status_code == 409


def test_sides_are_even_for_each_reviewer_and_over_all(url: str, pairs: Pairs) -> None:
    answers_a = {pair.a for pair in pairs.shown}
    left = dict.fromkeys((pair.question for pair in pairs.shown), 0)
    for number in range(60):
        shown = pairs_of(url, f"rəyçi {number}")
        assert sum(one["left"] in answers_a for one in shown) == 3
        for one in shown:
            left[one["question"]] += one["left"] in answers_a
    assert all(8 < count < 52 for count in left.values()), left  # far beyond 5 standard deviations of a fair coin


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("votes", b"{", 422, "JSON"),
        ("votes", b"[1]", 422, "object"),
        ("votes", {"reviewer": "x"}, 422, "pair"),
        ("votes", {"reviewer": "x", "pair": "y", "choice": "a"}, 422, "choice"),
        ("votes", {"reviewer": "x", "pair": "y", "choice": "left", "run": "a"}, 422, "run"),
        ("votes", {"reviewer": "x", "pair": "y", "choice": "left", "reasons": ["ugly"]}, 422, "reasons.0"),
        ("votes", {"reviewer": "x", "pair": "y", "choice": "left", "comment": "x" * (MAX_COMMENT + 1)}, 422, "comment"),
        ("votes", {"reviewer": "x", "pair": "y", "choice": "left"}, 409, "load the page again"),
        ("votes", {"reviewer": 7, "pair": "y", "choice": "left"}, 422, "reviewer"),
        ("votes", {"reviewer": "x" * 70_000, "pair": "y", "choice": "left"}, 413, "bytes"),
        ("votes", {"reviewer": "", "pair": "y", "choice": "left"}, 422, "1 to 80"),
        ("votes", b'{"reviewer": "\\ud83d", "pair": "y", "choice": "left"}', 422, ""),
        ("pairs", {"reviewer": ""}, 422, "1 to 80"),
        ("pairs", {"reviewer": " \t\u200b\n"}, 422, "1 to 80"),
        ("pairs", {"reviewer": "x" * 10_000}, 422, "1 to 80"),
        ("pairs", {"reviewer": "x" * (MAX_NAME + 1)}, 422, "1 to 80"),
        ("pairs", {"reviewer": None}, 422, "reviewer"),
        ("pairs", {}, 422, "reviewer"),
        ("pairs", b"", 422, "JSON"),
    ],
)
def test_what_is_malformed_is_refused_and_kept_nowhere(
    url: str, store: Store, path: str, body: object, status: int, said: str
) -> None:
    response = post(url, path, body)
    assert response.status_code == status
    assert said in response.json()["error"]["message"]
    assert store.votes() == []


def test_only_json_is_taken_and_other_methods_are_not(url: str) -> None:
    body = json.dumps({"reviewer": "x"}).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        assert httpx2.post(f"{url}pairs", content=body, headers={"content-type": kind}).status_code == 415
    assert httpx2.get(f"{url}votes").status_code == 405


def test_without_the_token_there_is_nothing(url: str, store: Store) -> None:
    server, token = url.rstrip("/").rsplit("/", 1)
    shown = pairs_of(url, "Aygün")[0]
    wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
    said = load_profile("az").page["review_wrong_link"]
    for place in ("/", f"/{wrong}/", f"/{token}x/", "/ə/", "/page.json", "/docs", "/openapi.json", *FILES[1:]):
        response = httpx2.get(f"{server}/{place.lstrip('/')}", follow_redirects=True)
        assert (response.status_code, response.text) == (404, said), place
        assert "default-src 'self'" in response.headers["content-security-policy"]
    assert post(f"{server}/{wrong}/", "votes", ballot(shown)).status_code == 404
    assert post(f"{server}/{wrong}/", "pairs", {"reviewer": "Aygün"}).status_code == 404
    assert store.votes() == []


def test_every_response_is_under_a_strict_policy(url: str) -> None:
    kinds = {"": "text/html", "review.css": "text/css", "review.js": "text/javascript", "page.json": "application/json"}
    for file, kind in kinds.items():
        response = httpx2.get(url + file)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(kind)
        assert "default-src 'self'" in response.headers["content-security-policy"]
        assert "unsafe" not in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"


def test_a_language_without_these_words_gets_the_english_ones_and_says_so(pairs: Pairs, store: Store) -> None:
    finnish = load_profile("fi")
    assert words_of(finnish, pairs, store)["words_language"] == "en"
    assert words_of(finnish, pairs, store)["words"]["review_start"] == "Start"
    azerbaijani = words_of(load_profile("az"), pairs, store)
    assert (azerbaijani["words_language"], azerbaijani["words"]["review_start"]) == ("az", "Başla")
    assert azerbaijani["words"].keys() == words_of(finnish, pairs, store)["words"].keys()


def words_of(profile: LanguageProfile, pairs: Pairs, store: Store) -> dict[str, dict[str, str]]:
    with running(create_app(pairs.shown, store, profile)) as server:
        return httpx2.get(f"{server}/{store.secrets().token}/page.json").json()


def test_the_page_and_the_profile_know_the_same_words() -> None:
    text = "".join((PAGE / name).read_text(encoding="utf-8") for name in ("index.html", "review.js"))
    known = {key for key in load_profile("en").page if key.startswith("review_")} - {"review_wrong_link"}
    made = {f"review_reason_{reason}" for reason in ("language_errors", "wrong_content", "no_answer", "rude")}
    assert set(re.findall(r"review_[a-z_]+[a-z]", text)) - {"review_reason"} | made == known


def test_a_disk_that_fails_is_not_called_saved(url: str, store: Store) -> None:
    shown = pairs_of(url, "Aygün")[0]
    with store._connection() as connection:
        connection.execute("ALTER TABLE votes RENAME TO gone")
    for response in (post(url, "votes", ballot(shown)), post(url, "pairs", {"reviewer": "Aygün"})):
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "not_saved"
        assert str(store.path) not in response.text


def test_reviewers_who_vote_at_once_lose_nothing(url: str, store: Store) -> None:
    def go_through(name: str) -> None:
        for shown in pairs_of(url, name):
            for choice in ("left", "right"):
                assert post(url, "votes", ballot(shown, choice, name)).status_code == 200

    threads = [threading.Thread(target=go_through, args=(f"rəyçi {number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(store.votes()) == 6 * 6


def test_the_page_is_small_and_loads_nothing_from_elsewhere() -> None:
    files = sorted(PAGE.iterdir())
    assert sum(file.stat().st_size for file in files) <= 60 * 1024
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    assert set(re.findall(r"https?://[^\s\"')]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|style=|\son\w+=\"", text)


def test_importing_the_parts_without_a_page_needs_no_server() -> None:
    code = "import sys, anadil.review.pairs, anadil.review.store, anadil.review.stats, anadil.review.export\n"
    code += "print([name for name in ('fastapi', 'uvicorn', 'torch') if name in sys.modules])"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "[]", done.stderr
