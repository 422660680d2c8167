"""What a node must not forget, in SQLite: bound tables, sessions and their states, opening shares, answers, receipts.

Every write is a transaction of its own, on disk (synchronous = FULL) before the call returns, but for `begin`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from glovebox.data.sources import Format
from glovebox.node.database import open_sqlite, transaction

SCHEMA_VERSION = 2
SCHEMA = """
CREATE TABLE IF NOT EXISTS bindings (
    contract BLOB NOT NULL, name TEXT NOT NULL, path TEXT NOT NULL, format TEXT NOT NULL, relation TEXT NOT NULL,
    inode INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    salt BLOB NOT NULL, snapshot BLOB NOT NULL, PRIMARY KEY (contract, name)) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
    session BLOB PRIMARY KEY, run BLOB NOT NULL, contract BLOB NOT NULL, statement TEXT NOT NULL,
    asker TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    began REAL NOT NULL, changed REAL NOT NULL, peak_mib INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE IF NOT EXISTS openings (
    session BLOB PRIMARY KEY, run BLOB NOT NULL, question BLOB NOT NULL, opening BLOB NOT NULL,
    stored REAL NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS openings_question ON openings (question);
CREATE TABLE IF NOT EXISTS answers (
    session BLOB PRIMARY KEY, run BLOB NOT NULL, contract TEXT NOT NULL, statement TEXT NOT NULL,
    answer BLOB NOT NULL, salt BLOB NOT NULL, received REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS disclosures (
    session BLOB PRIMARY KEY, at REAL NOT NULL, contract BLOB NOT NULL, name TEXT NOT NULL, "table" TEXT NOT NULL,
    columns TEXT NOT NULL, receivers TEXT NOT NULL, statement TEXT NOT NULL, query BLOB NOT NULL,
    close TEXT NOT NULL DEFAULT '') STRICT;
CREATE INDEX IF NOT EXISTS disclosures_queries ON disclosures (contract, "table", query, at, session);
CREATE TABLE IF NOT EXISTS receipts (session BLOB PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS records_seen (
    contract BLOB NOT NULL, party INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (contract, party)) STRICT;
"""

ENDED = ("signed", "unsigned", "failed", "released")


class Binding(NamedTuple):
    """A contract's table bound to a source, with its snapshot at that time, and its fingerprint if it is a file."""

    path: str
    format: Format
    relation: str
    inode: int
    size: int
    mtime_ns: int
    salt: bytes
    snapshot: bytes


class Disclosure(NamedTuple):
    """What of a table of this party's own was opened, before it was. contract: its hash; query: the owner's local part.

    columns, receivers: names, by commas. close: sessions whose answers count the same people but for a few.
    """

    session: bytes
    at: float
    contract: bytes
    name: str
    table: str
    columns: str
    receivers: str
    statement: str
    query: bytes
    close: str = ""


class StoredAnswer(NamedTuple):
    """An answer that this party received: its canonical bytes and the salt of its commitment."""

    run: bytes
    session: bytes
    contract: str
    statement: str
    answer: bytes
    salt: bytes
    received: float


class State:
    """The node's durable state; one connection, used by one thread."""

    def __init__(self, path: Path) -> None:
        self._db = open_sqlite(path, SCHEMA, SCHEMA_VERSION)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    @contextmanager
    def _write(self, *, on_disk: bool = True) -> Iterator[sqlite3.Connection]:
        with transaction(self._db, on_disk=on_disk):
            yield self._db

    def bind(self, contract: bytes, table: str, binding: Binding) -> None:
        """Bind a contract's table, in place of an earlier binding."""
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO bindings VALUES (?,?,?,?,?,?,?,?,?,?)", (contract, table, *binding))

    def binding(self, contract: bytes, table: str) -> Binding | None:
        """The binding of a contract's table, or None."""
        row = self._db.execute(
            "SELECT path, format, relation, inode, size, mtime_ns, salt, snapshot FROM bindings "
            "WHERE contract = ? AND name = ?",
            (contract, table),
        ).fetchone()
        return Binding(*row) if row else None

    def begin(self, session: bytes, contract: bytes, statement: str, asker: str) -> None:
        """Note a session that this node accepted; its id can never be used again.

        Nobody waits for the disk: what makes a session count is that it moves on, which takes this with it.
        """
        now = time.time()
        with self._write(on_disk=False) as db:
            db.execute(
                "INSERT INTO sessions VALUES (?, x'', ?, ?, ?, 'held', '', ?, ?, 0)",
                (session, contract, statement, asker, now, now),
            )

    def knows(self, session: bytes) -> bool:
        """Whether a session id was ever accepted here."""
        return self._db.execute("SELECT 1 FROM sessions WHERE session = ?", (session,)).fetchone() is not None

    def move(self, session: bytes, state: str, reason: str = "", run: bytes = b"") -> None:
        """Move a session to another state, durably."""
        with self._write() as db:
            db.execute(
                "UPDATE sessions SET state = ?, reason = ?, changed = ?, run = iif(? = x'', run, ?) WHERE session = ?",
                (state, reason, time.time(), run, run, session),
            )

    def peak(self, session: bytes) -> int:
        """The memory that this party's worker took in a session, in MiB; 0 where it had none."""
        row = self._db.execute("SELECT peak_mib FROM sessions WHERE session = ?", (session,)).fetchone()
        return int(row[0]) if row else 0

    def state_of(self, session: bytes) -> str | None:
        """The state of a session, or None for an unknown one."""
        row = self._db.execute("SELECT state FROM sessions WHERE session = ?", (session,)).fetchone()
        return row[0] if row else None

    def asked(self, contract: bytes, statement: str) -> int:
        """How many runs of a statement under a contract began here, or are held: one asked again counts once."""
        row = self._db.execute(
            "SELECT COUNT(DISTINCT iif(run = x'', session, run)) FROM sessions "
            "WHERE contract = ? AND statement = ? AND state <> 'released'",
            (contract, statement),
        ).fetchone()
        return int(row[0])

    def interrupted(self) -> list[tuple[bytes, str]]:
        """Sessions that a stop of the node cut off, with their states; they are marked failed."""
        rows = self._db.execute("SELECT session, state FROM sessions WHERE state NOT IN (?, ?, ?, ?)", ENDED).fetchall()
        for session, state in rows:
            self.move(session, "failed", f"the node stopped while {state}")
        return rows

    def sessions(self) -> list[tuple[bytes, str, str, str, str, float, float, bytes]]:
        """All sessions, newest first: id, statement, asker, state, reason, began, changed, hash of the contract."""
        return self._db.execute(
            "SELECT session, statement, asker, state, reason, began, changed, contract FROM sessions"
            " ORDER BY began DESC"
        ).fetchall()

    def disclosures(self) -> list[Disclosure]:
        """All that was opened of this party's tables, under all contracts, the newest first."""
        rows = self._db.execute(
            'SELECT session, at, contract, name, "table", columns, receivers, statement, query, close'
            " FROM disclosures ORDER BY at DESC"
        )
        return [Disclosure(*row) for row in rows]

    def disclosed_queries(self) -> list[tuple[bytes, bytes, str, bytes]]:
        """Each different local query of which something was opened, the newest first: the last session, the contract's
        hash, the table, the query."""
        rows = self._db.execute(
            'SELECT session, contract, "table", query, MAX(at) AS last FROM disclosures'  # session: of the row of MAX
            ' GROUP BY contract, "table", query ORDER BY last DESC'
        )
        return [row[:4] for row in rows]

    def store_opening(
        self, session: bytes, run: bytes, question: bytes, opening: bytes, disclosure: Disclosure | None = None
    ) -> None:
        """Keep this party's shares of an opening and move to `revealing`, in one transaction, before a share leaves.

        question: what this party alone knows of the run: the same for the same question over the same rows of its own.
        disclosure: what is opened of its own table, if it has a part in that.
        """
        with self._write() as db:
            now = time.time()
            if disclosure:
                db.execute("INSERT OR REPLACE INTO disclosures VALUES (?,?,?,?,?,?,?,?,?,?)", disclosure)
            db.execute("INSERT INTO openings VALUES (?, ?, ?, ?, ?)", (session, run, question, opening, now))
            db.execute("UPDATE sessions SET state = 'revealing', changed = ? WHERE session = ?", (now, session))

    def openings(self, question: bytes) -> tuple[bytes, ...]:
        """Sessions of which this party keeps opening shares for a question, the newest first."""
        rows = self._db.execute("SELECT session FROM openings WHERE question = ? ORDER BY stored DESC", (question,))
        return tuple(row[0] for row in rows)

    def opening(self, session: bytes) -> tuple[bytes, bytes] | None:
        """The run and the opening shares of a session, if this party keeps them."""
        row = self._db.execute("SELECT run, opening FROM openings WHERE session = ?", (session,)).fetchone()
        return (row[0], row[1]) if row else None

    def store_answer(
        self, run: bytes, session: bytes, contract: str, statement: str, answer: bytes, salt: bytes
    ) -> None:
        """Keep an answer that this party received, and move to `answered`, in one transaction."""
        with self._write() as db:
            now = time.time()
            db.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
                (session, run, contract, statement, answer, salt, now),
            )
            db.execute("UPDATE sessions SET state = 'answered', changed = ? WHERE session = ?", (now, session))

    def answer(self, session: bytes) -> bytes | None:
        """The answer of a session, if this party received it."""
        row = self._db.execute("SELECT answer FROM answers WHERE session = ?", (session,)).fetchone()
        return row[0] if row else None

    def answers(self) -> list[StoredAnswer]:
        """Every answer that this party received, newest first."""
        rows = self._db.execute(
            "SELECT run, session, contract, statement, answer, salt, received FROM answers ORDER BY received DESC"
        )
        return [StoredAnswer(*row) for row in rows]

    def store_receipt(self, session: bytes, text: str, peak_mib: int = 0) -> None:
        """Keep the signed receipt, and how much memory this party's worker took, and move the session to `signed`.

        The memory follows the true rows, so it is told to nobody.
        """
        with self._write() as db:
            db.execute(  # a text that comes again keeps its place: others have counted up to it
                "INSERT INTO receipts VALUES (?, ?) ON CONFLICT (session) DO UPDATE SET text = excluded.text",
                (session, text),
            )
            db.execute(
                "UPDATE sessions SET state = 'signed', changed = ?, peak_mib = MAX(peak_mib, ?) WHERE session = ?",
                (time.time(), peak_mib, session),
            )

    def receipt(self, session: bytes) -> str | None:
        """The signed receipt of a session, or None."""
        row = self._db.execute("SELECT text FROM receipts WHERE session = ?", (session,)).fetchone()
        return row[0] if row else None

    def receipts(self) -> list[tuple[bytes, str]]:
        """Every signed receipt with its session."""
        return self._db.execute("SELECT session, text FROM receipts ORDER BY rowid").fetchall()

    def receipts_of(self, contract: str, since: int, most: int) -> list[str]:
        """The next signed receipts of one contract, in the order in which they were kept. since: how many to pass over.

        contract: its field in the receipt's text, where it is a line of its own and no value breaks a line.
        """
        rows = self._db.execute(
            "SELECT text FROM receipts WHERE instr(text, ?) ORDER BY rowid LIMIT ? OFFSET ?",
            (f"\ncontract: {contract}\n", most, since),
        )
        return [row[0] for row in rows]

    def looked_through(self, contract: bytes, party: int) -> int:
        """How many of another party's receipts of a contract were looked through."""
        row = self._db.execute(
            "SELECT number FROM records_seen WHERE contract = ? AND party = ?", (contract, party)
        ).fetchone()
        return int(row[0]) if row else 0

    def look_through(self, contract: bytes, party: int, number: int) -> None:
        """Note how many of another party's receipts of a contract were looked through."""
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO records_seen VALUES (?, ?, ?)", (contract, party, number))
