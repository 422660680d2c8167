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
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import identifiers
from glovebox.algebra.kernels import kernels
from glovebox.algebra.streams import KEY_BYTES, Stream
from glovebox.data.room import MEMORY, Room
from glovebox.errors import DataError, GloveboxError
from glovebox.protocols.planes import group_words
from glovebox.protocols.pseudonyms import with_padding
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]
Index = NDArray[np.int64]

SHARD_ROWS = 1 << 18  # a shard's table and vectors fit in cache, and TABLE encodes one while the others evaluate one
PART_ROWS = 1 << 17  # are laid out at once: a few MiB
MOST_SHARDS = 64  # keeps the sum of the shards' chances to have no table under 2^-40 (psi.md 13)


@dataclass(frozen=True, repr=False)
class Rows:
    """An owner's true rows, at most the public bound.

    ids: (n, 16 blocks) uint8, distinct, encoded as in psi.md 4; of several keys side by side, each distinct. values:
    (k, n) int64: what QUERY's totals name, or a table's payloads. groups: (n,) int64 below the number of groups; None
    where there is one. room: where they lie; if that is on disk, one run uses them up.
    """

    ids: U8
    values: NDArray[np.int64]
    groups: Index | None = None
    room: Room = MEMORY

    def __repr__(self) -> str:
        return f"<Rows: {self.values.shape[0]} values>"


class Layout(NamedTuple):
    """Where an owner's rows of a shard stand: each group in blocks of its own; or all in one block, groups in words."""

    bound: int  # rows of a shard
    groups: int
    block: int
    blocks: int
    keys: int = 1  # ids of a row, side by side

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
    """An owner's rows by shard, those of shard i from row i bound on.

    counts: (shards, groups), rows of each shard; of each of its groups, one after the other, where groups have blocks.
    """

    rows: Rows
    layout: Layout
    counts: Index
    padding: list[Stream]
    step: str

    def own(self, shard: int) -> Rows:
        """The true rows of one shard; groups that have blocks are told by the counts alone."""
        begin = shard * self.layout.bound
        span = slice(begin, begin + int(self.counts[shard].sum()))
        groups = None if self.rows.groups is None else self.rows.groups[span]
        return Rows(self.rows.ids[span], self.rows.values[:, span], groups)

    def every(self) -> Iterator[Rows]:
        """The true rows of each shard, with their groups."""
        for shard, counts in enumerate(self.counts):
            own, blocks = self.own(shard), len(counts)
            groups = own.groups if blocks == 1 else np.repeat(np.arange(blocks, dtype=np.int64), counts)
            yield Rows(own.ids, own.values, groups)

    def piece(self, shard: int) -> Piece:
        """The rows of one shard, padded to its public size. Raises DataError if ids repeat."""
        layout, counts, own = self.layout, self.counts[shard], self.own(shard)
        ends = np.cumsum(np.maximum(1, -(-counts // layout.block)))  # of each group's blocks
        places = layout.block * np.concatenate([[0], ends[:-1]])
        starts = np.cumsum(counts) - counts
        ids = np.empty((layout.size, own.ids.shape[1]), np.uint8)
        self.padding[shard].fill(ids)
        values = np.zeros((len(own.values), layout.size), np.int64)
        for place, start, count in zip(places.tolist(), starts.tolist(), counts.tolist(), strict=True):
            ids[place : place + count] = own.ids[start : start + count]
            values[:, place : place + count] = own.values[:, start : start + count]
        if repeated := sum(self._repeats(own.ids, ids)):
            raise DataError(f"{repeated} rows repeat an id of another row", step=self.step, hint="one row an id")
        words = None
        if own.groups is not None and len(counts) == 1:
            of_rows = group_words(own.groups, layout.groups)
            words = np.zeros((len(of_rows), layout.size), np.uint64)
            words[:, : len(own.ids)] = of_rows
        self.rows.room.settle()
        return Piece(ids, values, words, ends - 1)

    def _repeats(self, own: U8, padded: U8) -> Iterator[int]:
        """How many rows repeat another's id, by each key."""
        width = padded.shape[1] // self.layout.keys
        for begin in range(0, padded.shape[1], width):
            key = slice(begin, begin + width)
            yield identifiers.repeats(own[:, key], padded[:, key].view(np.uint64))


def shards_of(rows: int) -> int:
    """How many shards the larger table's rows take."""
    return 1 if rows <= 2 * SHARD_ROWS else min(MOST_SHARDS, -(-rows // SHARD_ROWS))


def padded(rows: int, shards: int) -> int:
    """Rows of a shard, so many that it overflows with less than 2^-57 (psi.md 13)."""
    return rows if shards == 1 else math.ceil(rows / shards + 9 * math.sqrt(rows / shards) + 64)


async def cut(ctx: Context, rows: Rows | None, bound: int, layout: Layout, shards: int, second: bool) -> Pieces | None:
    """Lay each row into its shard; None at a HELPER without a table of its own.

    bound: the owner's public rows. layout: of a shard. Raises GloveboxError (`no_table`) with less than 2^-50.
    """
    key = await _key(ctx, second)
    if key is None:
        return None
    if rows is None or len(rows.ids) > bound or rows.values.shape[1:] != (len(rows.ids),):
        raise ValueError("an owner's rows are at most its bound, with as many values")
    if (layout.groups > 1) != (rows.groups is not None):
        raise ValueError("an owner's rows have groups if the shape has")
    padding = [ctx.private(f"padding{index}") for index in range(shards)]
    blocks = layout.groups if ctx.role is Role.QUERY else 1
    sizes = Sizes(bound, shards, layout.bound, blocks)
    laid, counts = await ctx.compute(_laid_out, rows, sizes, key, ctx.private("padding"), ctx.path)
    return Pieces(laid, layout, counts, padding, ctx.path)


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


class Sizes(NamedTuple):
    """An owner's bound, how many shards, the most rows of each, and the groups that have blocks, 1 without."""

    bound: int
    shards: int
    most: int
    blocks: int


def _laid_out(rows: Rows, sizes: Sizes, key: bytes, random: Stream, step: str) -> tuple[Rows, Index]:
    """The rows with room for the most of each shard, by group if groups have blocks; and how many: (shards, groups).

    A part after the other, twice: to count the rows of each shard and group, and to lay them out.
    """
    bins, counts = _bins(rows, sizes, key, random)
    if counts.size == 1:
        return rows, counts
    if np.any(counts.sum(axis=1) > sizes.most):
        raise _too_small(step)
    room, length = rows.room, sizes.shards * sizes.most
    ids = room.array((length, rows.ids.shape[1]), np.uint8)
    values = room.array((len(rows.values), length), np.int64)
    groups = None if rows.groups is None or sizes.blocks > 1 else room.array(length, np.int64)
    firsts = sizes.most * np.arange(sizes.shards, dtype=np.int64)
    ends = (firsts[:, None] + np.cumsum(counts, axis=1) - counts).reshape(-1)  # of what each shard and group has so far
    for begin in range(0, len(rows.ids), PART_ROWS):
        part = slice(begin, begin + PART_ROWS)
        own, lines = rows.ids[part], [line[part] for line in rows.values]
        places = kernels().places(bins[part], ends)
        kernels().put(own.view(np.uint64), places, ids.view(np.uint64))
        for line, out in zip(lines, values, strict=True):
            kernels().put(line.view(np.uint64)[:, None], places, out.view(np.uint64)[:, None])
        if groups is not None and rows.groups is not None:
            kernels().put(rows.groups[part].view(np.uint64)[:, None], places, groups.view(np.uint64)[:, None])
        room.discard(own, *lines, *([] if rows.groups is None else [rows.groups[part]]))
        room.settle()
    return Rows(ids, values, groups, room), counts


def _bins(rows: Rows, sizes: Sizes, key: bytes, random: Stream) -> tuple[NDArray[np.uint32], Index]:
    """The shard and group of each row as one number, (n,), and how many rows have each, (shards, groups).

    All of the bound is hashed, so that time tells no more of it.
    """
    bins = rows.room.array(len(rows.ids), np.uint32)
    counts = np.zeros(sizes.shards * sizes.blocks, np.int64)
    for begin in range(0, sizes.bound, PART_ROWS):
        part = slice(begin, min(sizes.bound, begin + PART_ROWS))
        own, numbers = rows.ids[part], bins[part]
        numbers[:] = 0
        if sizes.shards > 1:
            hashes = identifiers.hash_ids(with_padding(own, part.stop - begin, random), key)
            numbers[:] = identifiers.shard_numbers(hashes, sizes.shards)[: len(own)]
        if sizes.blocks > 1 and rows.groups is not None:
            numbers *= np.uint32(sizes.blocks)
            numbers += rows.groups[part].astype(np.uint32)
        counts += np.bincount(numbers, minlength=len(counts))
        rows.room.settle()
    return bins, counts.reshape(sizes.shards, sizes.blocks)


def _too_small(step: str) -> GloveboxError:
    summary = "a shard is too small, by a chance of less than 2^-50 whatever the data"
    return GloveboxError(summary, code="no_table", step=step, hint="ask again: a new session has new keys")
