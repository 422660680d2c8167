"""Totals of stacked tables: each owner's own, added.

Functionality  [x] = sum over owners of x_i, for each total
Parties        owners hold x_i; all m computing parties receive shares
Security       t = (m - 1) // 2 corrupt parties, which may bring what they like; perfect
Leakage        nothing but the number of totals
Rounds         1
Bytes          k p n s; n totals, k owners, p = m - 1 peers, s the bytes of a field element
Source         Shamir, CACM 1979

What a party receives: one share of degree t with fresh coefficients of each owner's totals; t of them are uniform.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glovebox.errors import DataError, Refused
from glovebox.runtime.context import Context

MOST = 1 << 62  # |x_i| stays below it (psi.md 10)


async def stacked_totals(
    ctx: Context, bits: int, shape: tuple[int, int], owners: tuple[int, ...], mine: NDArray[np.int64] | None
) -> Any:
    """Add the owners' totals on shares.

    bits: of the secure integers. shape: (totals, groups), public. owners: party numbers. mine: (totals, groups)
    int64 at an owner, None elsewhere. Returns a secure array (totals, groups).
    """
    if (mine is not None) != (ctx.party in owners) or (mine is not None and mine.shape != shape):
        raise Refused("an owner brings totals of the agreed shape, and nobody else", step="stacking")
    if mine is not None and mine.size and not -MOST < int(mine.min()) <= int(mine.max()) < MOST:
        raise DataError("a total is out of the range that the contract allows", step="stacking")
    senders = [ctx.parties.index(party) for party in owners]
    own = None if mine is None else np.array(mine, dtype=object)
    shares = await ctx.shamir.dealt(ctx.label("totals"), senders, own, shape, bits)
    return ctx.shamir.of_shares(bits, np.sum(shares, axis=0))
