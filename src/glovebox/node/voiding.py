"""A session that failed before anything was revealed costs nothing, if all computing parties sign that it did so.

With at most one party that lies, at most one share of the opening has left then, which says nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Mapping

from glovebox.errors import GloveboxError
from glovebox.node.control import ControlLink
from glovebox.node.messages import (
    Cancel,
    Ended,
    Endorsement,
    Event,
    Failed,
    Receipt,
    Signed,
    Void,
    claimed,
    open_signed,
    signed,
)
from glovebox.node.participant import Participant

VOID_S = 3.0
"""How long the others have to sign that nothing was revealed; and two of these, how long the asker is waited for."""


async def settle(
    own: Participant, error: GloveboxError, links: Mapping[int, ControlLink], told: dict[int, Signed]
) -> None:
    """At the asker, after its cancel: where every computing party says that nothing was revealed, have all give back.

    told: what parties have said already of how the session failed for them.
    """
    said = told | {own.me: signed(own.node.key, own.me, own.failed(error))}
    missing = [party for party in own.plan.computing if party not in said and party in links]
    heard = await asyncio.gather(*(_hear_failed(links[party]) for party in missing), return_exceptions=True)
    said |= {party: one for party, one in zip(missing, heard, strict=True) if isinstance(one, Signed)}
    void = Void(own.session, tuple(said[party] for party in own.plan.computing if party in said))
    # Where somebody is lost, or may have revealed, or this ledger takes nothing more, it stays spent.
    with contextlib.suppress(GloveboxError, OSError, sqlite3.OperationalError):
        own.void(void)
        envelope = signed(own.node.key, own.me, void)
        await asyncio.gather(*(link.send(envelope) for link in links.values()), return_exceptions=True)


async def _hear_failed(link: ControlLink) -> Signed:
    async with asyncio.timeout(VOID_S):
        while True:
            envelope = await link.receive()
            if isinstance(claimed(envelope, Event, Ended, Endorsement, Failed), Failed):
                return envelope


async def hear_void(link: ControlLink, following: asyncio.Future[Signed] | None, participant: Participant) -> None:
    """At the other parties, after they said how the session failed for them: wait for the asker's word that it is void.

    following: what is being received from the asker already, if anything is.
    """
    key = participant.contract.parties[participant.proposal.asker].key
    with contextlib.suppress(TimeoutError, GloveboxError):
        async with asyncio.timeout(2 * VOID_S):
            while True:
                envelope = await (following if following and not following.done() else link.receive())
                message = open_signed(envelope, key, Cancel, Receipt, Void)
                if isinstance(message, Void):
                    return participant.void(message)
