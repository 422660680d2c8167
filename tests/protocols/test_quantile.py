"""Quantiles of counted values: exact, priced, of one shape, and noise to whom it is sent.

What could a role tell? Both levels are gates (`test_gates.py`): QUERY and HELPER receive what is opened under masks
that TABLE dealt, and QUERY what TABLE dealt less a stream of HELPER; TABLE receives nothing. Which block is taken is a
bit in shares, and no index goes from one to the other. So nobody tells more than the sizes.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.protocols import quantile
from glovebox.protocols.quantile import Counts, Rank, quantiles
from glovebox.runtime.world import World, blames, cut_short, frames_of

from .noise import assert_noise

TABLE = 1
BELOW, ABOVE = Rank(2, 1, 0), Rank(2, 1, -1)  # floor and ceil of (N - 1) / 2


def in_order(counts: np.ndarray, place: int) -> int:
    """The index of the number at a place, by writing them all down."""
    return int(np.repeat(np.arange(len(counts)), counts)[place])


async def found(world: World, counts: np.ndarray, asked, most: int) -> np.ndarray:
    theirs = np.random.default_rng(9).integers(0, 1 << 64, counts.shape, np.uint64)
    mine = counts.astype(np.uint64) - theirs
    sizes = Counts(*counts.shape, most)
    got = await world.run(quantiles, asked=asked, sizes=sizes, query=mine, helper=theirs)
    assert got.table is None
    assert world.matches_card(quantiles, **quantile.traffic(asked, sizes))
    assert max(frame.size for frame in world.meter.frames) <= quantile.largest_frame(asked, sizes)
    assert not [frame for frame in world.meter.frames if frame.receiver == TABLE]
    index = got.query + got.helper
    assert index.max() <= len(asked[0]) * sizes.highest
    return index


@given(groups=st.integers(1, 5), values=st.integers(1, 150), dense=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=25)
async def test_both_middle_numbers(groups, values, dense, seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, (groups, values)) * (dense | (rng.random((groups, values)) < 0.05))
    async with World(seed=2) as world:
        ((*index,),) = await found(world, counts, [(BELOW, ABOVE)], 3 * values)
    for one, of_group in zip(index, counts, strict=True):
        if many := int(of_group.sum()):
            assert one == in_order(of_group, (many - 1) // 2) + in_order(of_group, many // 2)


@pytest.mark.parametrize("share", [Fraction(0), Fraction(1), Fraction(9, 10), Fraction(1, 3), Fraction(333, 1000)])
async def test_ranks_of_any_fraction_of_a_large_domain(share):
    """A hundred numbers among 70,000 values: the first, the last, and between; in a group of one, and of none."""
    rng, (a, d) = np.random.default_rng(5), share.as_integer_ratio()
    counts = np.zeros((3, 70_000), np.int64)
    np.add.at(counts[0], rng.integers(0, 70_000, 100), 1)
    counts[1, 69_999] = 1
    discrete, below, above = Rank(d, a, 0 if a else -1), Rank(d, a, a - 1), Rank(d, a, a - d)
    async with World(seed=2) as world:
        got = await found(world, counts, [(discrete,), (below,), (above,)], 1000)
    for group, many in ((0, 100), (1, 1)):
        places = max(1, math.ceil(many * share)) - 1, math.floor((many - 1) * share), math.ceil((many - 1) * share)
        assert got[:, group].tolist() == [in_order(counts[group], place) for place in places]


@pytest.mark.parametrize("kind", ["none", "all alike"])
async def test_every_frame_is_noise_to_its_receiver_and_of_one_shape(kind):
    counts = np.zeros((2, 20), np.int64)
    counts[:, 7] = 0 if kind == "none" else 9
    seen, shapes = {}, []
    async with World(seed=11, keep=True) as world:
        for _ in range(60):
            theirs = np.random.default_rng(len(shapes)).integers(0, 1 << 64, counts.shape, np.uint64)
            mine = counts.astype(np.uint64) - theirs
            await world.run(quantiles, asked=[(BELOW, ABOVE)], sizes=Counts(2, 20, 99), query=mine, helper=theirs)
            for frame, octets in world.meter.seen.items():
                seen.setdefault(frame, []).append(np.frombuffer(octets, np.uint8))
            shapes.append(world.meter.shape())
    assert all(shape == shapes[0] for shape in shapes)
    for frame, octets in seen.items():
        assert_noise(frame, np.stack(octets))


async def test_a_bad_frame_stops_everyone():
    mine = np.zeros((2, 20), np.uint64)
    arguments = {"asked": [(BELOW,)], "sizes": Counts(2, 20, 99), "query": mine, "helper": mine}
    frames = await frames_of(quantiles, **arguments)
    for frame in frames[:: max(1, len(frames) // 6)]:
        async with World(tamper=(frame, cut_short), deadline_s=10) as world:
            errors = await world.fails(quantiles, **arguments)
        assert blames(errors[frame.receiver], frame)
