"""Shared columns of another owner's rows: exact at its ids, at the price of the card, and what is sent tells nothing.

What could a role tell? QUERY receives nothing. TABLE receives HELPER's shares under masks of its pseudonyms, of a key
that QUERY and HELPER have: `test_every_frame_is_noise`. HELPER receives pseudonyms of TABLE's rows and of QUERY's,
under two keys that it does not have: one id has two pseudonyms of no relation (`test_pseudonyms_of_one_id_differ`), and
which are of one person cannot be told. TABLE's rows come as `alignment` sends them, under masks that HELPER lacks.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.protocols import fellows
from glovebox.protocols.alignment import TableSize
from glovebox.protocols.fellows import fellow_rows, traffic
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.world import World

from .joins import encoded
from .noise import assert_noise

N, ROWS = 128, 192


async def at_each(ctx, mine, n, size):
    return await fellow_rows(ctx, *mine, n, size)


def drawn(columns: int, matches: int, seed: int):
    """Ids of QUERY and TABLE, of which so many are equal, and two shares of TABLE's columns."""
    rng = np.random.default_rng(seed)
    keys = rng.permutation(1000)[: N + ROWS - matches]
    query, table = rng.permutation(keys[:N]), rng.permutation(keys[N - matches :])
    shares = rng.integers(0, 1 << 63, (2, columns, ROWS), np.uint64) * np.uint64(2) + np.uint64(1)
    return query, table, shares


async def run(world: World, columns: int, matches: int, seed: int):
    query, table, (mine, theirs) = drawn(columns, matches, seed)
    inputs = [(encoded(query), None), (encoded(table), mine), (None, theirs)]
    size = TableSize(ROWS, columns)
    return await world.run(at_each, inputs=inputs, n=N, size=size), (query, table, mine + theirs)


@given(st.integers(0, 5), st.sampled_from([0, 1, 60, N]), st.integers(0, 99))
@settings(max_examples=12)
async def test_columns_stand_at_rows_with_the_id(columns, matches, seed):
    async with World(seed=seed) as world:
        shares, (query, table, whole) = await run(world, columns, matches, seed)
    at_query, at_table, at_helper = shares
    assert at_table is None
    places = {key: place for place, key in enumerate(table.tolist())}
    there = np.array([key in places for key in query.tolist()])
    assert ((at_query[0] == at_helper[0]) == there).all()
    summed = (at_query[1:] + at_helper[1:])[:, there]
    assert (summed == whole[:, [places[key] for key in query[there].tolist()]]).all()


@pytest.mark.parametrize("columns", [0, 1, 6])
async def test_the_card_holds(columns):
    async with World(seed=3) as world:
        await run(world, columns, 60, 3)
    card, sizes = terms(fellows.__doc__), traffic(N, TableSize(ROWS, columns))
    assert world.meter.size == value_of(card["Bytes"], sizes)
    assert 0 <= value_of(card["Rounds"], sizes) - world.meter.rounds <= (1 if columns else 3)


async def test_traffic_has_one_shape_whatever_matches():
    shapes = []
    for matches, seed in ((0, 1), (60, 2), (N, 2)):
        async with World(seed=seed) as world:
            await run(world, 3, matches, seed)
        shapes.append(world.meter.shape())
    assert shapes[0] == shapes[1] == shapes[2]


async def test_every_frame_is_noise():
    """For one and the same data under many keys."""
    seen: dict[object, list[np.ndarray]] = {}
    for seed in range(12):
        async with World(seed=seed, keep=True) as world:
            query, table, (mine, theirs) = drawn(3, 60, 5)
            inputs = [(encoded(query), None), (encoded(table), mine * 0), (None, theirs * 0)]
            await world.run(at_each, inputs=inputs, n=N, size=TableSize(ROWS, 3))
        for frame, octets in world.meter.seen.items():
            seen.setdefault(frame, []).append(np.frombuffer(octets, np.uint8))
    for frame, octets in seen.items():
        assert_noise(frame, np.stack(octets))


async def test_pseudonyms_of_one_id_differ():
    """HELPER sees those of QUERY's rows and of TABLE's, which have all ids in common here."""
    async with World(seed=5, keep=True) as world:
        await run(world, 2, N, 5)
    sent = [np.frombuffer(octets, np.uint64) for frame, octets in world.meter.seen.items() if frame[2].endswith("/x")]
    assert len(sent) == 2
    assert not set(sent[0].tolist()) & set(sent[1].tolist())
