"""Links between the workers of one session: labelled frames over mutual TLS, with heartbeats and back-pressure.

`Link` is what protocols and the engine use; `SessionLink` is its form on the network. asyncio's TLS transports move
1 GB/s and more on loopback in 256 KiB writes, so there are no threads of our own: the transport's callbacks are the
reader, which never waits for anybody, and they run while kernels compute in the executor.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ssl
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from glovebox.errors import BadFrame, OutOfMemory, PeerError, PeerLost
from glovebox.runtime.frames import HELLO_BYTES, PARTY_BYTES, Decoder, Frame, Kind, head
from glovebox.runtime.keys import hello
from glovebox.runtime.mailbox import Mailbox, window_bytes
from glovebox.runtime.tls import verify_session_peer

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

UNSENT_BYTES = 16 << 20  # a sender waits while more than this is unsent
CHUNK_BYTES = 256 << 10  # one write: 16 TLS records, about 0.1 ms; measured as fast as larger ones
RECORD_BYTES = 16 << 10  # of TLS, at most
TURN_BYTES = 1 << 20  # then the loop may do something else, such as read
BEAT_S = 1.0
SILENCE_S = 10.0
FLUSH_S = 2.0  # for the last bytes of a link that ends with an error
LINKED = "linked"  # the event of a session at which links are made
BLAMED = "peer_blamed"  # the code of an error that is another party's word


class Link(Protocol):
    """One end of a link to another party. A label is used once in each direction; 1 to 200 printable ASCII bytes.

    Any failure becomes one error that every waiting and every later `send`, `post` and `receive` raises: PeerLost or
    BadFrame, naming the party, and the step that waited. A label or size that this side got wrong is a ValueError.
    """

    @property
    def peer(self) -> int:
        """The other party's number in the contract."""

    async def send(self, label: str, data: Buffer) -> None:
        """Send a frame; waits while more than 16 MiB are unsent. The buffer is the link's until it is written."""

    def post(self, label: str, data: Buffer) -> None:
        """Send a small frame without waiting."""

    async def receive(self, label: str, size: int) -> memoryview:
        """The frame with this label, which must have exactly `size` bytes."""

    async def receive_at_most(self, label: str, most: int) -> memoryview:
        """The frame with this label, which must have at most `most` bytes."""

    async def close(self) -> None:
        """Say goodbye, see everything sent and the peer's goodbye come, then close. Never raises for the peer."""


class SessionLink(asyncio.Protocol):
    """A `Link` over a TLS transport; both ends check the certificate and the transcript before a frame is taken.

    me, peer: party numbers; names: of all other parties of the session. secret: the pair's 32 bytes. certificate: DER,
    from the peer's acceptance. largest: bytes of the largest frame, from the plan. silence_s: how long a peer may say
    nothing.
    """

    def __init__(
        self,
        me: int,
        peer: int,
        names: Mapping[int, str],
        secret: bytes,
        certificate: bytes,
        largest: int,
        silence_s: float = SILENCE_S,
    ) -> None:
        self.peer = peer
        self.name = names[peer]
        self.bytes_sent = 0  # of data frames, with their heads
        self._me, self._names, self._secret, self._certificate = me, names, secret, certificate
        self._largest, self._silence_s = largest, silence_s
        self._beat_s = min(BEAT_S, silence_s / 4)
        self._mailbox = Mailbox(self.name, window_bytes(largest), self._pause_reading, self._give_up)
        self._decoder = Decoder(self.name, largest)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._silent_beats = 0
        self._reading_paused = self._writing_paused = False
        self._labels_sent: set[str] = set()
        self._queue: deque[bytes | memoryview] = deque()  # heads are bytes, payloads memoryviews
        self._unsent = 0  # bytes in the queue
        self._pump_due = False
        self._moved = asyncio.Event()  # bytes left the queue, or the state below changed
        self._parting: tuple[str, bytes] | None = None  # code and party at fault, for the peer
        self._leaving = self._peer_left = self._gone = False  # we said goodbye; it did; the connection is no more
        self._linked: asyncio.Future[None] = self._loop.create_future()
        self.lost: asyncio.Future[PeerError] = self._loop.create_future()
        """Done as soon as the link has failed, whether anybody waits on it or not; never for a goodbye."""

    def __repr__(self) -> str:
        state = "lost" if self.lost.done() else "left" if self._leaving else "linked" if self._linked.done() else "new"
        return f"<SessionLink to {self.name}: {state}>"

    # What protocols use.

    async def send(self, label: str, data: Buffer) -> None:
        """See `Link.send`."""
        self._mailbox.check(label)
        while self._unsent > UNSENT_BYTES:
            await self._move()
            self._mailbox.check(label)
        self.post(label, data)

    def post(self, label: str, data: Buffer) -> None:
        """See `Link.post`."""
        self._mailbox.check(label)
        payload = _bytes_of(data)
        start = head(Kind.DATA, label, len(payload))
        if len(payload) > self._largest:
            raise ValueError(f"a frame of {len(payload)} bytes is more than the plan's largest, {self._largest}")
        if label in self._labels_sent or self._leaving:
            raise ValueError(f"{label} is sent {'after goodbye' if self._leaving else 'twice'}")
        self._labels_sent.add(label)
        if self._peer_left:
            return  # who said goodbye waits for nothing more
        self.bytes_sent += len(start) + len(payload)
        self._enqueue(start, payload)

    async def receive(self, label: str, size: int) -> memoryview:
        """See `Link.receive`."""
        return await self._mailbox.receive(label, size)

    async def receive_at_most(self, label: str, most: int) -> memoryview:
        """See `Link.receive_at_most`."""
        return await self._mailbox.receive_at_most(label, most)

    async def close(self) -> None:
        """See `Link.close`. A peer that does not say goodbye is waited for no longer than `silence_s`."""
        if not self._leaving and not self.lost.done():
            self._leaving = True
            self._enqueue(head(Kind.BYE))
        try:
            async with asyncio.timeout(self._silence_s):
                while not self._gone and not self.lost.done() and (self._queue or not self._peer_left):
                    await self._move()
        except TimeoutError:
            pass
        finally:
            if self._transport and not self.lost.done():  # a lost link closes when its last words are written
                self._transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                while self._transport and not self._gone:
                    await self._move()

    def abort(self, code: str, at_fault: str = "") -> None:
        """End the link at once and tell the peer why: an error's code, and the name of the party it blames if any."""
        number = next((number for number, name in self._names.items() if name == at_fault), None)
        self._parting = (code, b"" if number is None else number.to_bytes(PARTY_BYTES, "little"))
        self._mailbox.fail(PeerLost(f"this party ended the session ({code})"))

    @property
    def authenticated(self) -> bool:
        """Whether the peer showed its certificate: from then on it is the peer, even before its hello."""
        return self._transport is not None

    @property
    def was_linked(self) -> bool:
        """Whether the peer's hello came."""
        return self._linked.done()

    @property
    def waits_for(self) -> str:
        """A step that waits for this peer, or ""."""
        return self._mailbox.waits_for

    async def wait_linked(self) -> None:
        """Return when the peer's hello came; raise what made the link fail before."""
        await asyncio.wait((self._linked, self.lost), return_when=asyncio.FIRST_COMPLETED)
        self.check(LINKED)

    def check(self, step: str) -> None:
        """Raise the link's error, met at this step, if it has failed."""
        self._mailbox.check(step)

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is over: check whom we talk to, and greet."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a session link needs a stream")
        try:
            verify_session_peer(transport.get_extra_info("ssl_object"), self._certificate, self.name)
        except PeerError as error:
            self._mailbox.fail(error)
            transport.abort()
            return
        self._transport = transport
        self._timer = self._loop.call_later(self._beat_s, self._beat)
        self._enqueue(head(Kind.HELLO, size=HELLO_BYTES), memoryview(hello(self._secret, self._me)))

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._silent_beats = 0
        if self.lost.done():
            return
        try:
            for frame in self._decoder.feed(data):
                self._take(frame)
        except PeerError as error:
            self._mailbox.fail(error)
        except MemoryError:  # no fault of the peer's: the sizes of its frames are the plan's
            self._mailbox.fail(OutOfMemory("this party is out of memory"))

    def eof_received(self) -> None:
        """The peer will send nothing more; without its goodbye that is a loss."""
        self._end_of_bytes("closed its side")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._end_of_bytes("sent bytes that were changed on the way" if isinstance(exc, ssl.SSLError) else "is gone")
        self._gone = True
        self._queue.clear()
        self._moved.set()
        if self._timer:
            self._timer.cancel()

    def pause_writing(self) -> None:
        """The transport holds enough."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The transport can take more."""
        self._writing_paused = False
        self._pump()

    # Receiving.

    def _take(self, frame: Frame) -> None:
        match frame.kind:
            case Kind.HELLO:
                if not hmac.compare_digest(frame.payload, hello(self._secret, self.peer)):
                    raise BadFrame(f"{self.name} greets for another session", party=self.name, step=LINKED)
                self._linked.set_result(None)
            case Kind.DATA:
                self._mailbox.deliver(frame.label, frame.payload)
            case Kind.BYE:
                self._peer_left = True
                self._moved.set()
                self._mailbox.end()
            case Kind.ABORT:
                raise self._told(frame)

    def _told(self, frame: Frame) -> PeerLost:
        """The error for a peer that ended the session: it blames the party that the peer says is at fault."""
        number = int.from_bytes(frame.payload, "little") if len(frame.payload) == PARTY_BYTES else self.peer
        if number == self.peer or number not in self._names:
            return PeerLost(f"{self.name} ended the session ({frame.label})", party=self.name)
        blamed = self._names[number]
        summary = f"{self.name} ended the session for a fault of {blamed} ({frame.label})"
        return PeerLost(summary, party=blamed, code=BLAMED)

    def _end_of_bytes(self, how: str) -> None:
        if not self._peer_left:
            self._mailbox.fail(
                PeerLost(
                    f"{self.name} was lost: the link ended without a goodbye",
                    party=self.name,
                    detail=(f"{self.name} {how}.",),
                )
            )

    def _pause_reading(self, stop: bool) -> None:
        self._reading_paused = stop
        self._silent_beats = 0
        if self._transport and not self._transport.is_closing():
            self._transport.pause_reading() if stop else self._transport.resume_reading()

    # Sending.

    def _enqueue(self, start: bytes, payload: memoryview | None = None) -> None:
        self._queue.append(start)
        self._unsent += len(start)
        if payload:
            self._queue.append(payload)
            self._unsent += len(payload)
        self._pump_soon()

    def _pump_soon(self) -> None:
        """Frames of one turn of the loop leave in one write."""
        if not self._pump_due and not self._writing_paused:
            self._pump_due = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_due = False
        left = TURN_BYTES
        while self._queue and left > 0 and not self._writing_paused and self._transport:
            left -= self._write_chunk(self._transport)
        if self._queue:
            self._pump_soon()
        elif self.lost.done() and self._transport:
            self._transport.close()
        self._moved.set()

    async def _move(self) -> None:
        """Wait until something moved: bytes left, or the link came nearer to its end."""
        self._moved.clear()
        await self._moved.wait()

    def _write_chunk(self, transport: asyncio.Transport) -> int:
        pieces: list[bytes | memoryview] = []
        size = 0
        while self._queue and size < CHUNK_BYTES:
            piece = self._queue.popleft()
            room = CHUNK_BYTES - size
            if isinstance(piece, memoryview) and len(piece) > room:
                self._queue.appendleft(piece[room:])
                piece = piece[:room]
            pieces.append(piece)
            size += len(piece)
        self._unsent -= size
        if size <= RECORD_BYTES:
            transport.write(b"".join(pieces))  # each piece would be a record of its own, to encrypt and to decrypt
        else:
            transport.writelines(pieces)
        return size

    # Heartbeats and the end.

    def _beat(self) -> None:
        """Count silent beats, not seconds: if this process stood still, what came meanwhile is read before the next."""
        self._timer = self._loop.call_later(self._beat_s, self._beat)
        if self._peer_left:
            return
        self._silent_beats += 0 if self._reading_paused else 1
        if self._silent_beats * self._beat_s >= self._silence_s:
            self._mailbox.fail(
                PeerLost(
                    f"{self.name} was lost: nothing came from it for {self._silence_s:g} s",
                    party=self.name,
                    hint=f"ask {self.name} whether its node runs and its network is up",
                )
            )
        elif not self._leaving and not self._queue:  # what still waits to be written says as much
            self._enqueue(head(Kind.HEARTBEAT))

    def _give_up(self, error: PeerError) -> None:
        """The mailbox has failed, so the link has: tell the peer why, if it is the peer, and close."""
        self.lost.set_result(error)
        self._moved.set()
        if not self._transport:
            return
        if self._timer:
            self._timer.cancel()
        if self._leaving or not (self._linked.done() or isinstance(error, BadFrame)):
            self._transport.abort()  # said goodbye already, or whoever it is may dial again: nothing to tell
            return
        if self._linked.done():  # else our hello lies there: with it the peer sees for itself what is wrong
            half_written = [self._queue[0]] if self._queue and isinstance(self._queue[0], memoryview) else []
            self._queue = deque(half_written)
        self._timer = self._loop.call_later(FLUSH_S, self._transport.abort)
        code, at_fault = self._parting or (error.code, b"")
        self._enqueue(head(Kind.ABORT, code, len(at_fault)), memoryview(at_fault))


def _bytes_of(data: Buffer) -> memoryview:
    view = memoryview(data)
    return view.cast("B") if view.nbytes else memoryview(b"")
