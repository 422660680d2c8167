"""Who attacks running nodes: outsiders on a socket, and a party of the contract that holds its true key.

Payloads only create an empty file in the test's own directory.
"""

from __future__ import annotations

import pickle
import secrets
import socket
import sqlite3
import ssl
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
from msgspec.structs import replace

from glovebox.cli.fleet import Fleet, anew
from glovebox.cli.workloads import pair
from glovebox.data.identifiers import recipe_digest
from glovebox.errors import PeerLost
from glovebox.node.attendance import MOST_EXPIRES_S
from glovebox.node.contracts import read_contract
from glovebox.node.control import ControlLink, open_control
from glovebox.node.local import Running, Status, StatusRequest, talk
from glovebox.node.messages import SESSION_BYTES, Acceptance, Proposal, Signed, open_signed, signed
from glovebox.planner.plan import PLAN_FORMAT, plan_hash
from glovebox.planner.question import plan_question
from glovebox.runtime.keys import SessionKeys
from glovebox.schema.answer import read_answer

from ..waiting import PATIENCE_S
from .plain_mpyc import Touch

ROWS = 200
QUESTION = pair(ROWS).questions[0].asked
PARTIES = {"left": 0, "right": 1, "notary": 2}
HEADER = struct.Struct(">I")  # the length before a control message


@contextmanager
def nodes(directory: Path, settings: str = "", commands: dict[str, list[str]] | None = None) -> Iterator[Fleet]:
    """Three running nodes that answer QUESTION. settings: further lines of every node.toml."""
    exercise = pair(ROWS)
    fleet = Fleet(directory, list(exercise.parties))
    fleet.agree(exercise.contract(fleet.keys, fleet.addresses))
    for (party, table), path in exercise.write(directory / "data").items():
        fleet.bind(party, table, path)
    for home in fleet.homes.values():
        home.settings_file.write_text(home.settings_file.read_text() + settings)
    try:
        for party in exercise.parties:
            fleet.start(party, (commands or {}).get(party))
        yield fleet
    finally:
        for party in list(fleet.processes):
            fleet.stop(party)


def is_right(answered) -> bool:
    """Whether this is the answer to QUESTION: half of the ids are common."""
    return read_answer(bytes(answered.answer)).rows[0][0] == ROWS // 2


def sessions(fleet: Fleet, party: str) -> list[tuple[bytes, str, str]]:
    """Session id, state and reason of all sessions in a node's database, newest first."""
    with closing(sqlite3.connect(f"file:{fleet.homes[party].state_file}?mode=ro", uri=True)) as database:
        return database.execute("SELECT session, state, reason FROM sessions ORDER BY began DESC").fetchall()


async def places(fleet: Fleet, party: str) -> tuple[Running, ...]:
    """The sessions that have a place at a node."""
    async for reply in talk(fleet.homes[party], StatusRequest()):
        if isinstance(reply, Status):
            return reply.sessions
    raise AssertionError("no status")


def count(fleet: Fleet, party: str, table: str) -> int:
    """How many openings or answers a node holds."""
    with closing(sqlite3.connect(f"file:{fleet.homes[party].state_file}?mode=ro", uri=True)) as database:
        return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def evil(folder: Path) -> bytes:
    """A pickle that makes the file `folder`/ran when it is loaded."""
    return pickle.dumps(Touch(folder / "ran"))


def claim(folder: Path) -> bytes:
    """What makes plain MPyC take a stranger for party 0: its number, a PRSS key, and a frame with a pickle."""
    payload = evil(folder)
    return (0).to_bytes(2, "little") + bytes(16) + struct.pack("<qI", 0, len(payload)) + payload


def connect(fleet: Fleet, party: str, first: bytes = b"") -> socket.socket:
    """A connection to a node, with first words."""
    host, _, port = fleet.addresses[party].partition(":")
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
    connection.sendall(first)
    return connection


def is_closed(connection: socket.socket, seconds: float = PATIENCE_S) -> bool:
    """Whether the other side closes within a time, and says no byte of data before."""
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except (ssl.SSLError, OSError):
        return True


class Hostile:
    """A party of the contract with its true key, that speaks the control protocol as it likes."""

    def __init__(self, fleet: Fleet, name: str = "left") -> None:
        self.fleet, self.name, self.number = fleet, name, PARTIES[name]
        self.key = fleet.homes[name].key()
        self.contract = read_contract(fleet.contract)

    async def link(self, to: str) -> ControlLink:
        """A control link to a node."""
        return await open_control(self.key, self.fleet.keys[to], to, self.fleet.addresses[to], PATIENCE_S)

    def proposal(self, **changes) -> Proposal:
        """A good proposal of QUESTION in a fresh session, but for these changes."""
        session = secrets.token_bytes(SESSION_BYTES)
        return replace(
            Proposal(self.contract.hash, anew(QUESTION), {}, session, self.number, MOST_EXPIRES_S, False), **changes
        )

    def sign(self, message) -> Signed:
        """A message under this party's signature."""
        return signed(self.key, self.number, message)

    def acceptance(self, session: bytes, **changes) -> Acceptance:
        """A good acceptance of QUESTION asked by party 0, with fresh keys, but for these changes."""
        keys = SessionKeys(session, self.number)
        plan = plan_hash(plan_question(self.contract, QUESTION, {}, 0))
        good = Acceptance(
            session,
            self.number,
            plan,
            PLAN_FORMAT,
            secrets.token_bytes(32),
            keys.exchange,
            keys.certificate,
            b"",
            recipe_digest(),
            "0",
        )
        return replace(good, **changes)


async def propose(link: ControlLink, envelope: Signed) -> Signed:
    """Propose; the node's reply."""
    await link.send(envelope)
    return await link.receive(PATIENCE_S)


async def reply_to(link: ControlLink, data: bytes, seconds: float = PATIENCE_S) -> Signed | None:
    """What a node answers to these bytes on a control link; None if it closes."""
    link._writer.write(data)
    try:
        return await link.receive(seconds)
    except PeerLost:
        return None


def framed(data: bytes) -> bytes:
    """A control message of any bytes, behind its length."""
    return HEADER.pack(len(data)) + data


def opened(hostile: Hostile, party: str, envelope: Signed, *kinds):
    """A node's reply, its signature checked."""
    return open_signed(envelope, hostile.fleet.keys[party], *kinds)


def packed(message) -> bytes:
    """The bytes of a message."""
    return msgspec.msgpack.encode(message)
