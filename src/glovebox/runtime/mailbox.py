"""Frames that came over one link, by label, until somebody receives them; and those who wait.

A party may run ahead of us, so frames wait here for their receivers, up to `window` bytes. When that is full and
nobody waits on this link, reading stops and TCP slows the peer; when it is full and somebody waits for a label that
is not here, the peer broke the protocol: an honest one sends what we wait for before it has run so far ahead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from glovebox.errors import BadFrame, PeerError, PeerLost

WINDOW_BYTES = 64 << 20
FRAME_COST = 512  # bytes of memory that an empty frame takes here (its label, its objects); counted against the window


def window_bytes(largest: int) -> int:
    """What a link buffers at most: 64 MiB, or two of the plan's largest frames."""
    return max(WINDOW_BYTES, 2 * largest)


class Mailbox:
    """The receiving end of a link from party `name`.

    pause(True) is called when reading must stop, pause(False) when it may go on; failed(error) once, when the link is
    given up.
    """

    def __init__(
        self, name: str, window: int, pause: Callable[[bool], None], failed: Callable[[PeerError], None]
    ) -> None:
        self._name = name
        self._window = window
        self._pause = pause
        self._failed = failed
        self._seen: set[str] = set()
        self._here: dict[str, memoryview] = {}
        self._waiting: dict[str, asyncio.Future[memoryview]] = {}
        self._held = 0  # bytes in `_here`, with FRAME_COST for each
        self._paused = False
        self._error: PeerError | None = None
        self._ended = False

    def __repr__(self) -> str:
        return f"<Mailbox of {self._name}: {len(self._here)} frames, {self._held} bytes, {len(self._waiting)} waiting>"

    @property
    def waits_for(self) -> str:
        """A label that somebody waits for here, or ""."""
        return next(iter(self._waiting), "")

    async def receive(self, label: str, size: int) -> memoryview:
        """The frame with this label, of exactly `size` bytes."""
        payload = await self._frame(label)
        if len(payload) != size:
            raise self._wrong_size(label, f"{len(payload)} bytes, expected {size}")
        return payload

    async def receive_at_most(self, label: str, most: int) -> memoryview:
        """The frame with this label, of at most `most` bytes."""
        payload = await self._frame(label)
        if len(payload) > most:
            raise self._wrong_size(label, f"{len(payload)} bytes, expected at most {most}")
        return payload

    def deliver(self, label: str, payload: memoryview) -> None:
        """Take a frame that came. Raises BadFrame if its label came before, or if it fills the window wrongly."""
        if label in self._seen:
            raise BadFrame(f"{self._name} sent two frames for one step", party=self._name, step=label)
        self._seen.add(label)
        waiter = self._waiting.pop(label, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(payload)
            return
        self._here[label] = payload
        self._held += len(payload) + FRAME_COST
        if self._held > self._window:
            if self._waiting:
                raise self._overrun(next(iter(self._waiting)))
            self._stop_reading(True)

    def fail(self, error: PeerError) -> None:
        """The link failed: everyone who waits, now or later, gets this error. Only the first error counts."""
        if self._error is None:
            self._error = error
            self._here.clear()
            self._release_waiting()
            self._failed(error)

    def end(self) -> None:
        """The peer said goodbye: what came can still be received, nothing more will come."""
        self._ended = True
        self._release_waiting()

    def check(self, label: str) -> None:
        """Raise the link's error if it has failed; `label` is the step at which it is met."""
        if (error := self._error) is not None:
            step = error.step or label
            raise type(error)(error.summary, code=error.code, party=error.party, step=step, detail=error.detail)

    async def _frame(self, label: str) -> memoryview:
        self.check(label)
        if label in self._here:
            payload = self._here.pop(label)
            self._held -= len(payload) + FRAME_COST
            if self._held <= self._window:
                self._stop_reading(False)
            return payload
        if label in self._waiting or label in self._seen:
            raise ValueError(f"{label} is received twice")
        if self._paused:
            self.fail(self._overrun(label))
        if not self._ended and self._error is None:
            waiter: asyncio.Future[memoryview] = asyncio.get_running_loop().create_future()
            self._waiting[label] = waiter
            try:
                return await waiter
            except _Over:
                pass
            finally:
                self._waiting.pop(label, None)
        self.check(label)
        raise PeerLost(f"{self._name} ended the session before this step", party=self._name, step=label)

    def _stop_reading(self, stop: bool) -> None:
        if stop != self._paused:
            self._paused = stop
            self._pause(stop)

    def _release_waiting(self) -> None:
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_exception(_Over)
        self._waiting.clear()

    def _wrong_size(self, label: str, sizes: str) -> BadFrame:
        error = BadFrame(f"{self._name} sent a frame of the wrong size", party=self._name, step=label, detail=(sizes,))
        self.fail(error)
        return error

    def _overrun(self, label: str) -> BadFrame:
        return BadFrame(
            f"{self._name} broke the protocol: it sent more than {self._window} bytes for later steps",
            party=self._name,
            step=label,
        )


class _Over(Exception):
    """Wakes those who wait: no frame will come any more."""
