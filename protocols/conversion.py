"""Ring shares of two parties become secure integers.

Functionality  [x] = shared integer of u + v mod 2^b, for counts 0 <= x < 2^(b - 1) and totals |x| < 2^(b - 2)
Parties        QUERY and HELPER of a row-level run hold u and v; all m computing parties receive shares
Security       t = (m - 1) // 2 corrupt parties, that follow the protocol or are found out by `verified.py`, but for
               what QUERY and HELPER say their shares are, of which the result keeps within `entry.reach`; perfect
Leakage        nothing but the number of totals and bounds of them
Rounds         2
Bytes          16 p n + 2 c p n s + 2 p n s + d p n s; n totals, p = m - 1 peers, d = 2 t + 1, c as in `entry.py`, s the
               bytes of a field element
Source         psi.md 10 (offset H, wrap by the top bits, one multiplication)

Shares modulo 2^32 or 2^64 are such modulo 2^b, too: b is as small as the public bound of a total allows, and with it
the range of what a lie can make of it.

What a party receives: what `entry.py` says of u, of v and of their top bits, then shares of a product: Shamir shares of
degree t with fresh coefficients. QUERY and HELPER never see each other's ring share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glovebox.errors import Refused
from glovebox.protocols.entry import entered
from glovebox.runtime.context import Context

COUNTS, TOTALS = 32, 64  # bits of the rings of row-level runs


async def secure_totals(
    ctx: Context,
    bits: int,
    rings: Sequence[int],
    most: Sequence[int],
    groups: int,
    query: int,
    helper: int,
    mine: NDArray[np.uint64] | None,
) -> Any:
    """Share the totals of a row-level run among all computing parties.

    bits: of the secure integers. rings: 32 or 64 for each total, and most: a bound of its absolute value; public.
    query, helper: the parties that hold ring shares, by number. mine: (totals, groups) uint64 at these two, below
    2^ring; None at the others. Returns a secure array (totals, groups) of signed integers.
    """
    holders = (query, helper)
    if (mine is not None) != (ctx.party in holders):
        raise Refused("ring shares belong to the two parties of the row-level run", step="conversion")
    lengths = [_length(ring, bound) for ring, bound in zip(rings, most, strict=True)]
    modulus = np.array([1 << length for length in lengths], dtype=object)[:, None]
    # H: makes x + H non-negative and below 2^(b - 1) (psi.md 10)
    offset = np.array([1 << b - 2 if ring == TOTALS else 0 for ring, b in zip(rings, lengths, strict=True)], object)
    share = None
    if mine is not None:
        share = np.array(mine, dtype=object).reshape(len(lengths), groups)
        share = (share + offset[:, None] * (ctx.party == query)) % modulus
    u, v = await entered(ctx.narrow("shares"), bits, lengths, groups, holders, share, tops=True)
    both = await ctx.shamir.multiplied(ctx.label("wrapped"), u.tops, v.tops, bits)
    wrapped = u.tops + v.tops - both  # (x + H) < 2^(b - 1): the sum wraps iff a top bit is set
    return ctx.shamir.of_shares(bits, u.numbers + v.numbers - wrapped * modulus - offset[:, None])


def _length(ring: int, most: int) -> int:
    """b of a total with this bound."""
    length = most.bit_length() + (2 if ring == TOTALS else 1)
    if ring not in (COUNTS, TOTALS) or length > ring:
        raise Refused("a total has no room in its ring", step="conversion")
    return length
