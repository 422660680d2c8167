"""Shares of small numbers in a small ring become shares of their sums in a large one.

Functionality  sum[j] = sum over block j of the numbers x = a + b mod 2^s, in Z_2^32 or Z_2^64; 0 <= x < 2^(s - 1)
Parties        QUERY has a, HELPER b; they receive shares; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        n and the shape of the sums
Rounds         2
Bytes          D + n V + K; as of `products`, of one job a sum
Source         own; the carry of two shares, seen from their top bits alone since the number's own is 0

Without a carry a + b = x < 2^(s - 1), so neither top bit is set; with one a + b >= 2^s, so at least one is. Hence
x = a + b - 2^s (a' or b') with top bits a' and b', and a' or b' = a' + b' - a' b': only a' b' needs both parties.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.ring import RINGS, Ring, block_sums
from glovebox.protocols import products
from glovebox.protocols.products import Job
from glovebox.runtime.context import Context, Role

U64 = NDArray[np.uint64]


class Lift(NamedTuple):
    """One sum: the bits of its ring, and the least that a number of it can be, at most 0."""

    bits: int
    least: int


def traffic(lifts: Sequence[Lift], n: int, blocks: int) -> dict[str, float]:
    """The sizes of the card: see `products.traffic`."""
    return products.traffic(_jobs(lifts, blocks), n)


async def lifted(ctx: Context, lifts: Sequence[Lift], numbers: list[Ring] | None, n: int, blocks: int) -> U64 | None:
    """Shares of the sums: (lifts, blocks) uint64, in their rings; None at TABLE.

    numbers: (n,) of each sum, in the small ring, at QUERY and HELPER. n: a multiple of the blocks.
    """
    jobs = _jobs(lifts, blocks)
    if numbers is None or ctx.role is None:
        await products.products(ctx, jobs, n)
        return None
    if ctx.role is Role.QUERY:  # from x - least, which is not negative, back to x
        numbers = [
            own - own.dtype.type(lift.least % (1 << _width(own))) for own, lift in zip(numbers, lifts, strict=True)
        ]
    tops = np.stack([(own >> own.dtype.type(_width(own) - 1)).astype(np.uint8) for own in numbers])
    carries = await products.products(ctx, jobs, n, tops, lambda number: tops[number].astype(jobs[number].ring))
    sums = [
        _sum(ctx.role, lift, own, top, carry)
        for lift, own, top, carry in zip(lifts, numbers, tops, carries or [], strict=True)
    ]
    return np.stack(sums)


def _sum(role: Role, lift: Lift, own: Ring, top: NDArray[np.uint8], carry: Ring) -> U64:
    ring, over = RINGS[lift.bits], RINGS[lift.bits](1 << _width(own))
    alone: Ring = block_sums(own.astype(ring) - over * top.astype(ring), len(carry)) + over * carry
    if role is Role.QUERY:
        alone = alone + ring(lift.least * (len(own) // len(carry)) % (1 << lift.bits))
    return alone.astype(np.uint64)


def _width(numbers: NDArray[Any]) -> int:
    return 8 * numbers.itemsize


def _jobs(lifts: Sequence[Lift], blocks: int) -> list[Job]:
    return [Job(lift.bits, blocks, Role.HELPER, row) for row, lift in enumerate(lifts)]
