"""The node: one long-running program a party. It listens, keeps the key, the state and the log, and runs sessions."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import shutil
import socket
import sqlite3
import ssl
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import structlog

from glovebox.audit.log import Log
from glovebox.contract.model import Contract
from glovebox.contract.terms import STRICT_ALONE
from glovebox.data.identifiers import recipe_digest
from glovebox.errors import Busy, GloveboxError, Refused, UsageError
from glovebox.identity import public_bytes
from glovebox.node.acquaintances import Acquaintances
from glovebox.node.ahead import Stocks
from glovebox.node.answering import serve_local
from glovebox.node.attendance import attend
from glovebox.node.contracts import load_contract, number_of
from glovebox.node.control import ControlLink, accept_control
from glovebox.node.home import Home, locked
from glovebox.node.kept_links import KeptLinks
from glovebox.node.ledger import Ledger
from glovebox.node.line import Line, Turns
from glovebox.node.messages import told
from glovebox.node.metrics import serve_metrics
from glovebox.node.participant import Participant
from glovebox.node.records import keep_records
from glovebox.node.state import State
from glovebox.node.workers import Workers
from glovebox.runtime.preamble import CONTROL, read_preamble
from glovebox.schema.columns import Table

UNKNOWN_CONNECTIONS = 64
"""Connections that have not said who they are. A further one takes the place of the oldest, so that many that say
nothing cost no memory and keep nobody out: a party says who it is within milliseconds."""

HELD_OF_ONE = 4
"""Sessions that one party may have proposed and not yet started here; and never all that this node runs at once."""

LINKS_OF_ONE = 16
"""Control links of one party at a time, one a session that it asks for, and one for its next; further ones are closed
at once."""

ACCEPT_PAUSE_S = 0.1
"""Before the next try to accept, when the system is out of files or memory."""

report = structlog.get_logger()


class Node:
    """A running node."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.settings = home.settings()
        self.name = self.settings.name
        self.key = home.key()
        self.public = public_bytes(self.key)
        if home.next_key_file.exists():
            raise UsageError("a change of this node's key was begun and not ended", hint="glovebox key rotate")
        self._lock = locked(home)
        self.state = State(home.state_file)
        self.ledger = Ledger(home.ledger_file)
        self.log = Log(home.log_file, self.key)
        self.workers = Workers()
        self.kept_links = KeptLinks(self)
        self.lacks_receipt = asyncio.Event()  # a session ended here without one
        self.line, self.turns = Line(), Turns(self.settings.sessions)
        self.stocks = Stocks(self)
        self.participants: dict[bytes, Participant] = {}
        self.asking: dict[bytes, asyncio.Task[Any]] = {}  # the sessions that were asked for here
        self.began = time.monotonic()
        self.interrupted = 0  # sessions that the last stop of this node cut off
        recipe_digest()  # computed once, before the first session waits for it
        self._acquaintances = Acquaintances(home, self.key)
        self._contracts: dict[bytes, Contract] = {}
        self._unknown: dict[asyncio.Task[None], None] = {}  # the oldest first
        self._welcomed = 0
        self._links: Counter[bytes] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def contract(self, digest: bytes) -> Contract:
        """A contract of this home, every signature checked when it is first used."""
        if digest not in self._contracts:
            self._contracts[digest] = load_contract(self.home, digest)
        return self._contracts[digest]

    def contracts_of_two(self) -> list[Contract]:
        """This home's contracts of two parties and the strict engine that hold today and are signed by both."""
        found, today = [], datetime.now(UTC).date()
        for path in sorted(self.home.contracts.glob("*.toml")):
            with contextlib.suppress(GloveboxError):
                found.append(self.contract(bytes.fromhex(path.stem)))
        return [one for one in found if one.protocol in STRICT_ALONE and one.first <= today <= one.last]

    def number_in(self, contract: Contract) -> int:
        """This party's number in a contract. Raises Refused where it has none."""
        return number_of(contract, self.public)

    def exactly_told(self, digest: bytes, name: str) -> Table | None:
        """This party's table of a contract; None where answers are noisy, or this home has the contract no more."""
        with contextlib.suppress(GloveboxError):
            contract = self.contract(digest)
            return None if contract.privacy else contract.table(name, self.number_in(contract))
        return None

    def take_slot(self, participant: Participant) -> None:
        """Give a session one of the slots, or be Busy at once: no one waits while others hold."""
        if participant.session in self.participants or self.state.knows(participant.session):
            raise Refused("this session id was used before", code="session_used", step="proposed")
        running = list(self.participants.values())
        if any(one.question == participant.question for one in running):
            raise Busy(f"{self.name} is answering this very question", party=self.name, hint="ask again in a moment")
        held = [one for one in running if one.asker_key == participant.asker_key and not one.acceptances]
        free = self.settings.sessions - len(running)
        has_turn = self.line.admits(participant.asker_key, free) if participant.is_first else free > 0
        if len(held) >= max(1, min(HELD_OF_ONE, self.settings.sessions - 1)) or not has_turn:
            raise Busy(
                f"{self.name} runs {len(running)} sessions already", party=self.name, hint="ask again in a moment"
            )
        self.participants[participant.session] = participant

    async def end_session(self, participant: Participant, error: GloveboxError | None = None) -> None:
        """End what holds a slot and note how; give the slot back, and have a warm worker ready for the next."""
        if self.participants.get(participant.session) is not participant:
            return
        try:
            await participant.end(error)
        except (OSError, sqlite3.OperationalError) as problem:  # at the next start it is noted as cut off
            report.error(told(problem).summary, session=participant.session.hex())
        finally:
            if self.state.state_of(participant.session) == "unsigned":
                self.lacks_receipt.set()
            del self.participants[participant.session]
            if participant.is_first:
                self.line.given_back(participant.asker_key, comes_again=error is not None and error.code == Busy.code)
            self.workers.refill()

    @property
    def unknown(self) -> int:
        """How many connections have not said who they are."""
        return len(self._unknown)

    def note(self, event: str, **what: str) -> None:
        """Log what is over. A disk that is full does not keep others from being told."""
        try:
            self.log.write(event, **what)
        except OSError as problem:
            report.error(told(problem).summary, entry=event, **what)

    async def serve(self, started: asyncio.Event | None = None) -> None:
        """Listen until cancelled."""
        for session, state in self.state.interrupted():
            self.interrupted += 1
            self.log.write("interrupted", session=session.hex(), state=state)
            report.warning("a session was cut off when this node stopped", session=session.hex(), state=state)
        shutil.rmtree(self.home.temporary, ignore_errors=True)
        self.home.temporary.mkdir(mode=0o700)
        with _listener(self.settings.listen) as listener:
            commands = await serve_local(self)
            watched = await serve_metrics(self, self.settings.metrics) if self.settings.metrics else None
            self.workers.refill()
            self.log.write("serving")
            keeping = [asyncio.create_task(self.stocks.keep()), asyncio.create_task(keep_records(self))]
            if started:
                started.set()
            try:
                while True:
                    try:
                        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
                    except OSError as problem:
                        report.warning("a connection could not be accepted", error=problem.strerror)
                        await asyncio.sleep(ACCEPT_PAUSE_S)
                        continue
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio sets it on its own only
                    self._welcome(connection)
                    await asyncio.sleep(0)  # whom it displaced is closed before the next: accepting may not wait at all
            finally:
                commands.close()
                if watched:
                    watched.close()
                tasks = [*keeping, *self._tasks, *self.asking.values()]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self.kept_links.end()
                await self.workers.end()
                await self.stocks.end()
                self.log.write("stopped")
                self.log.close()
                self.state.close()
                self.ledger.close()
                os.close(self._lock)

    def _welcome(self, connection: socket.socket) -> None:
        """Find out in a task of its own what a connection is for."""
        self._welcomed += 1
        if self._welcomed % UNKNOWN_CONNECTIONS == 0:
            gc.collect()  # broken handshakes lie in cycles, with 256 KiB of buffer each, where Python looks too seldom
        if len(self._unknown) >= UNKNOWN_CONNECTIONS:
            oldest = next(iter(self._unknown))
            del self._unknown[oldest]
            oldest.cancel()
        task = asyncio.get_running_loop().create_task(self._serve_connection(connection))
        self._unknown[task] = None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_connection(self, connection: socket.socket) -> None:
        task = asyncio.current_task()
        try:
            link = await self._greet(connection)
        finally:
            if task:
                self._unknown.pop(task, None)
        if link is None:
            return
        self._links[link.peer] += 1
        try:
            if self._links[link.peer] <= LINKS_OF_ONE:
                await attend(self, link)
        finally:
            self._links[link.peer] -= 1
            await link.close()

    async def _greet(self, connection: socket.socket) -> ControlLink | None:
        """A control link, or None; whatever is wrong with a connection, it is closed and nothing else changes."""
        try:
            connection.setblocking(False)
            preamble = await read_preamble(connection)
            if preamble.session == CONTROL:
                return await accept_control(self._acquaintances.context(), connection, self.settings.deadline_s)
            one = self.participants.get(preamble.session)
            if one and one.worker and one.expects_peers:
                await one.worker.hand_over(preamble.party, connection)
            elif preamble.session in self.stocks.making:
                await self.stocks.making[preamble.session].hand_over(preamble.party, connection)
            else:
                connection.close()
        except (GloveboxError, OSError, ssl.SSLError, TimeoutError, EOFError):
            connection.close()
        except BaseException:
            connection.close()
            raise
        return None


def _listener(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"listen = {address!r} is not HOST:PORT", step="node.toml")
    family = socket.AF_INET6 if ":" in host.strip("[]") else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), int(port)))
        listener.listen(128)
        listener.setblocking(False)
    except OSError as problem:
        listener.close()
        raise UsageError(f"cannot listen on {address}: {problem.strerror}", step="node.toml") from problem
    return listener
