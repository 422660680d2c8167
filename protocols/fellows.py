"""Rows of another owner, whose columns are shares of that owner and HELPER, beside QUERY's rows with the same ids.

Functionality  word[j] as `table` shares them, at QUERY's rows; a payload of TABLE's is the sum of TABLE's and HELPER's
Parties        QUERY and TABLE own ids; TABLE and HELPER hold shares by TABLE's rows; QUERY and HELPER receive shares
Security       semi-honest, one corrupt party; as `alignment`; AES is a PRP
Leakage        n and r to the others, and c
Rounds         4; at most
Bytes          13 r + 8 c r + a; r rows of TABLE, c columns, a those of `alignment`
Source         psi.md 4, 5, and 12 (a mask that QUERY takes on); a PRF of what two parties know by a third [MRR20]

HELPER's share has TABLE's order, which is not QUERY's, so it goes through TABLE, under a mask that hangs on the id:
TABLE gives HELPER pseudonyms of its rows, others than QUERY's, of which HELPER makes masks under a key of QUERY and
HELPER. TABLE adds its own share and hides the sums as it hides any payloads. QUERY makes the masks of its own rows, and
takes them off its own share of what is looked up. What TABLE receives is as random as the masks, which it cannot make;
HELPER sees pseudonyms of both under keys of their own, so that it cannot tell which are of one id.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import identifiers
from glovebox.protocols import alignment
from glovebox.protocols.alignment import OwnRows, TableSize, aligned
from glovebox.protocols.pseudonyms import Pseudonyms, pseudonyms
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]


async def fellow_rows(ctx: Context, ids: U8 | None, columns: U64 | None, n: int, size: TableSize) -> U64 | None:
    """Shares of the tag and of TABLE's columns at QUERY's rows: (words, n) uint64 at QUERY and HELPER, None at TABLE.

    ids: at QUERY and TABLE, distinct, already padded to n and to `size.rows`. columns: (payloads, rows) uint64 at TABLE
    and HELPER, which may be none. A column is noise where no row of TABLE has the id.
    """
    own = None if ids is None else OwnRows(ids, np.zeros((0, len(ids)), np.int64), None)
    mask = None
    if size.payloads:
        back = ctx.narrow("back").exchanged(Role.QUERY, Role.TABLE)
        names, step = await pseudonyms(back, ids, size.rows, 0), ctx.narrow("columns")
        match ctx.role:
            case Role.HELPER if columns is not None:
                mask = await _masks(step, Role.QUERY, names, size)
                await step.send(Role.TABLE, columns + mask)
            case Role.TABLE if own is not None and columns is not None:
                masked = await step.receive(Role.HELPER, np.uint64, columns.shape)
                own = own._replace(payloads=(columns + masked).view(np.int64))
            case Role.QUERY:
                mask = await _masks(step, Role.HELPER, names, size)
            case _:
                raise ValueError("TABLE and HELPER have shares of the columns, QUERY and TABLE ids")
    words = await aligned(ctx.narrow("rows"), own, n, size)
    if words is None or mask is None or ctx.role is not Role.QUERY:
        return words
    return np.concatenate([words[:1], words[1:] - mask])


async def _masks(step: Context, other: Role, names: Pseudonyms, size: TableSize) -> U64:
    """A mask of each column for each pseudonym, under a key with another party: (payloads, rows) uint64."""
    keys = [step.key(other, f"mask{index}") for index in range(-(-size.payloads // 2))]
    return await step.compute(_masks_of, names, keys, size.payloads)


def _masks_of(names: Pseudonyms, keys: list[bytes], words: int) -> U64:
    blocks = np.zeros((len(names.x), 2), np.uint64)
    blocks[:, 0] = names.x
    blocks.view(np.uint8)[:, 8 : identifiers.PSEUDONYM_BYTES] = names.y
    return identifiers.masks(blocks, keys, words)


def traffic(n: int, size: TableSize) -> dict[str, float]:
    """The sizes of the card; without columns nothing goes back."""
    a = value_of(terms(alignment.__doc__ or "")["Bytes"], alignment.traffic(n, size, None))
    return {"r": size.rows if size.payloads else 0, "c": size.payloads, "a": a}
