"""An oblivious pick: exact, of one shape, and what each role receives is noise.

HELPER receives places: G of the b places of a random permutation under k_QT, distinct, each set as likely as any. QUERY
receives masked columns (a stream of k_ST) and corrections (another stream of k_ST on top): uniform both, jointly too,
since each mask of HELPER serves one of them by itself. TABLE receives nothing.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.protocols.pick import picked
from glovebox.runtime.context import Context, Role
from glovebox.runtime.world import World, frames_of, too_long

from .noise import assert_noise

QUERY, TABLE, HELPER = 0, 1, 2


async def pick(ctx: Context, mine, columns: int, blocks: int, picks: int):
    """As one input a party: QUERY's is (shares, ends)."""
    shares, ends = mine if ctx.role is Role.QUERY else (mine, None)
    return await picked(ctx, shares, ends, columns, blocks, picks)


async def result(world: World, columns: np.ndarray, ends: np.ndarray, seed: int = 0):
    theirs = np.random.default_rng(seed).integers(0, 1 << 64, columns.shape, dtype=np.uint64)
    (count, blocks), picks = columns.shape, len(ends)
    query = columns - theirs, ends
    return await world.run(pick, columns=count, blocks=blocks, picks=picks, query=query, helper=theirs)


@given(data=st.data())
@settings(max_examples=25)
async def test_any_distinct_blocks_are_picked_in_any_order(data):
    blocks, count = data.draw(st.integers(1, 200)), data.draw(st.integers(1, 4))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    columns = rng.integers(0, 1 << 64, (count, blocks), dtype=np.uint64)
    ends = rng.permutation(blocks)[: data.draw(st.integers(1, blocks))]
    async with World(seed=7) as world:
        got = await result(world, columns, ends)
    assert got.table is None
    np.testing.assert_array_equal(got.query + got.helper, columns[:, ends])
    assert world.matches_card(picked, C=count, w=8, b=blocks, G=len(ends))


@pytest.mark.parametrize("ends", [[3, 3], [0, 64], [-1, 0]])
async def test_query_picks_only_what_is_there_and_once(ends):
    with pytest.raises(ValueError, match="distinct"):
        async with World() as world:
            await result(world, np.zeros((1, 64), np.uint64), np.array(ends))


@pytest.mark.parametrize("places", [[7, 7], [3, 64], [3, 2**32 - 1]])
async def test_helper_refuses_places_that_repeat_or_lie_outside(places):
    def other(packet):
        return [packet._replace(octets=memoryview(np.array(places, np.uint32).tobytes()))]

    arguments = {"columns": 1, "blocks": 64, "picks": 2, "helper": np.zeros((1, 64), np.uint64)}
    arguments["query"] = arguments["helper"], np.array([5, 6])
    frame = next(one for one in await frames_of(pick, **arguments) if one.step == "places")
    async with World(tamper=(frame, other)) as world:
        errors = await world.fails(pick, **arguments)
    assert errors[HELPER].lines() == ["party 0 picked a block twice, or one that is not there"]


async def test_any_bad_frame_ends_the_run():
    arguments = {"columns": 1, "blocks": 64, "picks": 2, "helper": np.zeros((1, 64), np.uint64)}
    arguments["query"] = arguments["helper"], np.array([5, 6])
    for frame in await frames_of(pick, **arguments):
        async with World(tamper=(frame, too_long)) as world:
            errors = await world.fails(pick, **arguments)
        assert errors[frame.receiver].party == f"party {frame.sender}"


async def test_traffic_and_corrections_are_the_same_for_all_data():
    seen = []
    for value, ends in ((0, [0, 1]), (1 << 63, [63, 2])):
        async with World(seed=3, keep=True) as world:
            await result(world, np.full((2, 64), value, np.uint64), np.array(ends))
        seen.append((world.meter.shape(), world.meter.seen[TABLE, QUERY, "correction"]))
    assert seen[0] == seen[1]
    assert not [frame for frame in world.meter.frames if frame.receiver == TABLE]


@pytest.mark.parametrize("value", [0, 2**64 - 1])
async def test_what_query_receives_and_both_results_are_noise(value):
    """Shares are constant here, so that a missing mask would show."""
    shares, ends = np.full((2, 64), value, np.uint64), np.arange(32)
    seen: dict = {}
    async with World(seed=5, keep=True) as world:
        for _ in range(40):
            got = await world.run(pick, columns=2, blocks=64, picks=32, query=(shares, ends), helper=shares)
            frames = {frame: octets for frame, octets in world.meter.seen.items() if frame[1] == QUERY}
            for frame, octets in (frames | {"query": got.query, "helper": got.helper}).items():
                seen.setdefault(frame, []).append(np.frombuffer(octets, np.uint8))
    assert len(seen) == 4
    for frame, octets in seen.items():
        assert_noise(frame, np.stack(octets))


async def test_any_block_is_as_likely_at_any_place():
    """The same block, picked 1200 times: its place is uniform over 6, within six standard deviations."""
    shares = np.zeros((1, 6), np.uint64)
    async with World(seed=5, keep=True) as world:
        places = []
        for _ in range(600):
            await world.run(pick, columns=1, blocks=6, picks=2, query=(shares, np.array([4, 1])), helper=shares)
            places.append(np.frombuffer(world.meter.seen[QUERY, HELPER, "places"], np.uint32))
    for one in np.stack(places).T:
        assert abs(np.bincount(one, minlength=6) - 100).max() < 6 * (100 * 5 / 6) ** 0.5
