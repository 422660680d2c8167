"""The steps of the engine for two owners one by one: what they compute, and that their cards say what they cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.protocols.two_party import equality, prepared
from glovebox.protocols.two_party.prepared import Needs
from glovebox.runtime.world import World

from .preparing import run_prepared


async def equal(ctx, own):
    return await equality.equal_tags(ctx, own[0], *own[1])


equal.__module__ = equality.__name__


def unpacked(octets):
    return np.unpackbits(octets, bitorder="little")


@given(rows=st.sampled_from([64, 192]), seed=st.integers(0, 10**6), share=st.sampled_from([0, 0.5, 1]))
@settings(max_examples=8, deadline=None)
async def test_equal_tags(rows, seed, share):
    rng = np.random.default_rng(seed)
    query = rng.integers(0, 1 << 64, rows, dtype=np.uint64)
    match = rng.random(rows) < share
    almost = np.uint64(1) << rng.integers(0, 64, rows, dtype=np.uint64)
    table = query ^ np.where(match, np.uint64(0), almost)
    outcome = rng.integers(0, 256, rows // 8).astype(np.uint8)
    async with World(2, seed=seed) as world:
        got = await run_prepared(world, equality.needs_of(rows), equal, (query,), (table, outcome))
    np.testing.assert_array_equal(got.table, outcome)
    np.testing.assert_array_equal(unpacked(got.query ^ got.table), match)
    assert world.matches_card(equal, n=rows)


async def test_what_is_prepared_costs_what_the_card_says_and_is_given_out_once():
    needs = Needs(136, 72, 64, 8)
    async with World(2) as world:
        got = await world.run(prepared.prepare, needs=needs)
    assert world.matches_card(prepared.prepare, **prepared.sizes(needs))
    first, second = got.query.chosen_blocks(64), got.query.chosen_blocks(8)
    assert (first.first, second.first) == (0, 64)
    sent = got.table.sent_blocks(72)
    bits = unpacked(np.concatenate([first.bits, second.bits])).astype(np.uint64)[:, None]
    np.testing.assert_array_equal(np.concatenate([first.keys, second.keys]) ^ bits * sent.difference, sent.keys)
    for take in (got.query.chosen_blocks, got.table.sent_blocks):
        with pytest.raises(ValueError, match="8 transfers are asked for, 0 are left"):
            take(8)
