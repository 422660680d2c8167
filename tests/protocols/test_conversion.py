"""Ring shares of two parties become secure integers.

Could a party tell anything beyond the leakage line, from what it receives? Two frames a peer: shares of u, v and their
top bits, and shares of a product; any t of either are uniform, as the last test samples.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.errors import Refused
from glovebox.protocols import conversion
from glovebox.protocols.conversion import secure_totals
from glovebox.runtime.engine import modulus
from glovebox.runtime.world import World

from .opening import opened, sizes

RINGS = (32, 64)
GROUPS = 3
MOST = (2**31 - 1, 2**62 - 1)


async def converted(ctx, mine, *, holders=(0, 2)):
    return await ctx.shamir.shares(await secure_totals(ctx, 64, RINGS, MOST, GROUPS, *holders, mine))


def ring_shares(totals: list[list[int]], masks: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    v = [[mask % 2**ring for mask in line] for line, ring in zip(masks, RINGS, strict=True)]
    u = [
        [(x - mask) % 2**ring for x, mask in zip(line, w, strict=True)]
        for line, w, ring in zip(totals, v, RINGS, strict=True)
    ]
    return np.array(u, dtype=np.uint64), np.array(v, dtype=np.uint64)


counts = st.lists(st.sampled_from([0, 1, 2**31 - 1]) | st.integers(0, 2**31 - 1), min_size=3, max_size=3)
sums = st.lists(
    st.sampled_from([0, 1, -1, 2**62 - 1, 1 - 2**62]) | st.integers(1 - 2**62, 2**62 - 1), min_size=3, max_size=3
)
masks = st.lists(st.sampled_from([0, 1, 2**31, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1), min_size=3, max_size=3)


@settings(max_examples=40)
@given(counts, sums, st.tuples(masks, masks))
async def test_totals_are_what_the_shares_add_to(count, total, mask):
    u, v = ring_shares([count, total], list(mask))
    async with World(shamir=True) as world:
        assert opened(await world.run(converted, inputs=[u, None, v])) == count + total


@pytest.mark.parametrize(("m", "query", "helper"), [(3, 0, 2), (4, 3, 1), (5, 2, 4)])
async def test_any_two_of_m_parties_may_hold_the_ring_shares_and_the_card_holds(m, query, helper):
    u, v = ring_shares([[5, 0, 7], [-5, 2**40, 3]], [[9, 2**31, 2**32 - 1], [1, 2**63, 2**64 - 1]])
    inputs = [None] * m
    inputs[query], inputs[helper] = u, v
    async with World(m, shamir=True) as world:
        assert opened(await world.run(converted, inputs=inputs, holders=(query, helper))) == [5, 0, 7, -5, 2**40, 3]
        world.matches_card(secure_totals, n=6, **sizes(m))
    assert secure_totals.__module__ == conversion.__name__


async def test_traffic_is_the_same_for_other_totals():
    shapes = []
    for totals in ([[0, 0, 0], [0, 0, 0]], [[1, 2**31 - 1, 5], [-1, 1 - 2**62, 2**62 - 1]]):
        async with World(shamir=True) as world:
            u, v = ring_shares(totals, [[1, 2, 3], [4, 5, 6]])
            await world.run(converted, inputs=[u, None, v])
            shapes.append(world.meter.shape())
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("inputs", [[None] * 3, ["u", "u", "u"]], ids=["nobody", "everybody"])
async def test_only_the_two_holders_bring_shares(inputs):
    u, _ = ring_shares([[0, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]])
    async with World(shamir=True, deadline_s=5) as world:
        with pytest.raises(Refused, match="two parties"):
            await world.run(converted, inputs=[u if mine else None for mine in inputs])


async def test_each_partys_shares_of_a_total_are_uniform():
    """200 runs on equal totals: the top four bits of each party's shares fall into 16 classes alike."""
    u, v = ring_shares([[1, 1, 1], [1, 1, 1]], [[0, 0, 0], [0, 0, 0]])
    classes = np.zeros((3, 16))
    async with World(shamir=True) as world:
        for _ in range(200):
            for party, shares in enumerate(await world.run(converted, inputs=[u, None, v])):
                np.add.at(classes[party], [share * 16 // modulus(64) for share in shares], 1)
    expected = classes.sum(axis=1, keepdims=True) / 16
    chi_square = ((classes - expected) ** 2 / expected).sum(axis=1)
    assert (chi_square < 45).all()  # 15 degrees of freedom: above 45 once in 10^4
