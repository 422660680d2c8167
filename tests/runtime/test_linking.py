from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import pytest

from glovebox.errors import BadFrame, GloveboxError, PeerLost
from glovebox.runtime import linking, tls
from glovebox.runtime.frames import Kind, head
from glovebox.runtime.keys import SessionKeys, hello
from glovebox.runtime.linking import abort_links, close_links, open_session_links, wait_lost
from glovebox.runtime.links import SessionLink
from glovebox.runtime.preamble import Preamble, dial, encode
from glovebox.runtime.tls import session_certificate

from .pairs import NAMES, SESSION, TRANSCRIPT, gate, peers_of, session_keys

Links = dict[int, SessionLink]


class Session:
    """The workers of one session, each behind its gate; `open` starts some of them."""

    def __init__(self, parties: int) -> None:
        self.keys = session_keys(parties)

    async def __aenter__(self) -> Session:
        self._stack = AsyncExitStack()
        gates = [await self._stack.enter_async_context(gate()) for _ in self.keys]
        self.addresses = [address for address, _ in gates]
        self.arrivals = [arrivals for _, arrivals in gates]
        self.opened: list[Links] = []
        return self

    async def __aexit__(self, *_: object) -> None:
        for links in self.opened:
            await abort_links(links.values(), GloveboxError("the test is over"))
        await self._stack.aclose()

    async def open(self, me: int, *, keys: SessionKeys | None = None, transcript=TRANSCRIPT, **options) -> Links:
        peers = peers_of(self.keys[me], self.keys, self.addresses, transcript)
        options = {"largest": 1 << 16, "deadline_s": 5, **options}
        links = await open_session_links(keys or self.keys[me], peers, self.arrivals[me], **options)
        self.opened.append(links)
        return links


async def all_can_talk(all_links: list[Links], label: str) -> None:
    for me, links in enumerate(all_links):
        for link in links.values():
            link.post(label, bytes([me]))
    for links in all_links:
        for number, link in links.items():
            assert bytes(await link.receive(label, 1)) == bytes([number])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
async def test_parties_may_come_in_any_order(order):
    async with Session(3) as session:
        opening = {}
        for number in order:
            opening[number] = asyncio.create_task(session.open(number))
            await asyncio.sleep(0.1)
        links = [await opening[number] for number in range(3)]
        assert [sorted(mine) for mine in links] == [[1, 2], [0, 2], [0, 1]]
        await all_can_talk(links, "a")
        await asyncio.gather(*(close_links(mine.values()) for mine in links))


async def test_a_node_that_does_not_hold_the_session_yet_is_dialled_again():
    """It closes what comes for a session that it does not know."""
    async with Session(2) as session:
        opening = asyncio.create_task(session.open(0))
        for _ in range(3):
            _, connection = await session.arrivals[1].get()
            connection.close()
        await all_can_talk([await session.open(1), await opening][::-1], "a")


async def test_who_does_not_come_is_named():
    async with Session(3) as session:
        started = time.monotonic()
        results = await asyncio.gather(
            session.open(0, deadline_s=0.6), session.open(1, deadline_s=0.6), return_exceptions=True
        )
        assert time.monotonic() - started < 4
        assert any(isinstance(r, PeerLost) and r.code == "peer_absent" and r.party == "third" for r in results)
        for result in results:  # one of them may have heard of it from the other: it blames the same party
            assert isinstance(result, PeerLost)
            assert (result.party, result.step) == ("third", "linked")


async def test_a_party_that_is_lost_while_others_are_awaited_ends_the_wait():
    async with Session(3) as session:
        first, second = asyncio.create_task(session.open(0, deadline_s=20)), asyncio.create_task(session.open(1))
        await asyncio.sleep(0.3)
        second.cancel()
        started = time.monotonic()
        with pytest.raises(PeerLost, match="right ended the session") as caught:
            await first
        assert time.monotonic() - started < 4
        assert caught.value.party == "right"


# Outsiders.


@contextmanager
def outsiders(address: str) -> Iterator[list[socket.socket]]:
    """Connections of people who are no party (W2), left open."""
    host, _, port = address.rpartition(":")
    says = [
        b"",
        b"\0\0" + bytes(16),
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(range(256)) * 256,
        encode(Preamble(SESSION, 0)),
        encode(Preamble(SESSION, 0)) + bytes(range(256)) * 256,
        encode(Preamble(SESSION, 0)) + b"\x16\x03\x01\x01\x00",
        encode(Preamble(SESSION, 7)),
    ]
    connections = [socket.create_connection((host, int(port))) for _ in says]
    try:
        for connection, data in zip(connections, says, strict=True):
            connection.sendall(data)
        yield connections
    finally:
        for connection in connections:
            connection.close()


async def test_outsiders_change_nothing():
    async with Session(3) as session:
        waiting = [asyncio.create_task(session.open(number)) for number in (1, 2)]
        with outsiders(session.addresses[1]), outsiders(session.addresses[2]):
            await asyncio.sleep(0.2)
            started = time.monotonic()
            links = [await session.open(0), *[await task for task in waiting]]
            assert time.monotonic() - started < 4  # a silent one in party 0's name holds no place
            await all_can_talk(links, "a")
        await all_can_talk(links, "b")


def tls_as(shown: SessionKeys | None) -> ssl.SSLContext:
    """A client that trusts anybody, and shows this certificate or none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if shown:
        tls._load(context, shown.certificate, shown.tls_key)
    return context


@pytest.mark.parametrize("number", [None, 2])
async def test_tls_with_no_certificate_or_another_partys_is_refused_and_the_party_still_gets_in(number):
    """W3: party 2 says that it is party 0."""
    async with Session(3) as session:
        context = tls_as(None if number is None else session.keys[number])
        waiting = [asyncio.create_task(session.open(number)) for number in (1, 2)]
        connection = await dial(session.addresses[1], SESSION, 0, deadline_s=2)
        reader, writer = await asyncio.open_connection(sock=connection, ssl=context, server_hostname="")
        with pytest.raises((OSError, EOFError)):  # it believed it was connected until it read (W7)
            await reader.readexactly(1)
        writer.close()
        await all_can_talk([await session.open(0), *await asyncio.gather(*waiting)], "a")


async def test_whoever_comes_after_a_party_is_linked_is_closed():
    """W4: the first session goes on."""
    async with Session(3) as session:
        waiting = [asyncio.create_task(session.open(number)) for number in (0, 1)]
        await asyncio.sleep(0.3)  # they are linked, and both wait for 2
        with await dial(session.addresses[1], SESSION, 0, deadline_s=1) as again:
            assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(again, 1), 1) == b""
        third = await session.open(2)
        await all_can_talk([*await asyncio.gather(*waiting), third], "a")


async def test_whoever_comes_once_a_party_showed_its_certificate_is_closed():
    """Between its certificate and its hello an outsider could end a link that the party believes in."""
    async with Session(2) as session:
        waiting = asyncio.create_task(session.open(1))
        reader, writer = await raw_left(session)
        await reader.readexactly(42)  # right's hello: it knows whom it talks to
        with await dial(session.addresses[1], SESSION, 0, deadline_s=1) as outsider:
            assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(outsider, 1), 1) == b""
        secret = session.keys[0].pair_secret(1, session.keys[1].exchange, TRANSCRIPT)
        writer.write(head(Kind.HELLO, size=32) + hello(secret, 0))
        assert list(await waiting) == [0]
        writer.close()


async def raw_left(session: Session) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A hostile party 0: its true key, and no manners."""
    keys = session.keys
    context = keys[0].tls(server=False)
    tls.trust(context, keys[1].certificate)
    connection = await dial(session.addresses[1], SESSION, 0, deadline_s=2)
    return await asyncio.open_connection(sock=connection, ssl=context, server_hostname="")


async def test_a_certificate_that_is_not_the_accepted_one_is_never_linked():
    """W7: right answers with a certificate that left's acceptance does not name; left says so and never links."""
    async with Session(2) as session:
        other = SessionKeys(SESSION, 1)
        results = await asyncio.gather(
            session.open(0, deadline_s=1), session.open(1, keys=other, deadline_s=1), return_exceptions=True
        )
        assert [(type(r), r.code) for r in results] == [(PeerLost, "peer_absent")] * 2
        assert results[0].detail == ("right: somebody else answered: the certificate is not that of its acceptance",)


async def test_two_transcripts_never_meet():
    """W9, W15: the certificates are right, but what was agreed is not: both sides end at once."""
    async with Session(2) as session:
        started = time.monotonic()
        results = await asyncio.gather(session.open(0), session.open(1, transcript=b"\1" * 32), return_exceptions=True)
        assert time.monotonic() - started < 4
        assert [(type(r), r.summary) for r in results] == [
            (BadFrame, "right greets for another session"),
            (BadFrame, "left greets for another session"),
        ]


async def test_a_hello_that_is_sent_back_is_refused():
    """W10: the sender's number is under the MAC."""
    async with Session(2) as session:
        waiting = asyncio.create_task(session.open(1))
        reader, writer = await raw_left(session)
        writer.write(await reader.readexactly(42))
        with pytest.raises(BadFrame, match="left greets for another session"):
            await waiting
        writer.close()


async def test_a_party_that_sends_anything_before_its_hello_is_refused():
    async with Session(2) as session:
        waiting = asyncio.create_task(session.open(1))
        _, writer = await raw_left(session)
        writer.write(head(Kind.DATA, "join", 0))
        with pytest.raises(BadFrame, match="data frame before hello"):
            await waiting
        writer.close()


async def test_a_party_that_greets_and_ends_the_session_in_one_breath_is_not_waited_for():
    async with Session(3) as session:
        waiting = asyncio.create_task(session.open(1, deadline_s=20))
        _, writer = await raw_left(session)
        secret = peers_of(session.keys[1], session.keys, session.addresses, TRANSCRIPT)[0].secret
        greeting = hello(secret, 0)
        writer.write(head(Kind.HELLO, "", len(greeting)) + greeting + head(Kind.ABORT, "bad_frame"))
        with pytest.raises(PeerLost, match="left ended the session"):
            await asyncio.wait_for(waiting, 5)
        writer.close()


@pytest.mark.parametrize("certificate", [b"", b"no DER", session_certificate()[0][:-1]])
async def test_a_bad_certificate_in_an_acceptance_ends_the_session_before_a_socket_is_used(certificate):
    keys = session_keys(2)
    peer = linking.Peer(1, NAMES[1], "127.0.0.1:1", True, certificate, bytes(32))
    with pytest.raises(BadFrame, match="right sent no good certificate"):
        await open_session_links(keys[0], [peer], asyncio.Queue(), largest=1)


# All links together.


async def test_wait_lost_raises_though_nobody_waits_on_the_link():
    async with Session(3) as session:
        links = await asyncio.gather(*(session.open(number) for number in range(3)))
        watching = asyncio.create_task(wait_lost(links[0].values()))
        await asyncio.sleep(0.05)
        assert not watching.done()
        links[2][0]._transport.abort()
        with pytest.raises(PeerLost) as caught:
            await asyncio.wait_for(watching, 1)
        assert caught.value.party == "third"


async def test_abort_links_tells_everybody_whom_to_blame():
    async with Session(3) as session:
        links = await asyncio.gather(*(session.open(number) for number in range(3)))
        waiting = asyncio.ensure_future(links[1][0].receive("step", 1))
        await asyncio.sleep(0)
        await abort_links(links[0].values(), PeerLost("third was lost", party="third", step="step"))
        with pytest.raises(PeerLost, match="left ended the session for a fault of third") as caught:
            await waiting
        assert (caught.value.party, caught.value.step) == ("third", "step")
        with pytest.raises(PeerLost, match=r"left ended the session \(peer_lost\)"):
            await links[2][0].receive("step", 1)


def test_a_peer_does_not_show_its_secret():
    peer = linking.Peer(1, "right", "host:1", True, b"certificate", b"secret")
    assert "secret" not in repr(peer)
