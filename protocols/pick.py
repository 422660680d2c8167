"""QUERY picks blocks of shared columns, and nobody else learns which; all blocks once is a permutation by QUERY.

Functionality  picked[c, g] = column[c, end[g]]; the indices end are distinct and QUERY's; query + helper mod 2^64
Parties        QUERY and HELPER hold and receive shares, QUERY has the indices; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams; HELPER refuses a repeated index
Leakage        C, b and G
Rounds         1
Bytes          2 w C b + 4 G; C columns of w bytes, b blocks, G picks
Source         permutation correlation of Chase, Ghosh, Poburinnaya 2020, only G outputs used; psi.md 8 (step 2), 9

TABLE deals a random permutation rho, known to QUERY, and two masks a, a' of the columns, known to HELPER: the places of
r are permuted, so that QUERY may name rho[end] in the clear. To HELPER these are G of b places, each set as likely as
any other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.ring import Ring
from glovebox.algebra.streams import Stream
from glovebox.runtime.context import Context, Role

U32 = NDArray[np.uint32]
Index = NDArray[np.int64]


async def picked(
    ctx: Context,
    shares: Ring | None,
    ends: Index | None,
    columns: int,
    blocks: int,
    picks: int,
    ring: type[np.unsignedinteger[Any]] = np.uint64,
) -> Ring | None:
    """Fresh shares of the picked blocks, in QUERY's order: (columns, picks) at QUERY and HELPER, None at TABLE.

    shares: (columns, blocks) of the ring, uint16, uint32 or uint64, at QUERY and HELPER. ends: (picks,) distinct
    indices below `blocks`, at QUERY. The shares of a pick are independent of those given.
    Raises BadFrame at HELPER if what QUERY names is repeated or out of range.
    """
    shape = columns, blocks
    match ctx.role:
        case Role.TABLE:
            masks = ctx.stream(Role.QUERY, "order"), ctx.stream(Role.HELPER, "before"), ctx.stream(Role.HELPER, "after")
            await ctx.send(Role.QUERY, await ctx.compute(_correction, *masks, shape, ring), "correction")
            return None
        case Role.QUERY:
            if shares is None or ends is None or shares.shape != shape or not _distinct(ends, blocks, picks):
                raise ValueError("QUERY picks distinct blocks of its shares")
            places = await ctx.compute(_order, ctx.stream(Role.TABLE, "order"), blocks)
            await ctx.send(Role.HELPER, places[ends], "places")
            masked = await ctx.receive(Role.HELPER, ring, shape, "masked")
            correction = await ctx.receive(Role.TABLE, ring, shape, "correction")
            return await ctx.compute(_at_query, shares, masked, correction, ends, places[ends])
        case Role.HELPER:
            if shares is None or shares.shape != shape:
                raise ValueError("HELPER has shares of all blocks")
            masked, after = await ctx.compute(
                _at_helper, shares, ctx.stream(Role.TABLE, "before"), ctx.stream(Role.TABLE, "after")
            )
            await ctx.send(Role.QUERY, masked, "masked")
            places = await ctx.receive(Role.QUERY, np.uint32, picks, "places")
            if not _distinct(places, blocks, picks):
                ctx.blame(Role.QUERY, "picked a block twice, or one that is not there")  # a group that counts double
            return after.take(places, axis=1)
        case None:
            raise ValueError("only QUERY, TABLE and HELPER take part")


def _order(stream: Stream, blocks: int) -> U32:
    """A uniform permutation: keys that are not distinct are drawn anew, for a stable sort would tell their order."""
    while True:
        keys = stream.read(blocks, np.uint64)
        order = np.argsort(keys, kind="stable")
        ordered = keys.take(order)
        if (ordered[1:] != ordered[:-1]).all():
            return order.astype(np.uint32)


def _correction(
    order: Stream, before: Stream, after: Stream, shape: tuple[int, int], ring: type[np.unsignedinteger[Any]]
) -> Ring:
    """r[rho[k]] = a[k] - a'[rho[k]]: what turns the mask of a block into that of its place."""
    correction: Ring = np.negative(after.read(shape, ring))
    correction[:, _order(order, shape[1])] += before.read(shape, ring)
    return correction


def _at_query(shares: Ring, masked: Ring, correction: Ring, ends: Index, places: U32) -> Ring:
    mine: Ring = shares.take(ends, axis=1) + masked.take(ends, axis=1) + correction.take(places, axis=1)
    return mine


def _at_helper(shares: Ring, before: Stream, after: Stream) -> tuple[Ring, Ring]:
    masked: Ring = shares - before.read(shares.shape, shares.dtype.type)
    return masked, after.read(shares.shape, shares.dtype.type)


def _distinct(places: U32 | Index, blocks: int, picks: int) -> bool:
    """Whether these are so many different indices of blocks."""
    if places.shape != (picks,) or not all(0 <= int(place) < blocks for place in (places.min(), places.max())):
        return False
    return int(np.bincount(places, minlength=blocks).max()) == 1
