"""The least number of each group over the rows where a bit is set, as those that match and meet a condition.

Functionality  least[k, j, g] = min of number k over the rows of QUERY's group g whose bit j is set; none[k] without any
Parties        QUERY and HELPER hold and receive shares, QUERY has the groups; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        n, blocks, groups, planes, and the range of each number
Rounds         1 + R; of `extremes` R
Bytes          n O + n D + e; a row opened O and dealt D to choose, of `extremes` e; see `traffic`
Source         psi.md 11, 17: gates, and the minima of `extremes`

A row whose bit is not set, as in padding, takes what is none: one more than any number of the column. The greatest
number is minus the least of -x, so numbers come with their sign turned where that is wanted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.bits import packed
from glovebox.protocols import extremes
from glovebox.protocols.extremes import minima
from glovebox.protocols.flights import cost_of, evaluated
from glovebox.protocols.gates import Column, chosen
from glovebox.protocols.totals import Shares
from glovebox.protocols.wires import Array, Gate, together
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.context import Context, Role

U64 = NDArray[np.uint64]
Index = NDArray[np.int64]


class Least(NamedTuple):
    """A value of QUERY, or else a payload, of which the least is wanted over the rows that a choice takes.

    low, none: a number is at least `low` and less than `none`, which stands for the least of nothing.
    """

    value: int | None
    payload: int | None
    low: int
    none: int
    choice: int = 0


class Blocks(NamedTuple):
    """How QUERY's n rows stand: in so many blocks, each group in whole ones. planes: bits of each choice."""

    n: int
    blocks: int
    groups: int
    planes: int = 1


async def least_numbers(
    ctx: Context, wanted: Sequence[Least], shares: Shares | None, ends: Index | None, sizes: Blocks
) -> U64 | None:
    """Shares of each least number of each plane and group: (wanted, planes, groups) uint64; None at TABLE.

    ends: at QUERY, the last block of each group; behind the last one no bit is set. n: a multiple of 64 and of the
    blocks.
    """
    me = ctx.role or Role.TABLE
    rows = await evaluated(ctx.narrow("choose"), _taken(me, wanted, shares, sizes), sizes.n)
    numbers = None if shares is None else np.concatenate(rows)
    columns = len(wanted) * sizes.planes
    every = None if ends is None else (np.arange(columns)[:, None] * sizes.blocks + ends).reshape(-1)
    found = await minima(ctx, numbers, every, **_of_columns(wanted, sizes, columns), ring=np.uint64)
    if found is None:
        return None
    none = np.array([one.none % (1 << 64) for one in wanted], np.uint64) * np.uint64(me is Role.QUERY)
    least: U64 = found.reshape(len(wanted), sizes.planes, sizes.groups) + none[:, None, None]
    return least


async def least_of_parts(ctx: Context, wanted: Sequence[Least], parts: Sequence[U64] | None, sizes: Blocks) -> Any:
    """Shares of the lesser of several results of `least_numbers`, one by one.

    sizes: blocks and groups are the numbers of one result, n those of all.
    """
    numbers = None if parts is None else np.stack([part.reshape(-1) for part in parts], axis=1).reshape(-1)
    ends = np.arange(sizes.groups) if ctx.role is Role.QUERY else None
    found = await minima(ctx, numbers, ends, **_of_columns(wanted, sizes, 1), ring=np.uint64)
    return None if found is None or parts is None else found.reshape(parts[0].shape)


def traffic(wanted: Sequence[Least], sizes: Blocks) -> dict[str, float]:
    """The sizes of the card."""
    cost = cost_of(_taken(Role.TABLE, wanted, None, sizes))
    of_minima = _of_minima(_of_columns(wanted, sizes, len(wanted) * sizes.planes))
    return {"n": sizes.n, "O": cost.opened, "D": cost.dealt} | of_minima


def traffic_of_parts(wanted: Sequence[Least], sizes: Blocks) -> dict[str, float]:
    """Rounds R and bytes e of `least_of_parts`."""
    return _of_minima(_of_columns(wanted, sizes, 1))


def _of_minima(columns: dict[str, int]) -> dict[str, float]:
    card, sizes = terms(extremes.__doc__ or ""), extremes.traffic(**columns)
    return {"R": value_of(card["Rounds"], sizes), "e": value_of(card["Bytes"], sizes)}


def largest_frame(wanted: Sequence[Least], sizes: Blocks) -> int:
    """Bytes of the largest frame."""
    choice = sizes.n * cost_of(_taken(Role.TABLE, wanted, None, sizes)).frame
    columns = _of_columns(wanted, sizes, len(wanted) * sizes.planes)
    return math.ceil(max(choice, extremes.largest_frame(**columns)))


def _of_columns(wanted: Sequence[Least], sizes: Blocks, columns: int) -> dict[str, int]:
    """Columns one after the other, as `minima` takes them: their blocks in one row, their groups too.

    A group has at most the blocks that are left when each other group has one.
    """
    return {
        "n": sizes.n * columns,
        "blocks": sizes.blocks * columns,
        "groups": sizes.groups * columns,
        "most": sizes.blocks - sizes.groups + 1,
        "bits": max(2, *((one.none - one.low).bit_length() + 1 for one in wanted)),
    }


def _taken(me: Role, wanted: Sequence[Least], shares: Shares | None, sizes: Blocks) -> Gate[list[Array]]:
    """b (x - none): 0 stands for none in all columns. Columns in order, of each its planes."""
    numbers: dict[tuple[int | None, int | None, int], Column] = {}
    bits: dict[int, Column] = {}
    gates = [
        chosen(_bit(me, bits, shares, row), _number(me, numbers, shares, one, sizes.n))
        for one in wanted
        for row in range(one.choice * sizes.planes, (one.choice + 1) * sizes.planes)
    ]
    taken: list[Column] = yield from together(*gates)
    return [column.share for column in taken]


def _bit(me: Role, made: dict[int, Column], shares: Shares | None, row: int) -> Column:
    if row not in made:
        made[row] = Column(me, np.empty(0, np.uint8) if shares is None else packed(shares.bits[row]))
    return made[row]


def _number(
    me: Role, made: dict[tuple[int | None, int | None, int], Column], shares: Shares | None, one: Least, n: int
) -> Column:
    """x - none; opened once however many take it."""
    key = one.value, one.payload, one.none
    if key not in made:
        known = one.payload is None
        share = np.zeros(0 if shares is None else n, np.uint64)
        if shares is not None and one.payload is not None:
            share = shares.words[1 + one.payload]
        elif shares is not None and shares.values is not None and one.value is not None:
            share = shares.values[one.value].view(np.uint64)
        if me is Role.QUERY:
            share = share - np.uint64(one.none % (1 << 64))
        made[key] = Column(me, share, known)
    return made[key]
