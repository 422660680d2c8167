"""Bits shared among all computing parties, a byte a bit: ANDed, opened. XOR is local.

Functionality  [x & y] of shared bits; x
Parties        all m computing parties hold and receive shares; the first 2t + 1 share products
Security       t = (m - 1) // 2 corrupt parties, that follow the protocol or are found out by `verified.py` before an
               answer opens; perfect given each party's stream
Leakage        the number of bits; what is opened
Rounds         1 each
Bytes          r n ANDed, o n opened; n bits, r = (2 t + 1) (m - 1), o = t m
Source         Shamir, CACM 1979, over GF(2^8); Gennaro, Rabin and Rabin, PODC 1998 (products)

What a party receives: of products, one share of degree t with fresh coefficients, so t of them are uniform; of what is
opened, t shares, which with its own say the byte and nothing else. A party that lies can make that byte hang on any
bits, so it stands under a random byte, and not under a random bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.gf256 import combined, split, times
from glovebox.runtime.context import Context
from glovebox.runtime.noted import Openings, Products

Bits = NDArray[np.uint8]


async def anded(ctx: Context, x: Bits, y: Bits) -> Bits:
    """Shares of x & y, of shares of one shape [GRR98], noted to be checked."""
    z = await reshared(ctx, times(x, y))
    ctx.shamir.noted.bits.products[ctx.path] = Products(x, y, z)
    return z


async def reshared(ctx: Context, products: Bits) -> Bits:
    """Shares of degree t of what has shares of degree 2t."""
    me, t = ctx.shamir.index, ctx.shamir.threshold
    senders = tuple(range(2 * t + 1))
    own = await _dealt(ctx, products) if me in senders else None
    shares = []
    for sender in senders:
        share = own if sender == me else await ctx.receive(ctx.parties[sender], np.uint8, products.shape)
        if share is not None:
            shares.append(share)
    return combined(shares, senders)


async def opened_masked(ctx: Context, x: Bits) -> Bits:
    """What shares of degree t are of, to all computing parties, who know nothing of it: each stands under a byte.

    Each party sends its share to the t that follow it. What it opens to is noted, and checked as products are.
    """
    me, m, t = ctx.shamir.index, ctx.shamir.m, ctx.shamir.threshold
    for k in range(1, t + 1):
        await ctx.send(ctx.parties[(me + k) % m], x.copy())
    before = tuple((me - k) % m for k in range(t, 0, -1))
    shares = [await ctx.receive(ctx.parties[party], np.uint8, x.shape) for party in before]
    opened = combined([*shares, x], (*before, me))
    ctx.shamir.noted.tell(ctx.path, opened.tobytes())
    ctx.shamir.noted.bits.openings[ctx.path] = Openings(x, opened)
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
