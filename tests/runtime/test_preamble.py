from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.errors import BadFrame, PeerLost, UsageError
from glovebox.runtime.preamble import CONTROL, FORM, Preamble, decode, dial, encode, read_preamble, split_address

from .pairs import listener

SESSION = bytes(range(16))


@pytest.fixture
def connection():
    """Two ends of one connection: the dialler's, and the node's, which does not block."""
    theirs, ours = socket.socketpair()
    ours.setblocking(False)
    with theirs, ours:
        yield theirs, ours


@given(st.binary(min_size=16, max_size=16), st.integers(0, 65535))
def test_a_preamble_is_28_bytes_that_say_what_was_meant(session, party):
    data = encode(Preamble(session, party))
    assert len(data) == 28
    assert decode(data) == (session, party)


@given(
    st.binary(max_size=60) | st.binary(min_size=28, max_size=28) | st.binary(max_size=20).map(lambda b: b"glovebox" + b)
)
def test_any_other_bytes_are_refused(data):
    try:
        assert encode(decode(data)) == data
    except BadFrame as error:
        assert error.step == "preamble"


async def test_it_is_read_to_the_byte(connection):
    theirs, ours = connection
    theirs.sendall(encode(Preamble(SESSION, 7)) + b"\x16\x03\x01 the ClientHello")
    assert await read_preamble(ours) == (SESSION, 7)
    assert ours.recv(100) == b"\x16\x03\x01 the ClientHello"


async def test_it_may_come_byte_by_byte(connection):
    theirs, ours = connection
    reading = asyncio.ensure_future(read_preamble(ours))
    for byte in encode(Preamble(CONTROL, 0)):
        theirs.send(bytes([byte]))
        await asyncio.sleep(0)
    assert await reading == (CONTROL, 0)


@pytest.mark.parametrize(
    "said",
    [b"GET / HTTP/1.1\r\n", b"\0\0", b"\x16\x03\x01\x02\0\x01\0\x01\xfc", b"glovebus", b"glovebox\2\0" + bytes(18)],
)
async def test_who_speaks_something_else_is_refused_at_once(connection, said):
    theirs, ours = connection
    theirs.sendall(said)
    started = time.monotonic()
    with pytest.raises(BadFrame):
        await read_preamble(ours)
    assert time.monotonic() - started < 4


async def test_another_version_says_what_to_do(connection):
    theirs, ours = connection
    theirs.sendall(FORM.pack(b"glovebox", 2, SESSION, 0))
    with pytest.raises(BadFrame, match="version 2 of the wire, this one 1") as caught:
        await read_preamble(ours)
    assert "same release" in caught.value.hint


@pytest.mark.parametrize("said", [b"", b"glove", encode(Preamble(SESSION, 1))[:-1]])
async def test_who_hangs_up_or_says_too_little_is_refused(connection, said):
    theirs, ours = connection
    theirs.sendall(said)
    with pytest.raises(BadFrame, match=r"said nothing for 0\.05 s"):
        await read_preamble(ours, deadline_s=0.05)
    theirs.close()
    with pytest.raises(BadFrame):
        await read_preamble(ours)


async def test_dial_says_who_it_is():
    with listener() as (server, address), await dial(address, SESSION, 3, deadline_s=2) as dialled:
        assert dialled.gettimeout() == 0
        connection, _ = await asyncio.get_running_loop().sock_accept(server)
        with connection:
            connection.setblocking(False)
            assert await read_preamble(connection) == (SESSION, 3)


async def test_dial_waits_for_a_node_that_is_not_up_yet():
    with listener() as (_, address):
        pass  # now nobody listens there
    dialling = asyncio.ensure_future(dial(address, SESSION, 0, deadline_s=5))
    await asyncio.sleep(0.2)
    with socket.create_server(("127.0.0.1", split_address(address)[1])):
        (await dialling).close()


async def test_dial_gives_up_and_says_on_whom():
    with listener() as (_, address):
        pass
    started = time.monotonic()
    with pytest.raises(PeerLost, match=f"retailer did not answer at {address} within 0.3 s") as caught:
        await dial(address, SESSION, 0, deadline_s=0.3, name="retailer")
    assert time.monotonic() - started < 4
    assert (caught.value.code, caught.value.party, caught.value.step) == ("peer_absent", "retailer", "linked")


async def test_a_dial_that_is_given_up_leaves_no_socket():
    with listener() as (_, address):
        pass
    before = set(Path("/proc/self/fd").iterdir())
    dialling = asyncio.ensure_future(dial(address, SESSION, 0, deadline_s=5))
    await asyncio.sleep(0.1)
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling
    assert set(Path("/proc/self/fd").iterdir()) - before == set()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_hosts_are_names_or_addresses_of_either_family(host):
    family = socket.AF_INET6 if "[" in host else socket.AF_INET
    try:
        server = socket.create_server((host.strip("[]"), 0), family=family)
    except OSError:
        pytest.skip(f"no {host} on this machine")
    with server:
        (await dial(f"{host}:{server.getsockname()[1]}", SESSION, 0, deadline_s=2)).close()


@pytest.mark.parametrize(
    "address", ["", "host", ":80", "host:", "host:0", "host:65536", "host:8o", "host:-1", "host:²"]
)
def test_what_is_no_address(address):
    with pytest.raises(UsageError, match="HOST:PORT"):
        split_address(address)
