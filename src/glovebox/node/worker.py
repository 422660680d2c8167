"""A session's worker: one process that makes the session's keys, runs one job, and dies with it.

Forked by `starting.py`. It holds no identity key; what it knows of the world comes over the socket pair, whose end of
file ends it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from glovebox.data.database import Database, unused
from glovebox.errors import GloveboxError
from glovebox.node.channel import (
    Alive,
    Channel,
    Doing,
    Job,
    Keys,
    MadeAhead,
    MakeAhead,
    Packet,
    PeerSocket,
    Prepare,
    Stored,
    broke,
)
from glovebox.node.making import transfers_ahead
from glovebox.node.process import limit_memory
from glovebox.node.run import Run
from glovebox.node.warming import warm_again
from glovebox.protocols.two_party.prepared import Prepared
from glovebox.runtime.keys import SessionKeys
from glovebox.runtime.linking import Arrivals
from glovebox.runtime.links import BEAT_S

WAITING = 16
"""Connections that wait for their handshake; a session has at most eight peers."""

QUIET_S = 0.3
"""How long nobody asks anything of a worker that is not needed yet: where questions come one upon the other, none has
time for more than them."""


async def work(channel: Channel, kernels: ThreadPoolExecutor, unused: Database) -> None:
    """Make the keys, run the job, tell how it went; before it, make transfers if there is time for that."""
    session = _Session(channel, kernels, unused)
    try:
        async for packet, connection in _packets(channel, kernels, unused):
            match packet:
                case Prepare():
                    await session.prepare(packet)
                case MakeAhead() as job:
                    session.working = asyncio.create_task(session.make_ahead(job))
                case Job() as job:
                    limit_memory(job.memory_mib)
                    session.working = asyncio.create_task(session.run(job))
                case PeerSocket(party) if connection is not None:
                    if session.sockets.full():
                        connection.close()
                    else:
                        session.sockets.put_nowait((party, connection))
                case Stored():
                    session.stored.set()
    except EOFError:
        if session.working:
            session.working.cancel()


async def _packets(
    channel: Channel, kernels: ThreadPoolExecutor, unused: Database
) -> AsyncIterator[tuple[Packet, socket.socket | None]]:
    """What the node says; before it, if that is not at once, a question in small."""
    first = asyncio.ensure_future(channel.receive())
    if not (await asyncio.wait([first], timeout=QUIET_S))[0]:
        await warm_again(kernels, unused)
    yield await first
    while True:
        yield await channel.receive()


class _Session:
    """What a worker holds: the keys of its session, its peers' connections, and transfers made before it."""

    def __init__(self, channel: Channel, kernels: ThreadPoolExecutor, unused: Database) -> None:
        self.channel, self._kernels, self._unused = channel, kernels, unused
        self._fresh: SessionKeys | None = SessionKeys()  # now, while nobody waits for them
        self.working: asyncio.Task[None] | None = None
        self.stored = asyncio.Event()
        self._keys: SessionKeys | None = None
        self._made: Prepared | None = None

    async def prepare(self, prepare: Prepare) -> None:
        """Let this session have the keys that were made, or fresh ones."""
        self.sockets: Arrivals = asyncio.Queue(WAITING)
        fresh, self._fresh = self._fresh or SessionKeys(), None
        self._keys = fresh.of(prepare.session, prepare.party)
        await self.channel.send(Keys(fresh.exchange, fresh.certificate))

    async def make_ahead(self, job: MakeAhead) -> None:
        """Make transfers, and keep them for the next job."""
        try:
            async with _beating(self.channel, lambda: Doing("loading"), job.deadline_s):
                self._made = await transfers_ahead(job, self._known_keys(), self.sockets)
            await self.channel.send(MadeAhead())
        except GloveboxError as problem:
            await self.channel.send(broke(problem))

    async def run(self, job: Job) -> None:
        """Run the job; transfers that it does not use are used by nobody."""
        made, self._made = self._made, None
        made = made if job.ahead else None
        run = Run(job, self._known_keys(), self.sockets, self.channel, self.stored, self._kernels, self._unused, made)
        async with _beating(self.channel, lambda: run.doing, job.deadline_s):
            try:
                await run.to_the_end()
            except GloveboxError as problem:
                await self.channel.send(broke(problem))

    def _known_keys(self) -> SessionKeys:
        if self._keys is None:
            raise GloveboxError("the node did not say which session this is")
        return self._keys


@asynccontextmanager
async def _beating(channel: Channel, doing: Callable[[], Doing], deadline_s: float) -> AsyncIterator[None]:
    """Tell the node each beat that this worker lives, and what it does."""
    beats = asyncio.create_task(_beat(channel, doing, deadline_s))
    try:
        yield
    finally:
        beats.cancel()
        await asyncio.wait([beats])


async def _beat(channel: Channel, doing: Callable[[], Doing], deadline_s: float) -> None:
    while True:
        await channel.send(Alive(doing()))
        await asyncio.sleep(min(BEAT_S, deadline_s / 4))


def serve(end: socket.socket) -> None:
    """Run one session for the node at the other end."""
    kernels = ThreadPoolExecutor(1, "kernels")
    database = kernels.submit(unused).result()  # the thread starts now, too, while nobody waits
    asyncio.run(work(Channel(end), kernels, database))
    os._exit(0)  # kernels may still run in the executor's thread: the session is over, nothing waits for them
