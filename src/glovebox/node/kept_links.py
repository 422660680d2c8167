"""Control links that stay open after a session, for the asker's next question: a handshake takes 8 ms of a small one.

One a party. The other node waits on it for the next proposal. Nothing else is said over it but heartbeats, so that one
that is lost is noticed before it is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glovebox.contract.terms import Party
from glovebox.errors import GloveboxError
from glovebox.node.control import RENEWED_S, ControlLink, open_control

if TYPE_CHECKING:
    from glovebox.node.node import Node

KEPT_S = 300.0
"""How long a link waits for the next question."""

Place = tuple[bytes, str]
"""A party's key and address."""


@dataclass
class Kept:
    """A link, and who watches it."""

    link: ControlLink
    watch: asyncio.Task[None]


class KeptLinks:
    """A node's links that wait for its next question."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._kept: dict[Place, Kept] = {}

    async def to(self, party: Party) -> ControlLink:
        """A link to a party, which is the caller's. Raises PeerLost."""
        if kept := self._kept.pop((party.key, party.address), None):
            kept.watch.cancel()
            await asyncio.wait([kept.watch])
            if kept.link.is_open:
                kept.link.name = party.name  # of the contract that is asked under
                return kept.link
            await kept.link.close()
        node = self._node
        return await open_control(node.key, party.key, party.name, party.address, node.settings.deadline_s)

    def keep(self, party: Party, link: ControlLink) -> bool:
        """Keep a link, over which a session ended well; False where there is one already, or it is too old."""
        place = party.key, party.address
        if place in self._kept or not link.is_open or time.monotonic() > link.opened + RENEWED_S:
            return False
        self._kept[place] = Kept(link, asyncio.create_task(self._watch(place, link)))
        return True

    async def _watch(self, place: Place, link: ControlLink) -> None:
        """End a link that is lost, over which something is said, or that nobody uses."""
        with contextlib.suppress(GloveboxError):
            await link.receive(KEPT_S)
        del self._kept[place]
        await link.close()

    async def end(self) -> None:
        """Close all."""
        for kept in self._kept.values():
            kept.watch.cancel()
        await asyncio.gather(*(kept.link.close() for kept in self._kept.values()))
        self._kept.clear()
