"""A session's worker: one process that makes the session's keys, runs one job, and dies with it.

Started by the node as `python -I -m glovebox.node.worker FD`. It holds no identity key; what it knows of the world
comes over the socket pair, whose end of file ends it.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sys

from glovebox.errors import GloveboxError
from glovebox.node.channel import Alive, Channel, Job, Keys, PeerSocket, Prepare, Stored, broke
from glovebox.node.process import harden
from glovebox.node.run import Run, preload
from glovebox.runtime.keys import SessionKeys
from glovebox.runtime.links import BEAT_S

WAITING = 16
"""Connections that wait for their handshake; a session has at most eight peers."""

ADDRESS_SPACE = 24 << 30
"""Bytes a worker may hold before it, and only it, is out of memory; what a session needs is bounded by its contract."""


async def work(channel: Channel) -> None:
    """Make the keys, run the job, tell how it went."""
    try:
        prepare, _ = await channel.receive()
    except EOFError:
        return  # a spare that was never needed
    if not isinstance(prepare, Prepare):
        raise GloveboxError("the node did not say which session this is")
    keys = SessionKeys(prepare.session, prepare.party)
    sockets: asyncio.Queue[tuple[int, socket.socket]] = asyncio.Queue(WAITING)
    stored = asyncio.Event()
    running: asyncio.Task[None] | None = None
    beating: asyncio.Task[None] | None = None
    try:
        await channel.send(Keys(keys.exchange, keys.certificate))
        while True:
            packet, connection = await channel.receive()
            match packet:
                case Job() as job:
                    run = Run(job, keys, sockets, channel, stored)
                    beating = asyncio.create_task(_beat(run))
                    running = asyncio.create_task(_run(run))
                case PeerSocket(party) if connection is not None:
                    if sockets.full():
                        connection.close()
                    else:
                        sockets.put_nowait((party, connection))
                case Stored():
                    stored.set()
    except EOFError:
        if running and beating:
            running.cancel()
            beating.cancel()


async def _beat(run: Run) -> None:
    while True:
        await run.channel.send(Alive(run.doing))
        await asyncio.sleep(min(BEAT_S, run.job.deadline_s / 4))


async def _run(run: Run) -> None:
    try:
        await run.to_the_end()
    except GloveboxError as problem:
        await run.channel.send(broke(problem))


def main() -> None:
    """Run one session."""
    harden()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C on a terminal is for the node, which ends its workers
    resource.setrlimit(resource.RLIMIT_DATA, (ADDRESS_SPACE, ADDRESS_SPACE))
    end = socket.socket(fileno=int(sys.argv[1]))
    preload()
    asyncio.run(work(Channel(end)))
    os._exit(0)  # kernels may still run in the executor's thread: the session is over, nothing waits for them


if __name__ == "__main__":
    main()
