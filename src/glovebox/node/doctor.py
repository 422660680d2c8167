"""`glovebox doctor`: what could keep this node from answering, found before a question does, and on which side."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec import Struct

import glovebox
from glovebox.errors import GloveboxError, PeerLost
from glovebox.identity import public_bytes
from glovebox.node.binding import bound_source, database_over
from glovebox.node.evidence import verify_home
from glovebox.node.greeting import greet, parties_of, shared_contracts
from glovebox.node.home import Home, Settings
from glovebox.node.local import Status, StatusRequest, talk
from glovebox.node.messages import Greeting
from glovebox.node.metrics import DISK_BYTES
from glovebox.node.state import State
from glovebox.planner.plan import PLAN_FORMAT
from glovebox.planner.question import check_contract_in_force
from glovebox.runtime.preamble import split_address
from glovebox.runtime.tls import CLOCK_SKEW

REACH_S = 3.0
CLOCK_S = 60.0
"""Clocks that differ by more are worth a word: dates of contracts begin and end by each node's own clock."""


class Finding(Struct, frozen=True):
    """One thing that was looked at. side: the party that has to act, "" where all is well."""

    what: str
    well: bool
    said: str
    side: str = ""
    fix: str = ""


async def examine(home: Home) -> list[Finding]:
    """Look at all: own files, disk, node, clock and versions, sources, and every other party's node."""
    settings = home.settings()
    found = [*_own_files(home, settings), await _own_node(home, settings), *_contracts(home, settings)]
    found += _sources(home, settings)
    for key, (name, address) in parties_of(home).items():
        found += await _peer(home, settings, key, name, address)
    return found


def _own_files(home: Home, settings: Settings) -> Iterator[Finding]:
    own = settings.name
    mode = home.root.stat().st_mode & 0o777
    fix = f"chmod 700 {home.root}"
    yield Finding("home", not mode & 0o077, f"{home.root}, mode {mode:o}", own if mode & 0o077 else "", fix)
    free = shutil.disk_usage(home.root).free
    said = f"{free >> 20} MiB free; log, state and ledger are written before an answer"
    yield Finding("disk", free >= DISK_BYTES, said, own if free < DISK_BYTES else "", "make room on the home's disk")
    try:
        count = verify_home(home)
        said = f"{count.entries} entries, {count.receipts} receipts, {count.spends} entries of the ledger hold"
        yield Finding("log", True, said)
    except FileNotFoundError:
        yield Finding("log", True, "nothing was logged yet")
    except GloveboxError as problem:
        yield Finding("log", False, " ".join(problem.lines()), own, problem.hint or "the newest backup of the home")


async def _own_node(home: Home, settings: Settings) -> Finding:
    try:
        async for reply in talk(home, StatusRequest()):
            if isinstance(reply, Status):
                said = f"runs version {reply.version}, {len(reply.sessions)} of {settings.sessions} sessions"
                fix = f"restart it: version {glovebox.__version__} is installed"
                same = reply.version == glovebox.__version__
                return Finding("node", same, said, "" if same else settings.name, fix)
    except GloveboxError as problem:
        return Finding("node", False, problem.summary, settings.name, problem.hint)
    return Finding("node", False, "gave no status", settings.name, "glovebox serve")


def _contracts(home: Home, settings: Settings) -> Iterator[Finding]:
    found = shared_contracts(home, public_bytes(home.key()))
    if not found:
        yield Finding("contracts", False, "none that all signed", settings.name, "glovebox contract add FILE")
    for contract in found:
        what = f"contract {contract.name} v{contract.version}"
        try:
            check_contract_in_force(contract, datetime.now(UTC).date())
            yield Finding(what, True, f"in force until {contract.last}")
        except GloveboxError as problem:
            yield Finding(what, False, problem.summary, settings.name, problem.hint or "agree on a new version")


def _sources(home: Home, settings: Settings) -> Iterator[Finding]:
    own = public_bytes(home.key())
    state = State(home.state_file)
    try:
        for contract in shared_contracts(home, own):
            for number, party in enumerate(contract.parties):
                for table in contract.tables:
                    if party.key != own or number not in table.owners:
                        continue
                    what, again = f"table {table.name}", f"glovebox data add {contract.name} {table.name} SOURCE"
                    binding = state.binding(contract.hash, table.name)
                    if binding is None:
                        yield Finding(what, False, "no source is bound", settings.name, again)
                        continue
                    try:
                        with database_over(home, bound_source(binding, settings, table.name)):
                            yield Finding(what, True, "its source can be opened, and is what was bound")
                    except (GloveboxError, OSError, sqlite3.Error) as problem:
                        said = problem.summary if isinstance(problem, GloveboxError) else type(problem).__name__
                        yield Finding(what, False, said, settings.name, again)
    finally:
        state.close()


async def _peer(home: Home, settings: Settings, key: bytes, name: str, address: str) -> list[Finding]:
    host, port = split_address(address)
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        said = f"the name {host} of its address is not found here"
        fix = f"correct the name service here, or agree with {name} on another address"
        return [Finding(name, False, said, settings.name, fix)]
    try:
        began = time.time()
        told = await greet(home, key, name, address, REACH_S)
    except PeerLost as problem:
        if problem.code == "peer_absent":
            said, fix = f"nothing takes connections at {address}", f"{name}: glovebox serve, and let {port} in"
        else:
            said = f"{address} answers, but not as {name}, or it does not know this node"
            fix = f"{name}: compare `glovebox identity` with the contract, and add the same contract there"
        return [Finding(name, False, said, name, fix)]
    except GloveboxError as problem:
        fix = f"the same version at both: here {glovebox.__version__}"
        return [Finding(name, False, f"its node answers what this one does not read: {problem.summary}", name, fix)]
    return [Finding(name, True, f"reached at {address}"), *_compared(home, settings, key, name, told, began)]


def _compared(home: Home, settings: Settings, key: bytes, name: str, told: Greeting, began: float) -> Iterator[Finding]:
    ahead = told.at - (began + time.time()) / 2
    said = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this one"
    fix = f"set the clock by NTP at both; links are made while they differ by less than {CLOCK_SKEW.days} days"
    yield Finding(f"{name}'s clock", abs(ahead) < CLOCK_S, said, "" if abs(ahead) < CLOCK_S else name, fix)
    here, there = (PLAN_FORMAT, glovebox.__version__), (told.plan_format, told.version)
    older = name if there < here else settings.name
    said = f"version {told.version}, plan format {told.plan_format}; here {glovebox.__version__}, {PLAN_FORMAT}"
    fix = f"{older}: install the other's version"
    yield Finding(f"{name}'s version", here[0] == there[0], said, "" if here[0] == there[0] else older, fix)
    for contract in shared_contracts(home, key):
        held = contract.hash in told.contracts
        said = f"{'holds' if held else 'does not hold'} {contract.name} v{contract.version}"
        fix = f"{name}: glovebox contract add, of the file with sha256:{contract.hash.hex()[:16]}…"
        yield Finding(f"{name}'s contract", held, said, "" if held else name, fix)
