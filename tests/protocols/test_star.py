"""A star join: exact whatever the keys, at its price, of one shape for all data.

What could a role tell? HELPER and a table's owner see what `test_intersection.py` says of a look-up, at QUERY's
distinct keys and padding. Steps behind it are gates (`test_gates.py`) and picks (`test_pick.py`) of public size, each
under its own streams: of how many rows a key or a line has, QUERY alone knows. Where HELPER owns a table, TABLE hands
on what it looked up under a mask that it shares with QUERY (`test_every_frame_is_noise`): HELPER cannot know its values
again, and TABLE, who knows HELPER's share from then on, sees nothing that is opened. Totals leave under fresh masks.
What fellows' lines add of theirs is argued in `test_fellows.py`; the same helper holds the other share of all lines.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.protocols.alignment import TableSize
from glovebox.protocols.expression import Constant, Match, Operation, Payload, Shared, Value
from glovebox.protocols.shards import Rows
from glovebox.protocols.star import StarRows, star_totals
from glovebox.protocols.star_shape import Dimension, Fellow, StarShape, traffic
from glovebox.protocols.totals import Total
from glovebox.runtime.context import Context
from glovebox.runtime.world import World

from .joins import encoded
from .noise import assert_noise

ONE, ZERO = Constant(1), Constant(0)
THERE = Operation("select", (Match(0), ONE, ZERO))
PRICE = Operation("select", (Match(0), Payload(0, 0, 0, 99), ZERO))


def is_one(leaf):
    return Operation("equal", (leaf, ONE))


def positive(leaf):
    return Operation("not", (Operation("equal", (leaf, ZERO)),))


SOLD, COST, KNOWN = Shared(0, 0, 1), Shared(1, 0, 99), Shared(2, 0, 1)
ROWS = (
    Operation("select", (is_one(SOLD), Value(0, -50, 50), ZERO)),
    Operation("multiply", (COST, Value(0, -50, 50))),
    Operation("select", (Operation("and", (is_one(SOLD), is_one(KNOWN))), ONE, ZERO)),
    SOLD,
)
BASKETS = (
    Shared(0, -400, 400),
    Shared(1, -9999, 9999),
    Shared(2, 0, 20),
    Operation("select", (positive(Shared(3, 0, 20)), ONE, ZERO)),
)
"""Of a basket: what was sold, at what cost, how often to a person who is known, and whether anything was."""
PERSON = is_one(Value(0, 0, 1))
CHOICES = (
    Operation("and", (PERSON, positive(Shared(3, 0, 20)))),
    Operation("and", (Match(0), PERSON, Operation("less", (ONE, Shared(3, 0, 20))))),
)
COLUMNS = (Shared(0, -999, 999), Shared(1, -99999, 99999), Shared(2, 0, 40), Payload(0, 0, 0, 9))
TOTALS = (
    Total(None, None, 32), Total(None, 0, 64, low=-999, high=999), Total(None, 1, 64), Total(None, 2, 32, 1, high=40),
    Total(None, None, 32, 1), Total(None, 3, 64, 1),
)  # fmt: skip
"""People with a basket of which anything was sold, and those of the second table with two; what they sum to."""


def shape_of(rows: int, products: int, people: int, owners=(1, 3), helper: int = 2) -> StarShape:
    dimensions = (
        Dimension(TableSize(products, 1), owners[0], (THERE, PRICE)),
        Dimension(TableSize(people, 1), owners[1], (THERE,), of_lines=True),
    )
    return StarShape(rows, 0, helper, dimensions, (ROWS, BASKETS), CHOICES, COLUMNS, TOTALS)


def drawn(rows: int, products: int, people: int, seed: int):
    """QUERY's rows (product, basket, person, number), -1 for none, each basket one person's; and the tables."""
    rng = np.random.default_rng(seed)
    basket = rng.integers(0, max(1, rows // 2), rows)
    person = rng.integers(-1, 6, max(1, rows // 2))[basket]
    lines = np.stack([rng.integers(-1, 9, rows), basket, person, rng.integers(-50, 51, rows)], 1)
    lines = lines[np.lexsort((basket, np.where(person < 0, 99, person)))]
    sold = rng.permutation(12)[: rng.integers(0, products + 1)]
    known = rng.permutation(9)[: rng.integers(0, people + 1)]
    tables = [(sold, rng.integers(0, 100, len(sold))), (known, rng.integers(0, 10, len(known)))]
    return lines, tables


def of_query(lines: np.ndarray) -> StarRows:
    def keyed(column):
        keys = np.unique(column[column >= 0])
        return encoded(keys), np.where(column >= 0, np.searchsorted(keys, column), len(keys))

    (products, product), (people, person) = keyed(lines[:, 0]), keyed(lines[:, 2])
    change = np.flatnonzero(np.any(np.diff(lines[:, 1:3], axis=0) != 0, axis=1))
    last_rows = np.append(change, len(lines) - 1) if len(lines) else np.zeros(0, np.int64)
    of_baskets = lines[last_rows, 2]
    last_baskets = np.flatnonzero(np.append(np.diff(of_baskets) != 0, True)) if len(lines) else last_rows
    persons = (of_baskets[last_baskets] >= 0).astype(np.int64)[None]
    return StarRows([products, people], [product, person], lines[:, 3][None], [last_rows, last_baskets], persons)


def in_the_clear(lines: np.ndarray, tables) -> list[int]:
    (prices, known), totals = (dict(zip(*table, strict=True)) for table in tables), [0] * 6
    for person in set(lines[:, 2].tolist()) - {-1}:
        own = [row for row in lines.tolist() if row[2] == person and row[0] in prices]
        baskets = len({row[1] for row in own})
        if baskets:
            totals[0] += 1
            totals[1] += sum(row[3] for row in own)
            totals[2] += sum(row[3] * prices[row[0]] for row in own)
        if baskets > 1 and person in known:
            totals[3] += len(own)
            totals[4] += 1
            totals[5] += known[person]
    return [int(total) for total in totals]


async def at_each(ctx: Context, mine, shape: StarShape):
    own, tables = mine or (None, {})
    (totals,) = await star_totals(ctx, [shape], own, tables)
    return totals


async def run(world: World, shape: StarShape, lines, tables) -> list[int]:
    inputs = [None] * 4
    inputs[0] = of_query(lines), {}
    for number, (dimension, (ids, values)) in enumerate(zip(shape.dimensions, tables, strict=True)):
        _, own = inputs[dimension.owner] or (None, {})
        rows = Rows(encoded(np.asarray(ids, np.uint64)), np.asarray(values, np.int64)[None])
        inputs[dimension.owner] = None, own | {number: rows}
    shares = await world.run(at_each, inputs=inputs, shape=shape)
    assert [place for place, share in enumerate(shares) if share is not None] == sorted([shape.query, shape.helper])
    summed = shares[0] + shares[shape.helper]
    return [
        int(row[0]) % (1 << total.bits) - ((int(row[0]) >> total.bits - 1 & 1) << total.bits)
        for row, total in zip(summed, shape.totals, strict=True)
    ]


OWNERS = [((1, 3), 2), ((1, 1), 2), ((1, 2), 2), ((2, 1), 2)]
"""Two owners beside a helper, one of both tables, and two of which one helps the other."""


@given(rows=st.integers(0, 40), seed=st.integers(0, 999), owners=st.sampled_from(OWNERS))
@settings(max_examples=20)
async def test_totals_are_exact(rows, seed, owners):
    shape = shape_of(max(1, rows), 12, 9, *owners)
    lines, tables = drawn(rows, 12, 9, seed)
    async with World(4, seed=seed) as world:
        assert await run(world, shape, lines, tables) == in_the_clear(lines, tables)
    assert world.meter.size == traffic([shape])["B"]
    assert world.meter.rounds <= traffic([shape])["R"]


@pytest.mark.parametrize("owners", OWNERS)
async def test_traffic_has_one_shape_whatever_the_data(owners):
    shapes = []
    for rows, seed in ((0, 1), (70, 2), (70, 3)):
        async with World(4, seed=seed) as world:
            await run(world, shape_of(70, 12, 9, *owners), *drawn(rows, 12, 9, seed))
        shapes.append(world.meter.shape())
    assert shapes[0] == shapes[1] == shapes[2]


@pytest.mark.parametrize("owners", [((1, 3), 2), ((2, 1), 2)])
async def test_every_frame_is_noise(owners):
    """For one and the same data under many keys; places of picks are tested in `test_pick.py`, padding is QUERY's."""
    seen: dict[object, list[np.ndarray]] = {}
    for seed in range(12):
        async with World(4, seed=seed, keep=True) as world:
            await run(world, shape_of(60, 12, 9, *owners), *drawn(60, 12, 9, 5))
        for frame, octets in world.meter.seen.items():
            if not str(frame).endswith("places"):
                seen.setdefault(frame, []).append(np.frombuffer(octets, np.uint8))
    for frame, octets in seen.items():
        if "places" not in str(frame):
            assert_noise(frame, np.stack(octets))


def shapes_of(owners: int, rows: int, products: int, helper: int) -> list[StarShape]:
    """Of each owner's lines where no earlier owner has the person: whether anything was sold, how much, its cost."""
    shapes = []
    for place in range(owners):
        fellows = [Fellow(other, rows, other < place) for other in range(owners) if other != place]
        sums = [Shared(0, 0, 40), Shared(1, -9999, 9999)]
        for table, fellow in enumerate(fellows):
            if not fellow.earlier:
                theirs = (Payload(table, index, -9999, 9999) for index in range(2))
                added = (Operation("select", (Match(table), one, ZERO)) for one in theirs)
                sums = [Operation("add", pair) for pair in zip(sums, added, strict=True)]
        absent = [Operation("not", (Match(table),)) for table, fellow in enumerate(fellows) if fellow.earlier]
        choice = Operation("and", (PERSON, positive(sums[0]), *absent))
        dimension = Dimension(TableSize(products, 1), owners, (THERE, PRICE))
        totals = Total(None, None, 32), Total(None, 0, 64), Total(None, 1, 64, low=-99999, high=99999)
        level = (SOLD, ROWS[1])
        shapes.append(
            StarShape(rows, place, helper, (dimension,), (level,), (choice,), tuple(sums), totals, tuple(fellows))
        )
    return shapes


def of_owner(lines: np.ndarray) -> StarRows:
    """Rows (product, person, number), of which persons are lines."""
    lines = lines[np.argsort(np.where(lines[:, 1] < 0, 99, lines[:, 1]), kind="stable")]
    products, people = (np.unique(column[column >= 0]) for column in lines.T[:2])
    product = np.where(lines[:, 0] >= 0, np.searchsorted(products, lines[:, 0]), len(products))
    last = np.flatnonzero(np.append(np.diff(lines[:, 1]) != 0, True)) if len(lines) else np.zeros(0, np.int64)
    there = (lines[last, 1] >= 0).astype(np.int64)[None]
    return StarRows([encoded(products), encoded(people)], [product], lines[:, 2][None], [last], there)


async def at_every(ctx: Context, mine, shapes):
    own, tables = mine or (None, {})
    return await star_totals(ctx, shapes, own, tables)


@pytest.mark.parametrize(("owners", "apart"), [(2, True), (2, False), (3, True)])
@pytest.mark.parametrize("rows", [0, 1, 30])
async def test_lines_of_several_owners_are_added(owners, apart, rows):
    """A helper that owns nothing, or that owns the table; people at all owners, at some, and nowhere."""
    rng, helper = np.random.default_rng(rows + owners), owners + apart
    each = [rng.integers([-1, -1, -50], [9, 7, 51], (rows, 3)) for _ in range(owners)]
    prices = dict(zip(rng.permutation(9)[:6].tolist(), rng.integers(0, 100, 6).tolist(), strict=True))
    table = Rows(encoded(np.array(list(prices), np.uint64)), np.array([list(prices.values())]))
    shapes = shapes_of(owners, max(1, rows), 6, helper)
    inputs = [*((of_owner(lines), {}) for lines in each), (None, {0: table})]
    async with World(owners + 2, seed=rows) as world:
        shares = await world.run(at_every, inputs=inputs, shapes=shapes)
    assert world.meter.size == traffic(shapes)["B"]
    assert world.meter.rounds <= traffic(shapes)["R"]
    sums = sum(shares[party][place][:, 0] for place in range(owners) for party in (place, helper))
    sold = [row for lines in each for row in lines.tolist() if row[0] in prices and row[1] >= 0]
    expected = [len({row[1] for row in sold}), len(sold), sum(prices[row[0]] * row[2] for row in sold)]
    assert [int(sums[0]) % (1 << 32), *sums[1:].view(np.int64).tolist()] == expected
