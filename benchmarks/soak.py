"""Sessions back to back with random faults: `python -m benchmarks.soak [SESSIONS] [SEED]`.

Every answer must be right, every error one that says who was lost; and nothing may grow: memory, open files
and processes of a node, temporary files, sessions that never end. A seed repeats the faults, not their timing.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from glovebox.cli import fleet as fleets
from glovebox.cli.fleet import Fleet, anew
from glovebox.cli.workloads import pair
from glovebox.errors import GloveboxError, PeerError
from glovebox.node.evidence import verify_home
from glovebox.node.state import ENDED, State
from glovebox.schema.answer import read_answer

ROWS = 128
FAULTS = ("none", "none", "none", "kill a worker", "freeze a worker", "restart a node", "garbage")
WARM = 20  # sessions before the first measure: caches fill
MOST_MIB, MOST_FILES = 48, 16  # what a node may grow by after that, whatever the number of sessions


def resident_mib(pid: int) -> int:
    """Memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def open_files(pid: int) -> int:
    """How many files a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


class Soak:
    """A fleet, its faults, and what came of them."""

    def __init__(self, fleet: Fleet, statement: str, chance: random.Random) -> None:
        self.fleet, self.statement, self.chance = fleet, statement, chance
        self.told: Counter[str] = Counter()
        self.base: dict[str, tuple[int, int, int]] = {}
        self.grown: Counter[str] = Counter()

    def session(self, number: int) -> None:
        """One question with one fault, at a random moment of it."""
        fault = self.chance.choice(FAULTS)
        victim = self.chance.choice([party for party in self.fleet.homes if party != "left"])
        timer = threading.Timer(self.chance.uniform(0, 0.6), self.harm, (fault, victim))
        timer.start()
        try:
            answer = self.fleet.ask("left", anew(self.statement), wait_s=20)
            if read_answer(bytes(answer.answer)).rows[0][0] != ROWS // 2:
                raise SystemExit(f"session {number}: a wrong answer after {fault!r}")
            self.told[f"{fault}: answered"] += 1
        except GloveboxError as error:
            if error.exit_code != PeerError.exit_code:  # a party that was lost, also to a machine that is too busy
                raise SystemExit(f"session {number}, {fault}: {error.lines()}") from error
            self.told[f"{fault}: {error.code}"] += 1
        finally:
            timer.join()

    def harm(self, fault: str, victim: str) -> None:
        """Do what is to go wrong."""
        match fault:
            case "kill a worker":
                for worker in list(self.fleet.workers(victim))[:1]:
                    os.kill(worker, signal.SIGKILL)
            case "freeze a worker":
                for worker in list(self.fleet.workers(victim))[:1]:
                    os.kill(worker, signal.SIGSTOP)  # its node ends it at the deadline
            case "restart a node":
                self.fleet.stop(victim)
                self.fleet.start(victim)
                self.base.pop(victim, None)
            case "garbage":
                host, _, port = self.fleet.addresses[victim].partition(":")
                with socket.create_connection((host, int(port)), timeout=5) as connection:
                    connection.sendall(self.chance.randbytes(2000))

    def look(self) -> None:
        """Note how much each node has grown since it was warm."""
        for party, process in self.fleet.processes.items():
            now = (resident_mib(process.pid), open_files(process.pid), len(self.fleet.workers(party)))
            base = self.base.setdefault(party, now)
            for what, before, after in zip(("MiB", "files", "processes"), base, now, strict=True):
                self.grown[what] = max(self.grown[what], after - before)


def soak(sessions: int, seed: int, directory: Path) -> Soak:
    """Run the sessions; SystemExit that says what grew, what did not end, or which answer was wrong."""
    exercise, chance = pair(ROWS), random.Random(seed)
    fleet = Fleet(directory, list(exercise.parties))
    fleet.agree(exercise.contract(fleet.keys, fleet.addresses))
    for (party, table), path in exercise.write(directory / "data").items():
        fleet.bind(party, table, path)
    for home in fleet.homes.values():
        home.settings_file.write_text(home.settings_file.read_text() + "deadline_s = 4\n")
    with fleet:
        running = Soak(fleet, exercise.questions[0].asked, chance)
        for number in range(sessions):
            running.session(number)
            if number >= min(WARM, sessions // 2):
                running.look()
            if number % 10 == 9:
                print(f"{number + 1} sessions, {dict(running.told)}, grown by {dict(running.grown)}", flush=True)
        settled(fleet)
    if running.grown["MiB"] > MOST_MIB or running.grown["files"] > MOST_FILES:
        raise SystemExit(f"a node grew: {dict(running.grown)}")
    for party, home in fleet.homes.items():
        verify_home(home)
        state = State(home.state_file)
        left = Counter(row[3] for row in state.sessions() if row[3] not in ENDED)
        state.close()
        if left or list(home.temporary.iterdir()):
            raise SystemExit(f"{party} keeps {dict(left)} and {len(list(home.temporary.iterdir()))} temporary files")
    return running


def settled(fleet: Fleet) -> None:
    """Wait until no session runs and every node has its spare worker alone."""
    deadline = time.monotonic() + 60
    while any(len(fleet.workers(party)) > 1 for party in fleet.processes):
        if time.monotonic() > deadline:
            raise SystemExit("a worker outlived its session by a minute")
        time.sleep(0.2)


def main() -> None:
    """Run, and say what was seen."""
    given = [int(word) for word in sys.argv[1:3]]
    sessions, seed = (*given, *(1000, 1)[len(given) :])
    fleets.START_S = 300.0  # nodes start slowly on a busy machine
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        running = soak(sessions, seed, Path(folder))
    print(
        f"{sessions} sessions in {time.monotonic() - began:.0f} s, every answer right; grown by {dict(running.grown)}"
    )
    for told, count in sorted(running.told.items()):
        print(f"{count:>6} {told}")


if __name__ == "__main__":
    main()
