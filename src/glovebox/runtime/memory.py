"""Links within one process, as strict as those over TLS, and the meter that sees every frame."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from glovebox.errors import BadFrame, PeerError, PeerLost

UNSENT_BYTES = 16 << 20  # as over TLS: what `send` lets pile up before it waits
WINDOW_BYTES = 64 << 20  # as over TLS: what a receiver keeps for labels it has not asked for
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


Buffer = bytes | bytearray | memoryview
Fault = Callable[[Packet], list[Packet]]


@dataclass
class Meter:
    """Counts frames, and bends one of them if told to: `tamper` is a frame and what to make of it."""

    tamper: tuple[Frame, Fault] | None = None
    frames: list[Frame] = field(default_factory=list)
    _clocks: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def sent(self, sender: int, receiver: int, packet: Packet) -> list[Packet]:
        """Note a frame; return what arrives in its place."""
        packet = packet._replace(round=self._clocks[sender] + 1)
        self.frames.append(Frame(sender, receiver, packet.label, len(packet.octets), packet.round))
        if self.tamper and self.tamper[0][:3] == (sender, receiver, packet.label):
            return self.tamper[1](packet)
        return [packet]

    def taken(self, receiver: int, packet: Packet) -> None:
        """Note that a party has read a frame: what it sends from here on may depend on it."""
        self._clocks[receiver] = max(self._clocks[receiver], packet.round)

    def restart(self) -> None:
        """Forget what was counted so far."""
        self.frames.clear()
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
    """One end of a link between two parties of one process; obeys the contract of `links.Link`."""

    def __init__(self, me: int, peer: int, name: str, session: bytes, meter: Meter) -> None:
        self.peer = peer
        self._me = me
        self._name = name  # the peer's
        self._session = session
        self._meter = meter
        self._far: MemoryLink = self
        self._arrived: dict[str, Packet] = {}
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._received: set[str] = set()
        self._sent: set[str] = set()
        self._unread = 0
        self._drained = asyncio.Event()
        self._failure: Callable[[str], PeerError] | None = None
        self._ended = False

    def __repr__(self) -> str:
        return f"<MemoryLink to {self._name}: {len(self._arrived)} frames unread>"

    async def send(self, label: str, data: Buffer) -> None:
        """Send a frame; wait while the peer has too much unread."""
        while self._far._unread > UNSENT_BYTES + WINDOW_BYTES and not self._failure:
            self._far._drained.clear()
            await self._far._drained.wait()
        self.post(label, data)

    def post(self, label: str, data: Buffer) -> None:
        """Send a frame without waiting."""
        if self._failure:
            raise self._failure(label)
        if label in self._sent or not 0 < len(label.encode("ascii")) <= LABEL_BYTES:
            raise RuntimeError(f"{label} was sent before, or is no label")
        self._sent.add(label)
        packet = Packet(self._session, label, memoryview(data).cast("B").toreadonly(), 0)
        for arriving in self._meter.sent(self._me, self.peer, packet):
            self._far._arrive(arriving)

    async def receive(self, label: str, size: int) -> memoryview:
        """The frame of a label; BadFrame unless it has exactly this size in bytes."""
        octets = await self.receive_at_most(label, size)
        if len(octets) != size:
            raise self._fail_with(label, f"sent {len(octets)} bytes, expected {size}")
        return octets

    async def receive_at_most(self, label: str, most: int) -> memoryview:
        """The frame of a label; BadFrame if it is longer."""
        if label not in self._arrived and not self._failure and not self._ended:
            waiter = self._waiting[label] = asyncio.get_running_loop().create_future()
            try:
                await waiter
            finally:
                del self._waiting[label]
        if self._failure:
            raise self._failure(label)
        if label not in self._arrived:
            raise PeerLost(f"{self._name} ended the session", party=self._name, step=label)
        packet = self._arrived.pop(label)
        self._unread -= len(packet.octets)
        if self._unread <= UNSENT_BYTES + WINDOW_BYTES:
            self._drained.set()
        if len(packet.octets) > most:
            raise self._fail_with(label, f"sent {len(packet.octets)} bytes, expected at most {most}")
        self._meter.taken(self._me, packet)
        return packet.octets

    async def close(self) -> None:
        """Say bye: nothing more is sent; what was sent can still be read."""
        self._far._ended = True
        self._far._wake_all()

    def abort(self) -> None:
        """Break the link: this party failed."""
        self._far.lose(f"{self._far._name} ended the session with an error")
        self.lose("this link was closed")

    def lose(self, reason: str) -> None:
        """Have every receive and send on this end raise PeerLost, unless something else failed before."""
        if not self._failure:
            self._failure = lambda step: PeerLost(reason, party=self._name, step=step)
        self._wake_all()

    @property
    def failure(self) -> PeerError | None:
        """What broke this end, if something did."""
        return self._failure("bye") if self._failure else None

    def _arrive(self, packet: Packet) -> None:
        if packet.session != self._session:
            self._fail_with(packet.label, "sent a frame of another session")
        elif packet.label in self._received:
            self._fail_with(packet.label, "sent a frame twice")
        elif self._unread > WINDOW_BYTES and self._waiting:
            self._fail_with(packet.label, "sends other frames than the one that is waited for")
        else:
            self._received.add(packet.label)
            self._arrived[packet.label] = packet
            self._unread += len(packet.octets)
            _wake(self._waiting.get(packet.label))

    def _fail_with(self, label: str, what: str) -> PeerError:
        error = BadFrame(f"{self._name} {what}", party=self._name, step=label)
        if not self._failure:
            self._failure = lambda _: error
        self._wake_all()
        return error

    def _wake_all(self) -> None:
        for waiter in self._waiting.values():
            _wake(waiter)
        self._far._drained.set()
        self._drained.set()


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter and not waiter.done():
        waiter.set_result(None)


def memory_links(a: int, b: int, names: dict[int, str], session: bytes, meter: Meter) -> tuple[MemoryLink, MemoryLink]:
    """The two ends of one link: a's and b's."""
    near, far = MemoryLink(a, b, names[b], session, meter), MemoryLink(b, a, names[a], session, meter)
    near._far, far._far = far, near
    return near, far
