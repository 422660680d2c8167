"""Totals of a join between two owners alone: exact, padded, bounded, and the same traffic whatever the data."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import two_owners_exact
from glovebox.errors import DataError, GloveboxError, PeerLost
from glovebox.protocols import shards as with_three
from glovebox.protocols.intersection import JoinShape, Rows
from glovebox.protocols.totals import Total
from glovebox.protocols.two_party import intersection, table
from glovebox.protocols.two_party.intersection import JointShape, joined_totals, largest_frame, needs_of, traffic
from glovebox.protocols.two_party.prepared import Prepared, prepare
from glovebox.runtime.world import World, blames, cut_short, from_another_session, sent_twice, too_long

from ..joins import COUNT, EVERYTHING, grouped, in_the_clear, opened, owner, two_tables

SPANS = ((-1000, 1000), (-1000, 1000))


async def joined(ctx, own, shape):
    prepared, rows = own
    return await joined_totals(ctx, shape, rows, prepared)


joined.__module__ = intersection.__name__


async def run(world, shape, query, table_rows):
    """Prepare and join; the join is metered by itself."""
    made = await world.run(prepare, needs=needs_of(shape))
    return await world.run(joined, shape=shape, query=(made.query, query), table=(made.table, table_rows))


async def totals_of(shape, query, table_rows, seed=7):
    async with World(2, seed=seed) as world:
        shares = await run(world, shape, query, table_rows)
    return opened(shape.inner, shares.query, shares.table)


@pytest.mark.parametrize(
    ("n_query", "n_table", "matches"),
    [(1, 1, 1), (1, 1, 0), (64, 64, 64), (100, 100, 0), (65, 3, 2), (3, 2000, 3), (1500, 1400, 700)],
)
async def test_totals_are_those_of_a_join(n_query, n_table, matches):
    query, table_rows = two_tables(n_query, n_table, matches)
    shape = JointShape(JoinShape(n_query, n_table, 1, EVERYTHING), SPANS)
    expected = in_the_clear(shape.inner, query, table_rows)
    assert expected[0] == [matches]
    assert await totals_of(shape, query, table_rows) == expected


@given(data=st.data())
@settings(max_examples=12)
async def test_any_totals_of_any_tables(data):
    n_query, n_table = data.draw(st.integers(0, 150)), data.draw(st.integers(0, 150))
    matches = data.draw(st.integers(0, min(n_query, n_table)))
    payloads = data.draw(st.integers(0, 2))
    payload = st.none() | st.integers(0, payloads - 1) if payloads else st.none()
    plain = st.tuples(st.none() | st.integers(0, 1), payload, st.sampled_from([32, 64]))
    totals = tuple(Total(*drawn) for drawn in data.draw(st.lists(plain, min_size=1, max_size=4)))
    by_query, by_table = data.draw(st.sampled_from([(1, 1), (3, 1), (1, 2), (5, 3)]))
    inner = JoinShape(
        n_query + data.draw(st.integers(1, 70)),
        n_table + data.draw(st.integers(1, 70)),
        payloads,
        totals,
        by_query,
        by_table,
    )
    query, table_rows = two_tables(n_query, n_table, matches, data.draw(st.integers(0, 999)), 2)
    table_rows = Rows(table_rows.ids, table_rows.values[:payloads])
    query = grouped(query, by_query, 1) if by_query > 1 else query
    table_rows = grouped(table_rows, by_table, 2) if by_table > 1 else table_rows
    assert await totals_of(JointShape(inner, SPANS), query, table_rows) == in_the_clear(inner, query, table_rows)


@pytest.mark.parametrize(("v", "p"), [((1 << 30) - 1, (1 << 30) - 1), (-(1 << 30) + 1, (1 << 30) - 1), (0, -(1 << 29))])
async def test_extreme_amounts_add_up(v, p):
    query, table_rows = owner([1, 2, 3, 4], [v] * 4), owner([4, 3, 2, 1], [p] * 4)
    shape = JointShape(JoinShape(4, 4, 1, EVERYTHING), ((-(1 << 30), 1 << 30),))
    assert await totals_of(shape, query, table_rows) == [[4], [4 * v], [4 * p], [4 * v * p]]


async def test_a_sum_reaches_the_bound_of_its_ring():
    most = (1 << 62) - 1
    shape = JointShape(JoinShape(2, 2, 1, (Total(0, None, 64), Total(None, 0, 64))))
    assert await totals_of(shape, owner([1, 2], [most, 5]), owner([1, 3], [-most, 5])) == [[most], [-most]]


@pytest.mark.parametrize(("true_query", "true_table"), [(0, 0), (0, 50), (3, 50), (50, 3)])
async def test_padding_counts_for_nothing(true_query, true_table):
    query, table_rows = two_tables(true_query, true_table, min(true_query, true_table))
    shape = JointShape(JoinShape(100, 200, 1, EVERYTHING), SPANS)
    assert await totals_of(shape, query, table_rows) == in_the_clear(shape.inner, query, table_rows)


async def test_shards_add_up(monkeypatch):
    monkeypatch.setattr(with_three, "SHARD_ROWS", 300)
    query, table_rows = two_tables(1000, 900, 500)
    query = grouped(query, 3)
    shape = JointShape(JoinShape(1000, 900, 1, EVERYTHING, 3), SPANS)
    assert shape.shards[0] == 4
    assert await totals_of(shape, query, table_rows) == in_the_clear(shape.inner, query, table_rows)


@pytest.mark.parametrize("groups", [1, 4])
async def test_rows_without_a_match_stay_in_left_joins_and_are_all_of_anti_joins(groups):
    query, table_rows = two_tables(120, 90, 40)
    query = grouped(query, groups) if groups > 1 else query
    of_query = (COUNT, Total(0, None, 64))
    inner = in_the_clear(JoinShape(130, 90, 1, (*of_query, Total(None, 0, 64)), groups), query, table_rows)
    everyone = owner(range(1000), [0] * 1000)
    whole = in_the_clear(JoinShape(130, 1000, 1, of_query, groups), query, everyone)
    lefts = [total._replace(outer="left") for total in of_query]
    left = JointShape(JoinShape(130, 90, 1, (*lefts, Total(None, 0, 64)), groups))
    assert await totals_of(left, query, table_rows) == [*whole, inner[2]]
    alone = JointShape(JoinShape(130, 90, 1, tuple(lefts), groups))
    assert await totals_of(alone, query, table_rows) == whole
    anti = JointShape(JoinShape(130, 90, 1, tuple(total._replace(outer="anti") for total in of_query), groups))
    rest = [[a - b for a, b in zip(*pair, strict=True)] for pair in zip(whole, inner[:2], strict=True)]
    assert await totals_of(anti, query, table_rows) == rest


async def test_a_row_without_a_match_counts_in_a_left_join_as_if_its_payload_were_one():
    query, table_rows = owner([1, 2, 3], [10, 20, 40]), owner([2, 3, 4], [5, 7, 9])
    totals = (Total(None, 0, 32, 0, "left"), Total(0, 0, 64, 0, "left"))
    shape = JointShape(JoinShape(3, 3, 1, totals), SPANS)
    assert await totals_of(shape, query, table_rows) == [[1 + 5 + 7], [10 + 5 * 20 + 7 * 40]]


@pytest.mark.parametrize(
    ("totals", "groups"),
    [((COUNT,), (1, 1)), (EVERYTHING, (1, 1)), (EVERYTHING, (4, 1)), (EVERYTHING, (3, 3)), ((COUNT,), (1, 5))],
)
async def test_rounds_and_bytes_are_the_cards(totals, groups):
    query, table_rows = two_tables(300, 500, 100)
    query = grouped(query, groups[0]) if groups[0] > 1 else query
    table_rows = grouped(table_rows, groups[1]) if groups[1] > 1 else table_rows
    shape = JointShape(JoinShape(310, 500, 1, totals, *groups), SPANS)
    async with World(2, seed=3) as world:
        await run(world, shape, query, table_rows)
    assert world.matches_card(joined, **traffic(shape))


@pytest.mark.parametrize("shards", [1, 3])
async def test_traffic_has_one_shape_whatever_the_data(monkeypatch, shards):
    monkeypatch.setattr(with_three, "SHARD_ROWS", 900 // shards)
    shape = JointShape(JoinShape(900, 800, 1, EVERYTHING), SPANS)
    assert shape.shards[0] == shards
    shapes = []
    empty = owner([], np.empty((1, 0)))
    for tables in (two_tables(900, 800, 0), two_tables(800, 800, 800), (empty, empty), two_tables(1, 700, 1)):
        async with World(2, seed=3) as world:
            made = await world.run(prepare, needs=needs_of(shape))
            before = world.meter.shape()
            largest = max(frame.size for frame in world.meter.frames)
            await world.run(joined, shape=shape, query=(made.query, tables[0]), table=(made.table, tables[1]))
        shapes.append((before, world.meter.shape()))
        assert max(largest, *(frame.size for frame in world.meter.frames)) <= largest_frame(shape)
    assert shapes[0] == shapes[1] == shapes[2] == shapes[3]


async def test_prepared_transfers_are_used_up_to_the_last():
    shape = JointShape(JoinShape(70, 70, 1, EVERYTHING, 3, 2), SPANS)
    query, table_rows = two_tables(70, 70, 20)
    async with World(2, seed=3) as world:
        made = await world.run(prepare, needs=needs_of(shape))
        mine = {"query": (made.query, grouped(query, 3)), "table": (made.table, grouped(table_rows, 2))}
        await world.run(joined, shape=shape, **mine)
        with pytest.raises(ValueError, match="are left"):
            await world.run(joined, shape=shape, **mine)
    needs = needs_of(shape)
    assert made.query._used == [needs.table_nibbles, needs.table_blocks, needs.query_nibbles, needs.query_blocks]
    assert made.table._used == [needs.query_nibbles, needs.query_blocks, needs.table_nibbles, needs.table_blocks]


async def test_repeated_ids_and_values_out_of_their_span_are_refused():
    shape = JointShape(JoinShape(9, 9, 1, EVERYTHING), SPANS)
    fine = owner([1, 2], [5, 6])
    for query, message in (
        (owner([1, 1], [5, 6]), "1 rows repeat"),
        (owner([1, 2], [5, 1001]), "out of the range"),
    ):
        async with World(2) as world:
            with pytest.raises(DataError, match=message):
                await run(world, shape, query, fine)


async def test_a_table_or_bins_that_cannot_be_made_end_the_run_with_a_fixed_error(monkeypatch):
    def unsolvable(*_):
        raise table.okvs.UnsolvableError

    def no_room(*_):
        raise intersection.cuckoo.NoRoomError

    shape = JointShape(JoinShape(9, 9, 1, (COUNT,)))
    fine = owner([1, 2], [5, 6])
    for where, name, fault, at in ((table.okvs, "encode", unsolvable, 1), (intersection.cuckoo, "settled", no_room, 0)):
        with monkeypatch.context() as patch:
            patch.setattr(where, name, fault)
            async with World(2) as world:
                made = await world.run(prepare, needs=needs_of(shape))
                errors = await world.fails(joined, shape=shape, query=(made.query, fine), table=(made.table, fine))
        assert (errors[at].code, type(errors[at])) == ("no_table", GloveboxError)
        assert isinstance(errors[1 - at], PeerLost)


@pytest.mark.parametrize("fault", [cut_short, too_long, sent_twice, from_another_session])
async def test_a_bad_frame_stops_both(fault):
    shape = JointShape(JoinShape(20, 16, 1, (COUNT, Total(None, 0, 64)), 2, 2), SPANS)
    query_rows, table_rows = (grouped(rows, 2) for rows in two_tables(20, 16, 8))

    async with World(2) as world:
        made = await world.run(prepare, needs=needs_of(shape))

    def again():
        """The same transfers for every run of the sweep."""
        query, table_ = (Prepared(one._sent, one._chosen) for one in (made.query, made.table))
        return {"query": (query, query_rows), "table": (table_, table_rows)}

    async with World(2) as world:
        await world.run(joined, shape=shape, **again())
        frames = list(world.meter.frames)
    for frame in frames:
        async with World(2, tamper=(frame, fault), deadline_s=10) as world:
            errors = await world.fails(joined, shape=shape, **again())
        assert blames(errors[frame.receiver], frame), (frame, errors[frame.receiver].lines())


def test_what_this_engine_has_not_is_refused():
    payload = Total(None, 0, 64)
    bad = [
        JointShape(JoinShape(9, 9, 0, (Total(None, None, 32, 1),))),
        JointShape(JoinShape(9, 9, 1, (payload._replace(outer="anti"),))),
        JointShape(JoinShape(9, 9, 0, (COUNT._replace(outer="left"),), 1, 2)),
        JointShape(JoinShape(9, 9, 1, (Total(1, 0, 64),)), ((0, 1),)),
        JointShape(JoinShape(9, 9, 1, (COUNT,), 1 << 17)),
    ]
    for shape, why in zip(bad, ("equal ids", "no payload", "no group", "its span", "too many"), strict=True):
        with pytest.raises(ValueError, match=why):
            intersection.check(shape)


async def test_random_small_runs_are_exact():
    """Ten thousand of them by `python -m benchmarks.two_owners_exact`."""
    assert await two_owners_exact.exact_runs(random.Random(7), 8) == 8
