"""A worker makes transfers with the other party's worker before there is a question, and keeps them in its memory."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

from glovebox.errors import GloveboxError
from glovebox.node.channel import MakeAhead
from glovebox.protocols.two_party.correlations import LARGEST_FRAME
from glovebox.protocols.two_party.prepared import Needs, Prepared, prepare
from glovebox.runtime.context import Context, Ground, Role
from glovebox.runtime.keys import SessionKeys
from glovebox.runtime.linking import Arrivals, Peer, abort_links, close_links, open_session_links


async def transfers_ahead(job: MakeAhead, keys: SessionKeys, arrivals: Arrivals) -> Prepared:
    """Meet the other party and make the transfers, party 0 in QUERY's place; from then on the roles do not matter."""
    name = job.names[job.peer]
    secret = keys.pair_secret(job.peer, job.exchange, job.transcript, name)
    peer = Peer(job.peer, name, job.address, job.peer == 1, job.certificate, secret)  # the lower number dials
    links = await open_session_links(keys, [peer], arrivals, largest=LARGEST_FRAME, silence_s=job.deadline_s)
    with ThreadPoolExecutor(1, "kernels") as executor:
        ground = Ground(
            party=1 - job.peer,
            parties=(0, 1),
            names=dict(enumerate(job.names)),
            links=links,
            secrets={job.peer: secret},
            seed=os.urandom(32),
            executor=executor,
            roles={Role.QUERY: 0, Role.TABLE: 1},
        )
        try:
            async with asyncio.timeout(job.session_s):
                made = await prepare(Context(ground).narrow("ahead"), Needs(*job.needs), job.low_traffic)
                await close_links(links.values())
        except GloveboxError as error:
            await abort_links(links.values(), error)
            raise
        except TimeoutError as problem:
            late = GloveboxError("the transfers took too long", code="too_long", step="ahead")
            await abort_links(links.values(), late)
            raise late from problem
    return made
