"""Worker processes as the node sees them: one a session, and one spare that is warm already.

A worker is a fresh interpreter, never a fork of the node: it has no key of the node's and no open file but its end of
the socket pair. It dies with its session, or with the node (end of file).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys

from glovebox.errors import GloveboxError, PeerError
from glovebox.node.channel import Alive, Broke, Channel, Job, Keys, MakeAhead, Packet, PeerSocket, Prepare, Stored

COMMAND = [sys.executable, "-I", "-m", "glovebox.node.starting"]
MEMORY = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # its own asks for a GiB at once, which the limit would count
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}
"""The rest is for glibc's malloc, mallopt(3): what one shard freed, up to 64 MiB, serves the next, where each page
would be given back, asked for and cleared again. One arena, so that what one thread freed serves the other too."""

WORKER_LOST = "worker_lost"
SILENCE_S = 20.0
"""How long a worker without a job may say nothing. One that starts beats once a second, however long it takes; one that
has started answers at once."""

REPLY_S = 150.0
"""How long a node whose heart beats may take to accept: its worker needs two seconds of a processor until it has the
keys of a session, and a machine that does much else takes minutes over them."""

START_S = 120.0  # of a worker that beats: a thread of its own does, whatever the rest waits for
DYING_S = 0.2
LISTENINGS = 4  # of one silence: a node that stood still itself reads what came meanwhile before it counts the next


class Worker:
    """One worker process and the channel to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [*COMMAND, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if not name.startswith(("MPYC", "PYTHON"))}
                | MEMORY,
            )
        self._channel = Channel(ours)
        self._silence_s = SILENCE_S

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    async def prepare(self, session: bytes, party: int) -> Keys:
        """Have the worker make a session's keys."""
        await self._tell(Prepare(session, party))
        try:
            async with asyncio.timeout(START_S):
                while isinstance(keys := await self.receive(), Alive):
                    pass  # it starts
        except TimeoutError as problem:
            raise _lost(f"It did not start within {START_S:g} s.") from problem
        if not isinstance(keys, Keys):
            raise GloveboxError("the worker did not make its keys", step="accepted")
        return keys

    async def run(self, job: Job) -> None:
        """Give the worker its job; from now on it beats."""
        await self._tell(job)
        self._silence_s = job.deadline_s

    async def make_ahead(self, job: MakeAhead) -> None:
        """Have the worker make transfers; it beats until they are made."""
        await self._tell(job)
        self._silence_s = job.deadline_s

    async def stored(self) -> None:
        """Tell the worker that its opening shares are on disk."""
        await self._tell(Stored())

    async def hand_over(self, party: int, connection: socket.socket) -> None:
        """Give the worker a peer's connection; the node keeps no copy."""
        with connection:
            await self._tell(PeerSocket(party), connection)

    async def receive(self) -> Packet:
        """The worker's next message; PeerError if the worker is gone, or says nothing for too long."""
        receiving = asyncio.ensure_future(self._channel.receive())
        try:
            for _ in range(LISTENINGS):
                if not receiving.done():
                    await asyncio.wait([receiving], timeout=self._silence_s / LISTENINGS)
            if not receiving.done():
                raise _lost(f"This node's worker said nothing for {self._silence_s:g} s.")
            return receiving.result()[0]
        except EOFError as problem:
            raise _lost(*self._killed()) from problem
        finally:
            receiving.cancel()
            await asyncio.wait([receiving])

    def _killed(self) -> tuple[str, ...]:
        """A line for a worker that the system killed."""
        with contextlib.suppress(subprocess.TimeoutExpired):  # end of file comes a little before the exit
            if self._process.wait(DYING_S) == -signal.SIGKILL:
                return ("It was killed, as the system does with a process when the machine is out of memory.",)
        return ()

    async def _tell(self, message: Packet, passed: socket.socket | None = None) -> None:
        try:
            await self._channel.send(message, passed)
        except EOFError as problem:
            raise _lost() from problem

    async def end(self) -> None:
        """Close the channel, which ends the worker, and make sure that it is gone."""
        self._channel.close()
        try:
            await asyncio.to_thread(self._process.wait, 1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    def kill(self) -> None:
        """End the worker at once."""
        self._process.kill()


class Spares:
    """Keeps one warm worker, so that accepting a proposal does not wait for imports."""

    def __init__(self) -> None:
        self._spare: Worker | None = None

    def refill(self) -> None:
        """Start a spare worker if there is none."""
        if self._spare is None:
            self._spare = Worker()

    def take(self) -> Worker:
        """The spare worker, or a cold one."""
        worker, self._spare = self._spare or Worker(), None
        return worker

    async def end(self) -> None:
        """End the spare worker."""
        if self._spare:
            await self._spare.end()
            self._spare = None


def _lost(*detail: str) -> PeerError:
    return PeerError("this node's worker was lost before the session ended", code=WORKER_LOST, detail=detail)


def error_of(packet: Broke) -> GloveboxError:
    """The error that a worker told of."""
    error = GloveboxError(
        packet.summary, code=packet.code, party=packet.blamed, step=packet.step, detail=packet.detail, hint=packet.hint
    )
    error.exit_code = packet.exit_code
    return error
