"""Totals of stacked tables: each owner's own, added.

Functionality  [x] = sum over owners of x_i, for each total
Parties        owners hold x_i; all m computing parties receive shares
Security       t = (m - 1) // 2 corrupt parties, which may bring what they like, of which the result keeps within
               `entry.reach` or is found out by `verified.py`; perfect
Leakage        nothing but the number of totals and bounds of them
Rounds         1
Bytes          8 k p n + k c p n s; n totals, k owners, p = m - 1 peers, c as in `entry.py`, s the bytes of a field
               element
Source         Shamir, CACM 1979

What a party receives: what `entry.py` says of each owner's totals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glovebox.errors import DataError, Refused
from glovebox.protocols.entry import entered
from glovebox.runtime.context import Context


async def stacked_totals(
    ctx: Context, bits: int, most: Sequence[int], groups: int, owners: Sequence[int], mine: NDArray[np.int64] | None
) -> Any:
    """Add the owners' totals on shares.

    bits: of the secure integers. most: public bounds of the totals' absolute values, below 2^62 (psi.md 10). owners:
    party numbers. mine: (totals, groups) int64 at an owner, None elsewhere. Returns a secure array (totals, groups).
    """
    if (mine is not None) != (ctx.party in owners) or (mine is not None and mine.shape != (len(most), groups)):
        raise Refused("an owner brings totals of the agreed shape, and nobody else", step="stacking")
    bounds = np.array(most, object)[:, None]
    if mine is not None and (abs(mine.astype(object)) > bounds).any():
        raise DataError("a total is out of the range that the contract allows", step="stacking")
    offset = np.array([1 << bound.bit_length() for bound in most], object)[:, None]  # makes x_i non-negative
    rings = [bound.bit_length() + 1 for bound in most]
    parts = await entered(ctx, bits, rings, groups, owners, None if mine is None else mine.astype(object) + offset)
    return ctx.shamir.of_shares(bits, sum(part.numbers - offset for part in parts))
