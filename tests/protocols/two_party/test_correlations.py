"""Base transfers and their extension: what both sides hold, what it costs, and what a hostile peer can send."""

from __future__ import annotations

import numpy as np
import pytest

from glovebox.algebra import ristretto, transfer_arrays
from glovebox.protocols.two_party import base_transfers, correlations
from glovebox.runtime.context import Role
from glovebox.runtime.world import World, blames, cut_short, frames_of, from_another_session, sent_twice, too_long


async def base(ctx, choices, n):
    """QUERY sends, TABLE chooses."""
    if ctx.role is Role.QUERY:
        return await base_transfers.random_keys(ctx, n)
    return await base_transfers.chosen_keys(ctx, choices)


base.__module__ = base_transfers.__name__


async def extended(ctx, nibbles, blocks):
    """QUERY chooses, TABLE sends."""
    if ctx.role is Role.QUERY:
        return await correlations.chosen_transfers(ctx, nibbles, blocks)
    return await correlations.sent_transfers(ctx, nibbles, blocks)


extended.__module__ = correlations.__name__


async def test_a_chooser_gets_the_key_of_its_bit_and_the_other_is_another():
    choices = np.array([0, 1, 1, 0, 1], np.uint8)
    async with World(2, seed=5) as world:
        got = await world.run(base, n=5, table=choices)
    assert world.matches_card(base, n=5)
    np.testing.assert_array_equal(got.table, got.query[np.arange(5), choices])
    assert len(np.unique(got.query.reshape(-1))) == 20


@pytest.mark.parametrize("bad", ["identity", "not canonical", "no element", "twice", "the key itself"])
async def test_an_element_that_the_group_has_not_or_that_comes_twice_ends_the_run(bad):
    fine = [ristretto.base_times(bytes([i + 2]) + bytes(31)) for i in range(2)]

    async def hostile(ctx):
        if ctx.role is Role.QUERY:
            return await base_transfers.random_keys(ctx, 3)
        key = (await ctx.receive(Role.QUERY, np.uint8, 32, "key")).tobytes()
        third = {
            "identity": bytes(32),
            "not canonical": bytes([0xED, *[0xFF] * 30, 0x7F]),  # p, which is 0 again
            "no element": bytes([1, *[0] * 31]),  # negative
            "twice": fine[0],
            "the key itself": key,
        }[bad]
        await ctx.send(Role.QUERY, np.frombuffer(b"".join([*fine, third]), np.uint8), "choices")
        return await ctx.receive(Role.QUERY, np.uint8, 1, "never")

    async with World(2, deadline_s=10) as world:
        errors = await world.fails(hostile)
    assert errors[0].lines() == ["party 1 sent an element that the group has not, or one twice"]


async def test_a_key_that_is_no_element_ends_the_run():
    async def hostile(ctx):
        if ctx.role is Role.TABLE:
            return await base_transfers.chosen_keys(ctx, np.zeros(3, np.uint8))
        await ctx.send(Role.TABLE, np.zeros(32, np.uint8), "key")
        return await ctx.receive(Role.TABLE, np.uint8, 1, "never")

    async with World(2, deadline_s=10) as world:
        errors = await world.fails(hostile)
    assert errors[1].lines() == ["party 0 sent an element that the group has not, or one twice"]


@pytest.mark.parametrize("form", ["compiled", "numpy"])
@pytest.mark.parametrize(("nibbles", "blocks"), [(8, 0), (0, 3), (200, 70), (1024, 512)])
async def test_both_sides_of_a_transfer_belong_together(monkeypatch, nibbles, blocks, form):
    monkeypatch.setattr(correlations, "BATCH", 1024)
    monkeypatch.setattr(correlations, "HASHED", 256)
    if form == "numpy":
        monkeypatch.setattr(correlations, "transfer_kernels", lambda: transfer_arrays)
    async with World(2, seed=nibbles) as world:
        got = await world.run(extended, nibbles=nibbles, blocks=blocks)
    assert world.matches_card(extended, **correlations.sizes(nibbles, blocks))
    chosen, sent = got.query, got.table
    places = np.stack([chosen.places & 15, chosen.places >> 4], axis=1).reshape(-1)
    pads = np.unpackbits(chosen.pads, bitorder="little")
    np.testing.assert_array_equal(sent.tables >> places & 1, pads)
    bits = np.unpackbits(chosen.bits, bitorder="little")[:blocks].astype(np.uint64)
    np.testing.assert_array_equal(chosen.keys, sent.keys ^ bits[:, None] * sent.difference)
    assert len(chosen.keys) == blocks
    if nibbles == 1024:
        assert 400 < int(np.unpackbits(sent.tables.view(np.uint8)).sum()) // 16 < 624
        assert 400 < int(pads.sum()) < 624
        assert 6 < places.mean() < 9
        assert 200 < int(bits.sum()) < 312


async def test_two_runs_share_nothing():
    async with World(2, seed=1) as world:
        one = await world.run(extended, nibbles=64, blocks=64)
        two = await world.run(extended, nibbles=64, blocks=64)
    assert (one.table.difference != two.table.difference).all()
    assert not set(one.table.keys.reshape(-1)) & set(two.table.keys.reshape(-1))


@pytest.mark.parametrize("fault", [cut_short, too_long, sent_twice, from_another_session])
async def test_a_bad_frame_stops_both(fault):
    for frame in await frames_of(extended, parties=2, nibbles=8, blocks=8):
        async with World(2, tamper=(frame, fault), deadline_s=10) as world:
            errors = await world.fails(extended, nibbles=8, blocks=8)
        assert blames(errors[frame.receiver], frame), (frame, errors[frame.receiver].lines())
