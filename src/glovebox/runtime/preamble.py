"""The fixed bytes before TLS: which session a connection is for, and who dials.

    "glovebox" | version: 2 bytes | session id: 16 bytes, zeros for a control link | party: 2 bytes, little-endian

Nothing in it is believed: it only says whose handshake comes next. It is read to the byte, since what follows is TLS
and may be read in another process.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from typing import Any, NamedTuple

from glovebox.errors import BadFrame, PeerLost, UsageError

MAGIC = b"glovebox"
VERSION = 1
FORM = struct.Struct("<8sH16sH")
CONTROL = bytes(16)
READ_S = 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0  # between two attempts to dial


class Preamble(NamedTuple):
    """session: 16 bytes, CONTROL for a control link. party: who the dialler says it is in that session."""

    session: bytes
    party: int


async def read_preamble(connection: socket.socket, deadline_s: float = READ_S) -> Preamble:
    """Read exactly the preamble off a non-blocking socket. Raises BadFrame for anything else; closes nothing."""
    loop = asyncio.get_running_loop()
    data = b""
    try:
        async with asyncio.timeout(deadline_s):
            while len(data) < FORM.size:
                part = await loop.sock_recv(connection, FORM.size - len(data))
                data += part
                if not part or not MAGIC.startswith(data[: len(MAGIC)]):
                    break
    except TimeoutError as problem:
        raise BadFrame(f"a connection said nothing for {deadline_s:g} s", step="preamble") from problem
    except OSError as problem:
        raise BadFrame("a connection ended before its preamble", step="preamble") from problem
    return decode(data)


def encode(preamble: Preamble) -> bytes:
    """The bytes of a preamble."""
    return FORM.pack(MAGIC, VERSION, preamble.session, preamble.party)


def decode(data: bytes) -> Preamble:
    """The preamble in these bytes. Raises BadFrame for any others than those `encode` writes."""
    if len(data) != FORM.size or not data.startswith(MAGIC):
        raise BadFrame("a connection that does not speak Glovebox", step="preamble")
    _, version, session, party = FORM.unpack(data)
    if version != VERSION:
        raise BadFrame(
            f"a node speaks version {version} of the wire, this one {VERSION}",
            step="preamble",
            hint="bring both nodes to the same release",
        )
    return Preamble(session, party)


async def dial(address: str, session: bytes, party: int, *, deadline_s: float | None, name: str = "") -> socket.socket:
    """Connect to HOST:PORT, send the preamble, return the non-blocking socket.

    Tries every address of the host, again and again with growing random pauses, until the deadline; then PeerLost.
    deadline_s: None for no end but the caller's own. name: of the party that should be there, for the error.
    """
    host, port = split_address(address)
    pause_s = FIRST_PAUSE_S
    try:
        async with asyncio.timeout(deadline_s):
            while True:
                connection = await _connect(host, port)
                if connection and await _said(connection, encode(Preamble(session, party))):
                    return connection
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - only spreads the attempts
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    except TimeoutError as problem:
        raise PeerLost(
            f"{name or 'a node'} did not answer at {address} within {deadline_s:g} s",
            code="peer_absent",
            party=name,
            step="control" if session == CONTROL else "linked",
            hint=f"ask {name or 'that party'} whether its node runs there",
        ) from problem


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port`, `192.0.2.1:port` or `[2001:db8::1]:port`. Raises UsageError."""
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 1 << 16:
        raise UsageError(f"{address!r} is not HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


async def _connect(host: str, port: int) -> socket.socket | None:
    """A connection to the first address of the host that takes one."""
    loop = asyncio.get_running_loop()
    try:
        found = await _addresses(host, port)
    except OSError:
        return None
    for family, kind, number, _, where in found:
        connection = socket.socket(family, kind, number)
        connection.setblocking(False)
        try:
            await loop.sock_connect(connection, where)
        except OSError:
            connection.close()
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    return None


async def _addresses(host: str, port: int) -> list[Any]:
    """What `socket.getaddrinfo` says of a host; a thread asks for a name alone, since that may take long."""
    with contextlib.suppress(socket.gaierror):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def _said(connection: socket.socket, data: bytes) -> bool:
    """Send the preamble; close the connection and return False if it is gone already."""
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_sendall(connection, data)
    except BaseException as problem:
        connection.close()
        if isinstance(problem, OSError):
            return False
        raise
    return True
