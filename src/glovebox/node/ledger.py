"""The ledger of privacy budgets: what each question took of each owner, in whole millionths of epsilon.

One chain of entries a contract, each with the hash of the one before, on disk before a worker gets its job. No entry is
changed: a session that all its parties signed to have revealed nothing gets a second one that gives back what it took,
and where others know more to be spent than this node does, one takes the difference.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from glovebox.errors import IntegrityError
from glovebox.node.database import broken_file, open_sqlite, transaction

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    contract BLOB NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, session BLOB NOT NULL,
    what TEXT NOT NULL, amounts BLOB NOT NULL, previous BLOB NOT NULL, hash BLOB NOT NULL,
    PRIMARY KEY (contract, number)) STRICT;
CREATE TABLE IF NOT EXISTS heads (
    contract BLOB NOT NULL, party INTEGER NOT NULL, number INTEGER NOT NULL, envelope BLOB NOT NULL,
    PRIMARY KEY (contract, party)) STRICT;
"""
START = bytes(32)

Kind = Literal["spent", "void", "raised"]


class Entry(NamedTuple):
    """One entry: its number from 1, Unix seconds, what the session asked, and millionths of epsilon by owner.

    spent: a question began. void: it revealed nothing, and the amounts come back. raised: the parties of a session knew
    of more spending than this node. hash covers all of it and the entry before.
    """

    number: int
    at: int
    kind: Kind
    session: bytes
    what: str
    amounts: dict[int, int]
    hash: bytes


class Ledger:
    """A node's ledger; one connection, used by one thread."""

    def __init__(self, path: Path) -> None:
        self._db = open_sqlite(path, SCHEMA, SCHEMA_VERSION)
        self._file = path
        try:
            for contract in self.contracts():
                self.entries(contract)  # a broken chain is met now, and not in a session
        except IntegrityError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def contracts(self) -> list[bytes]:
        """The hashes of the contracts that have entries."""
        try:
            return [row[0] for row in self._db.execute("SELECT DISTINCT contract FROM entries")]
        except (sqlite3.DatabaseError, UnicodeDecodeError) as problem:
            raise broken_file(self._file) from problem

    def entries(self, contract: bytes) -> list[Entry]:
        """All entries of a contract, oldest first. Raises IntegrityError where the chain does not hold."""
        try:
            rows = self._db.execute(
                "SELECT number, at, kind, session, what, amounts, previous, hash FROM entries WHERE contract = ?"
                " ORDER BY number",
                (contract,),
            ).fetchall()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as problem:
            raise broken_file(self._file) from problem
        found, previous = [], START
        for place, (number, at, kind, session, what, amounts, before, digest) in enumerate(rows, 1):
            if number != place or before != previous:
                raise _broken(place)
            if digest != _digest(contract, number, at, kind, session, what, amounts, before):
                raise _broken(place)
            found.append(Entry(number, at, kind, session, what, msgspec.msgpack.decode(amounts), digest))
            previous = digest
        return found

    def spent(self, contract: bytes) -> dict[int, int]:
        """What is spent of each owner under a contract, in millionths of epsilon."""
        totals: Counter[int] = Counter()
        for entry in self.entries(contract):
            for owner, amount in entry.amounts.items():
                totals[owner] += -amount if entry.kind == "void" else amount
        return dict(totals)

    def head(self, contract: bytes) -> tuple[int, bytes]:
        """The number and the hash of the last entry; (0, zeros) before the first."""
        row = self._db.execute(
            "SELECT number, hash FROM entries WHERE contract = ? ORDER BY number DESC LIMIT 1", (contract,)
        ).fetchone()
        return (row[0], row[1]) if row else (0, START)

    def spend(self, contract: bytes, session: bytes, what: str, amounts: Mapping[int, int]) -> None:
        """Take what a session costs, durably."""
        self._append(contract, "spent", session, what, amounts)

    def void(self, contract: bytes, session: bytes) -> None:
        """Give back what a session took, once; nothing if it took nothing."""
        own = [entry for entry in self.entries(contract) if entry.session == session and entry.kind != "raised"]
        if [entry.kind for entry in own] == ["spent"]:
            self._append(contract, "void", session, own[0].what, own[0].amounts)

    def raise_to(self, contract: bytes, session: bytes, others: Mapping[int, int]) -> dict[int, int]:
        """Take what others know to be spent beyond this node's accounts; what that was, by owner."""
        own = self.spent(contract)
        missing = {owner: total - own.get(owner, 0) for owner, total in others.items() if total > own.get(owner, 0)}
        if missing:
            self._append(contract, "raised", session, "", missing)
        return missing

    def note_head(self, contract: bytes, party: int, number: int, envelope: bytes) -> None:
        """Keep a party's signed head if it is newer than the one that is kept."""
        self._db.execute(
            "INSERT INTO heads VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET number = excluded.number,"
            " envelope = excluded.envelope WHERE excluded.number >= number",
            (contract, party, number, envelope),
        )

    def noted(self) -> list[bytes]:
        """The hashes of the contracts of which heads are kept."""
        return [row[0] for row in self._db.execute("SELECT DISTINCT contract FROM heads")]

    def heads(self, contract: bytes) -> dict[int, bytes]:
        """The newest signed head that is kept of each party, in its envelope."""
        return dict(self._db.execute("SELECT party, envelope FROM heads WHERE contract = ?", (contract,)).fetchall())

    def _append(self, contract: bytes, kind: Kind, session: bytes, what: str, amounts: Mapping[int, int]) -> None:
        packed, at = msgspec.msgpack.encode(dict(sorted(amounts.items()))), int(time.time())
        with transaction(self._db):
            last, previous = self.head(contract)
            fields = (contract, last + 1, at, kind, session, what, packed, previous)
            self._db.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*fields, _digest(*fields)))


def _digest(*fields: object) -> bytes:
    return hashlib.sha256(b"glovebox/1/ledger\0" + msgspec.msgpack.encode(fields)).digest()


def _broken(number: int) -> IntegrityError:
    sentence = f"entry {number} of the ledger does not hold: it was changed or taken out"
    return IntegrityError(sentence, code="ledger_broken", hint="the newest backup of ledger.sqlite")
