"""Messages and open sockets between a node and its worker, over one SEQPACKET socket pair.

A message longer than a packet goes as several; the first byte of a packet says whether more follow. Both ends are
Glovebox's own processes on one machine, so a message is trusted as much as the code is; end of file ends the worker.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Literal

import msgspec
from msgspec import Struct

from glovebox.data.sources import Source
from glovebox.errors import GloveboxError
from glovebox.node.messages import Signed
from glovebox.schema.columns import Table

PACKET_BYTES = 1 << 16  # well under the smallest default of net.core.wmem_max (212,992)
MORE, LAST = b"\1", b"\0"


class Prepare(Struct, frozen=True, tag="prepare"):
    """Node to worker: which session the keys are for."""

    session: bytes
    party: int


class Keys(Struct, frozen=True, tag="keys"):
    """Worker to node: the public halves, for the acceptance."""

    exchange: bytes
    certificate: bytes


class BoundTable(Struct, frozen=True):
    """A table of the question that this party owns, and where its rows are."""

    table: Table
    source: Source
    salt: bytes
    snapshot: bytes


class Job(Struct, frozen=True, tag="job"):
    """Node to worker: all that the run needs; acceptances are verified already. bound: the tables that are read here.

    dialled: parties that this one dials. memory_mib: what the worker may take; database_mib: of it, its local database.
    on_disk: whether the rows lie in files. opening: kept shares of the opening that are to be sent again, where nothing
    is to be computed. ahead: whether both workers use the transfers that they made before. earlier: local parts of
    questions that were answered, by session.
    """

    contract: bytes
    statement: str
    parameters: dict[str, str]
    plan: bytes
    session: bytes
    party: int
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    dialled: tuple[int, ...]
    acceptances: tuple[Signed, ...]
    bound: tuple[BoundTable, ...]
    temporary: str
    memory_mib: int
    database_mib: int
    on_disk: bool
    deadline_s: float
    session_s: float
    opening: bytes | None = None
    ahead: bool = False
    earlier: dict[bytes, bytes] = {}


class MakeAhead(Struct, frozen=True, tag="make_ahead"):
    """Node to worker: make transfers with the other of two parties, before there is a question."""

    peer: int
    names: tuple[str, str]
    address: str
    certificate: bytes
    exchange: bytes
    transcript: bytes
    needs: tuple[int, int, int, int]
    low_traffic: bool
    deadline_s: float
    session_s: float


class MadeAhead(Struct, frozen=True, tag="made_ahead"):
    """Worker to node: the transfers are made, and kept for one question."""


class PeerSocket(Struct, frozen=True, tag="peer"):
    """Node to worker, with one open socket: a peer's worker has dialled us."""

    party: int


class Reached(Struct, frozen=True, tag="reached"):
    """Worker to node: events of the session, in their order."""

    names: tuple[str, ...]


class Doing(Struct, frozen=True):
    """The step that a run is at, by its name in the plan's cost, and how much of how much of it is done."""

    step: str
    done: int = 0
    of: int = 1


class Alive(Struct, frozen=True, tag="alive"):
    """Worker to node, each beat: it lives, however long a step takes, and this is what it does."""

    doing: Doing


class Close(Struct, frozen=True, tag="close"):
    """Worker to node: earlier sessions, answers to which count the same people of this party but for a few."""

    sessions: tuple[bytes, ...]


class Store(Struct, frozen=True, tag="store"):
    """Worker to node: keep these opening shares; none leaves before the node says they are kept."""

    opening: bytes


class Stored(Struct, frozen=True, tag="stored"):
    """Node to worker: the opening shares are on disk."""


class Opened(Struct, frozen=True, tag="opened"):
    """Worker to node, at a receiver: the answer's canonical bytes and its salt."""

    answer: bytes
    salt: bytes


class Completed(Struct, frozen=True, tag="completed"):
    """Worker to node: the run is over; bytes_sent to all peers, and peak memory."""

    bytes_sent: int
    peak_mib: int


class Broke(Struct, frozen=True, tag="broke"):
    """Worker to node: the run failed; blamed is the party at fault, "" for this one."""

    code: str
    step: str
    summary: str
    blamed: str
    exit_code: int
    detail: tuple[str, ...] = ()
    hint: str = ""


Packet = (
    Prepare | Keys | Job | MakeAhead | MadeAhead | PeerSocket | Alive | Reached | Close | Store | Stored | Opened
    | Completed | Broke
)  # fmt: skip
_decoder: msgspec.msgpack.Decoder[Packet] = msgspec.msgpack.Decoder(Packet)


class Channel:
    """One end of the socket pair."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._sending = asyncio.Lock()

    async def send(self, message: Packet, passed: socket.socket | None = None) -> None:
        """Send a message, with an open socket if one is given; the caller closes its own copy. Raises EOFError."""
        data = msgspec.msgpack.encode(message)
        async with self._sending:
            for start in range(0, len(data), PACKET_BYTES):
                part = data[start : start + PACKET_BYTES]
                mark = MORE if start + PACKET_BYTES < len(data) else LAST
                await self._send_packet(mark + part, passed if start == 0 else None)

    async def _send_packet(self, packet: bytes, passed: socket.socket | None) -> None:
        while True:
            try:
                socket.send_fds(self._end, [packet], [passed.fileno()] if passed else [])
                return
            except BlockingIOError:
                await self._ready("writer")
            except OSError as problem:
                raise EOFError from problem

    async def receive(self) -> tuple[Packet, socket.socket | None]:
        """The next message and the socket that came with it. Raises EOFError when the other end is gone."""
        data = bytearray()
        passed: socket.socket | None = None
        while True:
            packet, fds = await self._receive_packet()
            if fds:
                passed = socket.socket(fileno=fds[0])
            data += packet[1:]
            if packet[:1] == LAST:
                return _decoder.decode(data), passed

    async def _receive_packet(self) -> tuple[bytes, list[int]]:
        while True:
            try:
                packet, fds, _, _ = socket.recv_fds(self._end, PACKET_BYTES + 1, 1)
            except BlockingIOError:
                await self._ready("reader")
                continue
            except ConnectionError as problem:
                raise EOFError from problem
            if not packet:
                raise EOFError
            return packet, fds

    async def _ready(self, way: Literal["reader", "writer"]) -> None:
        """Wait until the end can be read from, or written to."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        if way == "reader":
            loop.add_reader(self._end, ready.set)
        else:
            loop.add_writer(self._end, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._end) if way == "reader" else loop.remove_writer(self._end)

    def close(self) -> None:
        """Close this end."""
        self._end.close()


def broke(error: GloveboxError) -> Broke:
    """An error of the run, as the worker tells it."""
    return Broke(error.code, error.step, error.summary, error.party, error.exit_code, error.detail, error.hint)
