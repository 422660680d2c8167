"""Rows that are looked up by several keys, the first match of each counting: exact totals, price, and who sees what.

Could a role, from what it receives, tell anything beyond the leakage line? HELPER gets keys * n pseudonyms, all
different, and one table of keys * rows: a row without one of its ids sends a random one in its place, as padding does,
and ids of two keys are hashed with the key's number, so that none equals another of any row. That the i-th and the
(n + i)-th are one row's is public. QUERY gets what it got of one key, of keys * n rows. The first match is chosen on
shares. So whether a row matches by one key, by both, to one row or to two, no frame tells
(`test_every_frame_is_noise_to_its_receiver` has such a shape among its own).
"""

from __future__ import annotations

import numpy as np
import pytest

from glovebox.errors import DataError
from glovebox.planner.keys import by_first_match
from glovebox.protocols import intersection
from glovebox.protocols.alignment import TableSize
from glovebox.protocols.intersection import JoinShape, joined_totals, traffic
from glovebox.protocols.shards import Rows
from glovebox.protocols.totals import Total
from glovebox.runtime.world import World
from glovebox.schema.local import Measure

from .joins import COUNT, EVERYTHING, encoded, grouped, opened

PAYLOADS = (Measure("sum", None, 0, -1000, 1000),)
OUTER = (
    Total(None, None, 32, 0, "anti"),
    Total(0, None, 64, 0, "left"),
    Total(None, 0, 64),
)


def rows_of(keys, values) -> Rows:
    """Rows by several keys, of which below 0 there is none. keys: (keys, n)."""
    rng, sides = np.random.default_rng([len(values), 3]), []  # tables of other lengths lack other ids
    for number, each in enumerate(np.asarray(keys)):
        ids = encoded(each.astype(np.uint64) + np.uint64(number << 40))
        ids[each < 0] = rng.integers(0, 256, (int((each < 0).sum()), ids.shape[1]), np.uint8)
        sides.append(ids)
    return Rows(np.concatenate(sides, axis=1), np.atleast_2d(np.asarray(values, np.int64)))


def people(keys: int, n: int, seed: int):
    """Rows of people some of whom lack a key, and some of whose keys are other people's."""
    rng = np.random.default_rng(seed)
    found = np.stack([rng.permutation(2 * n)[:n] if key else np.arange(n) for key in range(keys)])
    found[rng.random(found.shape) < 0.3] = -1
    return found, rng.integers(-1000, 1000, n)


def first_matches(mine, theirs) -> list[int | None]:
    """The place of each row's first match."""
    places = [{key: place for place, key in enumerate(each) if key >= 0} for each in theirs.tolist()]
    return [
        next((places[number][key] for number, key in enumerate(row) if key in places[number]), None)
        for row in mine.T.tolist()
    ]


def shape_of(keys: int, totals=EVERYTHING, groups: int = 1) -> JoinShape:
    return by_first_match(JoinShape(450, 500, 1, totals, groups), keys, PAYLOADS)


@pytest.mark.parametrize("keys", [2, 3])
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("totals", [EVERYTHING, OUTER], ids=["inner", "outer"])
@pytest.mark.parametrize("wide", [False, True])
async def test_each_row_counts_with_its_first_match(monkeypatch, keys, groups, totals, wide):
    if wide:
        monkeypatch.setattr(intersection, "NARROW_ROWS", 500)
    (mine, values), (theirs, payloads) = people(keys, 400, 1), people(keys, 480, 2)
    theirs[1, :50] = mine[1, :50][::-1]  # by the second key some match another than by the first
    theirs[1, 50:][np.isin(theirs[1, 50:], theirs[1, :50])] = -1
    query, table, shape = rows_of(mine, values), rows_of(theirs, payloads), shape_of(keys, totals, groups)
    query = grouped(query, groups) if groups > 1 else query
    found = first_matches(mine, theirs)
    by_each = [first_matches(mine[k : k + 1], theirs[k : k + 1]) for k in range(2)]
    assert any(None not in both and both[0] != both[1] for both in zip(*by_each, strict=True))
    expected = np.zeros((len(totals), groups), np.int64)
    for row, (place, v) in enumerate(zip(found, values, strict=True)):
        group = 0 if query.groups is None else query.groups[row]
        p = 0 if place is None else payloads[place]
        there = place is not None
        expected[:, group] += [there, v * there, p, v * p] if totals is EVERYTHING else [not there, v, p]
    async with World(seed=7) as world:
        shares = await world.run(joined_totals, shape=shape, query=query, table=table)
    assert shares.table is None
    assert opened(shape, shares.query, shares.helper) == expected.tolist()
    assert world.matches_card(joined_totals, **traffic(shape))
    assert max(frame.size for frame in world.meter.frames) <= intersection.largest_frame(shape)


async def test_the_traffic_is_that_of_any_rows():
    shape, sent = shape_of(2), []
    nobody = rows_of(np.full((2, 400), -1), np.zeros(400))
    both = rows_of(np.stack([np.arange(400)] * 2), np.zeros(400))
    crossed = rows_of(np.stack([np.arange(400), np.arange(400)[::-1]]), np.ones(400))
    for query, table in ((nobody, nobody), (both, both), (both, crossed), (rows_of([[], []], []), crossed)):
        async with World(seed=7) as world:
            await world.run(joined_totals, shape=shape, query=query, table=table)
        sent.append(sorted((one.sender, one.receiver, one.step, one.size) for one in world.meter.frames))
    assert all(one == sent[0] for one in sent)


def test_rows_of_several_keys_are_one_shard():
    assert intersection.shards_of(by_first_match(JoinShape(1 << 20, 1 << 20, 1, EVERYTHING), 2, PAYLOADS))[0] == 1


@pytest.mark.parametrize("key", [0, 1])
@pytest.mark.parametrize("who", ["query", "table"])
async def test_an_id_that_repeats_under_either_key_is_refused(who, key):
    good = np.stack([np.arange(20), np.arange(20)])
    bad = good.copy()
    bad[key, 7:9] = 3
    rows = {"query": rows_of(good, np.zeros(20)), "table": rows_of(good, np.zeros(20))}
    async with World() as world:
        errors = await world.fails(
            joined_totals, shape=shape_of(2, (COUNT,)), **(rows | {who: rows_of(bad, np.zeros(20))})
        )
    mine = errors[0 if who == "query" else 1]
    assert isinstance(mine, DataError)
    assert mine.summary == "2 rows repeat an id of another row"


@pytest.mark.parametrize("shape", [{"second": TableSize(9, 1)}, {"table_groups": 3}])
async def test_of_several_keys_there_is_one_table_without_groups(shape):
    rows = rows_of([[1], [2]], [0])
    async with World() as world:
        with pytest.raises(ValueError, match="several keys"):
            await world.run(joined_totals, shape=JoinShape(9, 9, 1, (COUNT,), keys=2, **shape), query=rows, table=rows)
