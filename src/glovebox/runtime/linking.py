"""Making and ending all links of a session: dial or be dialled, handshake, hello, and only then linked.

The lower party number dials. Whoever dials tries again until the deadline, since a peer's worker may come up later
than its acceptance. Who is dialled holds one handshake a party at a time, and the newest connection takes the place
of the one before: so somebody who connects in a party's name and says nothing keeps nobody out, and a failed
handshake uses nothing up. Once a party has shown its certificate, whoever else comes in its name is closed at once.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from glovebox.errors import BadFrame, GloveboxError, PeerError, PeerLost
from glovebox.runtime.keys import SessionKeys
from glovebox.runtime.links import LINKED, SILENCE_S, SessionLink
from glovebox.runtime.preamble import FIRST_PAUSE_S, LONGEST_PAUSE_S, dial
from glovebox.runtime.tls import trust

LINK_S = 30.0
HANDSHAKE_S = 10.0
SHUTDOWN_S = 1.0


@dataclass(frozen=True, slots=True)
class Peer:
    """Another party of the session. dialled: by this one, else it comes. certificate: DER, from its acceptance. secret:
    the pair's, from `SessionKeys`."""

    number: int
    name: str
    address: str
    dialled: bool
    certificate: bytes = field(repr=False)
    secret: bytes = field(repr=False)


Arrivals = asyncio.Queue[tuple[int, socket.socket]]


async def open_session_links(
    keys: SessionKeys,
    peers: Sequence[Peer],
    arrivals: Arrivals,
    *,
    largest: int,
    deadline_s: float = LINK_S,
    silence_s: float = SILENCE_S,
) -> dict[int, SessionLink]:
    """Links to all peers, by party number, each with a hello in both directions.

    arrivals: connections whose preamble named a party of this session. largest: bytes of the plan's largest frame.
    Raises PeerLost naming the party that did not come by the deadline or was lost meanwhile, or BadFrame; no link
    and no connection is left behind then.
    """
    opening = _Opening(keys, peers, largest, silence_s, asyncio.get_running_loop().time() + deadline_s)
    return await opening.run(arrivals, deadline_s)


async def wait_lost(links: Iterable[SessionLink]) -> None:
    """Wait until one of the links fails, whether or not somebody waits on it, and raise its error."""
    links = list(links)
    await asyncio.wait([link.lost for link in links], return_when=asyncio.FIRST_COMPLETED)
    for link in links:
        link.check("")


async def close_links(links: Iterable[SessionLink]) -> None:
    """Say goodbye on all links at once."""
    await asyncio.gather(*(link.close() for link in links))


async def abort_links(links: Iterable[SessionLink], error: GloveboxError) -> None:
    """End all links for an error, and tell the peers whom it blames."""
    links = list(links)
    for link in links:
        link.abort(error.code, error.party)
    await close_links(links)


class _Opening:
    """What `open_session_links` holds while it runs."""

    def __init__(
        self, keys: SessionKeys, peers: Sequence[Peer], largest: int, silence_s: float, deadline: float
    ) -> None:
        self._keys = keys
        self._peers = {peer.number: peer for peer in peers}
        self._names = {peer.number: peer.name for peer in peers}
        self._largest, self._silence_s = largest, silence_s
        self._deadline = deadline  # on the loop's clock
        self._contexts = {peer.number: self._context(peer) for peer in peers}
        self._reason: dict[int, str] = {}  # why the last attempt with a party failed
        self._links: dict[int, SessionLink] = {}
        self._attempts: dict[int, asyncio.Task[SessionLink | None]] = {}
        self._tried: dict[int, SessionLink] = {}  # the link of the last attempt that began

    async def run(self, arrivals: Arrivals, deadline_s: float) -> dict[int, SessionLink]:
        """Make all links, or none."""
        for peer in self._peers.values():
            if peer.dialled:
                self._attempts[peer.number] = asyncio.create_task(self._reach(peer))
        arrival = asyncio.create_task(arrivals.get())
        try:
            async with asyncio.timeout_at(self._deadline):
                while len(self._links) < len(self._peers):
                    lost = [link.lost for link in self._links.values()]
                    waits: list[asyncio.Future[Any]] = [arrival, *self._attempts.values(), *lost]
                    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                    self._gather()
                    if arrival.done():
                        self._admit(*arrival.result())
                        arrival = asyncio.create_task(arrivals.get())
        except TimeoutError as problem:
            error = self._absent(deadline_s)
            await self._give_up(error)
            raise error from problem
        except PeerError as error:
            await self._give_up(error)
            raise
        except BaseException:
            await self._give_up(GloveboxError("this party gave up", code="cancelled"))
            raise
        finally:
            arrival.cancel()
        return self._links

    def _context(self, peer: Peer) -> ssl.SSLContext:
        context = self._keys.tls(server=not peer.dialled)
        try:
            trust(context, peer.certificate)
        except PeerError as problem:
            raise BadFrame(f"{peer.name} sent no good certificate", party=peer.name, step=LINKED) from problem
        return context

    def _gather(self) -> None:
        """Note the links that were made; raise what ends the session."""
        for number, attempt in list(self._attempts.items()):
            if attempt.done():
                del self._attempts[number]
                if (link := attempt.result()) is not None:
                    self._links[number] = link
        for link in self._links.values():
            link.check(LINKED)

    def _admit(self, number: int, connection: socket.socket) -> None:
        """Somebody came in a party's name: handshake with it, instead of with whom came before."""
        peer = self._peers.get(number)
        if peer is None or peer.dialled or number in self._links:
            connection.close()
            return
        if number in self._attempts:
            if number in self._tried and self._tried[number].authenticated:
                connection.close()
                return
            self._attempts[number].cancel()
        self._attempts[number] = asyncio.create_task(self._link(peer, connection))

    async def _reach(self, peer: Peer) -> SessionLink:
        """Dial a party until a link is made; the session's deadline ends the attempts."""
        pause_s = FIRST_PAUSE_S
        while True:
            connection = await dial(peer.address, self._keys.session, self._keys.party, deadline_s=None, name=peer.name)
            if link := await self._link(peer, connection):
                return link
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - only spreads the attempts
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _link(self, peer: Peer, connection: socket.socket) -> SessionLink | None:
        """Handshake and hello on a connection. None if it was not the peer, PeerError if it was and is wrong or gone.

        The socket is asyncio's from here on: closed under its transport, the next one might get the same number.
        """
        link = self._tried[peer.number] = SessionLink(
            self._keys.party, peer.number, self._names, peer.secret, peer.certificate, self._largest, self._silence_s
        )
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                await self._shake_hands(link, connection)
                await link.wait_linked()
        except BadFrame:
            raise
        except (PeerError, OSError) as problem:  # TimeoutError and ssl.SSLError are OSErrors
            if link.was_linked:
                raise
            self._reason[peer.number] = _reason(problem)
            link.abort("not_linked")
            return None
        except BaseException:
            link.abort("not_linked")
            raise
        return link

    async def _shake_hands(self, link: SessionLink, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        context = self._contexts[link.peer]
        connection.setblocking(False)
        # asyncio sets it on sockets of its own making only; without it each small frame may wait 40 ms for an ACK
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._peers[link.peer].dialled:
            await loop.connect_accepted_socket(
                lambda: link, connection, ssl=context,
                ssl_handshake_timeout=HANDSHAKE_S, ssl_shutdown_timeout=SHUTDOWN_S,
            )  # fmt: skip
        else:
            await loop.create_connection(
                lambda: link, sock=connection, ssl=context, server_hostname="",
                ssl_handshake_timeout=HANDSHAKE_S, ssl_shutdown_timeout=SHUTDOWN_S,
            )  # fmt: skip

    def _absent(self, deadline_s: float) -> PeerLost:
        """The error for the parties that are not linked at the deadline."""
        absent = [peer for number, peer in self._peers.items() if number not in self._links]
        names = " and ".join(peer.name for peer in absent)
        return PeerLost(
            f"{names} did not come within {deadline_s:g} s",
            code="peer_absent",
            party=absent[0].name,
            step=LINKED,
            detail=tuple(f"{p.name}: {self._reason[p.number]}" for p in absent if p.number in self._reason),
            hint=f"ask {names} whether the node runs and can be reached",
        )

    async def _give_up(self, error: GloveboxError) -> None:
        for attempt in self._attempts.values():
            attempt.cancel()
        for made in await asyncio.gather(*self._attempts.values(), return_exceptions=True):
            if isinstance(made, SessionLink):
                self._links[made.peer] = made
        await abort_links(self._links.values(), error)


def _reason(problem: Exception) -> str:
    """Why a handshake failed, in words of our own."""
    match problem:
        case PeerError():
            return problem.summary
        case TimeoutError():
            return "the handshake took too long"
        case ssl.SSLCertVerificationError():
            return "somebody else answered: the certificate is not that of its acceptance"
        case ssl.SSLError():
            return "the TLS handshake failed"
    return "the connection was closed during the handshake"
