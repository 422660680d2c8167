"""Control links between nodes: signed messages over mutual TLS, each behind a four-byte length.

From the first message on both ends send a heartbeat while they live, so that a frozen node is told from one that has
nothing to say.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from glovebox.errors import BadFrame, PeerError, PeerLost
from glovebox.node import messages
from glovebox.node.messages import MESSAGE_BYTES, Signed
from glovebox.runtime.preamble import CONTROL, dial
from glovebox.runtime.tls import CERTIFICATE_LIFE, control_context, control_peer

HANDSHAKE_S = 10.0
BEAT_S = 1.0
RENEWED_S = CERTIFICATE_LIFE.total_seconds() / 2
MOST_KEPT = 64  # TLS contexts, some 300 KiB each
HEARTBEAT = b"\xc0"  # MessagePack's nil: nothing to say


class ControlLink:
    """One control link; `peer` is the public key that the other side proved to hold.

    name: of the party there, for errors; "" until it is known. silence_s: how long it may say nothing while we listen.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silence_s: float, name: str = ""
    ) -> None:
        self._reader, self._writer = reader, writer
        self._silence_s, self._silent_s, self._listening = silence_s, 0.0, False
        self.name = name
        self.peer = control_peer(writer.get_extra_info("ssl_object"))
        self._beating: asyncio.Task[None] | None = None
        self._came = b""  # of the next message
        self.opened = time.monotonic()

    @property
    def is_open(self) -> bool:
        """Whether neither side has ended the link, as far as is known here."""
        return not (self._reader.at_eof() or self._writer.is_closing())

    async def send(self, envelope: Signed) -> None:
        """Send one message."""
        self._begin_beating()
        try:
            self._write(messages.encode(envelope))
            await self._writer.drain()
        except (OSError, ssl.SSLError) as problem:
            raise self._lost() from problem

    async def receive(self, deadline_s: float | None = None) -> Signed:
        """The next message. Raises PeerLost when the link ends or the deadline passes."""
        try:
            self._listening, self._silent_s = True, 0.0
            async with asyncio.timeout(deadline_s):
                while (data := await self._data()) == HEARTBEAT:
                    pass
            self._begin_beating()
            return messages.decode(data)
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError) as problem:
            late = f"It did not say what was due within {deadline_s} s." if isinstance(problem, TimeoutError) else ""
            raise self._lost(late) from problem
        finally:
            self._listening = False

    async def _data(self) -> bytes:
        await self._come_to(4)
        size = int.from_bytes(self._came[:4], "big")
        if size > MESSAGE_BYTES:
            raise BadFrame(f"{self.name or 'a node'} announced a message of {size} bytes", party=self.name)
        await self._come_to(4 + size)
        data, self._came = self._came[4:], b""
        return data

    async def _come_to(self, size: int) -> None:
        """Have so many bytes of the next message here; whoever stops waiting loses none of them."""
        while len(self._came) < size:
            part = await self._reader.read(size - len(self._came))
            if not part:
                raise asyncio.IncompleteReadError(self._came, size)
            self._silent_s = 0.0
            self._came += part

    def _write(self, data: bytes) -> None:
        self._writer.write(len(data).to_bytes(4, "big") + data)

    def _begin_beating(self) -> None:
        self._beating = self._beating or asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        """Count silent beats, not seconds: if this process stood still, what came meanwhile is read before the next."""
        beat_s = min(BEAT_S, self._silence_s / 4)
        while True:
            await asyncio.sleep(beat_s)
            self._silent_s += beat_s if self._listening else 0.0
            if self._writer.is_closing():
                return
            if self._silent_s >= self._silence_s:
                self._reader.set_exception(TimeoutError())
                return
            if self._writer.transport.get_write_buffer_size() == 0:  # what still waits to be written says as much
                self._write(HEARTBEAT)

    async def close(self) -> None:
        """Close the link."""
        if self._beating:
            self._beating.cancel()
        if self._silent_s >= self._silence_s:  # no goodbye will come
            self._writer.transport.abort()
            return
        self._writer.close()
        try:
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()
        except (OSError, ssl.SSLError, TimeoutError):
            self._writer.transport.abort()

    def _lost(self, late: str = "") -> PeerLost:
        why = f"Nothing came from it for {self._silence_s:g} s." if self._silent_s >= self._silence_s else late
        summary = f"the control link to {self.name or 'the asker'} ended"
        return PeerLost(summary, party=self.name, step="control", detail=(why,) if why else ())


async def open_control(key: Ed25519PrivateKey, peer: bytes, name: str, address: str, deadline_s: float) -> ControlLink:
    """Dial another node's control port; only the holder of `peer` is accepted there.

    deadline_s: for the connection, for the handshake, and for any later silence.
    """
    connection = await dial(address, CONTROL, 0, deadline_s=deadline_s, name=name)
    try:
        async with asyncio.timeout(deadline_s):
            reader, writer = await asyncio.open_connection(
                sock=connection, ssl=tls_with(key, (peer,), server=False), server_hostname=""
            )
    except (OSError, ssl.SSLError, TimeoutError) as problem:
        connection.close()
        raise PeerLost(
            f"{name} at {address} could not be reached, or is not the party of the contract",
            party=name,
            step="control",
            hint=f"ask {name} whether its node runs there",
        ) from problem
    return ControlLink(reader, writer, deadline_s, name)


def tls_with(key: Ed25519PrivateKey, peers: tuple[bytes, ...], *, server: bool) -> ssl.SSLContext:
    """TLS for the links with these peers' keys, kept while its leaf stays good."""
    return _kept_tls(key, peers, server, int(time.time() / RENEWED_S))


@functools.lru_cache(MOST_KEPT)
def _kept_tls(key: Ed25519PrivateKey, peers: tuple[bytes, ...], server: bool, period: int) -> ssl.SSLContext:
    return control_context(key, peers, server=server)


async def accept_control(context: ssl.SSLContext, connection: socket.socket, silence_s: float) -> ControlLink:
    """Do the server's side of the handshake on a connection whose preamble was read; those of the context may come."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 16)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, connection, ssl=context, ssl_handshake_timeout=HANDSHAKE_S
    )
    try:
        return ControlLink(reader, asyncio.StreamWriter(transport, protocol, reader, loop), silence_s)
    except PeerError:
        transport.abort()
        raise
