"""Links within one process, as strict as those over TLS, and the meter that sees every frame."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from glovebox.errors import BadFrame, PeerError, PeerLost
from glovebox.runtime.mailbox import WINDOW_BYTES, Mailbox

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

UNSENT_BYTES = 16 << 20  # as over TLS: what `send` lets pile up before it waits
LABEL_BYTES = 200


class Frame(NamedTuple):
    """One frame as the meter saw it. round: the longest chain of frames, each sent after the one before came."""

    sender: int
    receiver: int
    step: str
    size: int
    round: int


class Packet(NamedTuple):
    """One frame on its way."""

    session: bytes
    label: str
    octets: memoryview
    round: int


Fault = Callable[[Packet], list[Packet]]


@dataclass
class Meter:
    """Counts frames, and bends one of them if told to: `tamper` is a frame and what to make of it.

    seen: the bytes of each frame by (sender, receiver, label), if `keep` is set: for tests on what a party sees.
    """

    tamper: tuple[Frame, Fault] | None = None
    keep: bool = False
    frames: list[Frame] = field(default_factory=list)
    seen: dict[tuple[int, int, str], bytes] = field(default_factory=dict, repr=False)
    _clocks: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def sent(self, sender: int, receiver: int, packet: Packet) -> list[Packet]:
        """Note a frame; return what arrives in its place."""
        packet = packet._replace(round=self._clocks[sender] + 1)
        self.frames.append(Frame(sender, receiver, packet.label, len(packet.octets), packet.round))
        if self.keep:
            self.seen[sender, receiver, packet.label] = bytes(packet.octets)
        if self.tamper and self.tamper[0][:3] == (sender, receiver, packet.label):
            return self.tamper[1](packet)
        return [packet]

    def taken(self, receiver: int, packet: Packet) -> None:
        """Note that a party has read a frame: what it sends from here on may depend on it."""
        self._clocks[receiver] = max(self._clocks[receiver], packet.round)

    def restart(self) -> None:
        """Forget what was counted so far."""
        self.frames.clear()
        self.seen.clear()
        self._clocks.clear()

    @property
    def rounds(self) -> int:
        """Frames on the critical path."""
        return max((frame.round for frame in self.frames), default=0)

    @property
    def size(self) -> int:
        """Bytes of all frames on all links."""
        return sum(frame.size for frame in self.frames)

    def bytes_by_step(self) -> dict[str, int]:
        """Bytes of each label, both directions together."""
        sizes: dict[str, int] = defaultdict(int)
        for frame in self.frames:
            sizes[frame.step] += frame.size
        return dict(sizes)

    def shape(self) -> dict[tuple[int, int], list[tuple[str, int]]]:
        """What an observer of each direction of each link sees: labels and sizes, in order."""
        shape: dict[tuple[int, int], list[tuple[str, int]]] = defaultdict(list)
        for frame in self.frames:
            shape[frame.sender, frame.receiver].append((frame.step, frame.size))
        return dict(shape)


class MemoryLink:
    """One end of a link between two parties of one process: a `links.Link`, with the mailbox that TLS links have.

    me, peer: party numbers; names: of both. session: what frames of another session differ in.
    """

    def __init__(self, me: int, peer: int, names: Mapping[int, str], session: bytes, meter: Meter) -> None:
        self.peer = peer
        self.failure: PeerError | None = None
        """What broke this end, if something did; a goodbye does not."""
        self._me, self._name, self._my_name = me, names[peer], names[me]
        self._session = session
        self._meter = meter
        self._far: MemoryLink = self
        self._mailbox = Mailbox(self._name, WINDOW_BYTES, self._hold_back, self._give_up)
        self._rounds: dict[str, Packet] = {}
        self._labels_sent: set[str] = set()
        self._queue: deque[Packet] = deque()  # what the peer's full mailbox keeps back
        self._unsent = 0
        self._moved = asyncio.Event()
        self._full = self._left = self._peer_left = False

    def __repr__(self) -> str:
        return f"<MemoryLink to {self._name}: {len(self._queue)} frames unsent>"

    async def send(self, label: str, data: Buffer) -> None:
        """See `links.Link`."""
        while self._unsent > UNSENT_BYTES and not self.failure:
            await self._move()
        self.post(label, data)

    def post(self, label: str, data: Buffer) -> None:
        """See `links.Link`."""
        self._mailbox.check(label)
        if not 0 < len(label) <= LABEL_BYTES or not label.isascii() or not label.isprintable() or " " in label:
            raise ValueError(f"{label!r} is no label")
        if label in self._labels_sent or self._left:
            raise ValueError(f"{label} is sent {'after goodbye' if self._left else 'twice'}")
        self._labels_sent.add(label)
        view = memoryview(data)
        octets = view.cast("B").toreadonly() if view.nbytes else memoryview(b"")
        for packet in self._meter.sent(self._me, self.peer, Packet(self._session, label, octets, 0)):
            self._queue.append(packet)
            self._unsent += len(packet.octets)
        self._pump()

    async def receive(self, label: str, size: int) -> memoryview:
        """See `links.Link`."""
        return self._taken(label, await self._mailbox.receive(label, size))

    async def receive_at_most(self, label: str, most: int) -> memoryview:
        """See `links.Link`."""
        return self._taken(label, await self._mailbox.receive_at_most(label, most))

    async def close(self) -> None:
        """See `links.Link`."""
        self._left = self._far._peer_left = True
        self._pump()
        self._far._moved.set()
        while not self.failure and (self._queue or not self._peer_left):
            await self._move()

    def abort(self, code: str) -> None:
        """Break the link: this party's run failed."""
        self._far._lose(f"{self._my_name} ended the session ({code})")
        self._lose(f"this party ended the session ({code})")

    def _lose(self, reason: str) -> None:
        self._mailbox.fail(PeerLost(reason, party=self._name))

    def _give_up(self, error: PeerError) -> None:
        self.failure = error
        self._moved.set()
        self._far._lose(f"{self._my_name} ended the session ({error.code})")

    def _hold_back(self, stop: bool) -> None:
        self._far._full = stop
        self._far._pump()

    def _pump(self) -> None:
        """Deliver what the peer has room for."""
        while self._queue and not self._full and not self.failure:
            packet = self._queue.popleft()
            self._unsent -= len(packet.octets)
            self._moved.set()
            self._far._arrive(packet)
        if self._left and not self._queue:
            self._far._mailbox.end()

    async def _move(self) -> None:
        self._moved.clear()
        await self._moved.wait()

    def _arrive(self, packet: Packet) -> None:
        try:
            if packet.session != self._session:
                raise BadFrame(f"{self._name} sent a frame of another session", party=self._name, step=packet.label)
            self._rounds[packet.label] = packet
            self._mailbox.deliver(packet.label, packet.octets)
        except PeerError as error:
            self._mailbox.fail(error)

    def _taken(self, label: str, octets: memoryview) -> memoryview:
        self._meter.taken(self._me, self._rounds.pop(label))
        return octets


def memory_links(
    a: int, b: int, names: Mapping[int, str], session: bytes = b"", meter: Meter | None = None
) -> tuple[MemoryLink, MemoryLink]:
    """The two ends of one link: a's and b's."""
    meter = meter or Meter()
    near, far = MemoryLink(a, b, names, session, meter), MemoryLink(b, a, names, session, meter)
    near._far, far._far = far, near
    return near, far
