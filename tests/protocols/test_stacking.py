"""Totals of stacked tables, added.

Could a party tell anything beyond the leakage line? It receives one frame of each owner: shares of degree t, uniform.
"""

from __future__ import annotations

import numpy as np
import pytest

from glovebox.errors import DataError, Refused
from glovebox.protocols.stacking import stacked_totals
from glovebox.runtime.world import World

from .opening import opened, sizes

SHAPE = (2, 3)
MOST = (2**62 - 1, 2**62 - 1)


async def stacked(ctx, mine, *, owners):
    return await ctx.shamir.shares(await stacked_totals(ctx, 64, MOST, SHAPE[1], owners, mine))


@pytest.mark.parametrize(("m", "owners"), [(3, (0, 1, 2)), (4, (0, 1, 3)), (5, (0, 1, 2, 3, 4))])
async def test_owners_totals_add_up_and_the_card_holds(m, owners):
    totals = {i: np.array([[i, -(10**i), 2**60 - i], [0, i, 1]], dtype=np.int64) for i in owners}
    async with World(m, shamir=True) as world:
        outs = await world.run(stacked, inputs=[totals.get(i) for i in range(m)], owners=owners)
        world.matches_card(stacked_totals, n=6, k=len(owners), **sizes(m))
    assert opened(outs) == sum(np.array(total, dtype=object) for total in totals.values()).reshape(-1).tolist()


async def test_traffic_is_the_same_for_other_totals():
    shapes = []
    for value in (0, 2**62 - 1):
        async with World(shamir=True) as world:
            await world.run(stacked, inputs=[np.full(SHAPE, value)] * 3, owners=(0, 1, 2))
            shapes.append(world.meter.shape())
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("bad", "error"), [(np.full(SHAPE, 2**62), DataError), (np.zeros((3, 2), np.int64), Refused), (None, Refused)]
)
async def test_an_owner_brings_totals_in_range_and_shape(bad, error):
    async with World(shamir=True, deadline_s=5) as world:
        errors = await world.fails(
            stacked, inputs=[np.zeros(SHAPE, np.int64), bad, np.zeros(SHAPE, np.int64)], owners=(0, 1, 2)
        )
    assert type(errors[1]) is error
    assert str(2**62) not in str(vars(errors[1]))
