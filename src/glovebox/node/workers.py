"""Worker processes as the node sees them: one a session, and one spare that is there already.

A worker is a fork of a process that was started for that and knows nothing (`starting.py`), never of the node: it has
no key of the node's, and no open file but its end of the socket pair and made-up rows (`warming.py`). It dies with its
session, or with the node (end of file).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque

from glovebox.errors import GloveboxError, PeerError
from glovebox.node.channel import Alive, Broke, Channel, Job, Keys, MakeAhead, Packet, PeerSocket, Prepare, Stored
from glovebox.node.starting import BORN, FATE

COMMAND = [sys.executable, "-I", "-m", "glovebox.node.starting"]
ENVIRONMENT = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # its own asks for a GiB at once, which the limit would count
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # a process that forks has one thread alone
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}
"""The rest is for glibc's malloc, mallopt(3): what one shard freed, up to 64 MiB, serves the next, where each page
would be given back, asked for and cleared again. One arena, so that what one thread freed serves the other too."""

WORKER_LOST = "worker_lost"
SILENCE_S = 20.0
"""How long a worker without a job may say nothing: while it starts, however long that takes, there is a beat a second;
once it has started it answers at once."""

REPLY_S = 150.0
"""How long a node whose heart beats may take to accept: its worker needs two seconds of a processor until it has the
keys of a session, and a machine that does much else takes minutes over them."""

START_S = 120.0  # of a worker that beats: a thread of its own does, whatever the rest waits for
DYING_S = 0.2
ENDING_S = 1.0
KILLED_S = 5.0  # on a busy machine
LISTENINGS = 4  # of one silence: a node that stood still itself reads what came meanwhile before it counts the next


class Nursery:
    """The process that forks workers, and what became of them. Must be made where an event loop runs."""

    def __init__(self) -> None:
        self._end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [*COMMAND, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if not name.startswith(("MPYC", "PYTHON"))}
                | ENVIRONMENT,
            )
        self._end.setblocking(False)
        self.is_gone = False
        self._asked: deque[Worker] = deque()  # the order is that of their births
        self._living: dict[int, Worker] = {}
        asyncio.get_running_loop().add_reader(self._end, self._hear)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def fork(self, worker: Worker, end: socket.socket) -> None:
        """Ask for a worker process at this end of a channel."""
        try:
            socket.send_fds(self._end, [b"!"], [end.fileno()])
        except OSError:
            self.end()  # the far end closes with `end`, which tells the worker's session
        self._asked.append(worker)

    def _hear(self) -> None:
        """Note births and deaths."""
        try:
            told = self._end.recv(FATE.size)
        except ConnectionError:
            told = b""
        pid, fate = FATE.unpack(told) if told else (0, 0)
        if not told:
            self.end()
        elif fate == BORN:
            worker = self._living[pid] = self._asked.popleft()
            worker.born(pid)
        else:
            self._living.pop(pid).died(fate)

    def end(self) -> None:
        """End it, and all workers that it forked: no one would tell of their deaths."""
        if self.is_gone:
            return
        self.is_gone = True
        asyncio.get_running_loop().remove_reader(self._end)
        self._end.close()
        self._process.kill()
        self._process.wait()
        for worker in self._living.values():
            worker.kill()
            worker.died(-signal.SIGKILL)
        self._living.clear()


class Worker:
    """One worker process and the channel to it."""

    def __init__(self, nursery: Nursery) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel = Channel(ours)
        self._silence_s = SILENCE_S
        self.nursery = nursery
        self._dead = asyncio.Event()
        self._fate = 0
        self.pid = 0  # of no process yet
        with theirs:
            nursery.fork(self, theirs)

    def born(self, pid: int) -> None:
        """Note the worker's process id."""
        self.pid = pid

    def died(self, fate: int) -> None:
        """Note that the process is no more, and its exit code."""
        self._fate = fate
        self._dead.set()

    async def prepare(self, session: bytes, party: int) -> Keys:
        """Have the worker keep its keys for a session, and learn their public halves."""
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
                if not self.pid:  # nor is there anyone to start one
                    self.nursery.end()
                raise _lost(f"This node's worker said nothing for {self._silence_s:g} s.")
            return receiving.result()[0]
        except EOFError as problem:
            raise _lost(*await self._killed()) from problem
        finally:
            receiving.cancel()
            await asyncio.wait([receiving])

    async def _killed(self) -> tuple[str, ...]:
        """A line for a worker that the system killed."""
        await self._gone_within(DYING_S)  # end of file comes a little before the exit
        if self._fate == -signal.SIGKILL:
            return ("It was killed, as the system does with a process when the machine is out of memory.",)
        return ()

    async def _gone_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._dead.wait(), seconds)
        return self._dead.is_set()

    async def _tell(self, message: Packet, passed: socket.socket | None = None) -> None:
        try:
            await self._channel.send(message, passed)
        except EOFError as problem:
            raise _lost() from problem

    async def end(self) -> None:
        """Close the channel, which ends the worker, and make sure that it is gone."""
        self._channel.close()
        if self.pid and not await self._gone_within(ENDING_S):
            self.kill()
            await self._gone_within(KILLED_S)

    def kill(self) -> None:
        """End the worker at once."""
        if self.pid and not self._dead.is_set():
            with contextlib.suppress(ProcessLookupError):  # its death is not told yet
                os.kill(self.pid, signal.SIGKILL)


class Workers:
    """Starts workers, and keeps a spare, so that accepting a proposal waits for none."""

    def __init__(self) -> None:
        self._nursery: Nursery | None = None
        self._spare: Worker | None = None

    def new(self) -> Worker:
        """A worker, which starts."""
        if not self._nursery or self._nursery.is_gone:
            self._nursery = Nursery()
        return Worker(self._nursery)

    def refill(self) -> None:
        """Start a spare worker if there is none."""
        self._spare = self._spare or self.new()

    def take(self) -> Worker:
        """The spare worker, or a new one."""
        worker, self._spare = self._spare or self.new(), None
        return worker

    async def end(self) -> None:
        """End the spare worker, and what starts workers."""
        if self._spare:
            await self._spare.end()
            self._spare = None
        if self._nursery:
            self._nursery.end()


def _lost(*detail: str) -> PeerError:
    return PeerError("this node's worker was lost before the session ended", code=WORKER_LOST, detail=detail)


def error_of(packet: Broke) -> GloveboxError:
    """The error that a worker told of."""
    error = GloveboxError(
        packet.summary, code=packet.code, party=packet.blamed, step=packet.step, detail=packet.detail, hint=packet.hint
    )
    error.exit_code = packet.exit_code
    return error
