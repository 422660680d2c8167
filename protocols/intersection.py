"""Strict circuit-PSI with totals: sums over the ids that two owners share, and nothing else, to anyone.

Functionality  total[k, g, j] = sum over ids in both tables of value[k] payload[k], for QUERY's group g and TABLE's j
Parties        QUERY and TABLE own rows; HELPER owns none; QUERY and HELPER get fresh shares, TABLE gets nothing
Security       semi-honest, one corrupt party; AES and HMAC; n 2^-64 (false match) + 2^-40 (no table, aborts)
Leakage        n_query, n_table (padded), the numbers of groups and the shape of the totals, to all three
Rounds         8 + E + F + Z + Y; one less for each further shard; Y, X: 1 with groups of QUERY, of TABLE
Bytes          52.375 n + 8 W R + n O + 0.25 n P + 0.125 n P c + 0.25 n X c + 0.125 n D + n V + 8 J k + 16 C k + 4 G
Source         circuit-PSI [PSTY19, CGS22, RS21] with the third party's key [LRG19, MRR20]; psi.md 2 to 10, 13

Bytes are of a shard, with n of QUERY's rows: see `traffic`. P groups of TABLE, G of QUERY, k blocks of rows, C columns
to pick from, c choices; F and O are what `rows` takes for expressions. Z is X if QUERY sends choices; else a chain of
frames that begins a step later, at HELPER, ends no later than without X.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import identifiers, okvs
from glovebox.algebra.streams import Stream
from glovebox.errors import DataError, GloveboxError
from glovebox.protocols import totals
from glovebox.protocols.expression import Expression, Match
from glovebox.protocols.membership import all_ones
from glovebox.protocols.pick import picked
from glovebox.protocols.planes import GROUPS_A_WORD, group_planes, group_words
from glovebox.protocols.pseudonyms import pseudonyms, with_padding
from glovebox.protocols.rows import Aligned, expressed
from glovebox.protocols.rows import traffic as row_traffic
from glovebox.protocols.table import looked_up
from glovebox.protocols.totals import OTHER, Shares, Total, matched_totals
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

SHARD_ROWS = 1 << 18  # a shard's table and vectors fit in cache, and TABLE encodes one while the others evaluate one
MOST_ROWS = 16_000_000  # with the padding of shards under 2^24, so that n 2^-64 stays under 2^-40 (psi.md 5)
MATCH = Match(0)
MOST_SHARDS = 64  # keeps the sum of the shards' chances to have no table under 2^-40 (psi.md 13)


@dataclass(frozen=True)
class JoinShape:
    """What all three know: padded rows of the two owners, payloads a row of TABLE, totals, and numbers of groups.

    choices: bits of a row that totals choose by; none chooses what is no match. columns: numbers of a row that totals
    may name as payloads, after TABLE's own.
    """

    n_query: int
    n_table: int
    payloads: int
    totals: tuple[Total, ...]
    query_groups: int = 1
    table_groups: int = 1
    choices: tuple[Expression, ...] = (MATCH,)
    columns: tuple[Expression, ...] = ()

    @property
    def words(self) -> int:
        """Words of a row in TABLE's table: the tag, the payloads, and a bit for each group."""
        return 1 + self.payloads + self.group_words

    @property
    def group_words(self) -> int:
        """Words that hold a bit for each group of TABLE, none if there is one group."""
        return -(-self.table_groups // GROUPS_A_WORD) if self.table_groups > 1 else 0

    @property
    def expressed(self) -> tuple[Expression, ...]:
        """What is evaluated row by row: all choices and columns, if one of them is more than the match."""
        return () if self.choices == (MATCH,) and not self.columns else self.choices + self.columns

    @property
    def groups(self) -> int:
        """Groups of both columns together: QUERY's times TABLE's."""
        return self.query_groups * self.table_groups

    @property
    def block(self) -> int:
        """Rows of a block. Few groups and many rows: blocks as large as the rows that pad them (psi.md 8)."""
        if self.query_groups == 1:
            return self.n_query
        return 64 * max(1, round(math.sqrt(self.n_query / (4 * self.query_groups)) / 64))

    @property
    def blocks(self) -> int:
        """Blocks that hold any distribution of rows to groups, each group in blocks of its own, at least one."""
        return 1 if self.query_groups == 1 else self.n_query // self.block + self.query_groups


@dataclass(frozen=True, repr=False)
class Rows:
    """An owner's true rows, at most the public bound.

    ids: (n, 16 blocks) uint8, distinct, encoded as in psi.md 4. values: (k, n) int64: what QUERY's totals name, or
    TABLE's payloads. groups: (n,) int64 below the shape's number of groups; None where there is one.
    """

    ids: U8
    values: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None

    def __repr__(self) -> str:
        return f"<Rows: {self.values.shape[0]} values>"


async def joined_totals(ctx: Context, shape: JoinShape, rows: Rows | None) -> U64 | None:
    """Additive shares of all totals, (totals, groups) uint64 at QUERY and HELPER, None at TABLE.

    Groups are numbered by QUERY's group, and within it by TABLE's. rows: at QUERY and TABLE. Raises DataError if ids
    repeat, GloveboxError (`no_table`) with less than 2^-40.
    """
    number, shard_shape = shards_of(shape)
    pieces = await _cut(ctx, shape, shard_shape, number, rows)
    sums = np.zeros((len(shape.totals), shape.groups), np.uint64)
    for index in range(number):
        piece = await ctx.compute(pieces.piece, index) if pieces else None
        shares = await _shard(ctx.narrow(f"shard{index}"), shard_shape, piece)
        if shares is not None:
            sums += shares
        ctx.progress(index + 1, number)
    return _fresh(ctx, shape, sums)


def shards_of(shape: JoinShape) -> tuple[int, JoinShape]:
    """How many shards, and the shape of each: a shard is padded so far that it overflows with less than 2^-57."""
    largest = max(shape.n_query, shape.n_table)
    number = 1 if largest <= 2 * SHARD_ROWS else min(MOST_SHARDS, -(-largest // SHARD_ROWS))

    def padded(n: int) -> int:
        return n if number == 1 else math.ceil(n / number + 9 * math.sqrt(n / number) + 64)

    n_query = -(-padded(shape.n_query) // 64) * 64
    return number, replace(shape, n_query=n_query, n_table=padded(shape.n_table))


def traffic(shape: JoinShape) -> dict[str, float]:
    """The sizes of the card, for one shard."""
    _, shard = shards_of(shape)
    n, planes, picks = shard.block * shard.blocks, shard.table_groups, shard.query_groups
    rows = row_traffic(shape.expressed)
    return {
        "n": n,
        "W": shard.words,
        "R": okvs.layout_of(shard.n_table).rows,
        "c": len(shape.choices),
        "P": planes if planes > 1 else 0,
        "X": planes > 1,
        "Z": planes > 1 and any(total.value is None and total.payload is not None for total in shape.totals),
        "Y": picks > 1,
        "C": len(shape.totals) * planes if picks > 1 else 0,
        "G": picks if picks > 1 else 0,
        "F": rows["F"],
        "O": rows["O"] + rows["D"],
    } | totals.traffic(shape.totals, n, planes, shard.blocks)


def largest_frame(shape: JoinShape) -> int:
    """Bytes of the largest frame that any party sends."""
    _, shard = shards_of(shape)
    wires = len(shape.choices) + shape.table_groups + len(shape.choices) * shape.table_groups
    row = max(8, wires / 8, row_traffic(shape.expressed)["M"])
    table = 8 * shard.words * table_rows(shape)
    blocks = 8 * len(totals.jobs_of(shape.totals, shape.table_groups)) * shard.blocks
    return max(math.ceil(shard.block * shard.blocks * row), table, blocks)


def table_rows(shape: JoinShape) -> int:
    """Rows of the table that TABLE sends for a shard."""
    return okvs.layout_of(shards_of(shape)[1].n_table).rows


@dataclass(frozen=True, repr=False)
class _Piece:
    """An owner's rows of one shard, in their places among padding rows.

    groups: words of each row's group, at TABLE. ends: the last block of each group, at QUERY.
    """

    ids: U8
    values: NDArray[np.int64]
    groups: U64 | None = None
    ends: NDArray[np.int64] | None = None


@dataclass(frozen=True, repr=False)
class _Pieces:
    """An owner's rows, ordered by shard and by its groups. counts: (shards, groups) rows of each."""

    shape: JoinShape  # of a shard
    rows: Rows
    order: NDArray[np.int64]
    counts: NDArray[np.int64]
    padding: list[Stream]
    at_query: bool
    step: str

    def piece(self, shard: int) -> _Piece:
        """The rows of one shard, padded to its public size."""
        before, here = int(self.counts[:shard].sum()), self.counts[shard]
        chosen = self.order[before : before + here.sum()]
        bound = self.shape.n_query if self.at_query else self.shape.n_table
        if len(chosen) > bound:
            raise GloveboxError(
                "a shard is too small, by a chance of less than 2^-50 whatever the data",
                code="no_table",
                step=self.step,
                hint="ask again: a new session has new keys",
            )
        size = self.shape.block * self.shape.blocks if self.at_query else bound
        places, ends = _places(here, self.shape.block) if self.at_query else (slice(len(chosen)), None)
        ids = np.empty((size, self.rows.ids.shape[1]), np.uint8)
        self.padding[shard].fill(ids)
        ids[places] = self.rows.ids.take(chosen, axis=0)
        values = np.zeros((len(self.rows.values), size), np.int64)
        values[:, places] = self.rows.values.take(chosen, axis=1)
        words = None
        if not self.at_query and self.rows.groups is not None:
            words = np.zeros((self.shape.group_words, size), np.uint64)
            words[:, places] = group_words(self.rows.groups.take(chosen), self.shape.table_groups)
        return _Piece(ids, values, words, ends)


def _places(counts: NDArray[np.int64], block: int) -> tuple[NDArray[np.int64] | slice, NDArray[np.int64]]:
    """Where the rows of each group stand, each group in blocks of its own; and the last block of each."""
    if len(counts) == 1:
        return slice(int(counts[0])), np.zeros(1, np.int64)
    ends = np.cumsum(np.maximum(1, -(-counts // block)))
    starts = np.concatenate([[0], ends[:-1]]) * block
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(starts, counts) + within, ends - 1


async def _cut(ctx: Context, shape: JoinShape, shard: JoinShape, number: int, rows: Rows | None) -> _Pieces | None:
    """Refuse repeated ids, and find each row's shard."""
    if ctx.role not in (Role.QUERY, Role.TABLE):
        return None
    at_query = ctx.role is Role.QUERY
    bound, groups = (shape.n_query, shape.query_groups) if at_query else (shape.n_table, shape.table_groups)
    if rows is None or len(rows.ids) > bound or rows.values.shape[1:] != (len(rows.ids),):
        raise ValueError("an owner's rows are at most its bound, with as many values")
    if (groups > 1) != (rows.groups is not None):
        raise ValueError("an owner's rows have groups if the shape has")
    key = ctx.key(Role.TABLE if at_query else Role.QUERY, "shard")
    padding = [ctx.private(f"padding{index}") for index in range(number)]
    order, counts = await ctx.compute(
        _order, rows, (bound, number, groups if at_query else 1), key, ctx.private("padding"), ctx.path
    )
    return _Pieces(shard, rows, order, counts, padding, at_query, ctx.path)


def _order(
    rows: Rows, sizes: tuple[int, int, int], key: bytes, random: Stream, step: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows by shard and group, and how many there are of each; time tells the public bound only."""
    bound, number, groups = sizes
    hashes = identifiers.hash_ids(with_padding(rows.ids, bound, random), key)
    repeated = identifiers.repeats(rows.ids, hashes[:, 0])
    if repeated:
        raise DataError(f"{repeated} rows repeat an id of another row", step=step, hint="one row an id")
    bins = identifiers.shard_numbers(hashes, number).astype(np.int64)[: len(rows.ids)]
    if groups > 1 and rows.groups is not None:
        bins = bins * groups + rows.groups
    counts = np.bincount(bins, minlength=number * groups).reshape(number, groups)
    return np.argsort(bins, kind="stable"), counts


async def _shard(ctx: Context, shape: JoinShape, piece: _Piece | None) -> U64 | None:
    """One run of the protocol: pseudonyms, table, equality, groups of TABLE, totals, groups of QUERY."""
    n, planes = shape.block * shape.blocks, shape.table_groups
    ids, values = (piece.ids, piece.values) if piece else (None, None)
    keys = await pseudonyms(ctx.narrow("ids"), ids, n, shape.words)
    payloads, groups = (values, piece.groups) if piece and ctx.role is Role.TABLE else (None, None)
    words = await looked_up(ctx.narrow("table"), keys, payloads, shape.n_table, shape.words, groups)
    tags = None if words is None else ~words[0] if ctx.role is Role.QUERY else words[0]
    bits = await all_ones(ctx.narrow("equal"), tags, n)
    chosen, words = await _expressed(ctx.narrow("rows"), shape, bits, words, values)
    if planes > 1:
        hot = None if words is None else words[len(words) - shape.group_words :]
        chosen = await group_planes(ctx.narrow("groups"), chosen, hot, n, len(shape.choices), planes)
    shares = None if chosen is None or words is None else Shares(chosen, words, values)
    sums = await matched_totals(ctx.narrow("totals"), shape.totals, shares, n, shape.blocks, planes)
    if shape.query_groups > 1:
        return await _by_group(ctx.narrow("pick"), shape, sums, piece.ends if piece else None)
    return None if sums is None else sums[:, :, 0]


async def _expressed(
    ctx: Context, shape: JoinShape, bits: U8 | None, words: U64 | None, values: NDArray[np.int64] | None
) -> tuple[U8 | None, U64 | None]:
    """The choices' bits, (choices, n), and the words with the columns after TABLE's payloads."""
    if not shape.expressed:
        return None if bits is None else bits[None], words
    n = shape.block * shape.blocks
    if bits is None or words is None:
        await expressed(ctx, shape.expressed, None, n)
        return None, None
    last = 1 + shape.payloads
    rows = Aligned([bits], [words[1:last]], values)
    made = await expressed(ctx, shape.expressed, rows, n) or []
    chosen, columns = made[: len(shape.choices)], made[len(shape.choices) :]
    return np.stack(chosen), np.concatenate([words[:last], *(column[None] for column in columns), words[last:]])


async def _by_group(ctx: Context, shape: JoinShape, sums: U64 | None, ends: NDArray[np.int64] | None) -> U64 | None:
    """Sums of QUERY's groups from those of blocks: differences of prefix sums at their last blocks (psi.md 8)."""
    columns = len(shape.totals) * shape.table_groups
    prefixes = None if sums is None else np.cumsum(sums.reshape(columns, shape.blocks), axis=1, dtype=np.uint64)
    at_ends = await picked(ctx, prefixes, ends, columns, shape.blocks, shape.query_groups)
    if at_ends is None:
        return None
    of_groups = np.diff(at_ends, axis=1, prepend=np.uint64(0))
    by_plane = of_groups.reshape(len(shape.totals), shape.table_groups, shape.query_groups)
    ordered: U64 = by_plane.transpose(0, 2, 1).reshape(len(shape.totals), shape.groups)
    return ordered


def _fresh(ctx: Context, shape: JoinShape, sums: U64) -> U64 | None:
    """Re-randomise the shares under a key that TABLE lacks; in their own ring, or carries would show (psi.md 8)."""
    if ctx.role not in OTHER:
        return None
    noise = ctx.stream(OTHER[ctx.role], "open").read(sums.shape, np.uint64)
    fresh = sums + noise if ctx.role is Role.QUERY else sums - noise
    return fresh & np.array([[(1 << total.bits) - 1] for total in shape.totals], np.uint64)
