"""An owner's rows cut into shards by a hash of their ids, so that each fits in cache; each shard padded to one size.

Functionality  piece[s] = the owner's rows of shard s, in their places among padding rows
Parties        QUERY and TABLE; HELPER too if it owns a second table, and then gets the key of the hash
Security       semi-honest, one corrupt party; AES is a PRP; a shard overflows with less than 2^-57 (aborts)
Leakage        nothing: all sizes are public
Rounds         T; T is 1 with a second table, else 0
Bytes          16 T
Source         Chernoff's bound on the rows of a shard; psi.md 13

HELPER, who then looks up QUERY's rows, learns no more by the key: as many rows of every shard come, whatever they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import identifiers
from glovebox.algebra.streams import KEY_BYTES, Stream
from glovebox.errors import DataError, GloveboxError
from glovebox.protocols.planes import group_words
from glovebox.protocols.pseudonyms import with_padding
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]
Index = NDArray[np.int64]

SHARD_ROWS = 1 << 18  # a shard's table and vectors fit in cache, and TABLE encodes one while the others evaluate one
MOST_SHARDS = 64  # keeps the sum of the shards' chances to have no table under 2^-40 (psi.md 13)


@dataclass(frozen=True, repr=False)
class Rows:
    """An owner's true rows, at most the public bound.

    ids: (n, 16 blocks) uint8, distinct, encoded as in psi.md 4. values: (k, n) int64: what QUERY's totals name, or
    a table's payloads. groups: (n,) int64 below the number of groups; None where there is one.
    """

    ids: U8
    values: NDArray[np.int64]
    groups: Index | None = None

    def __repr__(self) -> str:
        return f"<Rows: {self.values.shape[0]} values>"


class Layout(NamedTuple):
    """Where an owner's rows of a shard stand: each group in blocks of its own; or all in one block, groups in words."""

    bound: int  # rows of a shard
    groups: int
    block: int
    blocks: int

    @property
    def size(self) -> int:
        """Rows with padding."""
        return self.block * self.blocks


class Piece(NamedTuple):
    """An owner's rows of one shard. groups: words of each row's group, of a table. ends: each group's last block."""

    ids: U8
    values: NDArray[np.int64]
    groups: U64 | None
    ends: Index


@dataclass(frozen=True, repr=False)
class Pieces:
    """An owner's rows, ordered by shard, and by group where groups have blocks. counts: of each, (shards, groups)."""

    rows: Rows
    layout: Layout
    order: Index
    counts: NDArray[np.int64]
    padding: list[Stream]
    step: str

    def piece(self, shard: int) -> Piece:
        """The rows of one shard, padded to its public size."""
        layout, here = self.layout, self.counts[shard]
        before = int(self.counts[:shard].sum())
        chosen = self.order[before : before + here.sum()]
        if len(chosen) > layout.bound:
            raise GloveboxError(
                "a shard is too small, by a chance of less than 2^-50 whatever the data",
                code="no_table",
                step=self.step,
                hint="ask again: a new session has new keys",
            )
        places, ends = _places(here, layout.block)
        ids = np.empty((layout.size, self.rows.ids.shape[1]), np.uint8)
        self.padding[shard].fill(ids)
        ids[places] = self.rows.ids.take(chosen, axis=0)
        values = np.zeros((len(self.rows.values), layout.size), np.int64)
        values[:, places] = self.rows.values.take(chosen, axis=1)
        words = None
        if self.rows.groups is not None and len(here) == 1:
            of_rows = group_words(self.rows.groups.take(chosen), layout.groups)
            words = np.zeros((len(of_rows), layout.size), np.uint64)
            words[:, places] = of_rows
        return Piece(ids, values, words, ends)


def shards_of(rows: int) -> int:
    """How many shards the larger table's rows take."""
    return 1 if rows <= 2 * SHARD_ROWS else min(MOST_SHARDS, -(-rows // SHARD_ROWS))


def padded(rows: int, shards: int) -> int:
    """Rows of a shard, so many that it overflows with less than 2^-57 (psi.md 13)."""
    return rows if shards == 1 else math.ceil(rows / shards + 9 * math.sqrt(rows / shards) + 64)


async def cut(ctx: Context, rows: Rows | None, bound: int, layout: Layout, shards: int, second: bool) -> Pieces | None:
    """Refuse repeated ids and find each row's shard; None at a HELPER without a table of its own.

    bound: the owner's public rows. layout: of a shard. Raises DataError if ids repeat.
    """
    key = await _key(ctx, second)
    if key is None:
        return None
    if rows is None or len(rows.ids) > bound or rows.values.shape[1:] != (len(rows.ids),):
        raise ValueError("an owner's rows are at most its bound, with as many values")
    if (layout.groups > 1) != (rows.groups is not None):
        raise ValueError("an owner's rows have groups if the shape has")
    blocked = layout.groups if ctx.role is Role.QUERY else 1
    padding = [ctx.private(f"padding{index}") for index in range(shards)]
    order, counts = await ctx.compute(_order, rows, (bound, shards, blocked), key, ctx.private("padding"), ctx.path)
    return Pieces(rows, layout, order, counts, padding, ctx.path)


async def _key(ctx: Context, second: bool) -> bytes | None:
    """The key of the hash, which QUERY and TABLE share, and which QUERY gives to the owner of a second table."""
    match ctx.role:
        case Role.QUERY:
            key = ctx.key(Role.TABLE, "shard")
            if second:
                await ctx.send(Role.HELPER, np.frombuffer(key, np.uint8), "shard")
            return key
        case Role.TABLE:
            return ctx.key(Role.QUERY, "shard")
        case Role.HELPER if second:
            return (await ctx.receive(Role.QUERY, np.uint8, KEY_BYTES, "shard")).tobytes()
    return None


def _order(
    rows: Rows, sizes: tuple[int, int, int], key: bytes, random: Stream, step: str
) -> tuple[Index, NDArray[np.int64]]:
    """The rows by shard and group, and how many there are of each; time tells the public bound only."""
    bound, shards, groups = sizes
    hashes = identifiers.hash_ids(with_padding(rows.ids, bound, random), key)
    repeated = identifiers.repeats(rows.ids, hashes)
    if repeated:
        raise DataError(f"{repeated} rows repeat an id of another row", step=step, hint="one row an id")
    bins = identifiers.shard_numbers(hashes, shards).astype(np.int64)[: len(rows.ids)]
    if groups > 1 and rows.groups is not None:
        bins = bins * groups + rows.groups
    counts = np.bincount(bins, minlength=shards * groups).reshape(shards, groups)
    narrow = bins.astype(np.uint16) if shards * groups <= 1 << 16 else bins  # numpy sorts 16 bits by radix
    return np.argsort(narrow, kind="stable"), counts


def _places(counts: NDArray[np.int64], block: int) -> tuple[Index | slice, Index]:
    """Where the rows of each group stand, each group in blocks of its own; and the last block of each."""
    if len(counts) == 1:
        return slice(int(counts[0])), np.zeros(1, np.int64)
    ends = np.cumsum(np.maximum(1, -(-counts // block)))
    starts = np.concatenate([[0], ends[:-1]]) * block
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(starts, counts) + within, ends - 1
