"""What either of two parties is sent looks like noise, in every frame, whatever the tables hold."""

from __future__ import annotations

import numpy as np
import pytest

from glovebox.algebra import ristretto
from glovebox.protocols.intersection import JoinShape, Rows
from glovebox.protocols.two_party.intersection import JointShape, joined_totals, needs_of
from glovebox.protocols.two_party.prepared import prepare
from glovebox.runtime.world import World

from ..joins import EVERYTHING, owner
from ..noise import assert_noise

SPANS = ((0, 1000), (0, 1000))


async def whole(ctx, rows, shape):
    made = await prepare(ctx.narrow("prepare"), needs_of(shape))
    return await joined_totals(ctx.narrow("join"), shape, rows, made)


@pytest.mark.parametrize("groups", [(1, 1), (4, 2)])
@pytest.mark.parametrize("matches", [0, 300])
async def test_every_frame_is_noise_to_its_receiver(groups, matches):
    """The least random tables there are: ids one after the other, all values 0, all rows of one group."""
    shape = JointShape(JoinShape(300, 300, 1, EVERYTHING, *groups), SPANS)
    query, table = owner(range(300), [0] * 300), owner(range(300 - matches, 600 - matches), [0] * 300)
    if groups != (1, 1):
        query, table = (Rows(rows.ids, rows.values, np.zeros(300, np.int64)) for rows in (query, table))
    seen = {}
    async with World(2, seed=5, keep=True) as world:
        for _ in range(2):
            await world.run(whole, query=query, table=table, shape=shape)
            for frame, octets in world.meter.seen.items():
                seen.setdefault(frame, []).append(np.frombuffer(octets, np.uint8))
    kinds = set()
    for frame, runs in seen.items():
        octets, name = np.stack(runs), frame[2]
        kinds.add(name.rpartition("/")[2])
        if "/base/" in name:  # group elements: canonical, and no two alike
            points = [point.tobytes() for point in octets.reshape(-1, 32)]
            assert all(map(ristretto.is_element, points))
            assert len(set(points)) == len(points)
        elif name.endswith("labels/labels"):  # numbers of two bits
            assert octets.max() < 4
            assert_noise(frame, np.packbits(np.unpackbits(octets[..., None], axis=2)[..., 6:].reshape(2, -1), axis=1))
        else:
            assert_noise(frame, octets)
    assert {"choices", "rows", "codes", "trees", "sixteen", "four", "one"} <= kinds
    assert len(seen) > 20
