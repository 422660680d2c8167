"""Control links that stay open after a session, for the asker's next question: a handshake takes 8 ms of a small one.

One a party. The other node waits on it for the next proposal, and ends it after a while; nothing else is said over it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from glovebox.contract.terms import Party
from glovebox.node.control import ControlLink, open_control

if TYPE_CHECKING:
    from glovebox.node.node import Node

KEPT_S = 300.0


class KeptLinks:
    """A node's links that wait for its next question."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._kept: dict[tuple[bytes, str], tuple[ControlLink, float]] = {}  # by key and address; since when

    async def to(self, party: Party) -> ControlLink:
        """A link to a party, which is the caller's. Raises PeerLost."""
        link, since = self._kept.pop((party.key, party.address), (None, 0.0))
        if link and link.is_open and time.monotonic() < since + KEPT_S:
            return link
        node = self._node
        return await open_control(node.key, party.key, party.name, party.address, node.settings.deadline_s)

    def keep(self, party: Party, link: ControlLink) -> bool:
        """Keep a link, over which a session ended well; False where there is one already."""
        before, _ = self._kept.get((party.key, party.address), (None, 0.0))
        if before and before.is_open:
            return False
        self._kept[party.key, party.address] = link, time.monotonic()
        return True

    async def end(self) -> None:
        """Close all."""
        for link, _ in self._kept.values():
            await link.close()
        self._kept.clear()
