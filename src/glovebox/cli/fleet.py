"""Several parties' nodes on this machine, each with a home and a process of its own: for demo, bench and tests."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from glovebox.contract.signing import sign_contract
from glovebox.data.sources import source_at
from glovebox.errors import GloveboxError, UsageError
from glovebox.identity import public_bytes
from glovebox.node.binding import bind, own_table
from glovebox.node.contracts import add_contract, read_contract, signature_file
from glovebox.node.home import Home
from glovebox.node.local import Answered, Ask, Progress, talk
from glovebox.node.state import State

START_S = 120.0
STOP_S = 30.0
PORTS = (20_000, 32_000)  # of those that no system gives to outgoing connections, which begin at 32768
BLOCK = 200


class Fleet:
    """Parties of a contract, each with a home in one directory; `with` starts their nodes and stops them."""

    def __init__(self, directory: Path, parties: list[str]) -> None:
        self.directory = directory
        self.homes = {name: Home(directory / name) for name in parties}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.addresses = {
            name: f"127.0.0.1:{port}" for name, port in zip(parties, free_ports(len(parties)), strict=True)
        }
        self.keys = {name: public_bytes(home.make(name, self.addresses[name])) for name, home in self.homes.items()}
        self.contract = Path()

    def agree(self, text: str) -> Path:
        """Have every party sign a contract and add it to its home."""
        self.contract = self.directory / "contract.toml"
        self.contract.write_text(text)
        found = read_contract(self.contract)
        lines = [sign_contract(found, home.key()) for home in self.homes.values()]
        signature_file(self.contract).write_text("".join(lines))
        for home in self.homes.values():
            add_contract(home, self.contract)
        return self.contract

    def bind(self, party: str, table: str, source: Path) -> None:
        """Bind a party's file to a table of the contract."""
        home, contract = self.homes[party], read_contract(self.contract)
        bind(home, contract, own_table(home, contract, table), source_at(source, relation=table))

    def start(self, party: str, command: list[str] | None = None) -> None:
        """Start a party's node and wait until it listens. command: what to run in place of `python -I -m glovebox`."""
        process = subprocess.Popen(
            [*(command or [sys.executable, "-I", "-m", "glovebox"]), "serve", "--home", str(self.homes[party].root)],
            stdout=(self.homes[party].root / "out.txt").open("ab"),
            stderr=(self.homes[party].root / "err.txt").open("ab"),
        )
        self.processes[party] = process
        deadline = time.monotonic() + START_S
        while not self._listens(party):
            if process.poll() is not None or time.monotonic() > deadline:
                raise GloveboxError(f"the node of {party} did not start", detail=(f"see {self.homes[party].root}",))
            time.sleep(0.02)

    def _listens(self, party: str) -> bool:
        host, _, port = self.addresses[party].partition(":")
        local = str(self.homes[party].socket_file)  # it is there before the node listens on it
        with socket.socket() as outside, socket.socket(socket.AF_UNIX) as inside:
            return outside.connect_ex((host, int(port))) == 0 and inside.connect_ex(local) == 0

    def stop(self, party: str) -> None:
        """Stop a party's node, if it runs."""
        process = self.processes.pop(party, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Fleet:
        for party in self.homes:
            self.start(party)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for party in list(self.processes):
            self.stop(party)

    def peak_mib(self, session: str) -> int:
        """The most memory that a worker of these parties took in a session."""
        peaks = []
        for home in self.homes.values():
            state = State(home.state_file)
            peaks.append(state.peak(bytes.fromhex(session)))
            state.close()
        return max(peaks)

    def workers(self, party: str) -> set[int]:
        """The processes of a party's workers, its spare among them (Linux only)."""
        return {worker for nursery in _children(self.processes[party].pid) for worker in _children(nursery)}

    def cpu_s(self) -> float:
        """Processor seconds that these nodes and their workers, gone or there, have taken so far (Linux only)."""
        pids = [process.pid for process in self.processes.values()]
        ticks = 0
        for pid in pids:
            pids += _children(pid)  # and theirs, as the list grows
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended: its parent counts it
                times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
                ticks += sum(map(int, times))  # proc(5): utime, stime, cutime, cstime
        return ticks / os.sysconf("SC_CLK_TCK")

    def ask(
        self,
        party: str,
        statement: str,
        parameters: dict[str, str] | None = None,
        seen: Callable[[str, str], None] = lambda event, party: None,
        wait_s: float = 30.0,
    ) -> Answered:
        """Ask as a party, through its node; raises the error that the node tells. seen: called with (event, party)."""
        return asyncio.run(self.ask_async(party, statement, parameters, seen, wait_s))

    async def ask_async(
        self,
        party: str,
        statement: str,
        parameters: dict[str, str] | None = None,
        seen: Callable[[str, str], None] = lambda event, party: None,
        wait_s: float = 30.0,
    ) -> Answered:
        """The same, for several questions at once."""
        request = Ask(str(self.contract), statement, parameters or {}, wait_s)
        async for reply in talk(self.homes[party], request):
            match reply:
                case Progress(event, at):
                    seen(event, at)
                case Answered() as answered:
                    return answered
        raise GloveboxError("the node ended before it answered")


def _children(pid: int) -> list[int]:
    """A process's children, none of one that is gone (Linux only)."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def anew(statement: str) -> str:
    """A statement in words that were never asked: asked again in the same words, it is not computed again."""
    return f"{statement} -- {secrets.token_hex(8)}"


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, and that no other process of a fleet is about to use.

    Raises UsageError where no so many are free.
    """
    ports = _own_ports()
    found: list[int] = []
    for _ in range(BLOCK - 1):
        if len(found) == count:
            return found
        port = next(ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
    raise UsageError(f"of {BLOCK} ports of this machine no {count} are free", hint="ss --listening --tcp")


@functools.cache
def _own_ports() -> Iterator[int]:
    """The ports of a block, again and again; while its first is bound, no other process takes from this block."""
    blocks = list(range(*PORTS, BLOCK))
    secrets.SystemRandom().shuffle(blocks)
    for first in blocks:
        with socket.socket() as sign, contextlib.suppress(OSError):
            sign.bind(("127.0.0.1", first))
            yield from itertools.cycle(range(first + 1, first + BLOCK))
    raise UsageError(f"the ports {PORTS[0]} to {PORTS[1] - 1} of this machine are taken", hint="ss --listening --tcp")
