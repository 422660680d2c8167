"""Many small runs of two owners alone, of random sizes, overlaps, values and shapes: every total must be exact.

    python -m benchmarks.two_owners_exact [runs] [seed]

Prints how many runs were exact; 1 if one was not. Transfers are made for some runs at a time, each used once.
"""

from __future__ import annotations

import asyncio
import functools
import operator
import random
import sys
import time

import numpy as np

from glovebox.protocols.intersection import JoinShape, Rows
from glovebox.protocols.totals import Total
from glovebox.protocols.two_party.intersection import JointShape, joined_totals, needs_of
from glovebox.protocols.two_party.prepared import Needs, Prepared, prepare
from glovebox.runtime.context import Context
from glovebox.runtime.world import World

AT_ONCE = 25
MOST_ROWS = 300
MOST = 1 << 20


def main() -> int:
    """Run so many; 0 if all are exact."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    began, exact = time.perf_counter(), 0
    for first in range(0, runs, AT_ONCE):
        exact += asyncio.run(exact_runs(random.Random(f"{seed}/{first}"), min(AT_ONCE, runs - first)))
        print(f"\r{exact} of {min(first + AT_ONCE, runs)} exact", end="", file=sys.stderr)
    print(f"\n{exact} of {runs} runs exact, {time.perf_counter() - began:.0f} s")
    return int(exact != runs)


async def exact_runs(rng: random.Random, count: int) -> int:
    """How many of so many random runs are exact."""
    cases = [case(rng) for _ in range(count)]
    needs = functools.reduce(operator.add, (needs_of(shape) for shape, _, _ in cases), Needs())
    async with World(2, seed=rng.getrandbits(32)) as world:
        made = await world.run(prepare, needs=needs)
        shapes = [shape for shape, _, _ in cases]
        got = await world.run(
            _all, query=(made.query, [one for _, one, _ in cases]), table=(made.table, [two for _, _, two in cases]),
            shapes=shapes,
        )  # fmt: skip
    return sum(
        _signed(shape, one + two) == in_the_clear(shape, query, table)
        for (shape, query, table), one, two in zip(cases, got.query, got.table, strict=True)
    )


async def _all(ctx: Context, own: tuple[Prepared, list[Rows]], shapes: list[JointShape]) -> list[np.ndarray]:
    prepared, rows = own
    return [
        await joined_totals(ctx.narrow(f"run{number}"), shape, mine, prepared)
        for number, (shape, mine) in enumerate(zip(shapes, rows, strict=True))
    ]


def case(rng: random.Random) -> tuple[JointShape, Rows, Rows]:
    """A shape, and rows of both owners that overlap by any number of ids."""
    sizes = rng.randint(0, MOST_ROWS), rng.randint(0, MOST_ROWS)
    both = rng.choice([0, min(sizes), rng.randint(0, min(sizes))])
    ids = rng.sample(range(1 << 62), sum(sizes) - both)
    tables = ids[: sizes[0]], ids[sizes[0] - both :]
    groups = rng.choice([(1, 1), (1, 1), (3, 1), (1, 2), (2, 3)])
    some = [
        Total(None, None, 32), Total(0, None, 64), Total(None, 0, 64), Total(0, 0, 64), Total(0, None, 64, 0, "left"),
        Total(None, None, 32, 0, "anti"), Total(0, 0, 64, 0, "left"),
    ]  # fmt: skip
    totals = rng.sample(some[:4] if groups[1] > 1 else some, rng.randint(1, 3))
    bounds = [size + rng.randint(0, 40) or 1 for size in sizes]
    inner = JoinShape(bounds[0], bounds[1], 1, tuple(totals), *groups)
    rows = [_rows(rng, own, count) for own, count in zip(tables, groups, strict=True)]
    return JointShape(inner, ((-MOST, MOST),)), rows[0], rows[1]


def _rows(rng: random.Random, ids: list[int], groups: int) -> Rows:
    rng.shuffle(ids)
    octets = np.zeros((len(ids), 32), np.uint8)
    octets[:, :8], octets[:, 24] = np.array(ids, np.uint64).view(np.uint8).reshape(-1, 8), 0x80
    values = np.array([[rng.randint(-MOST, MOST) for _ in ids]], np.int64)
    return Rows(octets, values, np.array([rng.randrange(groups) for _ in ids], np.int64) if groups > 1 else None)


def in_the_clear(shape: JointShape, query: Rows, table: Rows) -> list[list[int]]:
    """All totals by group, in plain Python."""
    inner = shape.inner
    there = {one.tobytes(): place for place, one in enumerate(table.ids)}
    out = [[0] * inner.groups for _ in inner.totals]
    for place, one in enumerate(query.ids):
        match = there.get(one.tobytes())
        group = 0 if query.groups is None else int(query.groups[place])
        cell = group * inner.table_groups
        if match is not None and table.groups is not None:
            cell += int(table.groups[match])
        for sums, total in zip(out, inner.totals, strict=True):
            value = 1 if total.value is None else int(query.values[total.value, place])
            if match is None:
                sums[cell] += value if total.outer else 0
            elif total.outer != "anti":
                sums[cell] += value * (1 if total.payload is None else int(table.values[total.payload, match]))
    return out


def _signed(shape: JointShape, shares: np.ndarray) -> list[list[int]]:
    found = []
    for total, line in zip(shape.inner.totals, shares.tolist(), strict=True):
        ring = 1 << total.bits
        numbers = [number % ring for number in line]
        found.append([number - ring if number >= ring // 2 else number for number in numbers])
    return found


if __name__ == "__main__":
    sys.exit(main())
