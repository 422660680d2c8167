"""Control links between nodes: signed messages over mutual TLS, each behind a four-byte length."""

from __future__ import annotations

import asyncio
import socket
import ssl

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from glovebox.errors import BadFrame, PeerError, PeerLost
from glovebox.node import messages
from glovebox.node.messages import MESSAGE_BYTES, Signed
from glovebox.runtime.preamble import CONTROL, dial
from glovebox.runtime.tls import control_context, control_peer

HANDSHAKE_S = 10.0


class ControlLink:
    """One control link; `peer` is the public key that the other side proved to hold."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str = "") -> None:
        self._reader, self._writer = reader, writer
        self.name = name
        self.peer = control_peer(writer.get_extra_info("ssl_object"))

    async def send(self, envelope: Signed) -> None:
        """Send one message."""
        data = messages.encode(envelope)
        try:
            self._writer.write(len(data).to_bytes(4, "big") + data)
            await self._writer.drain()
        except (OSError, ssl.SSLError) as problem:
            raise self._lost() from problem

    async def receive(self, deadline_s: float | None = None) -> Signed:
        """The next message. Raises PeerLost when the link ends or the deadline passes."""
        try:
            async with asyncio.timeout(deadline_s):
                size = int.from_bytes(await self._reader.readexactly(4), "big")
                if size > MESSAGE_BYTES:
                    raise BadFrame(f"{self.name or 'a node'} announced a message of {size} bytes", party=self.name)
                return messages.decode(await self._reader.readexactly(size))
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError, TimeoutError) as problem:
            raise self._lost() from problem

    async def close(self) -> None:
        """Close the link."""
        self._writer.close()
        try:
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()
        except (OSError, ssl.SSLError, TimeoutError):
            self._writer.transport.abort()

    def _lost(self) -> PeerLost:
        return PeerLost(f"the control link to {self.name or 'the asker'} ended", party=self.name, step="control")


async def open_control(key: Ed25519PrivateKey, peer: bytes, name: str, address: str, deadline_s: float) -> ControlLink:
    """Dial another node's control port; only the holder of `peer` is accepted there."""
    connection = await dial(address, CONTROL, 0, deadline_s=deadline_s, name=name)
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            reader, writer = await asyncio.open_connection(
                sock=connection, ssl=control_context(key, [peer], server=False), server_hostname=""
            )
    except (OSError, ssl.SSLError, TimeoutError) as problem:
        connection.close()
        raise PeerLost(
            f"{name} at {address} could not be reached, or is not the party of the contract",
            party=name,
            step="control",
            hint=f"ask {name} whether its node runs there",
        ) from problem
    return ControlLink(reader, writer, name)


async def accept_control(key: Ed25519PrivateKey, peers: list[bytes], connection: socket.socket) -> ControlLink:
    """Do the server's side of the handshake on a connection whose preamble was read; any of `peers` may come."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 16)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, connection, ssl=control_context(key, peers, server=True), ssl_handshake_timeout=HANDSHAKE_S
    )
    try:
        return ControlLink(reader, asyncio.StreamWriter(transport, protocol, reader, loop))
    except PeerError:
        transport.abort()
        raise
