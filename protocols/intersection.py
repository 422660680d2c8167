"""Strict circuit-PSI with totals: sums over the ids that two or three owners share, and nothing else, to anyone.

Functionality  total[k, g, j] = sum over ids in all tables of value[k] payload[k], for QUERY's group g and a table's j
Parties        QUERY and TABLE own rows, and HELPER if there is a second table; QUERY and HELPER get fresh shares
Security       semi-honest, one corrupt party; AES and HMAC; 2^-40 (false match) + 2^-40 (no table, aborts)
Leakage        rows of QUERY and of the tables (padded), numbers of groups, expressions, the shape of the totals, to all
Rounds         8 + E + F + Z + Y + L + J + 2 T + U; one less for a further shard; Y, X: 1 with groups of QUERY, a table
Bytes          a + 39.375 A n + 5 A n U + n O + p + m + l + j + 16 C k + 4 G + 16 T; of a shard, n rows of QUERY
Source         circuit-PSI [PSTY19, CGS22, RS21] with the third party's key [LRG19, MRR20]; psi.md 2 to 13

See `traffic`: a is of `alignment`, O and F of `rows`, p of `planes`, m and E of `totals`, l and L of `least`, where a
total is one; C columns of k blocks to pick G groups from. T is 1 with a second table, U with wide tags; A is 2 where
two tables' matches stand apart, K of K keys, else 1. Z is X if QUERY sends choices and nothing is lifted; else a chain
of frames that begins a step later, at HELPER, ends no later than without groups. With matches apart QUERY need not wait
for the move, and a round less may be metered. Shards' least numbers meet once more at the end. j and J are of `tally`
and of `quantile`, where numbers at ranks are wanted; all shards' counts are added before ranks are looked for.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import okvs
from glovebox.protocols import alignment, least, planes, shards, tally, totals
from glovebox.protocols.alignment import OwnRows, TableSize, aligned
from glovebox.protocols.expression import Expression, Match
from glovebox.protocols.least import Blocks, Least, least_numbers, least_of_parts
from glovebox.protocols.membership import all_ones
from glovebox.protocols.pick import picked
from glovebox.protocols.planes import group_planes
from glovebox.protocols.products import OTHER
from glovebox.protocols.rows import Aligned, expressed
from glovebox.protocols.rows import traffic as row_traffic
from glovebox.protocols.shards import Layout, Piece, Pieces, Rows, cut
from glovebox.protocols.tally import Wanted, numbers_at_ranks, value_counts, wanted_of
from glovebox.protocols.totals import Shares, Total, matched_totals, with_unmatched
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.context import Context, Role
from glovebox.runtime.mailbox import window_bytes

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

NARROW_ROWS = 1 << 24  # rows of QUERY with all padding: n 2^-64 stays under 2^-40 (psi.md 5)
MOST_ROWS = 1_000_000_000  # with padding 64 shards of under 2^24 rows; n 2^-72 is under 2^-42
MOST_ROWS_OF_KEYS = 1 << 20  # by several keys, whose rows are one shard: 1.5 GiB at each
MATCH = Match(0)


@dataclass(frozen=True)
class JoinShape:
    """What all three know: padded rows of the owners, payloads a row of a table, totals, and numbers of groups.

    choices: bits of a row that totals choose by; none chooses padding. columns: numbers of a row that totals may name
    as payloads, after the tables' own. second: HELPER's table, joined on the same ids, with its payloads after TABLE's;
    one of the two at most has groups. apart: a match in each of two tables is a bit of its own, of neither is in the
    other's; tables have no groups then. wide: tags have 72 bits, in a shard of a large whole. keys: a row has so many
    ids, by each of which it may match a row of TABLE: expressions have each as a table of its own, with its payloads.
    All rows are one shard then, for rows that meet by any key are in it.
    """

    n_query: int
    n_table: int
    payloads: int
    totals: tuple[Total, ...]
    query_groups: int = 1
    table_groups: int = 1
    choices: tuple[Expression, ...] = (MATCH,)
    columns: tuple[Expression, ...] = ()
    second: TableSize | None = None
    wide: bool = False
    apart: bool = False
    keys: int = 1

    @property
    def table(self) -> TableSize:
        """TABLE's table, which has its rows under each key."""
        return TableSize(self.keys * self.n_table, self.payloads, self.table_groups, self.wide)

    @property
    def words(self) -> int:
        """Words of a row of TABLE."""
        return self.table.words

    @property
    def tables(self) -> tuple[TableSize, ...]:
        """All tables that are looked up."""
        return (self.table,) if self.second is None else (self.table, self.second)

    @property
    def tags(self) -> int:
        """Tags of a row: one of each table or each key, or one of both tables."""
        return 2 if self.apart else self.keys

    @property
    def payload_words(self) -> int:
        """Words of a row that are payloads, before the columns."""
        return self.keys * self.payloads + (self.second.payloads if self.second else 0)

    @property
    def planes(self) -> int:
        """Groups of the table that has them."""
        return math.prod(table.groups for table in self.tables)

    @property
    def expressed(self) -> tuple[Expression, ...]:
        """What is evaluated row by row: all choices and columns, if one of them is more than the match."""
        return () if self.choices == (MATCH,) and not self.columns else self.choices + self.columns

    @property
    def sums(self) -> tuple[Total, ...]:
        """The totals that are sums."""
        return tuple(total for total in self.totals if total.least is None and total.ranked is None)

    @property
    def leasts(self) -> tuple[Least, ...]:
        """The totals that are the least of numbers."""
        return tuple(
            Least(total.value, total.payload, *total.least, total.choice) for total in self.totals if total.least
        )

    @property
    def ranked(self) -> tuple[Wanted, ...]:
        """What is counted for numbers at ranks."""
        return wanted_of(self.totals)

    @property
    def blocks(self) -> Blocks:
        """How QUERY's rows of a shard stand for the least of them."""
        return Blocks(self.layout.size, self.layout.blocks, self.query_groups, self.planes)

    @property
    def groups(self) -> int:
        """Groups of QUERY's and a table's column together."""
        return self.query_groups * self.planes

    @property
    def layout(self) -> Layout:
        """QUERY's rows of a shard. Few groups and many rows: blocks as large as the rows that pad them (psi.md 8).

        The blocks hold any distribution of rows to groups, each group in blocks of its own, at least one.
        """
        if self.query_groups == 1:
            return Layout(self.n_query, 1, self.n_query, 1)
        block = 64 * max(1, round(math.sqrt(self.n_query / (4 * self.query_groups)) / 64))
        return Layout(self.n_query, self.query_groups, block, self.n_query // block + self.query_groups)


async def joined_totals(ctx: Context, shape: JoinShape, rows: Rows | None) -> U64 | None:
    """Additive shares of all totals, (totals, groups) uint64 at QUERY and HELPER, None at TABLE.

    Groups are numbered by QUERY's group, and within it by a table's. rows: at every owner. Raises DataError if ids
    repeat, GloveboxError (`no_table`) with less than 2^-40.
    """
    if shape.keys > 1 and (shape.second is not None or shape.planes > 1):
        raise ValueError("of several keys there is one table, without groups")
    number, shard = shards_of(shape)
    bound, layout = _own(ctx, shape)[0], _own(ctx, shard)[1]
    pieces = await cut(ctx, rows, bound, layout, number, shape.second is not None)
    parts = await _every_shard(ctx, shard, pieces, number)
    sums = await _of_shards(ctx.narrow("shards"), shape, parts, number)
    if any(total.outer for total in shape.totals) and ctx.role in OTHER:
        if shape.planes > 1:
            raise ValueError("rows without a match are in no group of a table")
        sums = with_unmatched(shape.totals, sums, pieces.every() if pieces and ctx.role is Role.QUERY else ())
    return fresh(ctx, shape.totals, sums)


def shards_of(shape: JoinShape) -> tuple[int, JoinShape]:
    """How many shards, and the shape of each."""
    rows = max(shape.n_query, *(table.rows for table in shape.tables))
    number = 1 if shape.keys > 1 else shards.shards_of(rows)
    n_query, n_table = (shards.padded(rows, number) for rows in (shape.n_query, shape.n_table))
    n_query = -(-n_query // 64) * 64
    wide = shape.wide or number * shape.keys * replace(shape, n_query=n_query).layout.size > NARROW_ROWS
    second = shape.second and shape.second._replace(rows=shards.padded(shape.second.rows, number), wide=wide)
    return number, replace(shape, n_query=n_query, n_table=n_table, second=second, wide=wide)


def in_hand(shard: JoinShape) -> int:
    """How many shards QUERY and HELPER, who wait for each other, have in hand: two small ones, so that both work.

    While one waits for the rest of what TABLE sent of the other, the link must hold that: at most all bytes of a shard.
    """
    small = shard.layout.size <= 2 * shards.SHARD_ROWS
    return 2 if small and _line("Bytes", __doc__, traffic(shard)) <= window_bytes(largest_frame(shard)) else 1


def traffic(shape: JoinShape) -> dict[str, float]:
    """The sizes of the card, for one shard."""
    _, shard = shards_of(shape)
    n, blocks, choices = shard.layout.size, shard.layout.blocks, len(shape.choices)
    of_totals = totals.traffic(shape.sums, n, shard.planes, blocks)
    of_least = least.traffic(shape.leasts, shard.blocks) if shape.leasts else {}
    rows = row_traffic(shape.expressed)
    picks = shape.query_groups if shape.query_groups > 1 else 0
    choosing = any(total.value is None and total.payload is not None for total in shape.sums)
    return {
        "n": n,
        "a": _line("Bytes", alignment.__doc__, alignment.traffic(n, shard.table, shard.second, shard.keys)),
        "F": rows["F"],
        "O": rows["O"] + rows["D"],
        "p": _line("Bytes", planes.__doc__, {"n": n, "c": choices, "G": shard.planes}) if shard.planes > 1 else 0,
        "m": _line("Bytes", totals.__doc__, {"n": n} | of_totals),
        "E": of_totals["E"] + of_totals["W"],
        "L": _line("Rounds", least.__doc__, of_least) if of_least else 0,
        "l": _line("Bytes", least.__doc__, of_least) if of_least else 0,
        "J": sum(tally.rounds_and_bytes(one, shard.blocks)[0] for one in shape.ranked),
        "j": sum(tally.rounds_and_bytes(one, shard.blocks)[1] for one in shape.ranked),
        "T": shape.second is not None,
        "U": shard.wide,
        "A": shard.tags,
        "X": shard.planes > 1,
        "Y": picks > 0,
        "Z": shard.planes > 1 and choosing and not of_totals["W"],
        "C": len(shape.sums) * shard.planes,
        "k": blocks if picks else 0,
        "G": picks,
    }


def _line(line: str, card: str | None, sizes: dict[str, float]) -> float:
    return value_of(terms(card or "")[line], sizes)


def largest_frame(shape: JoinShape) -> int:
    """Bytes of the largest frame that any party sends."""
    _, shard = shards_of(shape)
    wires = len(shape.choices) + shard.planes + len(shape.choices) * shard.planes
    moved = 8 * shard.second.words if shard.second else 0
    row = max(8 * shard.tags, moved, wires / 8, row_traffic(shape.expressed)["M"])
    tables = [8 * table.words * okvs.layout_of(table.rows).rows for table in shard.tables]
    n, blocks = shard.layout.size, shard.layout.blocks
    corrections = int(totals.traffic(shape.sums, n, shard.planes, blocks)["C"])
    picked = 8 * len(shape.sums) * shard.planes * blocks
    of_least = least.largest_frame(shape.leasts, shard.blocks) if shape.leasts else 0
    of_ranks = [tally.largest_frame(one, shard.blocks) for one in shape.ranked]
    return max(math.ceil(n * row), *tables, corrections, picked, of_least, *of_ranks)


def _own(ctx: Context, shape: JoinShape) -> tuple[int, Layout]:
    """The public rows of this party, and how it lays them out."""
    if ctx.role is Role.QUERY:
        return shape.n_query, shape.layout._replace(keys=shape.keys)
    rows, groups = shape.n_table, shape.table_groups
    if ctx.role is Role.HELPER and shape.second is not None:
        rows, groups = shape.second.rows, shape.second.groups
    return rows, Layout(rows, groups, rows, 1, shape.keys)


async def _every_shard(ctx: Context, shape: JoinShape, pieces: Pieces | None, number: int) -> list[Part]:
    """Every shard's shares, none at TABLE.

    TABLE sends a shard whole before the next: what a peer waits for then always comes before what it does not.
    """
    places, done = asyncio.Semaphore(1 if ctx.role is Role.TABLE else in_hand(shape)), itertools.count(1)

    async def run(index: int) -> Part | None:
        async with places:
            piece = await ctx.compute(pieces.piece, index) if pieces else None
            shares = await _shard(ctx.narrow(f"shard{index}"), shape, piece)
            ctx.progress(next(done), number)
            return shares

    running = [asyncio.ensure_future(run(index)) for index in range(number)]
    try:
        return [shares for shares in await asyncio.gather(*running) if shares is not None]
    finally:
        for each in running:
            each.cancel()


class Part(NamedTuple):
    """A shard's shares: totals, numbers at ranks being zero, and what was counted for these."""

    totals: U64
    counts: list[U64]


async def _shard(ctx: Context, shape: JoinShape, piece: Piece | None) -> Part | None:
    """One run of the protocol: alignment, equality, expressions, groups of a table, totals, groups of QUERY."""
    n, layout = shape.layout.size, shape.layout
    own = OwnRows(piece.ids, piece.values, piece.groups) if piece else None
    words = await aligned(ctx, own, n, shape.table, shape.second, shape.apart, shape.keys)
    bits = await _matches(ctx.narrow("equal"), words, shape)
    words = None if words is None else words[shape.tags - 1 : len(words) - shape.tags * shape.wide]
    values = piece.values if piece and ctx.role is Role.QUERY else None
    ends = piece.ends if piece and ctx.role is Role.QUERY else None
    chosen, words = await _expressed(ctx.narrow("rows"), shape, bits, words, values)
    if shape.planes > 1:
        hot = None if words is None else words[len(words) - sum(table.group_words for table in shape.tables) :]
        chosen = await group_planes(ctx.narrow("groups"), chosen, hot, n, len(shape.choices), shape.planes)
    shares = None if chosen is None or words is None else Shares(chosen, words, values)
    sums = await matched_totals(ctx.narrow("totals"), shape.sums, shares, n, layout.blocks, shape.planes)
    if shape.query_groups > 1:
        sums = await _by_group(ctx.narrow("pick"), shape, sums, ends)
    lowest = None if sums is None else sums[:0]
    if shape.leasts:
        lowest = await least_numbers(ctx.narrow("least"), shape.leasts, shares, ends, shape.blocks)
    counts = [
        await value_counts(ctx.narrow(f"tally{number}"), one.tally, shares, ends, shape.blocks)
        for number, one in enumerate(shape.ranked)
    ]
    if sums is None or lowest is None:
        return None
    return Part(_by_query(shape, _in_order(shape, sums, lowest)), [one for one in counts if one is not None])


async def _matches(ctx: Context, words: U64 | None, shape: JoinShape) -> U8 | None:
    """Whether tags are equal, (tags, n): QUERY's are turned over, so that equal ones make ones."""
    size = shape.tags * shape.layout.size
    if words is None:
        return await all_ones(ctx, None, size, None, shape.wide)
    ends = words[: shape.tags], words[-shape.tags :]
    tags, more = (~one.reshape(-1) if ctx.role is Role.QUERY else one.reshape(-1) for one in ends)
    bits = await all_ones(ctx, tags, size, more if shape.wide else None, shape.wide)
    return None if bits is None else bits.reshape(shape.tags, -1)


async def _expressed(
    ctx: Context, shape: JoinShape, bits: U8 | None, words: U64 | None, values: NDArray[np.int64] | None
) -> tuple[U8 | None, U64 | None]:
    """The choices' bits, (choices, n), and the words with the columns after the tables' payloads."""
    if not shape.expressed:
        return bits, words
    if bits is None or words is None:
        await expressed(ctx, shape.expressed, None, shape.layout.size)
        return None, None
    last = 1 + shape.payload_words
    payloads = np.split(words[1:last], [shape.payloads * place for place in range(1, shape.tags)])
    rows = Aligned(list(bits), payloads, values)
    made = await expressed(ctx, shape.expressed, rows, shape.layout.size) or []
    chosen, columns = made[: len(shape.choices)], made[len(shape.choices) :]
    return np.stack(chosen), np.concatenate([words[:last], *(column[None] for column in columns), words[last:]])


async def _by_group(ctx: Context, shape: JoinShape, sums: U64 | None, ends: NDArray[np.int64] | None) -> U64 | None:
    """Sums of QUERY's groups from those of blocks: differences of prefix sums at their last blocks (psi.md 8)."""
    columns, blocks = len(shape.sums) * shape.planes, shape.layout.blocks
    prefixes = None if sums is None else np.cumsum(sums.reshape(columns, blocks), axis=1, dtype=np.uint64)
    at_ends = await picked(ctx, prefixes, ends, columns, blocks, shape.query_groups)
    if at_ends is None:
        return None
    of_groups: U64 = np.diff(at_ends, axis=1, prepend=np.uint64(0))
    return of_groups.reshape(len(shape.sums), shape.planes, shape.query_groups)


def _in_order(shape: JoinShape, sums: U64, lowest: U64) -> U64:
    """Sums and least numbers, each in the place of its total; zeros for numbers at ranks."""
    every: U64 = np.zeros((len(shape.totals), *sums.shape[1:]), np.uint64)
    kinds = [(total.least is not None, total.ranked is not None) for total in shape.totals]
    every[[place for place, kind in enumerate(kinds) if kind == (False, False)]] = sums
    every[[place for place, kind in enumerate(kinds) if kind == (True, False)]] = lowest
    return every


def _by_query(shape: JoinShape, by_plane: U64) -> U64:
    """(totals, groups), by QUERY's group and within it by a table's, from (totals, planes, QUERY's groups)."""
    return by_plane.transpose(0, 2, 1).reshape(len(shape.totals), shape.groups)


async def _of_shards(ctx: Context, shape: JoinShape, parts: list[Part], number: int) -> U64:
    """The shards' sums added up, the least of their least numbers, and numbers at ranks of all that they counted."""
    sums = np.zeros((len(shape.totals), shape.groups), np.uint64)
    for part in parts:
        sums += part.totals
    if shape.leasts and number > 1:
        places = [place for place, total in enumerate(shape.totals) if total.least]
        of_shards = [part.totals[places] for part in parts]
        lowest = await least_of_parts(ctx, shape.leasts, of_shards or None, shards_met(shape, number))
        if lowest is not None:
            sums[places] = lowest
    for index, one in enumerate(shape.ranked):
        counts = [part.counts[index] for part in parts]
        found = await numbers_at_ranks(ctx.narrow(f"ranks{index}"), one, shape.blocks, counts)
        if found is not None:
            sums[list(one.places)] = found
    return sums


def shards_met(shape: JoinShape, number: int) -> Blocks:
    """The sizes with which the shards' least numbers meet."""
    numbers = len(shape.leasts) * shape.groups
    return Blocks(numbers * number, numbers, numbers)


def fresh(ctx: Context, summed: tuple[Total, ...], sums: U64) -> U64 | None:
    """Re-randomise shares, (totals, groups), by a key that TABLE lacks; in their rings, or carries show (psi.md 8)."""
    if ctx.role not in OTHER:
        return None
    noise = ctx.stream(OTHER[ctx.role], "open").read(sums.shape, np.uint64)
    fresh = sums + noise if ctx.role is Role.QUERY else sums - noise
    return fresh & np.array([[(1 << total.bits) - 1] for total in summed], np.uint64)
