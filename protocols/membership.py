"""Equality to all ones, a shared bit a row: which of QUERY's rows are in TABLE, known to nobody.

Functionality  b[i] = 1 if query[i] ^ helper[i] is all ones in 64 bits, or 72, else 0; b = query ^ helper
Parties        QUERY and HELPER hold and receive shares; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        n
Rounds         6 + U; U is 1 with 72 bits, else 0
Bytes          39.375 n + 5 n U
Source         Beaver, CRYPTO 1991 (dealt AND); psi.md 7 (layout of the tree)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.bits import halves, rows_in_order
from glovebox.algebra.streams import Stream
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]
LAYERS = 6  # log2 of the 64 bits of a tag
BYTE_LAYER = 2  # whose halves are neighbouring bytes, see algebra/bits.py


async def all_ones(ctx: Context, tags: U64 | None, n: int, more: U64 | None = None, wide: bool = False) -> U8 | None:
    """Share whether two tags are complements.

    tags: (n,) uint64 at QUERY and HELPER, None at TABLE. n: a multiple of 64, public. more: (n,) uint64, whose low byte
    is 8 bits more of the tags, if they are wide. Returns (n,) uint8 of 0 and 1, XOR shares; None at TABLE.
    """
    if wide:
        step = ctx.narrow("wide")
        pairs = None if tags is None or more is None else await ctx.compute(_paired, tags, more)
        low = await and_halves(step, pairs, 2 * n, BYTE_LAYER)
        tags = None if tags is None or low is None else await ctx.compute(_with_low, tags, low)
    bits = None if tags is None else tags.view(np.uint8)
    for layer in range(LAYERS):
        bits = await and_halves(ctx.narrow(f"and{layer}"), bits, 8 * n >> layer, layer)
    return None if bits is None else await ctx.compute(rows_in_order, bits)


def _paired(tags: U64, more: U64) -> U8:
    """The low byte of each tag, and beside it the 8 bits more."""
    return np.stack([tags, more], axis=1).astype(np.uint8).reshape(-1)


def _with_low(tags: U64, low: U8) -> U64:
    """The tags with another low byte."""
    return (tags & ~np.uint64(0xFF)) | low


async def and_halves(ctx: Context, bits: U8 | None, size: int, layer: int) -> U8 | None:
    """AND the left with the right half of every row's remaining bits [Beaver91].

    bits: (size,) uint8 at QUERY and HELPER. Returns (size // 2,) uint8, None at TABLE.
    """
    match ctx.role:
        case Role.TABLE:
            masks = ctx.stream(Role.QUERY, "d"), ctx.stream(Role.HELPER, "d"), ctx.stream(Role.HELPER, "c")
            await ctx.send(Role.QUERY, await ctx.compute(_correction, *masks, size, layer), "c")
            return None
        case Role.QUERY:
            mask, masked = await ctx.compute(_masked, ctx.stream(Role.TABLE, "d"), bits)
            await ctx.send(Role.HELPER, masked, "d")
            theirs = await ctx.receive(Role.HELPER, np.uint8, size, "d")
            correction = await ctx.receive(Role.TABLE, np.uint8, size // 2, "c")
            return await ctx.compute(_product_at_query, masked, theirs, mask, correction, layer)
        case Role.HELPER:
            mask, masked = await ctx.compute(_masked, ctx.stream(Role.TABLE, "d"), bits)
            await ctx.send(Role.QUERY, masked, "d")
            theirs = await ctx.receive(Role.QUERY, np.uint8, size, "d")
            return await ctx.compute(_product_at_helper, masked, theirs, mask, ctx.stream(Role.TABLE, "c"), layer)
        case None:
            raise ValueError("only QUERY, TABLE and HELPER take part")


def _correction(of_query: Stream, of_helper: Stream, gamma: Stream, size: int, layer: int) -> U8:
    """(A & B) ^ gamma: QUERY's share of the product of the masks; HELPER's is gamma."""
    left, right = halves(of_query.read(size, np.uint8) ^ of_helper.read(size, np.uint8), layer)
    product: U8 = (left & right).view(np.uint8)
    return product ^ gamma.read(size // 2, np.uint8)


def _masked(stream: Stream, bits: U8) -> tuple[U8, U8]:
    mask = stream.read(len(bits), np.uint8)
    return mask, bits ^ mask


def _cross(opened: U8, mask: U8, layer: int) -> tuple[U8, U8]:
    """(D_X & a_Y) ^ (D_Y & a_X), and D_X & D_Y."""
    (d_x, d_y), (a_x, a_y) = halves(opened, layer), halves(mask, layer)
    return ((d_x & a_y) ^ (d_y & a_x)).view(np.uint8), (d_x & d_y).view(np.uint8)


def _product_at_query(mine: U8, theirs: U8, mask: U8, correction: U8, layer: int) -> U8:
    crossed, opened = _cross(mine ^ theirs, mask, layer)
    return crossed ^ opened ^ correction


def _product_at_helper(mine: U8, theirs: U8, mask: U8, gamma: Stream, layer: int) -> U8:
    crossed, _ = _cross(mine ^ theirs, mask, layer)
    return crossed ^ gamma.read(len(mine) // 2, np.uint8)
