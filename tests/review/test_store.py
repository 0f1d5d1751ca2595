"""store: one vote per reviewer and pair, kept whoever else writes, and no file of somebody else's touched."""

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from anadil.errors import UserError
from anadil.review.pairs import Pair, Pairs
from anadil.review.store import Store, Vote

PAIRS = [Pair(str(number), "a", "b") for number in range(20)]


def test_a_vote_comes_back_and_a_later_one_takes_its_place(store: Store, pairs: Pairs) -> None:
    key = pairs.shown[0].key
    first = Vote("Aygün", key, "a", True, ("rude", "no_answer"), "şərh «ə»\n<b>")
    store.save(first)
    assert store.votes() == [first]
    store.save(Vote("Aygün", key, "both_bad", False))
    store.save(Vote("Nigar", key, "b", False))
    assert [(vote.reviewer, vote.choice) for vote in store.votes()] == [("Aygün", "both_bad"), ("Nigar", "b")]
    assert [vote.reviewer for vote in store.votes("Nigar")] == ["Nigar"]
    assert store.votes("heç kim") == []


def test_a_file_that_is_there_goes_on_with_its_link_and_its_votes(store: Store, pairs: Pairs) -> None:
    given = store.secrets()
    store.save(Vote("Aygün", pairs.shown[0].key, "a", True))
    again = Store.create(store.path, [*pairs.shown, Pair("yeni", "bir", "iki")])
    assert again.secrets() == given
    assert len(again.votes()) == 1
    assert len(again.pairs()) == len(pairs.shown) + 1
    assert Store.existing(store.path).votes() == again.votes()


def test_two_files_have_nothing_in_common(store: Store, tmp_path: Path) -> None:
    one, other = store.secrets(), Store.create(tmp_path / "other.sqlite", []).secrets()
    assert one.token != other.token
    assert one.hidden != other.hidden
    assert len({one.token, one.hidden}) == 2


def test_it_syncs_at_every_vote(store: Store) -> None:
    with store._connection() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_votes_from_many_threads_all_stay(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "v.sqlite", PAIRS)
    votes = [Vote(f"r{reviewer}", pair.key, "a", True) for reviewer in range(4) for pair in PAIRS]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(store.save, votes))
    assert sorted(store.votes(), key=repr) == sorted(votes, key=repr)


CODE = """
import sys
from pathlib import Path
from anadil.review.pairs import Pair
from anadil.review.store import Store, Vote
pairs = [Pair(str(number), "a", "b") for number in range(20)]
sys.stdin.readline()
store = Store.create(Path(sys.argv[1]), pairs)
for pair in pairs:
    store.save(Vote(sys.argv[2], pair.key, "a", True))
print(store.secrets().token)
"""


def test_processes_that_begin_together_share_one_file(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CODE, str(tmp_path / "v.sqlite")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen([*command, name], **pipes) for name in ("x", "y", "z")]
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    tokens = {process.communicate(timeout=60)[0].strip() for process in started}
    assert [process.returncode for process in started] == [0, 0, 0]
    store = Store.existing(tmp_path / "v.sqlite")
    assert tokens == {store.secrets().token}
    assert len(store.votes()) == 3 * len(PAIRS)


@pytest.mark.parametrize("what", ["text", "other database", "folder"])
def test_a_file_that_is_none_of_ours_is_left_as_it_was(tmp_path: Path, what: str) -> None:
    path = tmp_path / "mine"
    if what == "folder":
        path.mkdir()
    elif what == "text":
        path.write_text("qeydlərim" * 100)
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE mine (x)")
        connection.close()
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(UserError, match="mine") as caught:
        Store.create(path, PAIRS)
    assert "--out" in caught.value.hint
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_no_votes_yet_is_said_and_no_file_is_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no votes yet"):
        Store.existing(tmp_path / "v.sqlite")
    assert not list(tmp_path.iterdir())


def test_a_vote_that_cannot_be_written_is_an_error(store: Store) -> None:
    with pytest.raises(UserError, match="FOREIGN KEY"):
        store.save(Vote("Aygün", "no such pair", "a", True))
    with pytest.raises(UserError, match="CHECK"):
        store.save(Vote("Aygün", next(iter(store.pairs())), "c", True))  # type: ignore[arg-type]
    assert store.votes() == []
