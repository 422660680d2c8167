"""Whether any row with a key has its bit set, for each key that QUERY knows.

Functionality  any[g] = 1 if bit[i] = 1 in some row i of QUERY's g-th key, else 0
Parties        QUERY and HELPER hold and receive shares, QUERY has the keys; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        n, G and the most rows a key may have
Rounds         2 + L; L = log2 k, rounded up; k bits hold the most rows
Bytes          0.25 n + 3 w n + 4 G + 0.625 G K; w = 2 bytes up to 65 535 rows a key, else 4; K = k - 1
Source         psi.md 17 (bits to numbers, sums by key, a test for zero)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.bits import packed, unpacked
from glovebox.protocols.comparison import zero
from glovebox.protocols.flights import evaluated
from glovebox.protocols.gates import Column, counted
from glovebox.protocols.reduction import segment_sums
from glovebox.protocols.wires import Array, Gate
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
Index = NDArray[np.int64]


async def segment_any(ctx: Context, bits: U8 | None, ends: Index | None, n: int, rows: int, most: int) -> U8 | None:
    """XOR shares of the OR of each key's bits: (rows,) uint8 of 0 and 1 at QUERY and HELPER, None at TABLE.

    bits: (n,) uint8 of 0 and 1, 0 in padding rows. ends: as in `segment_sums`. most: rows a key has at most, public.
    n, rows: multiples of 64.
    """
    me = ctx.role or Role.TABLE
    ring: type[np.unsignedinteger[Any]] = np.uint16 if most < 1 << 16 else np.uint32
    column = np.empty(0, np.uint8) if bits is None else packed(bits)
    ones = await evaluated(ctx.narrow("count"), _counted(me, column, np.dtype(ring)), n)
    sums = await segment_sums(ctx.narrow("sums"), None if bits is None else ones[None], ends, 1, n, rows, ring)
    found = await evaluated(ctx.narrow("any"), _any(me, ones[:0] if sums is None else sums[0], most), rows)
    return None if bits is None else await ctx.compute(unpacked, found)


def traffic(n: int, rows: int, most: int) -> dict[str, float]:
    """The sizes of the card."""
    k = most.bit_length()
    return {"n": n, "G": rows, "L": math.ceil(math.log2(k)), "K": k - 1, "w": 2 if most < 1 << 16 else 4}


def _counted(me: Role, bits: U8, ring: np.dtype[Any]) -> Gate[Array]:
    return (yield from counted(Column(me, bits), ring)).share


def _any(me: Role, sums: Array, most: int) -> Gate[Array]:
    none = yield from zero(me, sums, most.bit_length())
    return none ^ np.uint8(0xFF if me is Role.QUERY else 0)
