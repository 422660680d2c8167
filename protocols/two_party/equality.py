"""Equality of two tags, as a shared bit a bin, by transfers that were made before.

Functionality  b[i] = 1 if query[i] = table[i], 64 bits each, else 0; b = query ^ table
Parties        QUERY and TABLE hold tags and receive shares
Security       semi-honest; perfect given the transfers
Leakage        n
Rounds         4
Bytes          50 n
Source         Couteau, ACNS 2018 and [CGS22] (equality by small transfers, again on its shares); two-party.md 2.3

Three times over, the bits of what is compared are cut into nibbles, and a transfer of 1 in 16 bits shares whether two
nibbles are equal: 64 bits become 16, then 4, then 1. All nibbles are equal if one party's shares are the complement of
the other's, which is the same question again. Who offered chooses next, and takes as its shares the random choices of
the transfers that come next: only the first choice has to be told.

What TABLE receives: tags ^ random choices of QUERY, then offers, each bit of which but the chosen one is masked by a
bit of its own that the chooser lacks. What QUERY receives: offers, the same way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.kernels import transfer_kernels
from glovebox.protocols.two_party.prepared import Needs, Prepared
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]


def needs_of(n: int) -> Needs:
    """Transfers of n bins, of nibbles only."""
    return Needs(query_nibbles=17 * n, table_nibbles=4 * n)


async def equal_tags(ctx: Context, prepared: Prepared, tags: U64, outcome: U8 | None = None) -> U8:
    """Share whether the tags are equal: packed bits (n / 8,).

    tags: (n,) uint64, n a multiple of 64. outcome: at TABLE, random bits (n / 8,) that become its shares.
    """
    n, kernels = len(tags), transfer_kernels()
    octets = tags.view(np.uint8)
    if ctx.role is Role.QUERY:
        places, pads = prepared.chosen_nibbles(16 * n)
        await ctx.send(Role.TABLE, octets ^ places, "choices")
        offers = await ctx.receive(Role.TABLE, np.uint16, 16 * n, "sixteen")
        equal = await ctx.compute(kernels.taken, offers, octets, pads)
        tables = prepared.sent_nibbles(4 * n)
        own, own_pads = prepared.chosen_nibbles(n)
        await ctx.send(Role.TABLE, await ctx.compute(kernels.offers, tables, _no_shift(4 * n), ~equal, own), "four")
        last = await ctx.receive(Role.TABLE, np.uint16, n, "one")
        return await ctx.compute(kernels.taken, last, own, own_pads)
    if outcome is None or ctx.role is not Role.TABLE:
        raise ValueError("TABLE brings its shares of the outcome")
    shifts = await ctx.receive(Role.QUERY, np.uint8, 8 * n, "choices")
    tables, (own, own_pads) = prepared.sent_nibbles(16 * n), prepared.chosen_nibbles(4 * n)
    await ctx.send(Role.QUERY, await ctx.compute(kernels.offers, tables, shifts, octets, own), "sixteen")
    offers = await ctx.receive(Role.QUERY, np.uint16, 4 * n, "four")
    equal = await ctx.compute(kernels.taken, offers, own, own_pads)
    tables = prepared.sent_nibbles(n)
    await ctx.send(Role.QUERY, await ctx.compute(kernels.offers, tables, _no_shift(n), ~equal, outcome), "one")
    return outcome


def _no_shift(n: int) -> U8:
    """The chooser takes the choices that it was dealt."""
    return np.zeros(n // 2, np.uint8)
