"""The least number of each group that QUERY knows: a tournament within blocks of rows, then along each group's blocks.

Functionality  least[g] = min of number[i] over the rows of QUERY's g-th group; the greatest is minus the least of -x
Parties        QUERY and HELPER hold and receive shares, QUERY has the groups; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        n, b, G, the bits of a difference, and the most blocks a group may have
Rounds         H + H L + 2 A + A L + 1; H, A halvings within, along blocks; L flights of a sign
Bytes          M S + M X + Y S + Y X + 0.375 Y + 2 w b + 4 G; see `traffic`
Source         psi.md 11 (tournament), 17 (minimum; known bits say which blocks are of one group), 8 (pick)

A group takes whole blocks, at least one, in QUERY's order; a row that counts for nothing holds a number above all. With
blocks of one row the groups are keys, as in `reduction`. M and Y are minima within and along blocks, S bytes of a sign,
X of a choice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.ring import Ring
from glovebox.protocols.flights import ROW_BITS, cost_of, evaluated
from glovebox.protocols.gates import Column, chosen, known_bits, minimum, multiplied, sign
from glovebox.protocols.pick import picked
from glovebox.protocols.reduction import last_rows
from glovebox.protocols.wires import Array, Gate
from glovebox.runtime.context import Context, Role

Index = NDArray[np.int64]


async def minima(
    ctx: Context,
    numbers: Ring | None,
    ends: Index | None,
    n: int,
    blocks: int,
    groups: int,
    most: int,
    bits: int,
    ring: type[np.unsignedinteger[Any]] = np.uint64,
) -> Ring | None:
    """Shares of each group's least number: (groups,) of the ring at QUERY and HELPER, None at TABLE.

    numbers: (n,) of the ring, two of which differ by less than 2^(bits - 1). n: a multiple of `blocks`. ends: at QUERY,
    the last block of each group, ascending, at most `groups`; fewer need as many blocks more, whose numbers stand in
    for the groups that lack. most: blocks that a group has at most, public.
    """
    me = ctx.role or Role.TABLE
    column = np.empty((0, 0), ring) if numbers is None else numbers.reshape(blocks, -1).T
    for level, pairs in enumerate(_halvings(n // blocks)):
        column = await _halved(ctx.narrow(f"within{level}"), me, column, pairs, blocks, bits)
    least = column.reshape(-1)
    for level in range((most - 1).bit_length()):
        least = await _joined(ctx.narrow(f"along{level}"), me, least, ends, 1 << level, blocks, bits)
    places = None if ends is None else last_rows(ends, blocks, groups)
    found = await picked(ctx, None if numbers is None else least[None], places, 1, blocks, groups, ring)
    return None if found is None else found[0]


def traffic(n: int, blocks: int, groups: int, most: int, bits: int, ring: Any = np.uint64) -> dict[str, float]:
    """The sizes of the card."""
    like, halvings, steps = np.empty(0, ring), list(_halvings(n // blocks)), (most - 1).bit_length()
    a_sign = cost_of(sign(Column(Role.TABLE, like), bits))
    a_choice = cost_of(chosen(Column(Role.TABLE, np.empty(0, np.uint8)), Column(Role.TABLE, like)))
    return {
        "H": len(halvings),
        "A": steps,
        "L": a_sign.rounds,
        "M": sum(_whole(pairs * blocks) for pairs in halvings),
        "Y": steps * _whole(blocks),
        "S": a_sign.opened + a_sign.dealt,
        "X": a_choice.opened + a_choice.dealt,
        "b": blocks,
        "w": like.itemsize,
        "G": groups,
    }


def largest_frame(n: int, blocks: int, groups: int, most: int, bits: int, ring: Any = np.uint64) -> float:
    """Bytes of the largest frame."""
    like = np.empty(0, ring)
    rows = [_whole(pairs * blocks) for pairs in _halvings(n // blocks)] + [_whole(blocks)] * (most > 1)
    a_row = max(
        cost_of(sign(Column(Role.TABLE, like), bits)).frame,
        cost_of(chosen(Column(Role.TABLE, np.empty(0, np.uint8)), Column(Role.TABLE, like))).frame,
    )
    return max(like.itemsize * blocks, 4 * groups, *(a_row * size for size in rows), 0)


def _halvings(width: int) -> Iterator[int]:
    """How many pairs of a block's numbers are left to one each, until one number is left."""
    while width > 1:
        yield width // 2
        width -= width // 2


def _whole(rows: int) -> int:
    return -(-rows // ROW_BITS) * ROW_BITS


async def _halved(ctx: Context, me: Role, column: Ring, pairs: int, blocks: int, bits: int) -> Ring:
    """The lesser of so many pairs in each block: (width - pairs, blocks) from (width, blocks)."""
    size = pairs * blocks
    x, y = (_padded(half.reshape(-1), size) for half in (column[:pairs], column[pairs : 2 * pairs]))
    lesser = await evaluated(ctx, _lesser(me, x, y, bits), _whole(size))
    if me is Role.TABLE:
        return column
    return np.concatenate([column[2 * pairs :], lesser[:size].reshape(pairs, blocks)])


async def _joined(ctx: Context, me: Role, least: Ring, ends: Index | None, step: int, blocks: int, bits: int) -> Ring:
    """Each block's number and that of the block so many before it, if that is of the same group."""
    before = _padded(np.concatenate([least[:step], least[:-step]]), blocks)
    same = np.zeros(0 if me is Role.TABLE else _whole(blocks), np.uint8)
    if ends is not None:
        starts = (np.concatenate([[-1], ends])[:-1] + 1).repeat(np.diff(ends, prepend=-1))
        same[: len(starts)] = starts + step <= np.arange(len(starts))
    lesser = await evaluated(ctx, _lesser_if(me, before, _padded(least, blocks), same, bits), _whole(blocks))
    return lesser[:blocks]


def _padded(numbers: Ring, size: int) -> Ring:
    """Numbers and zeros, a whole number of words of bits; none at TABLE."""
    if not len(numbers):
        return numbers
    padded = np.zeros(_whole(size), numbers.dtype)
    padded[:size] = numbers
    return padded


def _lesser(me: Role, x: Array, y: Array, bits: int) -> Gate[Array]:
    return (yield from minimum(Column(me, x), Column(me, y), bits)).share


def _lesser_if(me: Role, x: Array, y: Array, same: Array, bits: int) -> Gate[Array]:
    """y + [x < y] same (x - y)."""
    less = Column(me, x - y)
    of_group = known_bits(less, same)
    taken = yield from multiplied((yield from sign(less, bits)), of_group)
    return y + (yield from chosen(taken, less)).share
