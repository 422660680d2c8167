"""Gates under test: run on shares of columns, opened, priced, and looked at as each receiver sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glovebox.algebra.bits import packed, unpacked
from glovebox.protocols.flights import Cost, cost_of, evaluated
from glovebox.runtime.context import Context, Role
from glovebox.runtime.world import Outputs, World

from .noise import assert_noise

QUERY, TABLE, HELPER = 0, 1, 2
RUNS = 40
Columns = Sequence[np.ndarray]


def split(column: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Shares of a column: packed bits by XOR, numbers by addition."""
    theirs = rng.integers(0, np.iinfo(column.dtype).max, column.shape, dtype=column.dtype, endpoint=True)
    return (column ^ theirs if column.dtype == np.uint8 else column - theirs), theirs


def joined(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """The column that two shares make."""
    return mine ^ theirs if mine.dtype == np.uint8 else mine + theirs


async def gated(ctx: Context, columns: Columns, make: Callable[..., Any], n: int) -> Any:
    """A gate as a protocol: make(role, *columns)."""
    return await evaluated(ctx, make(ctx.role, *columns), n)


async def run(world: World, make: Callable[..., Any], n: int, query: Columns, helper: Columns) -> Outputs:
    """The results of a gate; TABLE runs it on no rows."""
    table = [column[..., :0] for column in query]
    return await world.run(gated, make=make, n=n, query=query, table=table, helper=helper)


async def result(
    make: Callable[..., Any], n: int, *columns: np.ndarray, known: Sequence[int] = (), seed: int = 7
) -> np.ndarray:
    """What a gate makes of columns, shared or (by number) known to QUERY.

    Its rounds, bytes and largest frame are the stated ones, and TABLE gets no row.
    """
    shares = [
        (column, np.zeros_like(column)) if index in known else split(column, np.random.default_rng(seed + index))
        for index, column in enumerate(columns)
    ]
    async with World(seed=seed) as world:
        got = await run(world, make, n, [one for one, _ in shares], [one for _, one in shares])
    assert got.table.shape[-1] == 0
    assert price(world, n) == cost_of(make(Role.TABLE, *(column[..., :0] for column in columns)))
    return joined(got.query, got.helper)


def price(world: World, n: int) -> Cost:
    """What the last run took, as `cost_of` states it."""
    frames = world.meter.frames
    dealt = sum(frame.size for frame in frames if frame.sender == TABLE)
    most = max((frame.size for frame in frames), default=0)
    return Cost(world.meter.rounds, (world.meter.size - dealt) / n, dealt / n, most / n)


async def assert_masked(make: Callable[..., Any], n: int, columns: Columns) -> None:
    """Every frame and result is noise to its receiver, though both parties' shares are these, the same in each run.

    And what TABLE deals is a function of the keys alone, the order and sizes of frames of n alone.
    """
    seen: dict[Any, list[np.ndarray]] = {}
    async with World(seed=13, keep=True) as world:
        for _ in range(RUNS):
            got = await run(world, make, n, columns, columns)
            assert not [frame for frame in world.meter.frames if frame.receiver == TABLE]
            for frame, octets in (world.meter.seen | {"query": got.query, "helper": got.helper}).items():
                seen.setdefault(frame, []).append(np.frombuffer(np.ascontiguousarray(octets).tobytes(), np.uint8))
    assert len(seen) > 3
    for frame, octets in seen.items():
        assert_noise(frame, np.stack(octets))
    dealt, shapes = [], []
    for turn in range(2):
        other = [np.full_like(column, np.iinfo(column.dtype).max * turn) for column in columns]
        async with World(seed=3, keep=True) as world:
            await run(world, make, n, other, columns)
        dealt.append({frame: octets for frame, octets in world.meter.seen.items() if frame[0] == TABLE})
        shapes.append(world.meter.shape())
    assert dealt[0] == dealt[1]
    assert shapes[0] == shapes[1]


def bits_of(column: np.ndarray) -> np.ndarray:
    """Booleans as packed bits."""
    return packed(column.astype(np.uint8))


def rows_of(octets: np.ndarray) -> np.ndarray:
    """Packed bits as booleans."""
    return unpacked(np.ascontiguousarray(octets)).astype(bool)
