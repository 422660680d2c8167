"""Expressions over aligned rows for tests: made, shared, and evaluated at the stated price."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from glovebox.protocols.expression import Constant, Expression, Operation
from glovebox.protocols.rows import Aligned, expressed, traffic
from glovebox.runtime.world import World

N = 64


def op(name: str, *arguments) -> Operation:
    return Operation(name, arguments)


def within(x, low: int, high: int) -> Operation:
    return op("within", x, Constant(low), Constant(high))


def shared(columns, seed: int = 1) -> tuple[Aligned, Aligned]:
    matches, payloads, values = columns
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, matches.shape, dtype=np.uint8)
    numbers = rng.integers(0, 1 << 64, payloads.shape, dtype=np.uint64)
    return Aligned(matches ^ bits, payloads.view(np.uint64) - numbers, values), Aligned(bits, numbers, None)


async def evaluated(expressions: Sequence[Expression], columns) -> list[np.ndarray]:
    query, helper = shared(columns)
    async with World(seed=5) as world:
        got = await world.run(expressed, expressions=expressions, n=N, query=query, helper=helper)
    assert world.matches_card(expressed, n=N, **traffic(expressions))
    largest = max((frame.size for frame in world.meter.frames), default=0)
    assert largest == N * traffic(expressions)["M"]
    assert got.table is None
    pairs = zip(got.query, got.helper, strict=True)
    return [u ^ v if u.dtype == np.uint8 else (u + v).view(np.int64) for u, v in pairs]
