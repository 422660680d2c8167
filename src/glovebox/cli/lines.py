"""Slow lines on a fast machine: a relay before every node that carries bytes on at a line's rate and after its delay.

Each connection is a line of its own, with the rate and the delay in each direction: two nodes have one data connection
a session, so this is a line between every two parties. Bytes are carried in pieces of at most 64 KiB, each when its
last byte would arrive; the timers of asyncio let a piece come up to about a millisecond late, which the next ones do
not inherit. Nothing is lost or re-ordered, and there is no slow start. The relay takes some of this machine's time:
about a quarter of a core at 1 Gbit/s.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

PIECE = 1 << 16
REACH_S, PAUSE_S = 30.0, 0.05
"""How long a node is waited for that does not listen yet, and between two tries: who dialled takes the relay for it."""

AHEAD_S = 0.005
"""How far the relay takes bytes in before the line is free for them, so that a late timer leaves no gap on the line."""


@dataclass(frozen=True)
class Line:
    """A line's rate, and the time that a bit travels one way."""

    bits_per_s: float
    delay_s: float

    @property
    def window(self) -> int:
        """The most bytes of one direction that the relay holds: what is on the way, and a few pieces."""
        return int(self.bits_per_s * (self.delay_s + AHEAD_S) / 8) + 4 * PIECE


LINES = {"1gbit-10ms": Line(1e9, 0.010), "100mbit-50ms": Line(1e8, 0.050)}
LOOPBACK = Line(1e11, 0.0)  # no line at all, to count bytes only


class Pace:
    """One direction of one connection: when its bytes arrive."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.free_at = 0.0  # when the line has taken what came so far

    def arrival(self, now: float, size: int) -> float:
        """When the last of `size` bytes arrives that are there at `now`: after all before them, and the way."""
        self.free_at = max(now, self.free_at) + 8 * size / self.line.bits_per_s
        return self.free_at + self.line.delay_s

    def ready_at(self) -> float:
        """When further bytes are to be taken in."""
        return self.free_at - AHEAD_S


class Relay:
    """Carries connections on to nodes; `with` starts and stops it. addresses: what to dial instead, by party.

    carried: bytes that were carried so far, all connections and both directions.
    """

    def __init__(self, nodes: Mapping[str, str], line: Line) -> None:
        self.nodes, self.line = dict(nodes), line
        self.addresses: dict[str, str] = {}
        self.carried = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._connections: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []

    def __enter__(self) -> Relay:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        for party, node in self.nodes.items():
            server = await asyncio.start_server(functools.partial(self._carry, node), "127.0.0.1", 0, limit=PIECE)
            self._servers.append(server)
            self.addresses[party] = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, node: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._carry(node, reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _carry(self, node: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until both directions have ended or either breaks."""
        host, _, port = node.rpartition(":")
        ends = [writer]
        try:
            answers, onward = await _reached(host, int(port))
            ends.append(onward)
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._direct(reader, onward))
                directions.create_task(self._direct(answers, writer))
        except* OSError:
            pass  # one end is gone: the other is closed too
        finally:
            for end in ends:
                end.close()

    async def _direct(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction: what comes in is sent on when it arrives, and then its end."""
        loop, pace = asyncio.get_running_loop(), Pace(self.line)
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        held, less = 0, asyncio.Event()

        async def take_in() -> None:
            nonlocal held
            piece = b"-"
            while piece:
                piece = await reader.read(PIECE)
                held += len(piece)
                on_the_way.put_nowait((pace.arrival(loop.time(), len(piece)), piece))
                await asyncio.sleep(max(0.0, pace.ready_at() - loop.time()))
                while held > self.line.window:
                    less.clear()
                    await less.wait()

        async with asyncio.TaskGroup() as halves:
            halves.create_task(take_in())
            while True:
                arrival, piece = await on_the_way.get()
                await asyncio.sleep(max(0.0, arrival - loop.time()))
                if not piece:
                    break
                writer.write(piece)
                await writer.drain()
                held -= len(piece)
                self.carried += len(piece)
                less.set()
        writer.write_eof()


async def _reached(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection with a node, which may come up a little later."""
    async with asyncio.timeout(REACH_S):
        while True:
            try:
                return await asyncio.open_connection(host, port, limit=PIECE)
            except ConnectionRefusedError:
                await asyncio.sleep(PAUSE_S)
