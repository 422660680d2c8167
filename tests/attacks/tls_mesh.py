"""Three parties of a Glovebox session over real TLS links, in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from glovebox.runtime.keys import SessionKeys
from glovebox.runtime.linking import open_session_links
from glovebox.runtime.links import SessionLink
from glovebox.runtime.shamir import Shamir, open_shamir

from ..runtime.pairs import TRANSCRIPT, gate, peers_of, session_keys

Before = Callable[[list[SessionKeys], list[str]], Awaitable[None]]


@asynccontextmanager
async def mesh(
    *, silence_s: float = 5, largest: int = 1 << 20, before: Before | None = None
) -> AsyncIterator[tuple[list[Shamir], list[dict[int, SessionLink]]]]:
    """The engines and links of three parties. before: runs when all listen and nobody has dialled."""
    keys = session_keys(3)
    async with AsyncExitStack() as stack:
        gates = [await stack.enter_async_context(gate()) for _ in keys]
        addresses = [address for address, _ in gates]
        if before:
            await before(keys, addresses)
        links = await asyncio.gather(
            *(
                open_session_links(
                    keys[i], peers_of(keys[i], keys, addresses), gates[i][1], largest=largest, silence_s=silence_s
                )
                for i in range(3)
            )
        )
        try:
            yield await asyncio.gather(*(open_shamir(i, links[i], TRANSCRIPT) for i in range(3))), links
        finally:
            for mine in links:
                for link in mine.values():
                    link.abort("test_over")
            await asyncio.gather(*(link.close() for mine in links for link in mine.values()))
