"""Expressions over aligned rows: what plain Python says, at the stated price.

What a role could tell from what it receives is in `test_gates.py` and `test_comparison.py`: expressions send nothing of
their own. Which gates run follows from the expressions alone, so sizes and order of frames do (tested here).
"""

from __future__ import annotations

import operator
import random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from glovebox.errors import Refused
from glovebox.protocols.expression import Constant, Match, Payload, Value, kind_of, parts_of
from glovebox.protocols.rows import expressed, traffic
from glovebox.runtime.world import World

from .alignment import N, evaluated, op, shared, within

TABLES, COLUMNS, BOUND = 2, 2, 1000
VALUES = [Value(index, -BOUND, BOUND) for index in range(COLUMNS)]
PAYLOADS = [Payload(table, index, -BOUND, BOUND) for table in range(TABLES) for index in range(COLUMNS)]
MATCHES = [Match(table) for table in range(TABLES)]
BOUGHT, SEEN = Value(0, 0, 3650), Payload(0, 0, 0, 3650)


def rows(seed: int, low: int = -BOUND, high: int = BOUND):
    """Matches, payloads that are noise where there is none, and values."""
    rng = np.random.default_rng(seed)
    matches = rng.integers(0, 2, (TABLES, N), dtype=np.uint8)
    noise = rng.integers(-(1 << 63), 1 << 63, (TABLES, COLUMNS, N))
    payloads = np.where(matches[:, None], rng.integers(low, high, (TABLES, COLUMNS, N), endpoint=True), noise)
    return matches, payloads, rng.integers(low, high, (COLUMNS, N), endpoint=True)


def in_the_clear(expression, columns, row: int) -> int:
    matches, payloads, values = columns
    match expression:
        case Value(index=index):
            return int(values[index][row])
        case Payload(table=table, index=index):
            return int(payloads[table][index][row])
        case Match(table=table):
            return int(matches[table][row])
        case Constant(number=number):
            return number
    found = [in_the_clear(one, columns, row) for one in expression.arguments]
    return int(PYTHON[expression.operator](*found))


PYTHON = {
    "add": operator.add, "subtract": operator.sub, "negate": operator.neg, "multiply": operator.mul,
    "less": operator.lt, "equal": operator.eq, "within": lambda x, low, high: low <= x <= high,
    "and": lambda *bits: all(bits), "or": lambda *bits: any(bits), "not": operator.not_,
    "select": lambda bit, x, y: x if bit else y,
}  # fmt: skip


def grown(rng: random.Random, depth: int, bit: bool):
    """A random expression: drawing one from strategies takes ten times as long as evaluating it."""
    if depth == 0 or rng.random() < 0.1:
        return rng.choice(MATCHES) if bit else rng.choice([*VALUES, *PAYLOADS, Constant(rng.randint(-BOUND, BOUND))])
    name = rng.choice(list(OF_BITS if bit else OF_NUMBERS))
    arguments = [grown(rng, depth - 1, one) for one in (OF_BITS if bit else OF_NUMBERS)[name]]
    if all(isinstance(one, Constant) for one in arguments):
        arguments[0] = VALUES[0]
    if name == "within":
        low = rng.randint(-99, 9)
        return within(arguments[0], low, low + rng.randint(0, 99))
    return op("equal" if name == "agree" else name, *arguments)


NUMBER, BIT = False, True
OF_NUMBERS = {
    "add": [NUMBER, NUMBER], "subtract": [NUMBER, NUMBER], "multiply": [NUMBER, NUMBER], "negate": [NUMBER],
    "select": [BIT, NUMBER, NUMBER],
}  # fmt: skip
OF_BITS = {
    "less": [NUMBER, NUMBER], "equal": [NUMBER, NUMBER], "within": [NUMBER], "agree": [BIT, BIT], "not": [BIT],
    "and": [BIT, BIT, BIT], "or": [BIT, BIT], "select": [BIT, BIT, BIT],
}  # fmt: skip


@given(seed=st.integers(0, 10**6))
@settings(max_examples=80)
async def test_any_expressions_of_any_rows(seed):
    rng = random.Random(seed)
    grown_ones = [grown(rng, rng.randint(1, 4), rng.random() < 0.5) for _ in range(3)]
    expressions = [one for one in grown_ones if not isinstance(one, Constant)]
    try:
        kinds = [kind_of(one) for one in expressions]
    except Refused:
        assume(False)
    columns = rows(seed)
    for expression, kind, got in zip(expressions, kinds, await evaluated(expressions, columns), strict=True):
        assert got.dtype == (np.uint8 if kind.bit else np.int64)
        sound = columns[0][sorted(kind.noisy)].all(axis=0)
        empty = ~columns[0][sorted(kind.matched)].all(axis=0) if kind.matched else np.zeros(N, bool)
        for row in np.flatnonzero(sound):
            expected = in_the_clear(expression, columns, row)
            assert got[row] == expected
            assert kind.low <= expected <= kind.high
        assert not got[empty].any()


@pytest.mark.parametrize(
    ("low", "high"), [(0, 7), (-7, 0), (3, 3), (-3650, 3650), (-99999, 3650), (9999, 10000), (-5, 99999)]
)
async def test_within_days(low, high):
    columns = rows(3, 0, 3650)
    (got,) = await evaluated([op("and", Match(0), within(op("subtract", SEEN, BOUGHT), low, high))], columns)
    days = columns[1][0][0] - columns[2][0]
    np.testing.assert_array_equal(got, (low <= days) & (days <= high) & columns[0][0])


@pytest.mark.parametrize("edge", [-(1 << 61), -1, 0, 1, (1 << 61) - 1])
async def test_numbers_at_the_ends_of_their_range_compare(edge):
    wide = Value(0, -(1 << 61), (1 << 61) - 1), Payload(0, 0, -(1 << 61), (1 << 61) - 1)
    ones, others = np.ones((TABLES, N), np.uint8), np.resize([-(1 << 61), -1, 0, 1, (1 << 61) - 1], N)
    columns = ones, np.full((TABLES, COLUMNS, N), edge), np.stack([others, others])
    less, equal = await evaluated([op("less", *wide), op("equal", *wide)], columns)
    np.testing.assert_array_equal(less, others < edge)
    np.testing.assert_array_equal(equal, others == edge)


def test_a_part_that_stands_twice_is_evaluated_once():
    day = within(op("subtract", SEEN, BOUGHT), 0, 7)
    amount = op("select", op("and", Match(0), day), Payload(0, 1, 0, 99), Constant(0))
    assert len(parts_of([amount, day])) == 10
    assert traffic([amount, day]) == traffic([amount])


@pytest.mark.parametrize(("expression", "rounds", "bytes_a_row"), [
    (op("less", VALUES[0], VALUES[1]), 0, 0),
    (op("add", PAYLOADS[0], op("multiply", PAYLOADS[1], Constant(3))), 0, 0),
    (op("multiply", PAYLOADS[0], VALUES[0]), 1, 24),
    (op("multiply", PAYLOADS[0], PAYLOADS[2]), 1, 40),
    (op("multiply", PAYLOADS[0], PAYLOADS[0]), 1, 24),
    (op("select", MATCHES[0], PAYLOADS[0], Constant(0)), 1, 32.25),
    (op("select", MATCHES[0], VALUES[0], Constant(0)), 1, 16.125),
    (op("select", MATCHES[0], Constant(5), Constant(3)), 1, 8.25),
    (op("select", op("less", VALUES[0], Constant(0)), PAYLOADS[0], VALUES[1]), 1, 16.125),
    (op("and", MATCHES[0], MATCHES[1]), 1, 0.625),
    (op("and", MATCHES[0], op("less", VALUES[0], Constant(0))), 1, 0.375),
    (op("or", *MATCHES, op("less", VALUES[0], Constant(0)), op("less", VALUES[1], Constant(0))), 2, 1),
    (within(op("subtract", SEEN, BOUGHT), 0, 7), 5, 21.75),
])  # fmt: skip
def test_what_query_knows_takes_the_cheaper_gate(expression, rounds, bytes_a_row):
    cost = traffic([expression])
    assert (cost["F"], cost["O"] + cost["D"]) == (rounds, bytes_a_row)


@pytest.mark.parametrize(("expression", "noisy", "matched"), [
    (PAYLOADS[0], {0}, ()),
    (op("add", PAYLOADS[0], PAYLOADS[2]), {0, 1}, ()),
    (op("less", PAYLOADS[0], PAYLOADS[2]), {0, 1}, ()),
    (op("and", MATCHES[0], op("less", PAYLOADS[0], PAYLOADS[2])), {1}, {0}),
    (op("and", MATCHES[0], MATCHES[1], op("less", PAYLOADS[0], PAYLOADS[2])), (), {0, 1}),
    (op("or", MATCHES[0], MATCHES[1]), (), ()),
    (op("or", MATCHES[0], op("less", PAYLOADS[0], Constant(0))), {0}, ()),
    (op("not", MATCHES[0]), (), ()),
    (op("select", MATCHES[0], PAYLOADS[0], Constant(0)), (), ()),
    (op("select", op("not", MATCHES[0]), Constant(0), PAYLOADS[0]), {0}, ()),
    (op("select", op("less", PAYLOADS[0], Constant(0)), MATCHES[0], MATCHES[0]), (), {0}),
])  # fmt: skip
def test_a_kind_says_where_there_is_noise(expression, noisy, matched):
    kind = kind_of(expression)
    assert (kind.noisy, kind.matched) == (frozenset(noisy), frozenset(matched))


@pytest.mark.parametrize("expression", [
    op("add", VALUES[0], MATCHES[0]), op("less", VALUES[0]), op("and", MATCHES[0]), op("and", MATCHES[0], VALUES[0]),
    op("not", VALUES[0]),
    op("within", VALUES[0], VALUES[1], Constant(3)), op("select", VALUES[0], VALUES[0], VALUES[0]),
    op("select", MATCHES[0], MATCHES[0], VALUES[0]), op("equal", MATCHES[0], VALUES[0]), Value(0, 3, 2),
    op("add", Constant(1), Constant(2)), op("negate", MATCHES[0]), op("negate", Constant(1)),
])  # fmt: skip
def test_what_is_malformed_has_no_kind(expression):
    with pytest.raises(ValueError, match=r"does not work|lower end"):
        kind_of(expression)


@pytest.mark.parametrize("expression", [
    Value(0, 0, 1 << 62),
    Payload(0, 0, -(1 << 62), 0),
    op("multiply", Value(0, 0, 1 << 31), Payload(0, 0, 0, 1 << 31)),
    op("add", Value(0, 0, 1 << 61), Payload(0, 0, 0, 1 << 61)),
    op("select", MATCHES[0], Constant(1 << 62), Constant(0)),
])  # fmt: skip
def test_a_number_that_could_overflow_is_refused(expression):
    with pytest.raises(Refused, match="could reach 2"):
        kind_of(expression)


async def test_traffic_has_one_shape_whatever_the_data():
    amount = op(
        "select", within(op("subtract", SEEN, BOUGHT), 0, 7), PAYLOADS[1], op("multiply", PAYLOADS[2], VALUES[1])
    )
    shapes = []
    for seed in range(2):
        query, helper = shared(rows(seed), seed)
        async with World(seed=5) as world:
            await world.run(expressed, expressions=[amount], n=N, query=query, helper=helper)
        shapes.append(world.meter.shape())
    assert shapes[0] == shapes[1]


async def test_a_constant_is_no_column():
    with pytest.raises(ValueError, match="constant"):
        traffic([Constant(3)])
