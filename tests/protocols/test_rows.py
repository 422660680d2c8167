"""Expressions over aligned rows: what plain Python says, at the stated price.

What a role could tell from what it receives is in `test_gates.py` and `test_comparison.py`: expressions send nothing of
their own. Which gates run follows from the expressions alone, so sizes and order of frames do (tested here).
"""

from __future__ import annotations

import operator

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from glovebox.errors import Refused
from glovebox.protocols.expression import Constant, Match, Operation, Payload, Value, kind_of, parts_of
from glovebox.protocols.rows import Aligned, expressed, traffic
from glovebox.runtime.world import World

N, TABLES, COLUMNS, BOUND = 64, 2, 2, 1000
VALUES = [Value(index, -BOUND, BOUND) for index in range(COLUMNS)]
PAYLOADS = [Payload(table, index, -BOUND, BOUND) for table in range(TABLES) for index in range(COLUMNS)]
MATCHES = [Match(table) for table in range(TABLES)]
BOUGHT, SEEN = Value(0, 0, 3650), Payload(0, 0, 0, 3650)


def op(name: str, *arguments) -> Operation:
    return Operation(name, arguments)


def within(x, low: int, high: int) -> Operation:
    return op("within", x, Constant(low), Constant(high))


def rows(seed: int, low: int = -BOUND, high: int = BOUND):
    """Matches, payloads that are noise where there is none, and values."""
    rng = np.random.default_rng(seed)
    matches = rng.integers(0, 2, (TABLES, N), dtype=np.uint8)
    noise = rng.integers(-(1 << 63), 1 << 63, (TABLES, COLUMNS, N))
    payloads = np.where(matches[:, None], rng.integers(low, high, (TABLES, COLUMNS, N), endpoint=True), noise)
    return matches, payloads, rng.integers(low, high, (COLUMNS, N), endpoint=True)


def shared(columns, seed: int = 1) -> tuple[Aligned, Aligned]:
    matches, payloads, values = columns
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, matches.shape, dtype=np.uint8)
    numbers = rng.integers(0, 1 << 64, payloads.shape, dtype=np.uint64)
    return Aligned(matches ^ bits, payloads.view(np.uint64) - numbers, values), Aligned(bits, numbers, None)


async def evaluated(expressions, columns) -> list[np.ndarray]:
    query, helper = shared(columns)
    async with World(seed=5) as world:
        got = await world.run(expressed, expressions=expressions, n=N, query=query, helper=helper)
    assert world.matches_card(expressed, n=N, **traffic(expressions))
    largest = max((frame.size for frame in world.meter.frames), default=0)
    assert largest == N * traffic(expressions)["M"]
    assert got.table is None
    pairs = zip(got.query, got.helper, strict=True)
    return [u ^ v if u.dtype == np.uint8 else (u + v).view(np.int64) for u, v in pairs]


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


def made(name: str, *arguments) -> Operation:
    """An operation, of a column if of constants alone."""
    constant = all(isinstance(one, Constant) for one in arguments)
    return op(name, VALUES[0], *arguments[1:]) if constant else op(name, *arguments)


COLUMN = st.sampled_from([*VALUES, *PAYLOADS])
NUMBERS = st.deferred(lambda: COLUMN | st.integers(-BOUND, BOUND).map(Constant) | MADE)
MADE = st.deferred(
    lambda: (
        st.builds(made, st.sampled_from(["add", "subtract", "multiply"]), NUMBERS, NUMBERS)
        | st.builds(made, st.just("negate"), NUMBERS)
        | st.builds(made, st.just("select"), BITS, NUMBERS, NUMBERS)
    )
)
BITS = st.deferred(
    lambda: (
        st.sampled_from(MATCHES)
        | st.builds(made, st.sampled_from(["less", "equal"]), NUMBERS, NUMBERS)
        | st.builds(
            lambda x, low, width: within(x, low, low + width), COLUMN | MADE, st.integers(-99, 9), st.integers(0, 99)
        )
        | st.lists(BITS, min_size=2, max_size=3).map(lambda bits: op("and", *bits))
        | st.lists(BITS, min_size=2, max_size=3).map(lambda bits: op("or", *bits))
        | st.builds(made, st.just("not"), BITS)
        | st.builds(made, st.just("select"), BITS, BITS, BITS)
        | st.builds(made, st.just("equal"), BITS, BITS)
    )
)


@given(expressions=st.lists(COLUMN | MADE | BITS, min_size=1, max_size=4), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
async def test_any_expressions_of_any_rows(expressions, seed):
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
