"""Votes in one SQLite file. A vote is on disk before anybody is told that it is; processes may share the file."""

import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from anadil.errors import UserError
from anadil.review.pairs import Pair

Choice = Literal["a", "b", "both_good", "both_bad"]
Reason = Literal["language_errors", "wrong_content", "no_answer", "rude"]
REASONS: tuple[Reason, ...] = get_args(Reason)

VERSION = 1
WAIT_SECONDS = 20.0
"""How long a vote waits for another process that writes."""
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pairs (
    key TEXT PRIMARY KEY, messages TEXT NOT NULL, answer_a TEXT NOT NULL, answer_b TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS votes (
    reviewer TEXT NOT NULL,
    pair TEXT NOT NULL REFERENCES pairs (key),
    choice TEXT NOT NULL CHECK (choice IN ('a', 'b', 'both_good', 'both_bad')),
    a_is_left INTEGER NOT NULL,
    reasons TEXT NOT NULL,
    comment TEXT NOT NULL,
    voted_at TEXT NOT NULL,
    PRIMARY KEY (reviewer, pair)
);
"""


@dataclass(frozen=True)
class Vote:
    """What one reviewer said of one pair."""

    reviewer: str
    pair: str
    choice: Choice
    a_is_left: bool
    reasons: tuple[Reason, ...] = ()
    comment: str = ""


@dataclass(frozen=True)
class Secrets:
    """What a file was given when it was made: links and orders stay the same when a service starts again."""

    token: str
    hidden: str
    seed: int


class Store:
    """The file of votes of two runs."""

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def create(cls, path: Path, pairs: Iterable[Pair]) -> "Store":
        """Open the file, new or not, and note the texts of the pairs; UserError if it is none of ours."""
        path.parent.mkdir(parents=True, exist_ok=True)
        store = cls(path)
        with store._connection() as connection:
            store._check_version(connection, new_is_ours=True)  # before anything of it is changed
            connection.execute("PRAGMA journal_mode = WAL")
            store._make_tables(connection, pairs)
        return store

    @classmethod
    def existing(cls, path: Path) -> "Store":
        """Open a file that is there; UserError if there is none."""
        if not path.is_file():
            raise UserError(f"no votes yet: there is no {path}", hint="start with  anadil review RUN_A RUN_B")
        store = cls(path)
        with store._connection() as connection:
            store._check_version(connection)
        return store

    def secrets(self) -> Secrets:
        """Token of the link, key of the ids, and seed."""
        with self._connection() as connection:
            facts = dict(connection.execute("SELECT name, value FROM facts").fetchall())
        return Secrets(facts["token"], facts["hidden"], int(facts["seed"]))

    def save(self, vote: Vote) -> None:
        """Write a vote, in place of an earlier one of this reviewer on this pair; durable when this returns."""
        values = (vote.reviewer, vote.pair, vote.choice, vote.a_is_left, json.dumps(vote.reasons), vote.comment)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._connection() as connection:
            connection.execute("INSERT OR REPLACE INTO votes VALUES (?, ?, ?, ?, ?, ?, ?)", (*values, now))

    def votes(self, reviewer: str | None = None) -> list[Vote]:
        """All votes, or those of one reviewer."""
        asked = "SELECT reviewer, pair, choice, a_is_left, reasons, comment FROM votes"
        one = " WHERE reviewer = ?" if reviewer is not None else ""
        with self._connection() as connection:
            rows = connection.execute(f"{asked}{one} ORDER BY reviewer, pair", (reviewer,) if one else ()).fetchall()
        return [Vote(r, p, c, bool(left), tuple(json.loads(reasons)), said) for r, p, c, left, reasons, said in rows]

    def pairs(self) -> dict[str, dict[str, Any]]:
        """key -> messages, a, b of every pair that was ever up for review here."""
        with self._connection() as connection:
            rows = connection.execute("SELECT key, messages, answer_a, answer_b FROM pairs ORDER BY key").fetchall()
        return {key: {"messages": json.loads(messages), "a": a, "b": b} for key, messages, a, b in rows}

    def _make_tables(self, connection: sqlite3.Connection, pairs: Iterable[Pair]) -> None:
        connection.execute("BEGIN IMMEDIATE")  # of two processes that begin together one makes the file
        for statement in filter(str.strip, _TABLES.split(";")):
            connection.execute(statement)
        made = {
            "token": secrets.token_urlsafe(16),
            "hidden": secrets.token_urlsafe(32),
            "seed": secrets.randbelow(2**31),
        }
        connection.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?)", made.items())
        rows = [(pair.key, json.dumps(pair.messages, ensure_ascii=False), pair.a, pair.b) for pair in pairs]
        connection.executemany("INSERT OR IGNORE INTO pairs VALUES (?, ?, ?, ?)", rows)
        connection.execute(f"PRAGMA user_version = {VERSION}")

    def _check_version(self, connection: sqlite3.Connection, *, new_is_ours: bool = False) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        is_new = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version != VERSION and not (is_new and new_is_ours):
            raise UserError(f"{self.path} is no file of votes", hint="name another file with --out")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A transaction of its own; on leaving the block it is committed and synced."""
        try:
            with closing(sqlite3.connect(self.path, timeout=WAIT_SECONDS, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous = FULL")  # else WAL syncs at checkpoints only
                connection.execute("PRAGMA foreign_keys = ON")
                yield connection
                if connection.in_transaction:
                    connection.execute("COMMIT")
        except sqlite3.Error as error:
            hint = "look at the disk and the permissions, or name another file with --out"
            raise UserError(f"{self.path}: {error}", hint=hint) from error
