"""Comparisons of shared numbers of k bits: the carry of an addition, and from it signs, windows and zeros.

Functionality  w[i] = 1 if low <= difference[i] <= high, else 0; difference = query + helper mod 2^k; w = query ^ helper
Parties        QUERY and HELPER hold and receive shares; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        n, k, low and high
Rounds         1 + L; L = log2 k, rounded up
Bytes          n B; B = 13.25 for 8 bits, 29.5 for 16, 62.75 for 32, any k: `cost_of` the gate
Source         Garay, Schoenmakers, Villegas, PKC 2007 (tree of log depth); psi.md 11, 17

A bit of a tree's leaves is known to one party alone: its opening costs one bit, and serves both what the leaf generates
and what it propagates. The lowest node of a layer propagates nothing. Both comparisons of a window share HELPER's bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.bits import narrowed, planes, unpacked
from glovebox.protocols.flights import evaluated
from glovebox.protocols.wires import Dealt, Flight, Gate, Wire, completed, part, product
from glovebox.runtime.context import Context, Role

Array = NDArray[Any]
U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]


async def in_window(ctx: Context, differences: U64 | None, n: int, bits: int, low: int, high: int) -> U8 | None:
    """Share whether low <= difference <= high, a bit a row.

    differences: (n,) uint64 at QUERY and HELPER, shares mod 2^bits of numbers d with d - low in [-2^bits, 2^bits) and
    d - low = d' - low mod 2^bits for no other d' that may occur (see `window_bits`). n: a multiple of 64, public.
    Returns (n,) uint8 of 0 and 1, XOR shares; None at TABLE.
    """
    me = ctx.role or Role.TABLE
    column = np.empty(0, np.uint64) if differences is None else differences
    inside = await evaluated(ctx, window(me, column, bits, low, high), n)
    return None if me is Role.TABLE else await ctx.compute(unpacked, inside)


def window_bits(least: int, most: int, low: int, high: int) -> int:
    """The smallest k in which a window does not alias, for differences from least to most; low and high among them."""
    if not least <= low <= high <= most:
        raise ValueError("a window lies within the range of its differences")
    return max(1, (max(most - low, high - least, high - low + 1)).bit_length())


def window(me: Role, differences: Array, bits: int, low: int, high: int) -> Gate[Array]:
    """[low <= d <= high] packed, as [s >= f] ^ [s >= f'] ^ [f' < f] of a number s of HELPER and f, f' of QUERY."""
    width, every = high - low + 1, (1 << bits) - 1
    if not 0 < width <= every:
        raise ValueError("a window holds at least one number, and not all")
    d = narrowed(differences, bits)
    word = d.dtype.type
    if me is Role.HELPER:
        s = planes(~d, bits)
        f = np.broadcast_to(s, (2, *s.shape))  # the shape alone counts here
        aliased: Array = np.zeros((), np.uint8)
    else:
        first = (word(low & every) - d) & word(every)  # -z, z = d - low
        past = (first + word(width)) & word(every)
        f = planes(np.stack([first, past]), bits)
        s = f[0]
        aliased = np.packbits(past < first, bitorder="little")
    below = yield from carry(me, part(me, Role.QUERY, f), part(me, Role.HELPER, s))
    inside: Array = below[0] ^ below[1] ^ aliased
    return inside


def negative(me: Role, numbers: Array, bits: int) -> Gate[Array]:
    """[x < 0] packed, from shares of x mod 2^bits, -2^(bits - 1) <= x < 2^(bits - 1): the top bits, and the carry."""
    own = planes(numbers, bits)
    low = own[..., :-1, :]
    carried = yield from carry(me, part(me, Role.QUERY, low), part(me, Role.HELPER, low))
    return own[..., -1, :] ^ carried


def zero(me: Role, numbers: Array, bits: int) -> Gate[Array]:
    """[x = 0 mod 2^bits] packed: whether HELPER's share is minus QUERY's, bit by bit."""
    narrow = narrowed(numbers, bits)
    own = ~planes(np.negative(narrow), bits) if me is Role.QUERY else planes(narrow, bits)
    return (yield from all_of(me, own))


def carry(me: Role, q: Wire, s: Wire) -> Gate[Array]:
    """[q + s >= 2^k] packed, q of QUERY and s of HELPER alone: (.., k, n / 8) each. It is [~s < q].

    A node of the tree covers neighbouring bits: do they generate a carry, and do they propagate one? Generated is in
    shares (.., nodes, n / 8); what propagates is a wire that leaves the lowest node out, which is never asked.
    """
    generated = yield from product(me, q, s)
    propagates = (q ^ s)[1:]  # open already
    while generated.shape[-2] > 1:
        generated, propagates = yield from _paired(me, generated, propagates)
    return generated[..., 0, :]


def _paired(me: Role, generated: Array, propagates: Wire) -> Gate[tuple[Array, Wire]]:
    """Neighbouring nodes become one; if their number is odd, the lowest waits."""
    odd = generated.shape[-2] % 2
    low, high = Wire(generated[..., odd::2, :]), generated[..., odd + 1 :: 2, :]
    carried = Dealt(lambda: propagates[odd::2].whole & low.whole)
    passed = Dealt(lambda: propagates[odd::2][1 - odd :].whole & propagates[1 - odd :: 2].whole)
    yield Flight((low, propagates), (carried, passed))
    upper, lower = propagates[odd::2], propagates[1 - odd :: 2]
    high = high ^ completed(me, upper, low, carried)
    return (
        np.concatenate([generated[..., :odd, :], high], axis=-2),
        Wire(completed(me, upper[1 - odd :], lower, passed)),
    )


def all_of(me: Role, bits: Array) -> Gate[Array]:
    """The AND of k shared bits: (.., n / 8) from (.., k, n / 8)."""
    while (count := bits.shape[-2]) > 1:
        halved = yield from _halved(me, Wire(bits[..., count % 2 :, :]))
        bits = np.concatenate([bits[..., : count % 2, :], halved], axis=-2)
    return bits[..., 0, :]


def _halved(me: Role, bits: Wire) -> Gate[Array]:
    masks = Dealt(lambda: bits[0::2].whole & bits[1::2].whole)
    yield Flight((bits,), (masks,))
    return completed(me, bits[0::2], bits[1::2], masks)
