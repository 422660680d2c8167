"""QUERY's rows beside the matching rows of a table, or of two tables whose owners help each other: words in shares.

Functionality  word[j] as `table` shares them, of one table; of two the tags, or their XOR, then payloads of both
Parties        QUERY and TABLE own rows; HELPER owns the second table, if there are two; QUERY and HELPER get shares
Security       semi-honest, one corrupt party; as `pseudonyms` and `table`
Leakage        rows of QUERY and of the tables to the others
Rounds         2 + T; T is 1 with a second table, else 0
Bytes          13 K n + 8 W R + 13 n T + 8 w r + 8 n w; W words a row, R rows of a table, w and r of the second
Source         three owners without a helper, psi.md 12; psi.md 4, 5

Of two tables each is looked up by the other's owner. TABLE then hands what it looked up to HELPER, under a mask that
QUERY takes on: unmasked, HELPER would know its own values again, for it knows the masks that it dealt them with. TABLE
deals from there; it knows HELPER's share of these words, but neither QUERY's nor anything that is opened later.

Of K keys a row is looked up by each, as if it were K rows, and one table holds TABLE's rows under all of them. Keys of
different kinds are never equal, so that all that is looked up differs, as of one key (psi.md 17).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import okvs
from glovebox.algebra.streams import Stream
from glovebox.protocols.planes import GROUPS_A_WORD
from glovebox.protocols.pseudonyms import pseudonyms
from glovebox.protocols.table import looked_up
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]


class TableSize(NamedTuple):
    """What all know of a table: padded rows, payloads a row, and the groups of its column, 1 without one.

    wide: a word more, at the end, holds more bits of the tag.
    """

    rows: int
    payloads: int
    groups: int = 1
    wide: bool = False

    @property
    def group_words(self) -> int:
        """Words that hold a bit for each group, none if there is one group."""
        return -(-self.groups // GROUPS_A_WORD) if self.groups > 1 else 0

    @property
    def words(self) -> int:
        """Words of a row: the tag, the payloads, a bit for each group, and more of the tag."""
        return 1 + self.payloads + self.group_words + self.wide


class OwnRows(NamedTuple):
    """A party's padded rows: encoded ids, payloads of a table (payloads, rows), and words of its groups.

    Of several keys a row's ids stand side by side.
    """

    ids: U8
    payloads: NDArray[np.int64]
    groups: U64 | None


async def aligned(
    ctx: Context,
    own: OwnRows | None,
    n: int,
    table: TableSize,
    second: TableSize | None = None,
    apart: bool = False,
    keys: int = 1,
) -> U64 | None:
    """Shares of the words at QUERY's rows: (words, n) uint64 at QUERY and HELPER, None at TABLE.

    The tag, which is equal at both where all tables match, or, if they are kept apart, one of each; payloads of the
    table, then of the second; words of groups of the one that has them; more of each tag, if they are wide.
    own: at QUERY and TABLE, and at HELPER if there is a second table, with its rows. keys: of several, a tag of each
    and then the payloads under each; the table's rows are counted under each, and it has no groups and no second.
    """
    if keys > 1:
        own = own and await ctx.compute(_under_each, own, keys, ctx.role is Role.TABLE)
        words = await _looked_up(ctx, own, keys * n, table)
        return None if words is None else _key_by_key(words, keys, table)
    words = await _looked_up(ctx, own if ctx.role is not Role.HELPER else None, n, table)
    if second is None:
        return words
    step = ctx.narrow("second").exchanged(Role.TABLE, Role.HELPER)
    others = await _looked_up(step, own if ctx.role is not Role.TABLE else None, n, second)
    others = await _moved(ctx.narrow("move"), others, n, second)
    return None if words is None or others is None else _together(words, others, (table, second), apart)


def traffic(n: int, table: TableSize, second: TableSize | None, keys: int = 1) -> dict[str, float]:
    """The sizes of the card."""
    sizes: dict[str, float] = {
        "n": n,
        "K": keys,
        "W": table.words,
        "R": okvs.layout_of(table.rows).rows,
        "T": 0,
        "w": 0,
        "r": 0,
    }
    if second is None:
        return sizes
    return sizes | {"T": 1, "w": second.words, "r": okvs.layout_of(second.rows).rows}


async def _looked_up(ctx: Context, own: OwnRows | None, n: int, size: TableSize) -> U64 | None:
    keys = await pseudonyms(ctx.narrow("ids"), own.ids if own else None, n, size.words)
    if own is None or ctx.role is not Role.TABLE:
        return await looked_up(ctx.narrow("table"), keys, None, size.rows, size.words)
    groups = np.zeros((size.group_words + size.wide, size.rows), np.uint64)  # more of the tag is a mask and no more
    if own.groups is not None:
        groups[: size.group_words] = own.groups
    return await looked_up(ctx.narrow("table"), keys, own.payloads, size.rows, size.words, groups)


async def _moved(ctx: Context, words: U64 | None, n: int, size: TableSize) -> U64 | None:
    """TABLE's shares become HELPER's, less a mask that QUERY adds to its own (psi.md 12)."""
    match ctx.role:
        case Role.TABLE if words is not None:
            masked = await ctx.compute(_masked, words, ctx.stream(Role.QUERY), size, -1)
            await ctx.send(Role.HELPER, masked)
            return None
        case Role.QUERY if words is not None:
            return await ctx.compute(_masked, words, ctx.stream(Role.TABLE), size, 1)
        case Role.HELPER:
            return await ctx.receive(Role.TABLE, np.uint64, (size.words, n))
    raise ValueError("QUERY and TABLE have words to move")


def _masked(words: U64, stream: Stream, size: TableSize, sign: int) -> U64:
    """Tags and groups are shared by XOR, payloads by addition."""
    mask = stream.read(words.shape, np.uint64)
    masked = words ^ mask
    payloads = slice(1, 1 + size.payloads)
    masked[payloads] = words[payloads] + mask[payloads] if sign > 0 else words[payloads] - mask[payloads]
    return masked


def _together(words: U64, others: U64, sizes: tuple[TableSize, TableSize], apart: bool) -> U64:
    (tag, own, groups, more), (tags, theirs, hot, rest) = (
        np.split(each, [1, 1 + size.payloads, 1 + size.payloads + size.group_words])
        for each, size in zip((words, others), sizes, strict=True)
    )
    first, last = ([tag, tags], [more, rest]) if apart else ([tag ^ tags], [more ^ rest])
    return np.concatenate([*first, own, theirs, groups, hot, *last])


def _under_each(own: OwnRows, keys: int, payloads: bool) -> OwnRows:
    """The rows once under each key, all under one before those under the next; payloads where they are looked up."""
    ids = own.ids.reshape(len(own.ids), keys, -1).transpose(1, 0, 2)
    return OwnRows(
        ids.reshape(keys * len(own.ids), -1), np.tile(own.payloads, (1, keys)) if payloads else own.payloads, None
    )


def _key_by_key(words: U64, keys: int, table: TableSize) -> U64:
    """The words that were looked up under each key, side by side at QUERY's rows."""
    tags, payloads, more = np.split(words.reshape(len(words), keys, -1), [1, 1 + table.payloads])
    n = words.shape[1] // keys
    return np.concatenate([tags[0], payloads.transpose(1, 0, 2).reshape(-1, n), more.reshape(-1, n)])
