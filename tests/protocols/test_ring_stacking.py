"""Owners' numbers as ring shares: they add up, cost what the card says, and what HELPER receives is uniform.

Could a role tell anything? HELPER receives frames of owners, each less a stream of that owner and QUERY; nobody else
receives any.
"""

from __future__ import annotations

import numpy as np
import pytest

from glovebox.errors import Refused
from glovebox.protocols.ring_stacking import stacked_shares
from glovebox.runtime.context import Role
from glovebox.runtime.world import World

from .noise import assert_noise

ROLES = {Role.QUERY: 0, Role.TABLE: 1, Role.HELPER: 2}


async def stacked(ctx, mine, *, owners, n=8):
    return await stacked_shares(ctx, owners, ROLES, n, mine)


@pytest.mark.parametrize(("m", "owners"), [(3, (0, 1, 2)), (3, (0, 2)), (3, (1,)), (5, (0, 1, 2, 3, 4)), (4, (3,))])
async def test_owners_numbers_add_up_and_the_card_holds(m, owners):
    numbers = {owner: np.arange(8) * (-3) ** owner for owner in owners}
    async with World(m) as world:
        got = await world.run(stacked, inputs=[numbers.get(party) for party in range(m)], owners=owners)
    assert [one is None for one in got] == [party not in (0, 2) for party in range(m)]
    np.testing.assert_array_equal((got[0] + got[2]).view(np.int64), sum(numbers.values()))
    others = len(set(owners) - {0, 2})
    assert (world.meter.rounds, world.meter.size) == (min(others, 1), 8 * 8 * others)
    assert {frame.receiver for frame in world.meter.frames} <= {2}


async def test_what_is_received_is_noise():
    seen = []
    async with World(seed=4, keep=True) as world:
        for _ in range(40):
            got = await world.run(stacked, inputs=[np.zeros(8, np.int64)] * 3, owners=(0, 1, 2))
            ((frame, octets),) = world.meter.seen.items()
            seen.append(np.concatenate([np.frombuffer(octets, np.uint8), got[0].view(np.uint8)]))
    assert_noise(frame, np.stack(seen))


@pytest.mark.parametrize("bad", [np.zeros(7, np.int64), None])
async def test_an_owner_brings_what_was_agreed(bad):
    async with World(deadline_s=5) as world:
        errors = await world.fails(
            stacked, inputs=[np.zeros(8, np.int64), bad, np.zeros(8, np.int64)], owners=(0, 1, 2)
        )
    assert type(errors[1]) is Refused
