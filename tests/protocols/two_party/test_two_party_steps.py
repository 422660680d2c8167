"""The steps of the engine for two owners one by one: what they compute, and that their cards say what they cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.algebra import cuckoo
from glovebox.protocols.totals import Total
from glovebox.protocols.two_party import equality, groups, masks, planes, prepared, table, totals
from glovebox.protocols.two_party.prepared import Needs
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.context import Role
from glovebox.runtime.world import World

from .preparing import run_prepared


async def equal(ctx, own):
    return await equality.equal_tags(ctx, own[0], *own[1])


equal.__module__ = equality.__name__


def unpacked(octets):
    return np.unpackbits(octets, bitorder="little")


@given(rows=st.sampled_from([64, 192]), seed=st.integers(0, 10**6), share=st.sampled_from([0, 0.5, 1]))
@settings(max_examples=8)
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


async def shared_words(ctx, own, size):
    prepared, (hashes, placed, payloads) = own
    planting = await masks.planted(ctx.narrow("trees"), prepared)
    step = ctx.narrow("table")
    if ctx.role is Role.QUERY:
        return await table.looked_up(step, await table.asked(step, planting, size, hashes))
    return await table.programmed(step, planting, size, hashes, placed, payloads)


@pytest.mark.parametrize(("rows", "payloads"), [(1, 0), (300, 3)])
async def test_shares_of_a_looked_up_row_are_tag_and_payload(rows, payloads):
    rng = np.random.default_rng(rows)
    size = table.Size(256, rows, payloads, 1)
    hashes = rng.integers(0, 1 << 64, (rows, 2), dtype=np.uint64)
    placed = (rng.integers(0, 64, (rows, 4)) + 64 * np.arange(4)).astype(np.uint32)
    values = rng.integers(-(10**9), 10**9, (payloads + 1, rows))
    in_bins = rng.integers(0, 1 << 64, (256, 2), dtype=np.uint64)
    owner, first_rows = {}, min(rows, 60)
    for row in range(first_rows):
        function = row % 4
        bin_ = int(placed[row, function])
        in_bins[bin_] = cuckoo.mixed(hashes[row : row + 1], function)[0]
        owner[bin_] = row
    async with World(2, seed=7) as world:
        got = await run_prepared(
            world, masks.NEEDS, shared_words, (in_bins, None, None), (hashes, placed, values.view(np.uint64)), size=size
        )
    shape = {"n": 256, "W": size.words, "R": size.layout.rows}
    stated = [value_of(terms(table.__doc__)["Bytes"], shape), 24 * 1024]
    assert world.meter.size == sum(stated)
    np.testing.assert_array_equal(np.flatnonzero(got.query[0] == got.table[0]), sorted(owner))
    for bin_, row in owner.items():
        numbers = (got.query[1:-1, bin_] + got.table[1:-1, bin_]).view(np.int64)
        np.testing.assert_array_equal(numbers, values[:-1, row])
        assert got.query[-1, bin_] ^ got.table[-1, bin_] == values[-1, row].view(np.uint64)


def test_an_id_alone_in_four_bins_is_found_in_one():
    assert cuckoo.bins_for(1) == cuckoo.bins_for(1024) == 1280
    for n in (4096, 10**5, 1 << 18, 10**6):
        assert 1.05 * n < cuckoo.bins_for(n) < 1.11 * n + 512


async def total_rows(ctx, own, wanted):
    prepared, shares = own
    step = ctx.narrow("totals")
    if ctx.role is Role.QUERY:
        return await totals.rows_at_query(step, wanted, prepared, shares)
    words, n = shares, shares.shape[1]
    blocks = [prepared.chosen_blocks(n) for _ in range(wanted.planes)]
    bits = np.stack([one.bits for one in blocks])
    return bits, await totals.rows_at_table(step, wanted, prepared, totals.Shares(bits, words), blocks)


total_rows.__module__ = totals.__name__
SPANS = ((-5, 9), (-(1 << 40), 1 << 40))
COUNT, VALUE, PAYLOAD, PRODUCT = (
    Total(None, None, 32),
    Total(0, None, 64),
    Total(None, 0, 64),
    Total(0, 0, 64),
)
TOTALS = [
    (COUNT,),
    (VALUE, Total(1, None, 32)),
    (Total(None, 1, 64),),
    (PRODUCT,),
    (COUNT, PAYLOAD, PRODUCT, Total(1, 1, 64), Total(1, 0, 64), Total(1, 1, 32), Total(None, 1, 32), PAYLOAD, VALUE),
]


@pytest.mark.parametrize("wanted", TOTALS)
@pytest.mark.parametrize("planes", [1, 3])
async def test_rows_of_totals_are_shared(wanted, planes):
    n, shape = 128, totals.Wanted(wanted, planes, SPANS)
    rng = np.random.default_rng(len(wanted))
    words = rng.integers(0, 1 << 64, (2, 3, n), dtype=np.uint64)
    values = np.stack([rng.integers(low, high + 1, n) for low, high in SPANS])
    mine = rng.integers(0, 256, (planes, n // 8)).astype(np.uint8)
    async with World(2, seed=7) as world:
        query = totals.Shares(mine, words[0], values)
        got = await run_prepared(world, shape.needs(n), total_rows, query, words[1], wanted=shape)
    assert world.matches_card(total_rows, n=n, **shape.traffic())
    theirs, at_table = got.table
    for plane in range(planes):
        match = unpacked(mine[plane] ^ theirs[plane]).astype(np.uint64)
        for index, (value, payload, width, *_) in enumerate(wanted):
            v = np.uint64(1) if value is None else values[value].view(np.uint64)
            p = np.uint64(1) if payload is None else words[0, 1 + payload] + words[1, 1 + payload]
            ring = np.uint64((1 << width) - 1)
            assert got.query[plane][index].dtype.itemsize == width // 8
            shares = got.query[plane][index].astype(np.uint64) + at_table[plane][index].astype(np.uint64)
            np.testing.assert_array_equal(shares & ring, v * p * match & ring)


async def planes_of(ctx, own, count):
    prepared, (bits, words) = own
    if ctx.role is Role.QUERY:
        return await planes.at_query(ctx, prepared, count, bits, words)
    return await planes.at_table(ctx, prepared, count, bits, words)


planes_of.__module__ = planes.__name__


@pytest.mark.parametrize("count", [2, 70])
async def test_bits_of_groups_where_a_row_matches(count):
    n = 128
    rng = np.random.default_rng(count)
    bits = rng.integers(0, 256, (2, n // 8)).astype(np.uint8)
    words = rng.integers(0, 1 << 64, (2, -(-count // 64), n), dtype=np.uint64)
    async with World(2, seed=7) as world:
        got = await run_prepared(
            world, planes.needs_of(n, count), planes_of, (bits[0], words[0]), (bits[1], words[1]), count=count
        )
    assert world.matches_card(planes_of, n=n, P=count)
    blocks = got.table
    match = unpacked(bits[0] ^ bits[1])
    for group in range(count):
        hot = (words[0] ^ words[1])[group // 64] >> np.uint64(group % 64) & np.uint64(1)
        shared = unpacked(got.query[group] ^ blocks[group].bits)
        np.testing.assert_array_equal(shared, match & hot.astype(np.uint8))


async def grouped(ctx, own, labels, vectors):
    prepared, mine = own
    if ctx.role is Role.QUERY:
        labelled = await groups.labels_told(ctx, prepared, labels, mine)
        return await groups.sums_at_query(ctx, labelled, vectors)
    blocks = [prepared.sent_blocks(mine.shape[1]) for _ in range(groups.depth(labels))]
    return await groups.sums_at_table(ctx, blocks, labels, mine)


grouped.__module__ = groups.__name__


@pytest.mark.parametrize(("labels", "vectors"), [(2, 1), (5, 3), (16, 2), (300, 1)])
async def test_sums_by_label(monkeypatch, labels, vectors):
    monkeypatch.setattr(groups, "PIECE_LEAVES", 2000)
    n = 136
    rng = np.random.default_rng(labels)
    own = rng.integers(0, labels, n).astype(np.uint16)
    mine = rng.integers(0, 1 << 64, (vectors, n), dtype=np.uint64)
    async with World(2, seed=7) as world:
        needs = groups.needs_of(n, labels)
        got = await run_prepared(world, needs, grouped, own, mine, labels=labels, vectors=vectors)
    assert world.matches_card(grouped, n=n, C=vectors, D=groups.depth(labels), s=1 if labels <= 256 else 2)
    expected = np.zeros((vectors, labels), np.uint64)
    for index in range(n):
        expected[:, own[index]] += mine[:, index]
    np.testing.assert_array_equal(got.query + got.table, expected)


async def test_a_label_that_no_tree_has_ends_the_run():
    async def hostile(ctx, own):
        if ctx.role is Role.TABLE:
            return await groups.sums_at_table(ctx, [own[0].sent_blocks(8) for _ in range(3)], 5, own[1])
        await ctx.send(Role.TABLE, np.full(8, 8, np.uint8), "labels")
        return await ctx.receive(Role.TABLE, np.uint8, 1, "never")

    async with World(2, deadline_s=10) as world:
        made = await world.run(prepared.prepare, needs=groups.needs_of(8, 5))
        errors = await world.fails(hostile, query=(made.query, None), table=(made.table, np.zeros((1, 8), np.uint64)))
    assert errors[1].lines() == ["party 0 sent a label that no row has"]
