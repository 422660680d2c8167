"""The least number of matching rows, by group: exact, priced, of one shape, and noise to whom it is sent.

What could a role tell? Its steps are gates (`test_gates.py`) and the minima of `test_reduction.py`; the places that
HELPER gets are as many as there are groups, distinct places of a random order (`test_pick.py`).
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.protocols import intersection, least
from glovebox.protocols import shards as sharding
from glovebox.protocols.alignment import TableSize
from glovebox.protocols.expression import Match, Operation, Payload, Value
from glovebox.protocols.intersection import JoinShape, joined_totals, traffic
from glovebox.protocols.least import Blocks, Least, least_numbers
from glovebox.protocols.totals import Shares, Total
from glovebox.runtime.context import Context, Role
from glovebox.runtime.world import World, blames, cut_short, frames_of

from .joins import COUNT, grouped, opened, two_tables
from .noise import assert_noise

QUERY, TABLE, HELPER = 0, 1, 2
LATER = Operation("and", (Match(0), Operation("less", (Payload(0, 0, -1000, 1000), Value(0, -1000, 1000)))))
OF_VALUE, OF_PAYLOAD = Total(0, None, 64, least=(-1000, 1001)), Total(None, 0, 64, least=(-1000, 1001))
WANTED = (OF_PAYLOAD, COUNT, OF_VALUE, Total(None, 0, 64), OF_VALUE._replace(choice=1))


def in_the_clear(shape: JoinShape, query, table) -> list[list[int]]:
    """Each total of each group, by a dictionary."""
    there = {bytes(one): index for index, one in enumerate(table.ids)}
    found = [[[] for _ in range(shape.groups)] for _ in shape.totals]
    for q, one in enumerate(query.ids):
        if (at := there.get(bytes(one))) is None:
            continue
        group = (0 if query.groups is None else int(query.groups[q])) * shape.planes
        group += 0 if table.groups is None else int(table.groups[at])
        value, payload = int(query.values[0, q]), int(table.values[0, at])
        for index, total in enumerate(shape.totals):
            if not total.choice or payload < value:
                number = 1 if total.payload is None and total.value is None else value
                found[index][group].append(payload if total.payload is not None else number)
    return [
        [min(numbers, default=total.least[1]) if total.least else sum(numbers) for numbers in of_groups]
        for total, of_groups in zip(shape.totals, found, strict=True)
    ]


@pytest.mark.parametrize("groups", [(1, 1), (4, 1), (1, 5), (3, 2), (80, 1)])
@pytest.mark.parametrize("matches", [0, 1, 100])
async def test_the_least_of_matching_rows_by_group(groups, matches):
    query, table = two_tables(150, 110, matches, seed=sum(groups))
    query, table = (
        grouped(rows, many) if many > 1 else rows for rows, many in zip((query, table), groups, strict=True)
    )
    shape = JoinShape(160, 120, 1, WANTED, *groups, choices=(Match(0), LATER))
    async with World(seed=3) as world:
        got = await world.run(joined_totals, shape=shape, query=query, table=table)
    assert opened(shape, got.query, got.helper) == in_the_clear(shape, query, table)
    assert world.matches_card(joined_totals, **traffic(shape))
    assert not [frame for frame in world.meter.frames if frame.receiver == TABLE]
    assert max(frame.size for frame in world.meter.frames) <= intersection.largest_frame(shape)


async def test_shards_meet_in_their_least(monkeypatch):
    monkeypatch.setattr(sharding, "SHARD_ROWS", 40)
    query, table = two_tables(150, 110, 90)
    query = grouped(query, 3)
    shape = JoinShape(160, 120, 1, WANTED, 3, 1, choices=(Match(0), LATER))
    assert intersection.shards_of(shape)[0] == 4
    async with World(seed=3) as world:
        got = await world.run(joined_totals, shape=shape, query=query, table=table)
    assert opened(shape, got.query, got.helper) == in_the_clear(shape, query, table)


async def test_the_least_over_three_tables():
    """A row counts where all match; payloads of the second stand behind those of the first."""
    query, table = two_tables(60, 50, 40)
    _, second = two_tables(60, 50, 40, measures=1)
    second = type(table)(table.ids, second.values)
    shape = JoinShape(64, 50, 1, (COUNT, Total(None, 1, 64, least=(-1000, 1001))), second=TableSize(50, 1))
    async with World(seed=3) as world:
        got = await world.run(joined_totals, shape=shape, query=query, table=table, helper=second)
    both = [index for index, one in enumerate(table.ids) if bytes(one) in {bytes(each) for each in query.ids}]
    assert opened(shape, got.query, got.helper) == [[len(both)], [int(second.values[0, both].min())]]
    assert world.matches_card(joined_totals, **traffic(shape))


async def numbered(ctx: Context, mine, **arguments):
    """The protocol on QUERY's (shares, ends) and HELPER's shares."""
    shares, ends = mine if ctx.role is Role.QUERY else (mine, None)
    return await least_numbers(ctx, shares=shares, ends=ends, **arguments)


@given(data=st.data(), seed=st.integers(0, 99))
@settings(max_examples=20)
async def test_ranges_that_differ_do_not_mix(data, seed):
    """Columns of different ranges run side by side, and blocks that no group has lie between them."""
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    blocks = sum(sizes) + data.draw(st.integers(0, 3))
    n = 64 * blocks
    rng = np.random.default_rng(seed)
    wanted = [Least(0, None, 20_000, 20_100), Least(None, 0, -7, 4), Least(1, None, -(1 << 40), 1 - (1 << 39))]
    numbers = [rng.integers(one.low, one.none, n) for one in wanted]
    bits = (rng.random((1, n)) < 0.05).astype(np.uint8)
    bits[:, 64 * sum(sizes) :] = 0  # as in padding
    mask, words = rng.integers(0, 2, (1, n), dtype=np.uint8), rng.integers(0, 1 << 64, (2, n), dtype=np.uint64)
    payload = np.stack([words[0], numbers[1].view(np.uint64) - words[1]])
    query, helper = Shares(bits ^ mask, payload, np.stack([numbers[0], numbers[2]])), Shares(mask, words, None)
    ends, shape = np.cumsum(sizes, dtype=np.int64) - 1, Blocks(n, blocks, len(sizes))
    async with World() as world:
        got = await world.run(numbered, wanted=wanted, sizes=shape, query=(query, ends), helper=helper)
    assert world.matches_card(least_numbers, **least.traffic(wanted, shape))
    starts = np.concatenate([[0], ends[:-1] + 1])
    expected = [
        [
            min(column[64 * low : 64 * high + 64][bits[0, 64 * low : 64 * high + 64] == 1], default=one.none)
            for low, high in zip(starts, ends, strict=True)
        ]
        for one, column in zip(wanted, numbers, strict=True)
    ]
    np.testing.assert_array_equal((got.query + got.helper)[:, 0].view(np.int64), expected)


SMALL = JoinShape(64, 16, 1, (COUNT, OF_PAYLOAD), 2, 1)


@pytest.mark.parametrize("kind", ["no row", "all match"])
async def test_every_frame_is_noise_to_its_receiver_and_of_one_shape(kind):
    seen, shapes = {}, []
    query, table = two_tables(*((0, 0, 0) if kind == "no row" else (16, 16, 16)))
    query = grouped(query, 2)
    async with World(seed=11, keep=True) as world:
        for _ in range(40):
            got = await world.run(joined_totals, shape=SMALL, query=query, table=table)
            results = {"query": got.query[1], "helper": got.helper[1]}
            frames = {f: octets for f, octets in world.meter.seen.items() if "/least/" in f[2]}
            for frame, octets in (frames | results).items():
                seen.setdefault(frame, []).append(np.frombuffer(octets, np.uint8))
            shapes.append(world.meter.shape())
    assert all(shape == shapes[0] for shape in shapes)
    for frame, octets in seen.items():
        if not str(frame[2]).endswith("places"):
            assert_noise(frame, np.stack(octets))


async def test_a_bad_frame_stops_everyone():
    query, table = two_tables(16, 16, 16)
    arguments = {"shape": SMALL, "query": grouped(query, 2), "table": table}
    frames = [frame for frame in await frames_of(joined_totals, **arguments) if "/least/" in frame.step]
    for frame in frames[:: max(1, len(frames) // 6)]:
        async with World(tamper=(frame, cut_short), deadline_s=10) as world:
            errors = await world.fails(joined_totals, **arguments)
        assert blames(errors[frame.receiver], frame)
