"""What every form of a link must do: `check_link(make)` holds the tests, each form calls it.

`make()` is an async context manager that gives both ends of one link: of party 0 "left" and of party 1 "right", which
takes frames of up to LARGEST bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import numpy as np
import pytest

from glovebox.errors import BadFrame, PeerLost
from glovebox.runtime.links import Link

LARGEST = 1 << 20
Make = Callable[[], AbstractAsyncContextManager[tuple[Link, Link]]]


async def check_link(make: Make) -> None:
    """Run all checks, each on a fresh link."""
    for check in CHECKS:
        async with asyncio.timeout(20), make() as (left, right):
            assert (left.peer, right.peer) == (1, 0)
            try:
                await check(left, right)
            except Exception as problem:
                problem.add_note(f"in check_link: {check.__name__}")
                raise


async def frames_are_delivered_by_label(left: Link, right: Link) -> None:
    for label in ("a", "b/c", "b/d"):
        await left.send(label, label.encode())
    assert bytes(await right.receive("b/d", 3)) == b"b/d"
    assert bytes(await right.receive("a", 1)) == b"a"
    assert bytes(await right.receive_at_most("b/c", 100)) == b"b/c"


async def a_receive_waits_for_its_frame(left: Link, right: Link) -> None:
    waiting = {label: asyncio.ensure_future(right.receive(label, 1)) for label in "xyz"}
    await asyncio.sleep(0.01)
    assert not any(task.done() for task in waiting.values())
    for label in "zxy":
        left.post(label, label.encode())
    assert {label: bytes(await task) for label, task in waiting.items()} == {label: label.encode() for label in "xyz"}


async def both_directions_have_their_own_labels(left: Link, right: Link) -> None:
    left.post("a", b"to right")
    right.post("a", b"to left")
    assert bytes(await right.receive("a", 8)) == b"to right"
    assert bytes(await left.receive("a", 7)) == b"to left"


async def arrays_of_any_shape_are_their_bytes(left: Link, right: Link) -> None:
    square = np.arange(6, dtype=np.uint64).reshape(2, 3)
    await left.send("square", square)
    await left.send("none", np.empty((0, 3), np.uint64))
    received = np.frombuffer(await right.receive("square", 48), np.uint64).reshape(2, 3)
    np.testing.assert_array_equal(received, square)
    assert len(await right.receive("none", 0)) == 0


async def a_frame_may_be_as_large_as_the_plan_says(left: Link, right: Link) -> None:
    data = np.random.default_rng(0).bytes(LARGEST)
    await asyncio.gather(*(left.send(f"{i}", data) for i in range(3)))
    for i in (2, 0, 1):
        assert await right.receive(f"{i}", LARGEST) == data


async def a_frame_of_another_size_is_bad(left: Link, right: Link) -> None:
    left.post("step", b"12345")
    with pytest.raises(BadFrame) as caught:
        await right.receive("step", 4)
    assert (caught.value.party, caught.value.step) == ("left", "step")


async def a_frame_beyond_the_most_is_bad(left: Link, right: Link) -> None:
    left.post("step", b"12345")
    with pytest.raises(BadFrame) as caught:
        await right.receive_at_most("step", 4)
    assert (caught.value.party, caught.value.step) == ("left", "step")


async def one_error_ends_all_that_wait_and_all_that_follows(left: Link, right: Link) -> None:
    waiting = asyncio.ensure_future(right.receive("other", 1))
    left.post("bad", b"12345")
    left.post("good", b"1")
    with pytest.raises(BadFrame):
        await right.receive("bad", 4)
    for attempt in (waiting, right.receive("good", 1), right.receive("later", 1), right.send("mine", b"1")):
        with pytest.raises(BadFrame) as caught:
            await attempt
        assert caught.value.party == "left"
    with pytest.raises(BadFrame):
        right.post("mine too", b"1")


async def a_label_is_used_once(left: Link, right: Link) -> None:
    left.post("a", b"1")
    with pytest.raises(ValueError, match="twice"):
        left.post("a", b"1")
    with pytest.raises(ValueError, match="twice"):
        await left.send("a", b"1")
    await right.receive("a", 1)
    with pytest.raises(ValueError, match="twice"):
        await right.receive("a", 1)


async def a_label_is_printable_and_short(left: Link, right: Link) -> None:
    for label in ("", "a b", "é", "a\n", "a" * 201):
        with pytest.raises(ValueError, match="label"):
            left.post(label, b"")
    left.post("a" * 200, b"")
    await right.receive("a" * 200, 0)


async def what_came_before_goodbye_can_be_received(left: Link, right: Link) -> None:
    waiting = asyncio.ensure_future(right.receive("never", 1))
    await left.send("a", bytes(LARGEST))
    left.post("b", b"2")
    closing = asyncio.ensure_future(left.close())
    with pytest.raises(PeerLost) as caught:
        await waiting
    assert (caught.value.party, caught.value.step) == ("left", "never")
    assert len(await right.receive("a", LARGEST)) == LARGEST
    assert bytes(await right.receive("b", 1)) == b"2"
    with pytest.raises(PeerLost):
        await right.receive("c", 1)
    await right.close()
    await closing


async def closing_is_done_together_and_twice(left: Link, right: Link) -> None:
    await asyncio.gather(left.close(), right.close())
    await asyncio.gather(left.close(), right.close())


CHECKS = [
    frames_are_delivered_by_label,
    a_receive_waits_for_its_frame,
    both_directions_have_their_own_labels,
    arrays_of_any_shape_are_their_bytes,
    a_frame_may_be_as_large_as_the_plan_says,
    a_frame_of_another_size_is_bad,
    a_frame_beyond_the_most_is_bad,
    one_error_ends_all_that_wait_and_all_that_follows,
    a_label_is_used_once,
    a_label_is_printable_and_short,
    what_came_before_goodbye_can_be_received,
    closing_is_done_together_and_twice,
]
