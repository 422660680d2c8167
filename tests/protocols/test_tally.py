"""Numbers at ranks of a join: what is counted of matching rows, and the numbers found; exact, priced, of one shape.

What could a role tell? Weights are gates (`test_gates.py`). Both picks are of a random order (`test_pick.py`): HELPER
gets every place once in the first, and in the second as many distinct places as there are counts, whatever QUERY's
values. What is then searched is `test_quantile.py`. TABLE receives nothing.
"""

from __future__ import annotations

import numpy as np
import pytest

from glovebox.protocols import intersection
from glovebox.protocols import shards as sharding
from glovebox.protocols.expression import Match, Operation, Payload, Value
from glovebox.protocols.intersection import JoinShape, joined_totals, traffic
from glovebox.protocols.quantile import Rank
from glovebox.protocols.totals import Ranked, Total
from glovebox.runtime import mailbox, memory
from glovebox.runtime.world import World

from .joins import COUNT, grouped, opened, owner, two_tables

TABLE = 1
MEDIAN = (Rank(2, 1, 0), Rank(2, 1, -1))
LATER = Operation("and", (Match(0), Operation("less", (Payload(0, 0, 0, 1000), Value(0, -1000, 1000)))))
RANKED = Ranked((0, 1), -100, 101, MEDIAN, 999)
WANTED = (
    COUNT,
    Total(None, None, 64, ranked=RANKED),
    Total(None, 0, 64, ranked=RANKED),
    Total(0, None, 64),
    Total(None, None, 64, choice=1, ranked=RANKED._replace(ranks=(Rank(10, 9, 0),))),
)


def tables(matches, groups=(1, 1), seed=3):
    """QUERY's two values a row, 101 for none, and TABLE's weights from 0 to 3."""
    draw = np.random.default_rng(seed)
    query, table = two_tables(150, 110, matches, seed=seed)
    values = draw.integers(-100, 102, (2, 150))
    query = type(query)(query.ids, values)
    table = type(table)(table.ids, draw.integers(0, 4, (1, 110)))
    return (grouped(rows, many) if many > 1 else rows for rows, many in zip((query, table), groups, strict=True))


def in_the_clear(shape, query, table):
    """Each total of each group, by writing all numbers down; None where there is no number."""
    there = {bytes(one): index for index, one in enumerate(table.ids)}
    found = [[[] for _ in range(shape.groups)] for _ in shape.totals]
    for q, one in enumerate(query.ids):
        if (at := there.get(bytes(one))) is None:
            continue
        group = (0 if query.groups is None else int(query.groups[q])) * shape.planes
        group += 0 if table.groups is None else int(table.groups[at])
        weight, values = int(table.values[0, at]), query.values[:, q].tolist()
        for index, total in enumerate(shape.totals):
            if total.choice and not weight < values[0]:
                continue
            times = weight if total.payload is not None else 1
            listed = [value for value in values if value < 101] * times
            found[index][group] += listed if total.ranked else [values[0] if total.value is not None else 1]
    return [
        [at_ranks(numbers, total.ranked.ranks) if total.ranked else sum(numbers) for numbers in of_groups]
        for total, of_groups in zip(shape.totals, found, strict=True)
    ]


def at_ranks(numbers, ranks):
    if not numbers:
        return None
    listed, many = sorted(numbers), len(numbers)
    places = [(many - 1) // 2, many // 2] if len(ranks) == 2 else [-(-many * 9 // 10) - 1]
    return sum(listed[place] for place in places)


@pytest.mark.parametrize("groups", [(1, 1), (4, 1), (1, 5), (3, 2)])
@pytest.mark.parametrize("matches", [0, 1, 100])
async def test_numbers_at_ranks_of_matching_rows_by_group(groups, matches):
    query, table = tables(matches, groups)
    shape = JoinShape(160, 120, 1, WANTED, *groups, choices=(Match(0), LATER))
    async with World(seed=3) as world:
        got = await world.run(joined_totals, shape=shape, query=query, table=table)
    assert_same(opened(shape, got.query, got.helper), in_the_clear(shape, query, table))
    assert world.matches_card(joined_totals, **traffic(shape))
    assert not [frame for frame in world.meter.frames if frame.receiver == TABLE]
    assert max(frame.size for frame in world.meter.frames) <= intersection.largest_frame(shape)


def assert_same(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        assert [a for a, b in zip(one, other, strict=True) if b is not None] == [b for b in other if b is not None]


async def test_shards_counts_are_added_before_ranks_are_looked_for(monkeypatch):
    monkeypatch.setattr(sharding, "SHARD_ROWS", 40)
    query, table = tables(90, (3, 1))
    shape = JoinShape(160, 120, 1, WANTED, 3, 1, choices=(Match(0), LATER))
    assert intersection.shards_of(shape)[0] == 4
    shapes = []
    for own in (query, grouped(owner(np.arange(900, 905), np.zeros((2, 5), np.int64)), 3)):
        async with World(seed=3) as world:
            got = await world.run(joined_totals, shape=shape, query=own, table=table)
        if own is query:
            assert_same(opened(shape, got.query, got.helper), in_the_clear(shape, query, table))
        shapes.append({link: sorted(frames) for link, frames in world.meter.shape().items()})
    assert shapes[0] == shapes[1]


async def test_links_hold_what_comes_of_a_shard_while_the_next_waits(monkeypatch):
    """Two shards in hand only where all bytes of one fit a link's window: here they do not, and TABLE is not blamed."""
    monkeypatch.setattr(sharding, "SHARD_ROWS", 1000)
    monkeypatch.setattr(mailbox, "WINDOW_BYTES", 1)
    monkeypatch.setattr(mailbox, "FRAME_COST", 0)
    query, table = tables(90, (3, 1))
    shape = JoinShape(8000, 8000, 1, WANTED, 3, 1, choices=(Match(0), LATER))
    monkeypatch.setattr(memory, "WINDOW_BYTES", mailbox.window_bytes(intersection.largest_frame(shape)))
    assert intersection.shards_of(shape)[0] == 8
    async with World(seed=3) as world:
        got = await world.run(joined_totals, shape=shape, query=query, table=table)
    assert_same(opened(shape, got.query, got.helper), in_the_clear(shape, query, table))
