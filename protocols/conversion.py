"""Ring shares of two parties become secure integers.

Functionality  [x] = shared integer of u + v mod 2^b, for counts 0 <= x < 2^31 (b = 32) and totals |x| < 2^62 (b = 64)
Parties        QUERY and HELPER of a row-level run hold u and v; all m computing parties receive shares
Security       t = (m - 1) // 2 corrupt parties, that follow the protocol or are found out by `verified.py`, but for
               what QUERY and HELPER say their shares are; perfect
Leakage        nothing but the number of totals
Rounds         2
Bytes          4 p n s + d p n s; n totals, p = m - 1 peers, d = 2 t + 1, s the bytes of a field element
Source         psi.md 10 (offset H, wrap by the top bits, one multiplication)

What a party receives: shares of u, of v and of their top bits, then of a product: each Shamir shares of degree t with
fresh coefficients, so any t parties see uniform numbers. QUERY and HELPER never see each other's ring share.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glovebox.errors import Refused
from glovebox.runtime.context import Context

OFFSETS = {32: 0, 64: 1 << 62}  # H: makes x + H non-negative and below 2^(b - 1) (psi.md 10)


async def secure_totals(
    ctx: Context,
    bits: int,
    rings: tuple[int, ...],
    groups: int,
    query: int,
    helper: int,
    mine: NDArray[np.uint64] | None,
) -> Any:
    """Share the totals of a row-level run among all computing parties.

    bits: of the secure integers. rings: 32 or 64 for each total, public. query, helper: the parties that hold ring
    shares, by number. mine: (totals, groups) uint64 at these two, below 2^ring; None at the others.
    Returns a secure array (totals, groups) of signed integers.
    """
    holders = (query, helper)
    if (mine is not None) != (ctx.party in holders) or any(ring not in OFFSETS for ring in rings):
        raise Refused("ring shares belong to the two parties of the row-level run", step="conversion")
    shape = (2, len(rings), groups)
    modulus = np.array([1 << ring for ring in rings], dtype=object)[:, None]
    offset = np.array([OFFSETS[ring] for ring in rings], dtype=object)[:, None]
    inputs = np.zeros(shape, dtype=object)
    if mine is not None:
        share = np.array(mine, dtype=object).reshape(shape[1:])
        if ctx.party == query:
            share = (share + offset) % modulus
        inputs[0], inputs[1] = share, 2 * share // modulus  # the share and its top bit
    senders = [ctx.parties.index(party) for party in holders]
    own = None if mine is None else inputs
    u, v = await ctx.shamir.dealt(ctx.label("shares"), senders, own, shape, bits)
    for holder, share in (("query", u), ("helper", v)):
        ctx.shamir.note_bits(ctx.label(holder), share[1], bits)
    both = await ctx.shamir.multiplied(ctx.label("wrapped"), u[1], v[1], bits)
    wrapped = u[1] + v[1] - both  # (x + H) < 2^(b-1): the sum wraps iff a top bit is set
    return ctx.shamir.of_shares(bits, u[0] + v[0] - wrapped * modulus - offset)
