"""Numbers that one party knows become secure integers that keep within a range, whatever that party says.

Functionality  [x] = x for each x of each of k senders, 0 <= x < 2^b; of one that lies some x with |x| < 2^(b + c); and,
               where it is asked for, the top bit of x
Parties        all m computing parties hold and receive shares; k of them send
Security       t = (m - 1) // 2 corrupt parties; perfect. What is out of that range, or no bit, or not the same to all,
               `verified.py` finds out, which runs before anything opens that hangs on it (`finishing.py`)
Leakage        nothing but how many numbers, and b
Rounds         1
Bytes          8 k p n + k c p n s + k e p n s; n numbers, p = m - 1 peers, c bits of C(m - 1, t), e = 1 with top
               bits, else 0, s the bytes of a field element
Source         Cramer, Damgard and Ishai, TCC 2005 (what sets draw is shared without a word); Damgard et al., CRYPTO
               2012 (an input as its difference from a random number)

Each set of m - t parties with the sender in it draws a number R below 2^b. The sender tells all x + sum of R mod 2^b,
and deals how often that wrapped, by its bits, which it proves. So x is a public number below 2^b, less C(m - 1, t)
numbers below 2^b that the sender did not share, plus 2^b times a number of c bits: it has nothing else to say.

What a party receives: x under masks, of which t parties without the sender lack that of the set of all others, so that
it is uniform; and one share of degree t of each bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from glovebox.runtime.context import Context
from glovebox.runtime.engine import modulus
from glovebox.runtime.noted import Numbers

MOST_ADDED = 13  # conversions that add to one total, or owners: there is one a party, and MOST_PARTIES is less


class Entered(NamedTuple):
    """Shares of one sender's numbers (rings, columns), and of their top bits if these were asked for."""

    numbers: Numbers
    tops: Numbers


def wrap_bits(m: int) -> int:
    """c: bits of how many sets one of m parties is in, as often as that may a number with their masks wrap."""
    return math.comb(m - 1, (m - 1) // 2).bit_length()


def reach(most: int, m: int) -> int:
    """What the absolute value of a total stays below if it was checked, whatever was said to be shares of it.

    most: its bound if nobody lies. A conversion (`conversion.py`) is of two numbers below 2^b, b <= 2 + bits of most,
    or each within 2^(b + c), and takes off up to 5/4 2^b <= 5/16 2^(b + c). So MOST_ADDED of them keep within 13
    (2 + 5/16) 2^(b + c) < 2^(b + c + 5); and so do as many numbers of owners.
    """
    return 1 << most.bit_length() + 2 + wrap_bits(m) + 5


async def entered(
    ctx: Context,
    bits: int,
    rings: Sequence[int],
    columns: int,
    senders: Sequence[int],
    mine: Numbers | None,
    tops: bool = False,
) -> list[Entered]:
    """What each sender entered.

    bits: of the secure integers. rings: b of each line of numbers, 64 at most. senders: party numbers. mine: of a
    sender, (rings, columns), 0 <= mine < 2^b. tops: whether their top bits are wanted.
    """
    shape, ring = (len(rings), columns), np.array([1 << b for b in rings], object)[:, None]
    public, own = np.zeros(0, np.uint64), None
    if mine is not None:
        masked = mine + _masks(ctx, ctx.party, ring, columns, bits)[0]
        public, own = (masked % ring).astype(np.uint64), _bits(ctx, masked // ring)
        if tops:
            own = np.concatenate([own, 2 * mine[None] // ring])
        for party in ctx.parties:
            if party != ctx.party:
                await ctx.send(party, public, "told")
    lines, indexes = wrap_bits(ctx.shamir.m), [ctx.parties.index(sender) for sender in senders]
    dealt = await ctx.shamir.dealt(ctx.label("wraps"), indexes, own, (lines + tops, *shape), bits)
    found = []
    for sender, index, shares in zip(senders, indexes, dealt, strict=True):
        is_own, step = sender == ctx.party, ctx.label(str(sender))
        told = public if is_own else await ctx.receive(sender, np.uint64, shape, "told")
        ctx.shamir.noted.tell(step, told.tobytes())  # so that all were told the same
        proven = own.reshape(-1) if is_own and own is not None else None
        ctx.shamir.note_dealt(step, index, shares.reshape(-1), proven, bits)
        wraps = sum(share << place for place, share in enumerate(shares[:lines]))
        numbers = told.astype(object) % ring + ring * wraps - _masks(ctx, sender, ring, columns, bits)[1]
        found.append(Entered(numbers % modulus(bits), shares[-1]))
    return found


def _bits(ctx: Context, wraps: Numbers) -> Numbers:
    """Each bit of how often numbers wrapped, the lowest first."""
    bits: Numbers = np.stack([wraps >> place & 1 for place in range(wrap_bits(ctx.shamir.m))])
    return bits


def _masks(ctx: Context, sender: int, ring: Numbers, columns: int, bits: int) -> tuple[Numbers, Numbers]:
    """The sum of what a sender's sets draw, as far as this party draws it, too; and this party's share of all of it."""
    index = ctx.parties.index(sender)
    known = share = np.zeros((len(ring), columns), object)
    for subset, stream in ctx.shamir.sets(ctx.label(f"of{sender}")):
        if stream is not None and index in subset:
            drawn = stream.read((len(ring), columns), np.uint64).astype(object) % ring
            known, share = known + drawn, share + drawn * ctx.shamir.weight(subset, modulus(bits))
    return known, share
