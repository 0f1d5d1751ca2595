"""`anadil review` as a user runs it: served, killed and served again; what the votes say; and what is refused."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from anadil.review.store import Store
from tests.commands.test_bad_input import anadil
from tests.review.small import SAME, pairs_of, post, rows_of, two_runs, write_run

pytest.importorskip("fastapi")
VOTES = Path("runs/almaz/review/bakir.sqlite")


@contextmanager
def served(folder: Path, *arguments: str) -> "Iterator[tuple[subprocess.Popen[str], str]]":
    """The process, and the link that it prints."""
    command = [sys.executable, "-m", "anadil.cli", "review", "almaz", "bakir", "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = [process.stdout.readline() for _ in range(3)]
            yield process, said[1].split()[-1]
        finally:
            process.kill()


def vote_for_ever(url: str, reviewer: str, kept: dict[str, str], enough: threading.Event) -> None:
    """Vote, each time otherwise, until the service is gone; `kept` has what it acknowledged."""
    shown = pairs_of(url, reviewer)
    for number in range(1_000_000):
        pair = shown[number % len(shown)]
        body = {"reviewer": reviewer, "pair": pair["id"], "choice": "both_good", "comment": str(number)}
        try:
            if post(url, "votes", body).status_code == 200:
                kept[pair["question"]] = str(number)
        except httpx2.TransportError:
            return
        if number > 3 * len(shown):
            enough.set()


def test_a_kill_in_the_middle_of_voting_loses_no_vote_that_was_acknowledged(tmp_path: Path) -> None:
    two_runs(tmp_path)
    kept: dict[str, dict[str, str]] = {name: {} for name in ("Aygün", "Nigar")}
    done = {name: threading.Event() for name in kept}
    with served(tmp_path) as (process, url):
        voters = [threading.Thread(target=vote_for_ever, args=(url, name, kept[name], done[name])) for name in kept]
        for voter in voters:
            voter.start()
        assert all(event.wait(60) for event in done.values())
        os.kill(process.pid, signal.SIGKILL)
        for voter in voters:
            voter.join(60)
        assert process.wait(20) == -signal.SIGKILL
    with served(tmp_path) as (_, again):
        assert again.rsplit("/", 2)[1] == url.rsplit("/", 2)[1], "the link stays good"
        for name, mine in kept.items():
            found = {pair["question"]: pair["vote"]["comment"] for pair in pairs_of(again, name)}
            assert found.keys() == mine.keys()
            assert [q for q in mine if int(found[q]) < int(mine[q])] == [], "kept: what was acknowledged or came after"


def test_two_services_of_one_file_share_its_votes(tmp_path: Path) -> None:
    two_runs(tmp_path)
    with served(tmp_path) as (_, one), served(tmp_path) as (_, other):
        for url, name in ((one, "Aygün"), (other, "Nigar")):
            for pair in pairs_of(url, name):
                assert post(url, "votes", {"reviewer": name, "pair": pair["id"], "choice": "left"}).status_code == 200
        assert all(pair["vote"] for pair in pairs_of(one, "Nigar"))
    assert len(Store.existing(tmp_path / VOTES).votes()) == 2 * (8 - SAME)


def test_from_votes_to_results_and_preferences(tmp_path: Path) -> None:
    two_runs(tmp_path)
    with served(tmp_path, "--seed", "7") as (process, url):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{22}/", url)
        for name in ("Aygün", "Nigar"):
            for pair in pairs_of(url, name):
                choice = "left" if "x5a" in pair["left"] else "right"
                body = {"reviewer": name, "pair": pair["id"], "choice": choice, "reasons": ["rude"]}
                assert post(url, "votes", body).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    facts = json.loads(anadil("review", "almaz", "bakir", "--results", "--json", cwd=tmp_path).stdout)
    assert (facts["a"], facts["b"], facts["votes"], facts["identical"]) == ("almaz", "bakir", 12, SAME)
    assert facts["win_rate"] == pytest.approx((8 - SAME + SAME / 2) / 8)
    assert facts["agreement"]["raw"] == 1
    assert facts["reasons"]["b"]["rude"] == 12
    done = anadil("review", "almaz", "bakir", "--results", "--export", "p.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for said in ("87.5%", "100.0%", "Aygün", "alpha undefined", "Said against bakir: rude 12", "6 preference pairs"):
        assert said in done.stdout
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["chosen"][0]["content"][:3] for row in rows} == {"x5a"}
    turned = anadil("review", "bakir", "almaz", "--results", cwd=tmp_path)
    assert turned.returncode == 2
    assert "in the other order" in turned.stderr


def test_results_before_any_vote(tmp_path: Path) -> None:
    a, b = two_runs(tmp_path)
    Store.create(tmp_path / VOTES, [])
    assert "No votes yet." in anadil("review", str(a), str(b), "--results", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["almaz", "almaz"], ("the same run", "base")),
        (["almaz", "none"], ("no run at none", "almaz, bakir")),
        (["almaz", "mute"], ("mute has no answers", "evaluate.questions", "anadil run")),
        (["mute", "base"], ("mute has no answers",)),
        (["almaz", "twin"], ("all 8 answers", "nothing to choose")),
        (["almaz", "other"], ("no question that is the same", "evaluate.questions")),
        (["other", "base"], ("no answers of its base", "another run")),
        (["almaz", "bakir", "--results"], ("no votes yet", str(VOTES), "anadil review")),
        (["almaz", "bakir", "--export", "x.jsonl"], ("no votes yet",)),
        (["almaz", "bakir", "--json"], ("--json", "--results")),
        (["almaz", "bakir", "--out", "runs/almaz/run.json", "--port", "0"], ("run.json", "--out")),
        (["almaz", "bakir", "--host", "203.0.113.1", "--port", "0"], ("203.0.113.1", "address of this machine")),
        (["almaz"], ("RUN_B",)),
    ],
)
def test_what_cannot_be_reviewed_is_refused(tmp_path: Path, arguments: list[str], names: tuple[str, ...]) -> None:
    two_runs(tmp_path)
    write_run(tmp_path / "runs" / "twin", rows_of("x5a"))
    write_run(tmp_path / "runs" / "other", [{"question": "Başqa?", "answer": "x"}])
    (write_run(tmp_path / "runs" / "mute", []) / "evaluate" / "answers.jsonl").unlink()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = anadil("review", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for name in names:
        assert name in done.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_port_in_use_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    two_runs(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = anadil("review", "almaz", "bakir", "--port", port, cwd=tmp_path)
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1 is in use" in done.stderr
    assert not (tmp_path / VOTES).exists()


def test_open_to_the_network_the_link_is_what_others_can_use(tmp_path: Path) -> None:
    two_runs(tmp_path)
    with served(tmp_path, "--host", "0.0.0.0") as (process, url):
        assert not url.startswith("http://0.0.0.0")
        assert "add a proxy with TLS" in process.stdout.readline()
        port = re.search(r":(\d+)/", url)[1]
        assert pairs_of(f"http://127.0.0.1:{port}/{url.rsplit('/', 2)[1]}/", "Aygün")
