from __future__ import annotations

import asyncio

import pytest

from glovebox.errors import BadFrame, PeerLost
from glovebox.runtime.mailbox import FRAME_COST, WINDOW_BYTES, Mailbox, window_bytes

WINDOW = 10_000


class Box(Mailbox):
    """A mailbox that notes what it told its link."""

    def __init__(self) -> None:
        self.told: list[object] = []
        super().__init__("left", WINDOW, self.told.append, self.told.append)


def payload(size: int) -> memoryview:
    return memoryview(bytes(size))


async def fill(box: Box) -> None:
    """As many frames as it takes until reading stops."""
    number = 0
    while not box.told:
        box.deliver(f"later/{number}", payload(1000))
        number += 1


async def test_full_and_nobody_waits_stops_reading_until_frames_are_taken():
    box = Box()
    await fill(box)
    assert box.told == [True]
    await box.receive("later/0", 1000)
    assert box.told == [True, False]
    for i in range(1, 6):
        await box.receive(f"later/{i}", 1000)
    assert box.told == [True, False]


async def test_full_while_somebody_waits_is_a_broken_protocol():
    box = Box()
    waiting = asyncio.ensure_future(box.receive("now", 1))
    await asyncio.sleep(0)
    with pytest.raises(BadFrame, match="broke the protocol") as caught:
        await fill(box)
    assert (caught.value.party, caught.value.step) == ("left", "now")
    waiting.cancel()


async def test_waiting_while_full_is_a_broken_protocol():
    box = Box()
    await fill(box)
    with pytest.raises(BadFrame, match="broke the protocol") as caught:
        await box.receive("now", 1)
    assert (caught.value.party, caught.value.step) == ("left", "now")
    with pytest.raises(BadFrame):
        await box.receive("later/0", 1000)


async def test_frames_that_are_waited_for_fill_nothing():
    box = Box()
    waiting = [asyncio.ensure_future(box.receive(f"{i}", 1000)) for i in range(50)]
    await asyncio.sleep(0)
    for i in range(50):
        box.deliver(f"{i}", payload(1000))
    assert [len(await task) for task in waiting] == [1000] * 50
    assert box.told == []


async def test_empty_frames_fill_the_window_too():
    box = Box()
    for i in range(WINDOW // FRAME_COST + 1):
        box.deliver(f"{i}", payload(0))
    assert box.told == [True]


async def test_a_label_comes_once_even_after_it_was_taken():
    box = Box()
    box.deliver("a", payload(1))
    await box.receive("a", 1)
    with pytest.raises(BadFrame, match="two frames for one step") as caught:
        box.deliver("a", payload(1))
    assert (caught.value.party, caught.value.step) == ("left", "a")


async def test_the_first_error_stays_and_names_the_step_that_waits():
    box = Box()
    waiting = [asyncio.ensure_future(box.receive(label, 1)) for label in ("x", "y")]
    await asyncio.sleep(0)
    error = PeerLost("left was lost", party="left")
    box.fail(error)
    box.fail(PeerLost("and again", party="left"))
    errors = await asyncio.gather(*waiting, box.receive("z", 1), return_exceptions=True)
    assert [(type(e), e.summary, e.party, e.step) for e in errors] == [
        (PeerLost, "left was lost", "left", step) for step in "xyz"
    ]
    assert box.told == [error]


async def test_goodbye_leaves_what_came():
    box = Box()
    waiting = asyncio.ensure_future(box.receive("never", 1))
    await asyncio.sleep(0)
    box.deliver("a", payload(3))
    box.end()
    assert len(await box.receive("a", 3)) == 3
    for missing in (waiting, box.receive("later", 1)):
        with pytest.raises(PeerLost, match="ended the session before"):
            await missing
    assert box.told == []


async def test_a_cancelled_receive_harms_no_other():
    box = Box()
    waiting = {label: asyncio.ensure_future(box.receive(label, 1)) for label in "ab"}
    await asyncio.sleep(0)
    waiting["a"].cancel()
    box.deliver("a", payload(1))
    box.deliver("b", payload(1))
    assert len(await waiting["b"]) == 1


def test_the_window_holds_two_of_the_largest_frames():
    assert window_bytes(1) == WINDOW_BYTES == 64 << 20
    assert window_bytes(50 << 20) == 100 << 20


def test_its_repr_is_sizes():
    box = Box()
    box.deliver("a", memoryview(b"secret"))
    assert repr(box) == f"<Mailbox of left: 1 frames, {6 + FRAME_COST} bytes, 0 waiting>"
