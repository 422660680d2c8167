"""How often each value is there among rows whose bit is set: QUERY knows the values, some a row, and nobody the counts.

Functionality  count[p, g, v] = sum of the weight of QUERY's rows of group g whose bit of plane p is set, once for each
               time that v is among the row's values
Parties        QUERY and HELPER hold and receive shares, QUERY has values and groups; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        n, values a row, G groups, V values, P planes
Rounds         3
Bytes          n O + n D + 32 P e + 4 e + 4 B; B = G V counts, e = n values and B; O and D of `gates`, see `traffic`
Source         an oblivious permutation and a pick [CGP20]; prefix sums as in `reduction`

Each row stands as often as it has values. With a row of weight zero for each count, QUERY puts all in the order of
counts, that row last of each: the prefix sums at these rows are the counts added up. Rows without a value come last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.bits import packed
from glovebox.protocols import quantile
from glovebox.protocols.flights import cost_of, evaluated
from glovebox.protocols.gates import Column, chosen, counted
from glovebox.protocols.least import Blocks
from glovebox.protocols.pick import picked
from glovebox.protocols.quantile import Counts, Rank, quantiles
from glovebox.protocols.totals import Ranked, Shares, Total
from glovebox.protocols.wires import Array, Gate, together
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.context import Context, Role

U64 = NDArray[np.uint64]
Index = NDArray[np.int64]
WORD = np.dtype(np.uint64)


class Tally(NamedTuple):
    """What is counted: of QUERY's values those from `low` to `none` - 1; `none` is no value.

    values: which of QUERY's, each a value of the row. payload: the row's weight, None is 1.
    """

    values: tuple[int, ...]
    payload: int | None
    low: int
    none: int
    choice: int = 0

    @property
    def size(self) -> int:
        """How many values may be there."""
        return self.none - self.low


async def value_counts(
    ctx: Context, tally: Tally, shares: Shares | None, ends: Index | None, sizes: Blocks
) -> U64 | None:
    """Shares of the counts: (planes, groups, values) uint64 at QUERY and HELPER, None at TABLE.

    ends: at QUERY, the last block of each group.
    """
    me, bins, planes = ctx.role or Role.TABLE, sizes.groups * tally.size, sizes.planes
    rows = await evaluated(ctx.narrow("weights"), _weights(me, tally, shares, sizes), sizes.n)
    columns, order = None, None
    if shares is not None:
        repeated = np.tile(np.stack(rows), len(tally.values))
        columns = np.concatenate([repeated, np.zeros((planes, bins), np.uint64)], axis=1)
    entries = len(tally.values) * sizes.n + bins
    if shares is not None and shares.values is not None and ends is not None:
        order = await ctx.compute(_order, tally, shares.values, ends, sizes)
    ordered = await picked(ctx.narrow("order"), columns, order, planes, entries, entries)
    prefixes = None if ordered is None else np.cumsum(ordered, axis=1, dtype=np.uint64)
    last = None if order is None else np.flatnonzero(order >= entries - bins)
    found = await picked(ctx.narrow("counts"), prefixes, last, planes, entries, bins)
    if found is None:
        return None
    return np.diff(found, axis=1, prepend=np.uint64(0)).reshape(planes, sizes.groups, tally.size)


class Wanted(NamedTuple):
    """Numbers at ranks of what is counted. places: their totals'; ranks: of each, added; most: numbers of a group."""

    tally: Tally
    places: tuple[int, ...]
    ranks: tuple[tuple[Rank, ...], ...]
    most: int

    def sizes(self, blocks: Blocks) -> Counts:
        """Of the counts of all groups: QUERY's, within each a table's."""
        return Counts(blocks.groups * blocks.planes, self.tally.size, self.most)


def wanted_of(totals: Sequence[Total]) -> tuple[Wanted, ...]:
    """What is counted once for all ranks that are wanted of it."""
    found: dict[Tally, list[tuple[int, Ranked]]] = {}
    for place, total in enumerate(totals):
        if one := total.ranked:
            key = Tally(one.values, total.payload, one.low, one.none, total.choice)
            found.setdefault(key, []).append((place, one))
    return tuple(
        Wanted(
            key,
            tuple(place for place, _ in listed),
            tuple(one.ranks for _, one in listed),
            max(one.most for _, one in listed),
        )
        for key, listed in found.items()
    )


async def numbers_at_ranks(ctx: Context, wanted: Wanted, sizes: Blocks, parts: Sequence[U64]) -> U64 | None:
    """Shares of the numbers at the ranks of all parts' counts: (places, groups) uint64; None at TABLE."""
    counts = [part.swapaxes(0, 1).reshape(-1, wanted.tally.size) for part in parts]
    added = None if ctx.role is Role.TABLE else sum(counts, np.zeros_like(counts[0]))
    found = await quantiles(ctx, wanted.ranks, wanted.sizes(sizes), added)
    return quantile.from_lowest(ctx, wanted.ranks, wanted.tally.low, found)


def rounds_and_bytes(wanted: Wanted, sizes: Blocks) -> tuple[float, float]:
    """Of the counts and of the ranks together."""
    here, there = terms(__doc__), terms(quantile.__doc__ or "")
    of_ranks = quantile.traffic(wanted.ranks, wanted.sizes(sizes))
    of_counts = traffic(wanted.tally, sizes)
    rounds, size = (value_of(here[line], of_counts) + value_of(there[line], of_ranks) for line in ("Rounds", "Bytes"))
    return rounds, size


def traffic(tally: Tally, sizes: Blocks) -> dict[str, float]:
    """The sizes of the card."""
    cost = cost_of(_weights(Role.TABLE, tally, None, sizes))
    bins = sizes.groups * tally.size
    entries = len(tally.values) * sizes.n + bins
    return {"n": sizes.n, "O": cost.opened, "D": cost.dealt, "P": sizes.planes, "e": entries, "B": bins}


def largest_frame(wanted: Wanted, sizes: Blocks) -> int:
    """Bytes of the largest frame of the counts and of the ranks."""
    weights = sizes.n * cost_of(_weights(Role.TABLE, wanted.tally, None, sizes)).frame
    of_counts = max(weights, 8 * sizes.planes * traffic(wanted.tally, sizes)["e"])
    return max(math.ceil(of_counts), quantile.largest_frame(wanted.ranks, wanted.sizes(sizes)))


def _weights(me: Role, tally: Tally, shares: Shares | None, sizes: Blocks) -> Gate[list[Array]]:
    """The row's weight where its bit is set, in each plane."""
    planes = range(tally.choice * sizes.planes, (tally.choice + 1) * sizes.planes)
    bits = [Column(me, np.empty(0, np.uint8) if shares is None else packed(shares.bits[row])) for row in planes]
    gates: list[Gate[Column]] = [counted(bit, WORD) for bit in bits]
    if tally.payload is not None:
        weight = Column(me, np.empty(0, np.uint64) if shares is None else shares.words[1 + tally.payload])
        gates = [chosen(bit, weight) for bit in bits]
    taken: list[Column] = yield from together(*gates)
    return [column.share for column in taken]


def _order(tally: Tally, values: NDArray[Any], ends: Index, sizes: Blocks) -> Index:
    """QUERY's rows, once for each value, in the order of counts; each count's row of weight zero, last of its own."""
    bins = sizes.groups * tally.size
    group = np.minimum(np.searchsorted(ends, np.arange(sizes.blocks)), sizes.groups - 1)
    first = np.repeat(group * tally.size, sizes.n // sizes.blocks)
    own = values[list(tally.values)]
    places = np.where(own == tally.none, bins, first + np.clip(own - tally.low, 0, tally.size - 1))
    keys = np.concatenate([2 * places.reshape(-1), 2 * np.arange(bins) + 1])
    return np.argsort(keys, kind="stable")
