"""Bits shared among all computing parties, a byte a bit: given, ANDed, opened. XOR is local.

Functionality  [x] of bits that one party has each; [x & y]; x
Parties        all m computing parties hold and receive shares; the first t + 1 give, the first 2t + 1 share products
Security       semi-honest, t = (m - 1) // 2 corrupt parties; perfect given each party's stream
Leakage        the number of bits; what is opened
Rounds         1 each
Bytes          u p n given, r n ANDed, o n opened; n bits, u = t + 1, p = m - 1, r = (2 t + 1) (m - 1), o = t m
Source         Shamir, CACM 1979, over GF(2^8); Gennaro, Rabin and Rabin, PODC 1998 (products)

What a party receives: of what is given, and of products, one share of degree t with fresh coefficients, so t of them
are uniform; of what is opened, t shares, which with its own say the bits and nothing else if their sharing is fresh.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.gf256 import combined, split, times
from glovebox.runtime.context import Context

Bits = NDArray[np.uint8]


async def given(ctx: Context, mine: Bits | None, shape: tuple[int, ...]) -> list[Bits]:
    """A sharing of each giver's bits, of the same shape. mine: at the first t + 1 parties."""
    me, t = ctx.shamir.index, ctx.shamir.threshold
    own = None if mine is None else await _dealt(ctx, mine)
    shares = []
    for giver in range(t + 1):
        shares.append(own if giver == me else await ctx.receive(ctx.parties[giver], np.uint8, shape))
    return [share for share in shares if share is not None]


async def anded(ctx: Context, x: Bits, y: Bits) -> Bits:
    """Shares of x & y, of shares of one shape [GRR98]."""
    me, t = ctx.shamir.index, ctx.shamir.threshold
    senders = tuple(range(2 * t + 1))
    own = await _dealt(ctx, times(x, y)) if me in senders else None
    shares = []
    for sender in senders:
        share = own if sender == me else await ctx.receive(ctx.parties[sender], np.uint8, x.shape)
        if share is not None:
            shares.append(share)
    return combined(shares, senders)


async def opened_masked(ctx: Context, x: Bits) -> Bits:
    """The bits of shares of degree t, to all computing parties, who know nothing of them: they stand under coins.

    Each party sends its share to the t that follow it. What it opens to is among what `reveal.py` compares.
    """
    me, m, t = ctx.shamir.index, ctx.shamir.m, ctx.shamir.threshold
    for k in range(1, t + 1):
        await ctx.send(ctx.parties[(me + k) % m], x.copy())
    before = tuple((me - k) % m for k in range(t, 0, -1))
    shares = [await ctx.receive(ctx.parties[party], np.uint8, x.shape) for party in before]
    opened = combined([*shares, x], (*before, me))
    ctx.shamir.runtime.note_opened(ctx.path, opened.tobytes())
    return opened


async def _dealt(ctx: Context, secrets: Bits) -> Bits:
    """Send everyone a share of degree t; this party's own."""
    me, m, t = ctx.shamir.index, ctx.shamir.m, ctx.shamir.threshold
    shares = split(secrets, ctx.private("shares").read((t, *secrets.shape), np.uint8), m)
    for party in range(m):
        if party != me:
            await ctx.send(ctx.parties[party], shares[party])
    mine: Bits = shares[me]
    return mine
