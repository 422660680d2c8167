"""Who is next when a node is full: this node's own questions in a queue, and between parties a line without waiting.

Between parties: first come, first served, and one place a party, however much it asks.

A node keeps nobody waiting on a link: who finds no slot is told so at once and asks again within half a second
(coordinator.py). This line remembers in which order parties were refused, so that a free slot goes to the one that has
asked for longest, and not to whoever asks at the luckiest moment. Only the first party of a session keeps it: every
asker comes there first, and two lines for one session could wait for each other. Whose session ends before its start,
as another party had no slot, is the first in the line again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from glovebox.errors import Busy

GONE_S = 5.0
"""Who was refused and does not come again for so long, ten of an asker's longest pauses, has lost its place."""

MOST_WAITING = 16  # of this node's own questions; a further one is told so


class Line:
    """The parties that were refused, in the order in which they came. clock: seconds that only go up."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last_asked: dict[bytes, float] = {}  # by identity key
        self._first_again: set[bytes] = set()  # who came back so, and has had no slot for good since

    def admits(self, asker: bytes, free: int) -> bool:
        """Whether one of `free` slots is this asker's; if not, it keeps the place of its first question in the line."""
        now = self._clock()
        here = {key: at for key, at in self._last_asked.items() if now - at < GONE_S}
        ahead = list(here).index(asker) if asker in here else len(here)
        admitted = ahead < free
        if admitted:
            here.pop(asker, None)
        else:
            here[asker] = now
        self._last_asked = here
        return admitted

    def given_back(self, asker: bytes, comes_again: bool) -> None:
        """A session of this asker's gave its slot back. comes_again: before its start, as another party was busy.

        Then the asker is first in the line, but not twice running: who only takes slots and lets them go keeps nobody
        out.
        """
        if not comes_again or asker in self._first_again:
            self._first_again.discard(asker)
        else:
            self._first_again.add(asker)
            others = {key: at for key, at in self._last_asked.items() if key != asker}
            self._last_asked = {asker: self._clock()} | others


class Turns:
    """This node's own questions: as many at a time as it runs sessions, in the order in which they came."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)  # wakes who waits in order
        self._waiting = 0

    @asynccontextmanager
    async def turn(self, wait_s: float, tell: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Hold a place; Busy if none is free in time, or too many wait already. tell: called if it has to wait."""
        if not self._places.locked():
            await self._places.acquire()
        elif wait_s <= 0 or self._waiting >= MOST_WAITING:
            raise Busy(f"{self._waiting} questions wait here for a place", hint="ask again in a moment, or with --wait")
        else:
            await self._wait(wait_s, tell)
        try:
            yield
        finally:
            self._places.release()

    async def _wait(self, wait_s: float, tell: Callable[[], Awaitable[None]]) -> None:
        self._waiting += 1
        try:
            await tell()
            async with asyncio.timeout(wait_s):
                await self._places.acquire()
        except TimeoutError as problem:
            raise Busy(f"no place was free for {wait_s:g} s", hint="ask again, or with a longer --wait") from problem
        finally:
            self._waiting -= 1
