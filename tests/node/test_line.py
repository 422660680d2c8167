"""Who is next: parties in the order in which they were refused, a node's own questions in the order they came."""

import asyncio

import pytest

from glovebox.errors import Busy
from glovebox.node.line import GONE_S, MOST_WAITING, Line, Turns


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_free_slot_goes_to_the_party_that_was_refused_first():
    line = Line(Clock())
    assert not line.admits(b"a", 0)
    assert not line.admits(b"b", 0)
    assert not line.admits(b"c", 1)  # which is a's
    assert not line.admits(b"b", 1)
    assert line.admits(b"b", 2)
    assert line.admits(b"a", 1)
    assert line.admits(b"c", 1)


def test_a_party_has_one_place_however_much_it_asks():
    line = Line(Clock())
    for _ in range(100):
        assert not line.admits(b"greedy", 0)
    assert not line.admits(b"other", 0)
    assert line.admits(b"greedy", 1)
    assert not line.admits(b"greedy", 1)  # its next question comes after the other party's
    assert line.admits(b"other", 1)


def test_who_does_not_come_again_holds_up_nobody():
    clock = Clock()
    line = Line(clock)
    assert not line.admits(b"gone", 0)
    clock.now = GONE_S / 2
    assert not line.admits(b"here", 1)
    clock.now = GONE_S
    assert line.admits(b"here", 1)


def test_who_lets_a_slot_go_because_another_party_is_busy_is_first_again_but_not_twice_running():
    clock = Clock()
    line = Line(clock)
    assert not line.admits(b"a", 0)
    assert not line.admits(b"b", 0)
    assert line.admits(b"a", 1)
    clock.now = 10 * GONE_S  # a first round that takes long
    line.given_back(b"a", comes_again=True)  # another party had no slot
    assert not line.admits(b"b", 1)
    assert line.admits(b"a", 1)
    line.given_back(b"a", comes_again=True)
    assert line.admits(b"b", 1)
    line.given_back(b"b", comes_again=False)
    assert line.admits(b"a", 1)
    line.given_back(b"a", comes_again=False)
    assert line.admits(b"a", 1)
    line.given_back(b"a", comes_again=True)
    assert not line.admits(b"b", 1)


async def test_own_questions_wait_in_order_and_not_too_many():
    turns, order, told = Turns(1), [], []

    async def ask(number):
        async with turns.turn(60, lambda: heard(number)):
            order.append(number)
            await asyncio.sleep(0)

    async def heard(number):
        told.append(number)

    async with turns.turn(60, lambda: heard(-1)):
        waiting = []
        for number in range(MOST_WAITING):
            waiting.append(asyncio.create_task(ask(number)))
            await asyncio.sleep(0)
        for wait_s, said in ((60, "16 questions wait here"), (0, "16 questions wait here")):
            with pytest.raises(Busy, match=said):
                async with turns.turn(wait_s, lambda: heard(-1)):
                    pass
    await asyncio.gather(*waiting)
    assert order == told == list(range(MOST_WAITING))


async def test_a_place_that_is_not_free_in_time_is_said_and_given_to_the_next():
    turns = Turns(1)

    async def tell():
        pass

    async with turns.turn(60, tell):
        with pytest.raises(Busy, match="no place was free"):
            async with turns.turn(0.01, tell):
                pass
    async with turns.turn(0, tell):
        pass
