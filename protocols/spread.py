"""One row becomes several: columns of distinct keys are given to QUERY's rows with that key, how many hidden.

Functionality  row[c, i] = column[c, f(i)]; f is QUERY's, from rows to sources; query + helper mod 2^l
Parties        QUERY and HELPER hold and receive shares, QUERY has f; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        C, m and n
Rounds         1
Bytes          2 w C m + 2 w C n + 4 n; C columns of w bytes, m sources, n rows
Source         differences, an oblivious permutation [CGP20], prefix sums; psi.md 9 [AFOPRT21, BDGRR22]

Rows stand in the order of their sources. The first row of each source takes its difference to the one before, the
others take a 0 each; prefix sums make these the sources' values. Another order of rows is a pick of all (`pick`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.ring import Ring
from glovebox.protocols.pick import picked
from glovebox.runtime.context import Context

Index = NDArray[np.int64]


async def spread(
    ctx: Context,
    columns: Ring | None,
    sources: Index | None,
    count: int,
    m: int,
    n: int,
    ring: type[np.unsignedinteger[Any]] = np.uint64,
) -> Ring | None:
    """Shares of each row's source: (count, n) of the ring at QUERY and HELPER, None at TABLE.

    columns: (count, m) of the ring at QUERY and HELPER. sources: (n,) at QUERY, of each row, from 0 and ascending by 0
    or 1 from row to row; give padding rows a padding source, whose columns are 0.
    """
    given = None if columns is None else await ctx.compute(_differences, columns, n)
    places = None if sources is None else _places(sources, m, n)
    rows = await picked(ctx, given, places, count, m + n, n, ring)
    return None if rows is None else await ctx.compute(np.cumsum, rows, 1, ring)


def _differences(columns: Ring, n: int) -> Ring:
    """Each source less the one before, then zeros for the rows that are not the first of one."""
    given = np.zeros((len(columns), columns.shape[1] + n), columns.dtype)
    given[:, : columns.shape[1]] = np.diff(columns, axis=1, prepend=columns.dtype.type(0))
    return given


def _places(sources: Index, m: int, n: int) -> Index:
    steps = np.diff(sources, prepend=-1)
    if sources.shape != (n,) or not ((steps == 0) | (steps == 1)).all() or steps[0] != 1 or sources[-1] >= m:
        raise ValueError("rows stand in the order of their sources, and each source before the last has one")
    return np.where(steps == 1, sources, m + np.arange(n))
