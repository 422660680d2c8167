"""Sessions over loopback for the tests of links: keys, sockets, both ends of a link."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from glovebox.runtime.keys import SessionKeys
from glovebox.runtime.linking import Peer, open_session_links
from glovebox.runtime.links import SessionLink
from glovebox.runtime.preamble import read_preamble, split_address

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
            me.party < other.party,
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


class Wire:
    """A TCP relay to `target` that spoils what the dialler sends on its first connection: cuts it or changes a bit."""

    def __init__(self, cut_at: int | None = None, flip_at: int | None = None) -> None:
        self.target = ""
        self._cut_at, self._flip_at = cut_at, flip_at
        self.up = 0  # bytes that came from the dialler
        self.connections = 0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """From here on the network is silent: nothing arrives, nothing is closed."""
        self._flowing.clear()

    def cut(self) -> None:
        """From here on there is no network: both sides see their connection reset."""
        for writer in self._writers:
            writer.transport.abort()

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        host, port = split_address(self.target)
        there, back = await asyncio.open_connection(host, port)
        self._writers += [writer, back]
        bend = self._bent if self.connections == 1 else bytes
        for source, sink, change in ((reader, back, bend), (there, writer, bytes)):
            task = asyncio.create_task(self._pump(source, sink, change))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, change: Callable[[bytes], bytes]
    ) -> None:
        try:
            while data := await source.read(1 << 16):
                await self._flowing.wait()
                sink.write(change(data))
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()

    def _bent(self, data: bytes) -> bytes:
        start, self.up = self.up, self.up + len(data)
        if self._flip_at is not None and start <= self._flip_at < self.up:
            at = self._flip_at - start
            data = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        if self._cut_at is not None and self.up > self._cut_at:
            asyncio.get_running_loop().call_soon(self.cut)
            data = data[: max(0, self._cut_at - start)]
        return data


@asynccontextmanager
async def linked_pair(
    *,
    largest: int = 1 << 20,
    silence_s: float = 5,
    wire: Wire | None = None,
) -> AsyncIterator[tuple[SessionLink, SessionLink]]:
    """Both ends of one link over TLS; `wire` lies between them if given."""
    keys = session_keys(2)
    async with gate() as (address, arrivals), AsyncExitStack() as stack:
        if wire:
            wire.target = address
            await stack.enter_async_context(wire)
        dialled = wire.address if wire else address
        options = {"largest": largest, "silence_s": silence_s, "deadline_s": 10}
        mine, theirs = await asyncio.gather(
            open_session_links(keys[0], peers_of(keys[0], keys, ["", dialled]), asyncio.Queue(), **options),
            open_session_links(keys[1], peers_of(keys[1], keys, ["", dialled]), arrivals, **options),
        )
        left, right = mine[1], theirs[0]
        try:
            yield left, right
        finally:
            left.abort("test_over")
            right.abort("test_over")
            await asyncio.gather(left.close(), right.close())
