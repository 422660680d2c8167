"""Three held nodes, a question that stops at an event, and what each party says and keeps of it afterwards."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from glovebox.audit.log import Entry, verify_log
from glovebox.cli.exercises import Exercise
from glovebox.cli.fleet import Fleet, anew
from glovebox.cli.workloads import pair
from glovebox.errors import GloveboxError
from glovebox.node.local import Status, StatusRequest, talk
from glovebox.node.state import ENDED

from ..waiting import wait_until

HELD = [sys.executable, str(Path(__file__).parent / "held_node.py")]
EXERCISE = pair(128)
QUESTION = EXERCISE.questions[0].asked
PARTIES = ASKER, *_ = ("left", "right", "notary")
EVENTS = (
    "proposed", "accepted", "started", "linked", "loaded", "encoded", "matched", "finished", "revealing", "answered",
    "endorsing", "signed",
)  # fmt: skip


@contextmanager
def held_fleet(directory: Path, settings: str = "", exercise: Exercise = EXERCISE) -> Iterator[Fleet]:
    """A fleet of held nodes. settings: further lines of each `node.toml`."""
    files = exercise.write(directory / "data")
    fleet = Fleet(directory, list(PARTIES))
    fleet.agree(exercise.contract(fleet.keys, fleet.addresses))
    for (party, table), path in files.items():
        fleet.bind(party, table, path)
    for home in fleet.homes.values():
        home.settings_file.write_text(home.settings_file.read_text() + settings)
    try:
        yield fleet
    finally:
        for party in PARTIES:
            fleet.stop(party)


def start_missing(fleet: Fleet) -> None:
    """Start the nodes that do not run, and wait until each is idle."""
    for party in PARTIES:
        if party not in fleet.processes:
            fleet.start(party, HELD)
    assert_settled(fleet, set())


def runs(pid: int) -> bool:
    """Whether a process runs: it is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@dataclass
class Asking:
    """A question in a thread of its own: what the asker was told in the end, and when."""

    fleet: Fleet
    statement: str
    thread: threading.Thread = field(init=False)
    seen: set[tuple[str, str]] = field(default_factory=set)
    answered: bool = False
    error: GloveboxError | None = None
    at: float = 0.0

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def _ask(self) -> None:
        try:
            self.fleet.ask(ASKER, self.statement, seen=lambda event, party: self.seen.add((event, party)))
            self.answered = True
        except GloveboxError as error:
            self.error = error
        self.at = time.monotonic()


@dataclass
class Halt:
    """A session that stopped at an event of one party. worker: of that party."""

    asking: Asking
    worker: int
    before: dict[str, Kept]
    release: Callable[[], None]


def halted(fleet: Fleet, party: str, event: str, statement: str = "") -> Halt:
    """Ask, in words that were never asked or as given, and wait until `party` has stopped at `event`."""
    start_missing(fleet)
    home = fleet.homes[party].root
    before = {each: kept(fleet, each) for each in PARTIES}
    (worker,) = fleet.workers(party)  # the spare, which the session takes
    (home / "held").unlink(missing_ok=True)
    (home / "hold").write_text(event)
    asking = Asking(fleet, statement or anew(QUESTION))
    last = event == "signed"  # the others come there when the asker has its answer
    wait_until(lambda: (home / "held").exists() or not (last or asking.thread.is_alive()))
    if not (home / "held").exists():
        (home / "hold").unlink()
        raise AssertionError(f"{party} did not come to {event}: {asking}")
    if EVENTS.index("started") <= EVENTS.index(event) <= EVENTS.index("answered"):
        wait_until(lambda: (event, party) in asking.seen)
    return Halt(asking, worker, before, (home / "hold").unlink)


@dataclass(frozen=True)
class Kept:
    """What a party has on disk: openings, answers, the states of its sessions by id, and its log's entries."""

    openings: int
    answers: int
    states: dict[bytes, str]
    log: list[Entry]


def kept(fleet: Fleet, party: str) -> Kept:
    """Read a party's state file and log."""
    home = fleet.homes[party]
    with closing(sqlite3.connect(f"file:{home.state_file}?mode=ro", uri=True)) as db:
        openings, answers = (db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("openings", "answers"))
        states = dict(db.execute("SELECT session, state FROM sessions"))
    lines = home.log_file.read_bytes().splitlines()
    return Kept(openings, answers, states, [msgspec.json.decode(line, type=Entry) for line in lines])


def said(fleet: Fleet, party: str, before: Kept) -> list[Entry]:
    """What a party's log says since then of how a session ended."""
    ends = ("failed", "cancelled", "unsigned", "signed")
    return [entry for entry in kept(fleet, party).log[len(before.log) :] if entry.event in ends]


def status(fleet: Fleet, party: str) -> Status:
    """What `glovebox status` says at a party."""

    async def ask() -> Status:
        async for reply in talk(fleet.homes[party], StatusRequest()):
            if isinstance(reply, Status):
                return reply
        raise AssertionError("no status")

    return asyncio.run(ask())


def assert_settled(fleet: Fleet, gone: set[int]) -> None:
    """Every node that runs has no session left but one spare, its sessions have ended; these processes are gone."""
    for party in fleet.processes:
        assert wait_until(lambda party=party: not status(fleet, party).sessions), party
        assert wait_until(lambda party=party: len(fleet.workers(party)) == 1), party
        assert set(kept(fleet, party).states.values()) <= set(ENDED), party
        verify_log(fleet.homes[party].log_file, fleet.keys[party])
        assert not list(fleet.homes[party].temporary.iterdir()), party
    assert wait_until(lambda: not any(runs(pid) for pid in gone)), gone
