"""TABLE's rows in a table that looks uniform; looked up under QUERY's pseudonyms, its words are shares.

Functionality  word[j] = query ^ helper (tag: equal on a match; group bits) or query + helper = payload; random else
Parties        TABLE holds keys and payloads; HELPER looks up; QUERY's shares are its masks
Security       semi-honest, one corrupt party; AES is a PRP; error 2^-44 a table (none found), 2^-64 a row (false match)
Leakage        the number of TABLE's rows to HELPER
Rounds         1
Bytes          8 W R; R rows of the table, 1.13 to 1.75 for one of TABLE's, see okvs.layout_of
Source         oblivious key-value stores [GPRTY21, RR22], binary fuse filters [GL22]; psi.md 5
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import okvs
from glovebox.algebra.kernels import kernels
from glovebox.algebra.streams import Stream
from glovebox.errors import GloveboxError
from glovebox.protocols.pseudonyms import Pseudonyms
from glovebox.runtime.context import Context, Role

U64 = NDArray[np.uint64]


async def looked_up(
    ctx: Context,
    keys: Pseudonyms,
    payloads: NDArray[np.int64] | None,
    rows: int,
    words: int,
    groups: U64 | None = None,
) -> U64 | None:
    """Shares of TABLE's words at QUERY's rows: (words, n) uint64 at QUERY and HELPER, None at TABLE.

    keys: of the party's own rows at TABLE, of QUERY's rows elsewhere. payloads: (payloads, rows), at TABLE.
    rows: TABLE's public number of rows. words: the tag, payloads, and words of groups. groups: those, at TABLE.
    """
    layout = okvs.layout_of(rows)
    match ctx.role:
        case Role.TABLE:
            if payloads is None:
                raise ValueError("TABLE needs payloads")
            table = await ctx.compute(_encoded, layout, keys, payloads, groups, ctx.private("free"), ctx.path)
            await ctx.send(Role.HELPER, table, "rows")
            return None
        case Role.QUERY:
            return keys.masks
        case Role.HELPER:
            table = await ctx.receive(Role.TABLE, np.uint64, (layout.rows, words), "rows")
            return await ctx.compute(_decoded, layout, table, keys)
        case None:
            raise ValueError("only QUERY, TABLE and HELPER take part")


def _encoded(
    layout: okvs.Layout, keys: Pseudonyms, payloads: NDArray[np.int64], groups: U64 | None, free: Stream, step: str
) -> U64:
    if keys.masks is None:
        raise ValueError("TABLE's keys have masks")
    values: U64 = np.empty((len(keys.x), len(keys.masks)), np.uint64)
    values[:, 0] = keys.masks[0]
    last = 1 + len(payloads)
    values[:, 1:last] = (payloads.view(np.uint64) - keys.masks[1:last]).T
    if groups is not None:
        values[:, last:] = (groups ^ keys.masks[last:]).T
    table = free.read((layout.rows, values.shape[1]), np.uint64)
    try:
        okvs.encode(kernels(), layout, keys.x, keys.y, values, table)
    except okvs.UnsolvableError as problem:
        raise GloveboxError(
            "the table could not be built, by a chance of less than 2^-40 that no data changes",
            code="no_table",
            step=step,
            hint="ask again: a new session has new keys",
        ) from problem
    return table


def _decoded(layout: okvs.Layout, table: U64, keys: Pseudonyms) -> U64:
    return okvs.decode(kernels(), layout, table, keys.x, keys.y)
