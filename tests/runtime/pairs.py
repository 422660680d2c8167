"""Sessions over loopback for the tests of links: keys, sockets, both ends of a link."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from glovebox.runtime.keys import SessionKeys
from glovebox.runtime.linking import Peer, open_session_links
from glovebox.runtime.links import SessionLink
from glovebox.runtime.preamble import read_preamble

SESSION = bytes(range(16))
TRANSCRIPT = bytes(32)
NAMES = ["left", "right", "third", "fourth"]


def session_keys(parties: int) -> list[SessionKeys]:
    """Fresh keys of parties 0, 1, …"""
    return [SessionKeys(SESSION, number) for number in range(parties)]


def peers_of(
    me: SessionKeys, all_keys: list[SessionKeys], addresses: list[str], transcript: bytes = TRANSCRIPT
) -> list[Peer]:
    """What one party knows of the others."""
    return [
        Peer(
            other.party,
            NAMES[other.party],
            addresses[other.party],
            other.certificate,
            me.pair_secret(other.party, other.exchange, transcript),
        )
        for other in all_keys
        if other.party != me.party
    ]


@contextmanager
def listener() -> Iterator[tuple[socket.socket, str]]:
    """A listening socket on loopback, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server, f"127.0.0.1:{server.getsockname()[1]}"


@asynccontextmanager
async def gate() -> AsyncIterator[tuple[str, asyncio.Queue[tuple[int, socket.socket]]]]:
    """What a node does for its worker: its address, and a queue of the connections whose preamble was read."""
    arrivals: asyncio.Queue[tuple[int, socket.socket]] = asyncio.Queue()
    tasks = set()

    async def greet(connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            preamble = await read_preamble(connection, deadline_s=2)
        except Exception:
            connection.close()
        else:
            arrivals.put_nowait((preamble.party, connection))

    async def accept() -> None:
        while True:
            connection, _ = await asyncio.get_running_loop().sock_accept(server)
            tasks.add(asyncio.create_task(greet(connection)))

    with listener() as (server, address):
        accepting = asyncio.create_task(accept())
        try:
            yield address, arrivals
        finally:
            accepting.cancel()
            await asyncio.gather(accepting, *tasks, return_exceptions=True)
            while not arrivals.empty():
                arrivals.get_nowait()[1].close()


@asynccontextmanager
async def linked_pair(
    *, largest: int = 1 << 20, silence_s: float = 5, through: str | None = None
) -> AsyncIterator[tuple[SessionLink, SessionLink]]:
    """Both ends of one link over TLS; `through` is the address of a proxy that left dials in right's place."""
    keys = session_keys(2)
    async with gate() as (address, arrivals):
        addresses = ["", through or address]
        mine, theirs = await asyncio.gather(
            open_session_links(
                keys[0], peers_of(keys[0], keys, addresses), asyncio.Queue(), largest=largest, silence_s=silence_s
            ),
            open_session_links(
                keys[1], peers_of(keys[1], keys, addresses), arrivals, largest=largest, silence_s=silence_s
            ),
        )
        left, right = mine[1], theirs[0]
        try:
            yield left, right
        finally:
            left.abort("test_over")
            right.abort("test_over")
            await asyncio.gather(left.close(), right.close())
