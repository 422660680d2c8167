"""Rows with one key become one row: sums by a key that QUERY knows, to a public number of rows, keys and sizes hidden.

Functionality  sum[c, g] = sum of column c over the rows of QUERY's g-th key; 0 for rows without a key; mod 2^l
Parties        QUERY and HELPER hold and receive shares, QUERY has the keys; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        C, n and G
Rounds         1
Bytes          2 w C n + 4 G; C columns of w bytes, n rows, G rows of the result
Source         prefix sums and an oblivious pick [CGP20]; psi.md 17

QUERY's rows stand in order of their keys, its padding rows last, and columns are 0 there. New rows stand in the order
of keys, so QUERY knows the key of each and can align them again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.ring import Ring
from glovebox.protocols.pick import picked
from glovebox.runtime.context import Context

Index = NDArray[np.int64]


async def segment_sums(
    ctx: Context,
    columns: Ring | None,
    ends: Index | None,
    count: int,
    n: int,
    rows: int,
    ring: type[np.unsignedinteger[Any]] = np.uint64,
) -> Ring | None:
    """Shares of the sum of each column over each key's rows: (count, rows) of the ring; None at TABLE.

    columns: (count, n) of the ring at QUERY and HELPER, 0 in padding rows. ends: at QUERY, the last row of each key,
    ascending, at most `rows`; n is so large that as many padding rows follow as there are keys less than `rows`.
    """
    places = None if ends is None else last_rows(ends, n, rows)
    prefixes = None if columns is None else await ctx.compute(_prefixes, columns)
    at_ends = await picked(ctx, prefixes, places, count, n, rows, ring)
    return None if at_ends is None else np.diff(at_ends, axis=1, prepend=ring(0))


def last_rows(ends: Index, n: int, rows: int) -> Index:
    """The last row of each key, then padding rows, so that they are always so many."""
    after = int(ends[-1]) + 1 if len(ends) else 0
    if len(ends) > rows or after + rows - len(ends) > n or (np.diff(ends, prepend=-1) <= 0).any():
        raise ValueError("the keys' last rows ascend, and leave room for padding")
    return np.concatenate([ends, np.arange(after, after + rows - len(ends))])


def _prefixes(columns: Ring) -> Ring:
    prefixes: Ring = np.cumsum(columns, axis=1, dtype=columns.dtype)
    return prefixes
