"""Many numbers of several owners, added, in ring shares: what is too many for secure integers.

Functionality  query + helper = sum over owners of x_i mod 2^64, for each number
Parties        owners hold x_i; QUERY and HELPER, who may be owners themselves, receive shares; TABLE may be one
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        nothing but how many numbers
Rounds         1; 0 where no owner but QUERY and HELPER has any
Bytes          8 n f; n numbers, f owners that are neither QUERY nor HELPER
Source         additive sharing; a stream that an owner and QUERY both draw is QUERY's share

What HELPER receives is x_i less a stream that it does not know. QUERY receives nothing, and TABLE neither.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glovebox.errors import Refused
from glovebox.runtime.context import Context, Role

U64 = NDArray[np.uint64]


async def stacked_shares(
    ctx: Context, owners: tuple[int, ...], roles: dict[Role, int], n: int, mine: NDArray[np.int64] | None
) -> U64 | None:
    """This party's share of the sums: (n,) uint64 at QUERY and HELPER, None elsewhere.

    owners: party numbers. roles: who is QUERY and HELPER. mine: (n,) int64 at an owner, None elsewhere.
    """
    if (mine is not None) != (ctx.party in owners) or (mine is not None and mine.shape != (n,)):
        raise Refused("an owner brings as many numbers as were agreed, and nobody else", step="stacking")
    query, helper = roles[Role.QUERY], roles[Role.HELPER]
    share = np.zeros(n, np.uint64)
    for owner in owners:
        other = helper if owner == query else query  # who draws the owner's mask, which is that one's share
        if ctx.party == owner and mine is not None:
            left = mine.view(np.uint64) - ctx.stream(other, f"of{owner}").read(n, np.uint64)
            if owner in (query, helper):
                share += left
            else:
                await ctx.send(helper, left, f"of{owner}")
        elif ctx.party == other:
            share += ctx.stream(owner, f"of{owner}").read(n, np.uint64)
        elif ctx.party == helper:
            share += await ctx.receive(owner, np.uint64, n, f"of{owner}")
    return share if ctx.party in (query, helper) else None
