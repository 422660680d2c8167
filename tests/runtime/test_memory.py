from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from glovebox.runtime.memory import MemoryLink, memory_links

from .check_link import check_link

MIB = 1 << 20


@asynccontextmanager
async def memory_pair() -> AsyncIterator[tuple[MemoryLink, MemoryLink]]:
    yield memory_links(0, 1, {0: "left", 1: "right"})


async def test_a_memory_link_is_a_link():
    await check_link(memory_pair)


async def test_a_sender_waits_for_a_receiver_that_does_not_read():
    import asyncio

    left, right = memory_links(0, 1, {0: "left", 1: "right"})

    async def run_ahead() -> None:
        for step in range(100):
            await left.send(f"{step}", bytes(MIB))

    sending = asyncio.create_task(run_ahead())
    await asyncio.sleep(0.05)
    assert not sending.done()
    assert left._unsent <= 17 * MIB + MIB
    for step in range(100):
        await right.receive(f"{step}", MIB)
    await sending
