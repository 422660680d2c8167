"""A party that gives others different shares of what opens on the way: all compare what they saw.

MPyC alone opens a masked value from t + 1 shares and asks nobody: who got a wrong one goes on with a wrong value.
"""

from __future__ import annotations

import pytest

from glovebox.errors import IntegrityError
from glovebox.runtime.world import World

from .lying import RECEIVERS, answered, is_right, run


@pytest.mark.parametrize("m", [3, 5])
async def test_honest_parties_see_the_same_openings(m):
    answers, errors, meter = await run("threshold", m)
    assert not errors
    assert [answer is not None for answer in answers] == [party in RECEIVERS for party in range(m)]
    assert all(is_right(answer, "threshold") for answer in answers if answer)
    seen = [frame for frame in meter.frames if frame.step == "verified/seen"]
    assert [frame.size for frame in seen] == [2 * 32] * (m * (m - 1))  # a hash of them, and what commits to coins


async def test_a_wrong_share_of_one_opening_ends_every_party():
    """The very attack on plain MPyC (threats.md M18): right for one, wrong for another."""
    _, _, meter = await run("threshold")
    opened = {}
    for frame in (each for each in meter.frames if each.step.endswith(("/masked", "/top"))):  # numbers, and bits
        opened.setdefault(frame.step, []).append(frame)
    assert len(opened) == 2
    for step, frames in opened.items():
        assert sorted(frame[:2] for frame in frames) == [(0, 1), (1, 2), (2, 0)]
        frame = next(frame for frame in frames if frame.sender == 2)
        async with World(shamir=True, tamper=(frame, flipped), deadline_s=20) as world:
            errors = await world.fails(answered, inputs=[None] * 3, stage="threshold")
        assert any(isinstance(error, IntegrityError) for error in errors.values()), step
        assert "different shares" in str(list(errors.values())), step


def flipped(packet):
    octets = bytearray(packet.octets)
    octets[0] ^= 1
    return [packet._replace(octets=memoryview(octets))]
