"""Quantiles of counted values: which value stands at a rank among all of a group, found by two levels of counts.

Functionality  index[g] = how many values v have of C[g, v] - share N[g] + plus < 0; C[g, v]: how many numbers of g
               are among the first v + 1 values, N[g]: how many there are at all; of several ranks the sum
Parties        QUERY and HELPER hold and receive shares; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        groups, values and ranks
Rounds         F + f; flights of the first and of the second level
Bytes          n A + m B; n blocks and m values of a block, of all groups, which cost A and B, see `traffic`
Source         own; the k-th number by counts below it (Aggarwal, Mishra, Pinkas, EUROCRYPT 2004), nothing opened on the
               way: signs of `comparison`, a block chosen by a bit that only one of them has (psi.md 17)

C ascends with v, so the values below the rank come first, and their number is the place of the first that is not. The
values stand in blocks of about their square root: the ends of the blocks tell the block, its place chooses its counts,
and these tell the value. A group without numbers has an index that depends on the ranks alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.bits import unpacked
from glovebox.protocols.flights import ROW_BITS, cost_of, evaluated
from glovebox.protocols.gates import Column, chosen, counted, sign
from glovebox.protocols.wires import Array, Gate, together
from glovebox.runtime.context import Context, Role

U64 = NDArray[np.uint64]
WORD = np.dtype(np.uint64)


class Rank(NamedTuple):
    """A place among N numbers in order: that of the first value v with of C - share N + plus >= 0.

    share, of: the quantile as a fraction, share <= of.
    """

    of: int
    share: int
    plus: int


class Counts(NamedTuple):
    """The public sizes of counted values: of how many groups, how many values, and the most numbers of a group."""

    groups: int
    values: int
    most: int

    @property
    def width(self) -> int:
        """Values of a block."""
        return 1 << (self.values.bit_length() // 2)

    @property
    def blocks(self) -> int:
        """Blocks of a group."""
        return -(-self.values // self.width)

    @property
    def highest(self) -> int:
        """A bound of an index, that of a group without numbers included."""
        return (self.blocks + 1) * self.width

    def bits(self, ranks: Sequence[Rank]) -> int:
        """b with -2^(b-1) <= of C - share N + plus < 2^(b-1)."""
        return max(rank.of * self.most + abs(rank.plus) for rank in ranks).bit_length() + 1


async def quantiles(ctx: Context, asked: Sequence[tuple[Rank, ...]], sizes: Counts, counts: U64 | None) -> U64 | None:
    """Shares of the index of each asked sum of ranks in each group: (asked, groups) uint64; None at TABLE.

    counts: (groups, values) uint64 at QUERY and HELPER, how often each value is there.
    """
    me, ranks = ctx.role or Role.TABLE, ranks_of(asked)
    (n, m), bits = _rows(sizes), sizes.bits(ranks)
    own = np.empty((0, sizes.values), np.uint64) if counts is None else counts  # TABLE has no rows
    table = await ctx.compute(_in_blocks, sizes, own)
    every = table[-1].reshape(len(own), sizes.blocks)[:, -1]
    ends = _differences(me, ranks, [table[-1]] * len(ranks), np.repeat(every, sizes.blocks))
    blocks = _first(me, _padded(me, ends, n), _padded(me, table, n), bits, sizes.blocks)
    before, rows = await evaluated(ctx.narrow("blocks"), blocks, n)
    size = len(own) * sizes.blocks
    within = [row[:, :size].reshape(sizes.width, len(own), sizes.blocks).sum(2).reshape(-1) for row in rows]
    inner = _differences(me, ranks, within, np.tile(every, sizes.width))
    after = await evaluated(ctx.narrow("values"), _second(me, _padded(me, inner, m), bits), m)
    if counts is None:
        return None
    places = before[:, :size].reshape(len(ranks), -1, sizes.blocks).sum(2) * np.uint64(sizes.width)
    places += after[:, : sizes.width * len(own)].reshape(len(ranks), sizes.width, -1).sum(1)
    return np.stack([places[[ranks.index(rank) for rank in one]].sum(0) for one in asked])


def ranks_of(asked: Sequence[tuple[Rank, ...]]) -> tuple[Rank, ...]:
    """Every rank once."""
    return tuple(dict.fromkeys(rank for one in asked for rank in one))


def traffic(asked: Sequence[tuple[Rank, ...]], sizes: Counts) -> dict[str, float]:
    """The sizes of the card."""
    (n, m), (first, second) = _rows(sizes), map(cost_of, _gates(asked, sizes))
    return {
        "n": n,
        "m": m,
        "A": first.opened + first.dealt,
        "B": second.opened + second.dealt,
        "F": first.rounds,
        "f": second.rounds,
    }


def largest_frame(asked: Sequence[tuple[Rank, ...]], sizes: Counts) -> int:
    """Bytes of the largest frame."""
    frames = [cost_of(gate).frame * rows for gate, rows in zip(_gates(asked, sizes), _rows(sizes), strict=True)]
    return math.ceil(max(frames))


def from_lowest(ctx: Context, asked: Sequence[tuple[Rank, ...]], low: int, found: U64 | None) -> U64 | None:
    """Sums of values from shares of sums of their indices, value 0 being `low`: QUERY adds what they differ by."""
    if found is None or ctx.role is not Role.QUERY:
        return found
    return found + np.array([[len(ranks) * low % (1 << 64)] for ranks in asked], np.uint64)


def _gates(asked: Sequence[tuple[Rank, ...]], sizes: Counts) -> tuple[Gate[Any], Gate[Any]]:
    """Both levels on columns without rows."""
    ranks = ranks_of(asked)
    none, bits = np.empty((len(ranks), 0), np.uint64), sizes.bits(ranks)
    first = _first(Role.TABLE, none, np.empty((sizes.width, 0), np.uint64), bits, sizes.blocks)
    return first, _second(Role.TABLE, none, bits)


def _rows(sizes: Counts) -> tuple[int, int]:
    """Rows of the gates of both levels."""
    n, m = (-(-sizes.groups * size // ROW_BITS) * ROW_BITS for size in (sizes.blocks, sizes.width))
    return n, m


def _in_blocks(sizes: Counts, counts: U64) -> U64:
    """C as (values of a block, groups x blocks): the last row is of the blocks' ends; values that lack are the last."""
    ascending = np.cumsum(counts, axis=1, dtype=np.uint64)
    lacking = sizes.blocks * sizes.width - sizes.values
    padded = np.pad(ascending, ((0, 0), (0, lacking)), "edge")
    return np.ascontiguousarray(padded.reshape(-1, sizes.width).T)


def _differences(me: Role, ranks: Sequence[Rank], ascending: Sequence[U64], every: U64) -> U64:
    """of C - share N + plus of each rank."""
    plus = [np.uint64(rank.plus % (1 << 64) if me is Role.QUERY else 0) for rank in ranks]
    return np.stack(
        [
            np.uint64(rank.of) * count - np.uint64(rank.share) * every + more
            for rank, count, more in zip(ranks, ascending, plus, strict=True)
        ]
    )


def _padded(me: Role, columns: U64, n: int) -> U64:
    return columns if me is Role.TABLE else np.pad(columns, ((0, 0), (0, n - columns.shape[1])))


def _first(me: Role, ends: U64, table: U64, bits: int, blocks: int) -> Gate[tuple[U64, list[U64]]]:
    """Which blocks end below each rank, as numbers; and the counts of the first block that does not, zeros else."""
    below = Column(me, (yield from sign(Column(me, ends), bits)).share)
    counts = Column(me, table)
    gates = [chosen(Column(me, bit), counts) for bit in _turning(me, below.share, blocks)]
    steps, *rows = yield from together(counted(below, WORD), *gates)
    return steps.share, [row.share for row in rows]


def _second(me: Role, inner: U64, bits: int) -> Gate[U64]:
    """Which values of the block are below each rank, as numbers."""
    return (yield from counted((yield from sign(Column(me, inner), bits)), WORD)).share


def _turning(me: Role, below: Array, blocks: int) -> Array:
    """The first block of each group that is not below the rank: the one before it is, or there is none."""
    bits = unpacked(below)
    before = np.roll(bits, 1, axis=-1)
    before[..., ::blocks] = me is Role.QUERY
    return np.packbits(bits ^ before, axis=-1, bitorder="little")
