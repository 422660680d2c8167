from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.algebra import arrays, okvs
from glovebox.data.room import Room
from glovebox.errors import DataError, GloveboxError, PeerLost
from glovebox.protocols import intersection, shards, table, totals
from glovebox.protocols.alignment import TableSize
from glovebox.protocols.expression import Match, Operation
from glovebox.protocols.intersection import JoinShape, joined_totals, traffic
from glovebox.protocols.totals import Total
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.context import Context
from glovebox.runtime.world import World

from .joins import COUNT, EVERYTHING, first, grouped, in_the_clear, once, opened, owner, two_tables

BOUND = (1 << 30) - 1  # 2**2 * BOUND**2 < 2**62: as large as four rows may be


async def totals_of(shape: JoinShape, query, table_rows, **world_options) -> list[list[int]]:
    async with World(seed=7, **world_options) as world:
        shares = await world.run(joined_totals, shape=shape, query=query, table=table_rows)
    assert shares.table is None
    return opened(shape, shares.query, shares.helper)


@pytest.mark.parametrize(
    ("n_query", "n_table", "matches"),
    [(1, 1, 1), (1, 1, 0), (64, 64, 64), (100, 100, 0), (65, 3, 2), (3, 2000, 3), (2000, 2, 1), (1500, 1400, 700)],
)
async def test_totals_are_those_of_a_join(n_query, n_table, matches):
    query, table_rows = two_tables(n_query, n_table, matches)
    shape = JoinShape(n_query, n_table, 1, EVERYTHING)
    expected = in_the_clear(shape, query, table_rows)
    assert expected[0] == [matches]
    assert await totals_of(shape, query, table_rows) == expected


@given(data=st.data())
@settings(max_examples=30)
async def test_any_totals_of_any_tables(data):
    n_query, n_table = data.draw(st.integers(0, 150)), data.draw(st.integers(0, 150))
    matches = data.draw(st.integers(0, min(n_query, n_table)))
    measures, payloads = 2, data.draw(st.integers(0, 3))
    payload = st.none() | st.integers(0, payloads - 1) if payloads else st.none()
    plain = st.tuples(st.none() | st.integers(0, 1), payload, st.sampled_from([32, 64]))
    totals = tuple(Total(*drawn) for drawn in data.draw(st.lists(plain, min_size=1, max_size=5)))
    shape = JoinShape(
        n_query + data.draw(st.integers(1, 70)), n_table + data.draw(st.integers(1, 70)), payloads, totals
    )
    query, table_rows = two_tables(
        n_query, n_table, matches, data.draw(st.integers(0, 999)), max(measures, payloads), 0
    )
    query = owner_with(query, measures, 1 << 10)
    table_rows = owner_with(table_rows, payloads, 1 << 10)
    assert await totals_of(shape, query, table_rows) == in_the_clear(shape, query, table_rows)


def owner_with(rows, measures: int, below: int):
    """The same ids with fewer and smaller values."""
    return type(rows)(rows.ids, rows.values[:measures] % below)


@pytest.mark.parametrize("blocks", [1, 2, 3])
@pytest.mark.parametrize(("v", "p"), [(BOUND, BOUND), (-BOUND, BOUND), (-BOUND, -BOUND), (0, -BOUND)])
async def test_extreme_amounts_add_up(v, p, blocks):
    query = owner([1, 2, 3, 4], [v] * 4, blocks)
    table_rows = owner([4, 3, 2, 1], [p] * 4, blocks)
    shape = JoinShape(4, 4, 1, EVERYTHING)
    assert await totals_of(shape, query, table_rows) == [[4], [4 * v], [4 * p], [4 * v * p]]


async def test_a_sum_reaches_the_bound_of_its_ring():
    most = (1 << 62) - 1
    shape = JoinShape(2, 2, 1, (Total(0, None, 64), Total(None, 0, 64)))
    assert await totals_of(shape, owner([1, 2], [most, 5]), owner([1, 3], [-most, 5])) == [[most], [-most]]


@pytest.mark.parametrize(("true_query", "true_table"), [(0, 0), (0, 50), (50, 0), (3, 50), (50, 3)])
async def test_padding_counts_for_nothing(true_query, true_table):
    query, table_rows = two_tables(true_query, true_table, min(true_query, true_table))
    shape = JoinShape(200, 1100, 1, EVERYTHING)
    assert await totals_of(shape, query, table_rows) == in_the_clear(shape, query, table_rows)


@pytest.mark.parametrize("matches", [0, 321, 1500])
async def test_shards_add_up_to_the_whole(monkeypatch, matches):
    query, table_rows = two_tables(1900, 1500, matches)
    shape = JoinShape(2000, 1600, 1, EVERYTHING)
    whole = await totals_of(shape, query, table_rows)
    monkeypatch.setattr(shards, "SHARD_ROWS", 300)
    assert intersection.shards_of(shape)[0] == 7
    assert await totals_of(shape, query, table_rows) == whole == in_the_clear(shape, query, table_rows)


@pytest.mark.parametrize("groups", [(1, 1), (3, 1), (1, 3)])
async def test_shards_of_rows_on_disk_add_up_as_those_in_memory(monkeypatch, tmp_path, groups):
    monkeypatch.setattr(shards, "SHARD_ROWS", 300)
    monkeypatch.setattr(shards, "PART_ROWS", 128)
    shape = JoinShape(1000, 1000, 1, EVERYTHING, *groups)
    tables = [
        replace(grouped(own, many, 1) if many > 1 else own, room=Room(tmp_path))
        for own, many in zip(two_tables(990, 1000, 700), groups, strict=True)
    ]
    assert await totals_of(shape, *tables) == in_the_clear(shape, *tables)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("of_query", "of_table"), [(1, 2), (2, 1), (3, 5), (40, 1), (1, 70), (300, 1), (10, 10)])
@pytest.mark.parametrize("sharded", [False, True])
async def test_totals_of_groups_are_those_of_a_join(monkeypatch, of_query, of_table, sharded):
    query, table_rows = two_tables(900, 1000, 600, low=-(1 << 25))
    query = grouped(query, of_query, 1) if of_query > 1 else query
    table_rows = grouped(table_rows, of_table, 2) if of_table > 1 else table_rows
    shape = JoinShape(1000, 1000, 1, EVERYTHING, of_query, of_table)
    if sharded:
        monkeypatch.setattr(shards, "SHARD_ROWS", 300)
    assert await totals_of(shape, query, table_rows) == in_the_clear(shape, query, table_rows)


BOUNDED = (
    COUNT,
    Total(0, None, 64, low=-1000, high=1000),
    Total(None, 0, 64, low=-1000, high=1000),
    Total(0, 0, 64, low=-(10**6), high=10**6),
)


@pytest.mark.parametrize("groups", [(1, 1), (3, 1), (1, 4), (2, 3)])
@pytest.mark.parametrize("sharded", [False, True])
async def test_lifted_totals_are_those_of_a_join(monkeypatch, groups, sharded):
    monkeypatch.setattr(totals, "LIFTED_ROWS", 0)
    query, table_rows = (
        grouped(rows, many, 3) if many > 1 else rows
        for rows, many in zip(two_tables(900, 1000, 600), groups, strict=True)
    )
    shape = JoinShape(1000, 1000, 1, BOUNDED, *groups)
    if sharded:
        monkeypatch.setattr(shards, "SHARD_ROWS", 300)
    assert await totals_of(shape, query, table_rows) == in_the_clear(shape, query, table_rows)


THREE = (*EVERYTHING, Total(None, 1, 64), Total(0, 1, 64))


def three_tables(n: int, seed: int = 0):
    """Three owners' rows of ids that any two, and all, have in common here and there."""
    rng = np.random.default_rng(seed)
    return [owner(rng.permutation(2 * n)[:n], rng.integers(-999, 999, n)) for _ in range(3)]


@pytest.mark.parametrize("groups", [(1, 1, 1), (4, 1, 1), (1, 3, 1), (3, 1, 5)])
@pytest.mark.parametrize("sharded", [False, True])
async def test_totals_of_three_owners_are_those_of_a_join(monkeypatch, groups, sharded):
    rows = [grouped(own, many, 4) if many > 1 else own for own, many in zip(three_tables(600), groups, strict=True)]
    shape = JoinShape(640, 600, 1, THREE, groups[0], groups[1], second=TableSize(600, 1, groups[2]))
    if sharded:
        monkeypatch.setattr(shards, "SHARD_ROWS", 200)
    async with World(seed=7) as world:
        shares = await world.run(joined_totals, shape=shape, query=rows[0], table=rows[1], helper=rows[2])
    assert shares.table is None
    assert sharded or world.matches_card(joined_totals, **traffic(shape))
    assert max(frame.size for frame in world.meter.frames) <= intersection.largest_frame(shape)
    assert opened(shape, shares.query, shares.helper) == in_the_clear(shape, *rows)


EACH = (
    Total(None, None, 32),
    Total(None, 2, 64),
    Total(0, None, 64, 1),
    Total(None, 3, 64, 2),
    Total(1, None, 32, 3, "anti"),
)


@pytest.mark.parametrize("way", ["whole", "sharded", "wide"])
@pytest.mark.parametrize("groups", [1, 4])
async def test_matches_of_two_tables_stand_apart(monkeypatch, way, groups):
    """Totals of rows that neither table has, and of what each adds where it has a row."""
    rows = three_tables(600)
    query = type(rows[0])(rows[0].ids, np.stack([rows[0].values[0], np.ones(600, np.int64)]))
    rows[0] = grouped(query, groups, 4) if groups > 1 else query
    both = Operation("add", (once(0), once(1)))
    either = Operation("or", (Match(0), Match(1)))
    shape = JoinShape(
        640, 600, 1, EACH, groups, choices=(first(), first(1), first(0, 1), either), columns=(once(0), both),
        second=TableSize(600, 1), apart=True,
    )  # fmt: skip
    if way == "sharded":
        monkeypatch.setattr(shards, "SHARD_ROWS", 200)
    if way == "wide":
        monkeypatch.setattr(intersection, "NARROW_ROWS", 500)
    held = [{bytes(one): int(v) for one, v in zip(each.ids, each.values[0], strict=True)} for each in rows[1:]]
    expected = np.zeros((len(EACH), groups), np.int64)
    for place, one in enumerate(query.ids):
        group = rows[0].groups[place] if groups > 1 else 0
        p, r = (each.get(bytes(one), 0) for each in held)
        there, here = (bytes(one) in each for each in held)
        v = query.values[0, place]
        alone = not there and not here
        expected[:, group] += [1, p, v * (not here), (p + r) * alone, alone]
    async with World(seed=7) as world:
        shares = await world.run(joined_totals, shape=shape, query=rows[0], table=rows[1], helper=rows[2])
    if way != "sharded":
        card, sizes = terms(intersection.__doc__), traffic(shape)
        assert world.meter.size == value_of(card["Bytes"], sizes)
        assert 0 <= value_of(card["Rounds"], sizes) - world.meter.rounds <= 1
    assert max(frame.size for frame in world.meter.frames) <= intersection.largest_frame(shape)
    assert opened(shape, shares.query, shares.helper) == expected.tolist()


@pytest.mark.parametrize("groups", [1, 3])
async def test_rows_without_a_match_count_where_they_should(groups):
    query, table_rows = two_tables(300, 250, 120)
    query = grouped(query, groups) if groups > 1 else query
    outer = tuple(Total(*total[:3], 0, kind) for kind in ("left", "anti") for total in EVERYTHING[:2])
    outer = (*outer, Total(None, 0, 64, 0, "left"), Total(0, 0, 64, 0, "left"))
    shape = JoinShape(310, 250, 1, outer, groups)
    matched = {bytes(one): int(value) for one, value in zip(table_rows.ids, table_rows.values[0], strict=True)}
    expected = np.zeros((6, groups), np.int64)
    for place, one in enumerate(query.ids):
        group = 0 if query.groups is None else query.groups[place]
        v, p, there = int(query.values[0, place]), matched.get(bytes(one), 1), bytes(one) in matched
        expected[:, group] += [1, v, not there, v * (not there), p, v * p]
    async with World(seed=7) as world:
        shares = await world.run(joined_totals, shape=shape, query=query, table=table_rows)
    assert world.matches_card(joined_totals, **traffic(shape))
    assert opened(shape, shares.query, shares.helper) == expected.tolist()


@pytest.mark.parametrize("three", [False, True])
async def test_wide_tags_match_alike(monkeypatch, three):
    monkeypatch.setattr(intersection, "NARROW_ROWS", 500)
    rows = three_tables(600)[: 3 if three else 2]
    totals = THREE if three else EVERYTHING
    shape = JoinShape(640, 600, 1, totals, 2, 3, second=TableSize(600, 1) if three else None)
    rows[:2] = grouped(rows[0], 2), grouped(rows[1], 3)
    assert intersection.shards_of(shape)[1].wide
    async with World(seed=7) as world:
        named = dict(zip(("query", "table", "helper"), rows, strict=False))
        shares = await world.run(joined_totals, shape=shape, **named)
    assert world.matches_card(joined_totals, **traffic(shape))
    assert opened(shape, shares.query, shares.helper) == in_the_clear(shape, *rows)


@pytest.mark.parametrize(("group", "rows"), [(0, 128), (2, 128), (3, 0), (1, 1)])
async def test_one_group_may_hold_all_rows_or_none(group, rows):
    query, table_rows = two_tables(rows, 128, rows)
    shape = JoinShape(128, 128, 1, EVERYTHING, 4, 4)
    everybody = type(query)(query.ids, query.values, np.full(rows, group))
    table_rows = type(query)(table_rows.ids, table_rows.values, np.full(128, group))
    assert await totals_of(shape, everybody, table_rows) == in_the_clear(shape, everybody, table_rows)


async def test_every_party_says_how_far_it_is_by_shards(monkeypatch):
    monkeypatch.setattr(shards, "SHARD_ROWS", 300)
    told = []

    async def watched(ctx, shape, rows):
        ground = replace(ctx._ground, progress=lambda *progress: told.append((ctx.party, *progress)))
        return await joined_totals(Context(ground), shape, rows)

    query, table_rows = two_tables(700, 20, 5)
    async with World(seed=7) as world:
        await world.run(watched, shape=JoinShape(700, 20, 1, (COUNT,)), query=query, table=table_rows)
    assert sorted(told) == [(party, "", shard, 3) for party in range(3) for shard in (1, 2, 3)]


async def test_a_shard_that_overflows_ends_the_run_and_says_nothing(monkeypatch):
    monkeypatch.setattr(shards, "SHARD_ROWS", 300)
    monkeypatch.setattr(shards.identifiers, "shard_numbers", lambda hashes, _: np.zeros(len(hashes), np.uint8))
    query, table_rows = two_tables(1000, 1000, 5)
    async with World() as world:
        errors = await world.fails(
            joined_totals, shape=JoinShape(1000, 1000, 1, (COUNT,)), query=query, table=table_rows
        )
    assert errors[0].code == "no_table"


def test_shards_are_few_and_small_enough():
    for n in (1, 1 << 19, (1 << 19) + 1, 10**6, 10**7, 1 << 24):
        number, shard = intersection.shards_of(JoinShape(n, n, 1, (COUNT,)))
        assert number <= 64
        assert shard.n_query % 64 == 0
        assert number == 1 or n / number <= shard.n_table <= 1.03 * n / number
    assert intersection.shards_of(JoinShape(10**6, 1000, 1, (COUNT,)))[0] == 4


async def test_numpy_and_numba_agree(monkeypatch):
    query, table_rows = two_tables(700, 800, 400)
    query, shape = grouped(query, 3), JoinShape(700, 800, 1, EVERYTHING, query_groups=3)
    compiled = await totals_of(shape, query, table_rows)
    for module in (table, shards):
        monkeypatch.setattr(module, "kernels", lambda: arrays)
    assert await totals_of(shape, query, table_rows) == compiled


@pytest.mark.parametrize("who", ["query", "table"])
async def test_repeated_ids_are_refused_with_their_number_only(who):
    good = owner(range(5, 25), range(20))
    bad = owner([4111, 4111, 4222, 4111, 7, 4222], [9] * 6)
    rows = {"query": good, "table": good} | {who: bad}
    async with World() as world:
        errors = await world.fails(joined_totals, shape=JoinShape(30, 30, 1, (COUNT,)), **rows)
    mine = errors[0 if who == "query" else 1]
    assert isinstance(mine, DataError)
    assert mine.summary == "3 rows repeat an id of another row"
    assert "4111" not in "".join(mine.lines())
    assert isinstance(errors[2], PeerLost)


async def test_more_rows_than_the_bound_are_refused():
    async with World() as world:
        with pytest.raises(ValueError, match="bound"):
            await world.run(
                joined_totals,
                shape=JoinShape(3, 9, 1, (COUNT,)),
                query=owner(range(4), range(4)),
                table=owner([1], [1]),
            )


async def test_a_table_that_cannot_be_built_ends_the_run_with_a_fixed_error(monkeypatch):
    def unsolvable(*_):
        raise okvs.UnsolvableError

    monkeypatch.setattr(okvs, "encode", unsolvable)
    query, table_rows = two_tables(50, 60, 7)
    async with World() as world:
        errors = await world.fails(joined_totals, shape=JoinShape(50, 60, 1, (COUNT,)), query=query, table=table_rows)
    assert (errors[1].code, type(errors[1])) == ("no_table", GloveboxError)
    assert isinstance(errors[0], PeerLost)
    assert isinstance(errors[2], PeerLost)


async def test_totals_are_duckdbs():
    duckdb = pytest.importorskip("duckdb")
    rng = np.random.default_rng(5)
    buyers, viewers = rng.choice(9000, 4000, replace=False), rng.choice(9000, 5000, replace=False)
    amounts, seconds = rng.integers(-5000, 5000, 4000), rng.integers(0, 900, 5000)
    database = duckdb.connect()
    database.execute(
        "CREATE TABLE q AS SELECT unnest($1::BIGINT[]) AS id, unnest($2::BIGINT[]) AS v",
        [buyers.tolist(), amounts.tolist()],
    )
    database.execute(
        "CREATE TABLE t AS SELECT unnest($1::BIGINT[]) AS id, unnest($2::BIGINT[]) AS p",
        [viewers.tolist(), seconds.tolist()],
    )
    expected = database.execute(
        "SELECT COUNT(*), SUM(q.v), SUM(t.p), SUM(q.v * t.p) FROM q JOIN t USING (id)"
    ).fetchone()
    shape = JoinShape(4100, 5200, 1, EVERYTHING)
    assert await totals_of(shape, owner(buyers, amounts), owner(viewers, seconds)) == [[one] for one in expected]
