"""A party that lies in one share of anything it sends: no receiver takes a wrong answer for a right one.

MPyC alone opens a masked value from t + 1 shares and asks nobody: who got a wrong one goes on with a wrong value.
"""

from __future__ import annotations

import numpy as np
import pytest

from glovebox.errors import IntegrityError
from glovebox.protocols.finishing import Finishing, Part, finish
from glovebox.protocols.reveal import all_opened_alike, reveal_to_receivers, shares_for_opening
from glovebox.protocols.stacking import stacked_totals
from glovebox.runtime.world import World, frames_of

FINISHING = Finishing(1, (1000, 2**40), 0, 10, False, (Part("total", 0), Part("total", 1)))
TOTALS = [[12], [-700]]
RECEIVERS = (0, 1)


async def answered(ctx):
    """From totals to the answer, as a session's worker does it."""
    mine = np.array(TOTALS, dtype=np.int64) * (ctx.party == 0)
    secret = await stacked_totals(ctx.narrow("in"), FINISHING.bits, (2, 1), ctx.parties, mine)
    finished = await finish(ctx.narrow("finish"), FINISHING, secret)
    opening = await shares_for_opening(ctx.narrow("opening"), FINISHING, finished)
    await all_opened_alike(ctx.narrow("alike"))
    return await reveal_to_receivers(ctx.narrow("reveal"), FINISHING, opening, RECEIVERS, "rules")


def is_right(answer):
    return (answer.shown.tolist(), answer.parts.tolist()) == ([True], TOTALS)


def flipped(packet):
    octets = bytearray(packet.octets)
    octets[0] ^= 1
    return [packet._replace(octets=memoryview(octets))]


@pytest.mark.parametrize("m", [3, 5])
async def test_honest_parties_see_the_same_openings(m):
    async with World(m, shamir=True) as world:
        answers = await world.run(answered, inputs=[None] * m)
    assert [answer is not None for answer in answers] == [party in RECEIVERS for party in range(m)]
    assert all(is_right(answer) for answer in answers if answer)
    alike = [frame for frame in world.meter.frames if frame.step.startswith("alike")]
    assert [frame.size for frame in alike] == [32] * (m * (m - 1))


async def test_one_flipped_bit_in_any_share_never_makes_a_wrong_answer():
    frames = await frames_of(answered, shamir=True, inputs=[None] * 3)
    caught = 0
    for frame in frames:
        async with World(shamir=True, tamper=(frame, flipped), deadline_s=20) as world:
            answers, errors = await world._session(answered, [None] * 3, {})
        assert all(is_right(answer) for answer in answers if answer), frame
        early = not frame.step.startswith("reveal")
        if any(isinstance(error, IntegrityError) for error in errors.values()) and early:
            caught += 1
            assert answers == [None] * 3, frame  # before any of the answer has left anybody
            assert set(errors) == {0, 1, 2}
    assert caught > len(frames) // 2


async def test_a_wrong_share_of_one_opening_ends_every_party(monkeypatch):
    """The very attack on plain MPyC (threats.md M18): right for one, wrong for another."""
    frames = await frames_of(answered, shamir=True, inputs=[None] * 3)
    opened = {}
    for frame in (each for each in frames if each.step.startswith("shamir/") or each.step.endswith("/top")):
        opened.setdefault(frame.step, []).append((frame.sender, frame.receiver))
    rounds = [step for step, who in opened.items() if sorted(who) == [(0, 1), (1, 2), (2, 0)]]
    assert {step.partition("/")[0] for step in rounds} == {"shamir", "finish"}  # numbers, and bits in GF(2^8)
    for step in rounds:
        frame = next(frame for frame in frames if frame.step == step and frame.sender == 2)
        async with World(shamir=True, tamper=(frame, flipped), deadline_s=20) as world:
            errors = await world.fails(answered, inputs=[None] * 3)
        assert any(isinstance(error, IntegrityError) for error in errors.values()), step
        assert "different shares" in str(list(errors.values())), step
