"""Strict circuit-PSI with totals: sums over the ids that two owners share, and nothing else, to anyone.

Functionality  total[k] = sum over ids in both tables of value[k] payload[k]; query + helper mod 2^64 (counts 2^32)
Parties        QUERY and TABLE own rows; HELPER owns none; QUERY and HELPER get fresh shares, TABLE gets nothing
Security       semi-honest, one corrupt party; AES and HMAC; n 2^-64 (false match) + 2^-40 (no table, aborts)
Leakage        n_query, n_table (padded) and the shape of the totals, to all three
Rounds         8 + E; and 7 + E for each further shard
Bytes          13 n + 8 W R + 39.375 n + 0.125 n D + n V + 8 J; a shard, n its rows at QUERY; see `traffic`
Source         circuit-PSI [PSTY19, CGS22, RS21] with the third party's key [LRG19, MRR20]; psi.md 2 to 10, 13
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
from glovebox.protocols.membership import all_ones
from glovebox.protocols.pseudonyms import pseudonyms, with_padding
from glovebox.protocols.table import looked_up
from glovebox.protocols.totals import OTHER, Shares, Total, matched_totals
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

SHARD_ROWS = 1 << 18  # a shard's table and vectors fit in cache, and TABLE encodes one while the others evaluate one
MOST_ROWS = 16_000_000  # with the padding of shards under 2^24, so that n 2^-64 stays under 2^-40 (psi.md 5)
MOST_SHARDS = 64  # keeps the sum of the shards' chances to have no table under 2^-40 (psi.md 13)


@dataclass(frozen=True)
class JoinShape:
    """What all three know: padded rows of the two owners, payloads a row of TABLE, and the totals.

    totals: (value of QUERY or None, payload of TABLE or None, bits of the ring, 32 or 64).
    """

    n_query: int
    n_table: int
    payloads: int
    totals: tuple[Total, ...]

    @property
    def words(self) -> int:
        """Words of a row in TABLE's table: the tag and the payloads."""
        return 1 + self.payloads


@dataclass(frozen=True, repr=False)
class Rows:
    """An owner's true rows, at most the public bound.

    ids: (n, 16 blocks) uint8, distinct, encoded as in psi.md 4. values: (k, n) int64: what QUERY's totals name, or
    TABLE's payloads.
    """

    ids: U8
    values: NDArray[np.int64]

    def __repr__(self) -> str:
        return f"<Rows: {self.values.shape[0]} values>"


async def joined_totals(ctx: Context, shape: JoinShape, rows: Rows | None) -> U64 | None:
    """Additive shares of all totals, (totals,) uint64 at QUERY and HELPER, None at TABLE.

    rows: at QUERY and TABLE. Raises DataError if ids repeat, GloveboxError (`no_table`) with less than 2^-40.
    """
    number, shard_shape = shards_of(shape)
    pieces = await _cut(ctx, shape, shard_shape, number, rows)
    sums = np.zeros(len(shape.totals), np.uint64)
    for index in range(number):
        piece = await ctx.compute(pieces.piece, index) if pieces else None
        shares = await _shard(ctx.narrow(f"shard{index}"), shard_shape, piece)
        if shares is not None:
            sums += shares
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
    rows = okvs.layout_of(shard.n_table).rows
    return {"n": shard.n_query, "W": shard.words, "R": rows} | totals.traffic(shape.totals, shard.n_query)


def largest_frame(shape: JoinShape) -> int:
    """Bytes of the largest frame that any party sends."""
    _, shard = shards_of(shape)
    return 8 * max(shard.n_query, shard.words * okvs.layout_of(shard.n_table).rows)


@dataclass(frozen=True, repr=False)
class _Pieces:
    """An owner's rows by shard. ids are padded to the public bound before anything is done with them."""

    ids: U8
    values: NDArray[np.int64]
    order: NDArray[np.int64]
    ends: NDArray[np.int64]
    rows: int  # of a shard, padded
    padding: list[Stream]
    step: str

    def piece(self, shard: int) -> Rows:
        """The rows of one shard, padded to its public size."""
        chosen = self.order[self.ends[shard] : self.ends[shard + 1]]
        if len(chosen) > self.rows:
            raise GloveboxError(
                "a shard is too small, by a chance of less than 2^-50 that no data changes",
                code="no_table",
                step=self.step,
                hint="ask again: a new session has new keys",
            )
        values = np.zeros((len(self.values), self.rows), np.int64)
        self.values.take(chosen, axis=1, out=values[:, : len(chosen)])
        return Rows(with_padding(self.ids.take(chosen, axis=0), self.rows, self.padding[shard]), values)


async def _cut(ctx: Context, shape: JoinShape, shard: JoinShape, number: int, rows: Rows | None) -> _Pieces | None:
    """Pad an owner's rows to the public bound, refuse repeated ids, and find each row's shard."""
    if ctx.role not in (Role.QUERY, Role.TABLE):
        return None
    at_query = ctx.role is Role.QUERY
    bound, size = (shape.n_query, shard.n_query) if at_query else (shape.n_table, shard.n_table)
    if rows is None or len(rows.ids) > bound or rows.values.shape[1:] != (len(rows.ids),):
        raise ValueError("an owner's rows are at most its bound, with as many values")
    key = ctx.key(Role.TABLE if at_query else Role.QUERY, "shard")
    padding = [ctx.private(f"padding{index}") for index in range(number)]
    return await ctx.compute(_order, rows, bound, size, number, key, ctx.private("padding"), padding, ctx.path)


def _order(
    rows: Rows, bound: int, size: int, number: int, key: bytes, random: Stream, padding: list[Stream], step: str
) -> _Pieces:
    ids = with_padding(rows.ids, bound, random)
    values = np.zeros((len(rows.values), bound), np.int64)
    values[:, : len(rows.ids)] = rows.values
    hashes = identifiers.hash_ids(ids, key)
    repeated = identifiers.repeats(rows.ids, hashes[:, 0])
    if repeated:
        raise DataError(f"{repeated} rows repeat an id of another row", step=step, hint="one row an id")
    shards = identifiers.shard_numbers(hashes, number)
    ends = np.concatenate([[0], np.cumsum(np.bincount(shards, minlength=number))])
    return _Pieces(ids, values, np.argsort(shards, kind="stable"), ends, size, padding, step)


async def _shard(ctx: Context, shape: JoinShape, rows: Rows | None) -> U64 | None:
    """One run of the protocol: pseudonyms, table, equality, totals."""
    n = shape.n_query
    ids, values = (rows.ids, rows.values) if rows else (None, None)
    keys = await pseudonyms(ctx.narrow("ids"), ids, n, shape.words)
    payloads = values if ctx.role is Role.TABLE else None
    words = await looked_up(ctx.narrow("table"), keys, payloads, shape.n_table, shape.words)
    if words is None:
        await all_ones(ctx.narrow("equal"), None, n)
        await matched_totals(ctx.narrow("totals"), shape.totals, None, n)
        return None
    tags = ~words[0] if ctx.role is Role.QUERY else words[0]
    bits = await all_ones(ctx.narrow("equal"), tags, n)
    if bits is None:
        raise ValueError("QUERY and HELPER have bits")
    shares = await matched_totals(ctx.narrow("totals"), shape.totals, Shares(bits, words, values), n)
    return None if shares is None else shares.sum(axis=1, dtype=np.uint64)


def _fresh(ctx: Context, shape: JoinShape, sums: U64) -> U64 | None:
    """Re-randomise the shares under a key that TABLE lacks; in their own ring, or carries would show (psi.md 8)."""
    if ctx.role not in OTHER:
        return None
    noise = ctx.stream(OTHER[ctx.role], "open").read(len(sums), np.uint64)
    fresh = sums + noise if ctx.role is Role.QUERY else sums - noise
    return fresh & np.array([(1 << bits) - 1 for _, _, bits in shape.totals], np.uint64)
