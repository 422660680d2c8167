"""The steps of the row engine one by one: what they compute, and that their cards say what they cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.algebra import okvs
from glovebox.protocols import products
from glovebox.protocols import totals as totals_module
from glovebox.protocols.membership import all_ones
from glovebox.protocols.planes import group_planes, group_words
from glovebox.protocols.pseudonyms import Pseudonyms, pseudonyms
from glovebox.protocols.table import looked_up
from glovebox.protocols.totals import Shape, Shares, Total, matched_totals, traffic
from glovebox.runtime.world import World

from .joins import encoded

ONES = np.uint64(2**64 - 1)


async def test_pseudonyms_reach_the_helper_as_query_made_them_and_match_tables():
    query, table = encoded(np.arange(128)), encoded(np.arange(64, 100))
    async with World(seed=7) as world:
        got = await world.run(pseudonyms, n=128, words=3, query=query, table=table)
    assert world.matches_card(pseudonyms, n=128)
    np.testing.assert_array_equal(got.helper.x, got.query.x)
    np.testing.assert_array_equal(got.helper.y, got.query.y)
    np.testing.assert_array_equal(got.query.x[64:100], got.table.x)
    np.testing.assert_array_equal(got.query.masks[:, 64:100], got.table.masks)
    assert got.helper.masks is None
    assert len(np.unique(got.query.masks)) == 3 * 128


async def test_a_pseudonym_that_comes_twice_is_refused():
    async with World(seed=7) as world:
        ids = encoded(np.array([1, 2, 3, 1] + [9] * 60))
        errors = await world.fails(pseudonyms, n=64, words=1, query=ids, table=ids[:1])
    assert errors[2].lines() == ["party 0 sent a pseudonym twice"]


@pytest.mark.parametrize(("rows", "payloads"), [(3, 0), (40, 2)])
async def test_shares_of_a_looked_up_row_are_tag_and_payload(rows, payloads):
    rng = np.random.default_rng(rows)
    words, n = 1 + payloads, 64
    x, y = rng.integers(0, 1 << 64, n, dtype=np.uint64), rng.integers(0, 256, (n, 5), dtype=np.uint8)
    masks = rng.integers(0, 1 << 64, (words, n), dtype=np.uint64)
    values = rng.integers(-(10**9), 10**9, (payloads, rows))
    async with World(seed=7) as world:
        got = await world.run(
            looked_up,
            payloads=values,
            rows=rows,
            words=words,
            query=Pseudonyms(x, y, masks),
            table=Pseudonyms(x[:rows], y[:rows], masks[:, :rows]),
            helper=Pseudonyms(x, y, None),
        )
    assert world.matches_card(looked_up, W=words, R=okvs.layout_of(rows).rows)
    np.testing.assert_array_equal(got.query[0] == got.helper[0], np.arange(n) < rows)
    np.testing.assert_array_equal((got.query[1:, :rows] + got.helper[1:, :rows]).view(np.int64), values)


@given(rows=st.sampled_from([64, 128, 4096]), seed=st.integers(0, 10**6), share=st.sampled_from([0, 0.5, 1]))
@settings(max_examples=15)
async def test_all_ones(rows, seed, share):
    rng = np.random.default_rng(seed)
    query = rng.integers(0, 1 << 64, rows, dtype=np.uint64)
    match = rng.random(rows) < share
    almost = ONES ^ (np.uint64(1) << rng.integers(0, 64, rows, dtype=np.uint64))
    helper = query ^ np.where(match, ONES, almost)
    async with World(seed=seed) as world:
        shares = await world.run(all_ones, n=rows, query=query, helper=helper)
    np.testing.assert_array_equal(shares.query ^ shares.helper, match)
    assert world.matches_card(all_ones, n=rows, U=0)


@pytest.mark.parametrize("bit", [0, 5, 7, 8, 63])
async def test_all_ones_of_72_bits(bit):
    n = 64
    rng = np.random.default_rng(bit)
    query, more = rng.integers(0, 1 << 64, (2, n), dtype=np.uint64)
    differ = rng.random((2, n)) < 0.4
    helper = query ^ ONES ^ np.where(differ[0], np.uint64(1) << np.uint64(bit), 0).astype(np.uint64)
    beside = more ^ ONES ^ np.where(differ[1], np.uint64(1) << np.uint64(bit), 0).astype(np.uint64)

    async def wide(ctx, tags, **public):
        own, further = tags or (None, None)
        return await all_ones(ctx, own, public["n"], further, public["wide"])

    async with World(seed=bit) as world:
        shares = await world.run(wide, n=n, wide=True, query=(query, more), helper=(helper, beside))
    counted = differ[1] & (bit < 8)  # only the low byte of the further word is compared
    np.testing.assert_array_equal(shares.query ^ shares.helper, ~(differ[0] | counted))
    assert world.matches_card(all_ones, n=n, U=1)


TOTALS = [
    (Total(None, None, 32),),
    (Total(0, None, 64),),
    (Total(None, 1, 64),),
    (Total(1, 0, 64),),
    (Total(None, None, 32), Total(None, 0, 64), Total(0, 0, 64), Total(1, 1, 32), Total(None, 1, 32)),
]


@pytest.mark.parametrize("wanted", TOTALS)
@pytest.mark.parametrize("blocks", [1, 4])
async def test_totals_of_every_block_are_shared(wanted, blocks):
    n = 256
    rng = np.random.default_rng(blocks)
    bits, words = rng.integers(0, 2, (2, n), dtype=np.uint8), rng.integers(0, 1 << 64, (2, 3, n), dtype=np.uint64)
    values = rng.integers(-(1 << 40), 1 << 40, (2, n))
    async with World(seed=7) as world:
        got = await world.run(
            matched_totals,
            totals=wanted,
            n=n,
            blocks=blocks,
            query=Shares(bits[:1], words[0], values),
            helper=Shares(bits[1:], words[1], None),
        )
    assert world.matches_card(matched_totals, n=n, **traffic(wanted, n, blocks=blocks))
    one = np.ones(n, np.uint64)
    for index, (value, payload, width, *_) in enumerate(wanted):
        v = one if value is None else values[value].view(np.uint64)
        p = one if payload is None else words[0, 1 + payload] + words[1, 1 + payload]
        expected = (v * p * (bits[0] ^ bits[1])).reshape(blocks, -1).sum(axis=1, dtype=np.uint64)
        ring = np.uint64((1 << width) - 1)
        np.testing.assert_array_equal((got.query[index, 0] + got.helper[index, 0]) & ring, expected & ring)


SMALL = [
    (Total(None, None, 32),),
    (Total(0, None, 64, low=-(1 << 20), high=1 << 20), Total(None, None, 64)),
    (Total(None, 1, 64, low=0, high=300), Total(1, None, 32, low=0, high=3)),
    (Total(1, 2, 64, low=-2500, high=2500), Total(None, 2, 64, low=-50, high=50)),
    (Total(1, 0, 64, low=0, high=1 << 50), Total(None, None, 32)),
]


@pytest.mark.parametrize("wanted", SMALL)
@pytest.mark.parametrize(("blocks", "planes"), [(1, 1), (3, 2), (9, 1)])
@pytest.mark.parametrize("seed", range(3))
async def test_sums_of_segments_are_lifted(monkeypatch, wanted, blocks, planes, seed):
    monkeypatch.setattr(totals_module, "LIFTED_ROWS", 0)
    n = 64 * 9
    rng = np.random.default_rng(seed)
    low, high = np.array([[-(1 << 20), 1 << 20], [0, 3]]).T
    values = rng.integers(low[:, None], high[:, None], (2, n), endpoint=True)
    payloads = rng.integers([[0], [0], [-50]], [[1 << 40], [300], [50]], (3, n), endpoint=True)
    if seed == 0:  # the ends of the ranges, where a carry is nearest
        values[0], values[1], payloads[1], payloads[2] = -(1 << 20), 3, 300, 50
    matches = rng.integers(0, 2, (planes, n), dtype=np.uint8) | np.uint8(seed == 0)
    bits = rng.integers(0, 2, (planes, n), dtype=np.uint8)
    words = rng.integers(0, 1 << 64, (4, n), dtype=np.uint64)
    theirs = np.concatenate([words[:1], payloads.view(np.uint64) - words[1:]])
    async with World(seed=seed) as world:
        got = await world.run(
            matched_totals,
            totals=wanted,
            n=n,
            blocks=blocks,
            planes=planes,
            query=Shares(bits, words, values),
            helper=Shares(bits ^ matches, theirs, None),
        )
    sizes = traffic(wanted, n, planes, blocks)
    assert sizes["W"] == 2
    assert world.matches_card(matched_totals, n=n, **sizes)
    for index, (value, payload, width, *_) in enumerate(wanted):
        v = 1 if value is None else values[value]
        p = 1 if payload is None else payloads[payload]
        expected = (v * p * matches.astype(np.int64)).reshape(planes, blocks, -1).sum(axis=-1).view(np.uint64)
        ring = np.uint64((1 << width) - 1)
        np.testing.assert_array_equal((got.query[index] + got.helper[index]) & ring, expected & ring)


def test_a_row_costs_what_its_bounds_need():
    n = totals_module.LIFTED_ROWS
    costs = [
        (Total(None, None, 32), 1), (Total(0, None, 64, low=0, high=100), 2), (Total(0, None, 64, low=-9, high=9), 2),
        (Total(0, None, 64, low=0, high=10**7), 4), (Total(0, None, 64, low=0, high=10**9), 8), (Total(0, None, 64), 8),
    ]  # fmt: skip
    for total, octets in costs:
        assert traffic((total,), n)["V"] == octets
        assert traffic((total,), n - 64)["V"] == total.bits // 8  # few rows: rounds count for more


async def test_totals_of_several_choices_and_planes():
    n, planes, blocks = 128, 3, 2
    rng = np.random.default_rng(4)
    bits, words = (
        rng.integers(0, 2, (2, 2 * planes, n), dtype=np.uint8),
        rng.integers(0, 99, (2, 2, n), dtype=np.uint64),
    )
    values = rng.integers(-99, 99, (1, n))
    wanted = (Total(None, None, 64), Total(0, None, 64, 1), Total(None, 0, 64, 1), Total(0, 0, 64, 0))
    async with World(seed=7) as world:
        got = await world.run(
            matched_totals,
            totals=wanted,
            n=n,
            blocks=blocks,
            planes=planes,
            query=Shares(bits[0], words[0], values),
            helper=Shares(bits[1], words[1], None),
        )
    assert world.matches_card(matched_totals, n=n, **traffic(wanted, n, planes, blocks))
    chosen = (bits[0] ^ bits[1]).reshape(2, planes, blocks, -1).astype(np.uint64)
    v, p = values[0].view(np.uint64).reshape(blocks, -1), (words[0, 1] + words[1, 1]).reshape(blocks, -1)
    expected = [chosen[0].sum(-1), (chosen[1] * v).sum(-1), (chosen[1] * p).sum(-1), (chosen[0] * v * p).sum(-1)]
    np.testing.assert_array_equal(got.query + got.helper, np.stack(expected))


@pytest.mark.parametrize(("choices", "groups"), [(1, 1), (1, 5), (3, 2), (2, 70)])
async def test_planes_are_the_choices_within_each_group(choices, groups):
    async def planes(ctx, shares, **public):
        return await group_planes(ctx, *(shares or (None, None)), **public)

    n = 64
    rng = np.random.default_rng(groups)
    bits = rng.integers(0, 2, (2, choices, n), dtype=np.uint8)
    own = rng.integers(0, groups, n)
    at_query = rng.integers(0, 1 << 64, (-(-groups // 64), n), dtype=np.uint64)
    async with World(seed=7) as world:
        got = await world.run(
            planes,
            n=n,
            choices=choices,
            groups=groups,
            query=(bits[0], at_query),
            helper=(bits[1], at_query ^ group_words(own, groups)),
        )
    assert world.matches_card(group_planes, n=n, c=choices, G=groups)
    expected = (bits[0] ^ bits[1])[:, None] & (np.arange(groups)[:, None] == own)
    np.testing.assert_array_equal(got.query ^ got.helper, expected.reshape(choices * groups, n))


async def test_many_totals_go_in_several_exchanges(monkeypatch):
    monkeypatch.setattr(products, "EXCHANGE_BYTES", 3000)
    wanted, n = TOTALS[-1], 256
    assert traffic(wanted, n)["E"] == 9
    shares = Shares(np.ones((1, n), np.uint8), np.ones((3, n), np.uint64), np.ones((2, n), np.int64))
    nothing = Shares(np.zeros((1, n), np.uint8), np.zeros((3, n), np.uint64), None)
    async with World(seed=7) as world:
        got = await world.run(matched_totals, totals=wanted, n=n, query=shares, helper=nothing)
    assert 2 < world.meter.rounds <= 10  # an exchange in which only one party sends may not wait for the one before
    assert ((got.query + got.helper) & np.uint64(0xFFFFFFFF)).reshape(-1).tolist() == [n] * 5


def test_the_order_of_jobs_is_that_of_the_totals():
    totals = (Total(None, 0, 64), Total(0, 0, 64), Total(None, None, 32))
    assert [(term.total, term.kind.name) for term in Shape(totals, 64, 1, 1).terms] == [
        (0, "HELPER_CHOOSES"),
        (0, "QUERY_CHOOSES"),
        (1, "HELPER_CHOOSES"),
        (1, "VALUE"),
        (1, "MATCHED_VALUE"),
        (2, "HELPER_CHOOSES"),
    ]


KEYS = Pseudonyms(np.zeros(64, np.uint64), np.zeros((64, 5), np.uint8), np.zeros((1, 64), np.uint64))


@pytest.mark.parametrize(
    ("step", "arguments"),
    [
        (pseudonyms, {"n": 64, "words": 1}),
        (looked_up, {"keys": KEYS, "rows": 64, "words": 1}),
        (all_ones, {"n": 64}),
    ],
)
async def test_a_party_without_a_role_is_no_helper(step, arguments):
    async with World(4, seed=7) as world:
        with pytest.raises(ValueError, match="only QUERY, TABLE and HELPER take part"):
            await world.run(step, inputs=[encoded(np.arange(64)), encoded(np.arange(64)), None, None], **arguments)
