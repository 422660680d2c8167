"""Strict circuit-PSI with totals between two owners, with nobody between them.

Functionality  total[k, g, j] = sum over ids in both tables of value[k] payload[k], for QUERY's group g and TABLE's j
Parties        QUERY and TABLE own rows, and get fresh shares
Security       semi-honest; CDH, SHA-256 and AES as in the steps; bins 2^-64 (false match) + 2^-40 (no table, aborts)
Leakage        n_query, n_table (padded), the numbers of groups and the shape of the totals
Rounds         7 + L + 2 X; L: 1 with payloads or groups of QUERY; X: 1 with groups of TABLE
Bytes          24576 + 74 n + 8 W R + n V + n P + n G; a shard, n its bins, with `traffic`'s sizes
Source         circuit-PSI [PSTY19, CGS22] between two parties; two-party.md 2

Rounds and bytes are of one shard and come after what was prepared. V, P, G: bytes of a bin for totals, for TABLE's and
for QUERY's groups. What each step sends, and why it tells nothing, stands at its head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import cuckoo, identifiers
from glovebox.algebra.kernels import transfer_kernels
from glovebox.algebra.ring import Ring
from glovebox.algebra.streams import Stream
from glovebox.errors import DataError
from glovebox.protocols.intersection import MATCH, JoinShape, shards_of
from glovebox.protocols.planes import group_words
from glovebox.protocols.pseudonyms import with_padding
from glovebox.protocols.shards import Rows
from glovebox.protocols.totals import Total
from glovebox.protocols.two_party import equality, groups, masks, planes
from glovebox.protocols.two_party.base_transfers import peer_of
from glovebox.protocols.two_party.correlations import LARGEST_FRAME
from glovebox.protocols.two_party.masks import Trees
from glovebox.protocols.two_party.prepared import Needs, Prepared
from glovebox.protocols.two_party.table import Asked, Size, asked, looked_up, no_place, programmed
from glovebox.protocols.two_party.totals import Shares, Wanted, rows_at_query, rows_at_table
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
U64 = NDArray[np.uint64]

COUNT = Total(None, None, 32)
MOST_ROWS = 10_000_000  # of either: under 2^24 bins, of which n 2^-64 is under 2^-40


@dataclass(frozen=True)
class JointShape:
    """What both know of a join.

    inner: as with three parties. spans: (low, high) of each value of QUERY, needed where a payload multiplies one.
    """

    inner: JoinShape
    spans: tuple[tuple[int, int], ...] = ()

    @property
    def shards(self) -> tuple[int, JoinShape]:
        """How many shards, and the shape of each."""
        return shards_of(self.inner)

    @property
    def matched(self) -> tuple[Total, ...]:
        """What is summed where ids match, each once: all but what QUERY adds alone, and a count where that is all."""
        parts = (part for total in self.inner.totals for part, _ in _parts(total))
        return tuple(dict.fromkeys(parts)) or (COUNT,)

    @property
    def wanted(self) -> Wanted:
        """What is summed in each bin."""
        return Wanted(self.matched, self.inner.table_groups, self.spans)

    def size(self, shard: int = 0) -> Size:
        """Of a shard's bins and table."""
        one = self.shards[1]
        words = one.words - 1 - one.payloads
        return Size(cuckoo.bins_for(one.n_query), one.n_table, one.payloads, words, shard)


def needs_of(shape: JointShape) -> Needs:
    """The transfers of a run, to be prepared before it."""
    bins, inner = shape.size().bins, shape.inner
    needs = equality.needs_of(bins) + shape.wanted.needs(bins) + groups.needs_of(bins, inner.query_groups)
    if inner.table_groups > 1:
        needs += Needs(query_blocks=(1 + inner.table_groups) * bins)
    return needs * shape.shards[0] + masks.NEEDS


def traffic(shape: JointShape) -> dict[str, float]:
    """The sizes of the card, for one shard."""
    size, inner = shape.size(), shape.inner
    of_totals, labels, bits = shape.wanted.traffic(), inner.query_groups, inner.table_groups
    columns, levels = len(shape.matched) * bits, groups.depth(labels)
    return {
        "n": size.bins,
        "W": size.words,
        "R": size.layout.rows,
        "V": of_totals["V"],
        "L": max(of_totals["P"], labels > 1),
        "X": bits > 1,
        "P": 0.125 + 0.625 * bits if bits > 1 else 0,
        "G": (1 if levels <= 8 else 2) + 16 * levels + 8 * columns if labels > 1 else 0,
    }


def largest_frame(shape: JointShape) -> int:
    """Bytes of the largest frame that either party sends, while preparing too."""
    size, inner, wanted = shape.size(), shape.inner, shape.wanted
    levels, columns = groups.depth(inner.query_groups), len(shape.matched) * inner.table_groups
    a_bin = max(32, (wanted.choices + 7) // 8, 16 * levels, 8 * columns, inner.table_groups)
    return max(size.bins * a_bin, 8 * size.words * size.layout.rows, LARGEST_FRAME)


async def joined_totals(ctx: Context, shape: JointShape, rows: Rows, prepared: Prepared) -> U64:
    """Additive shares of all totals, (totals, groups) uint64 at both.

    Groups are numbered by QUERY's group, and within it by TABLE's. rows: as with three parties. prepared: for
    `needs_of(shape)`, used up. Raises DataError if ids repeat or a value leaves its span, GloveboxError (`no_table`)
    with less than 2^-40.
    """
    check(shape)
    number, _ = shape.shards
    pieces = await _cut(ctx, shape, number, rows)
    planting = await masks.planted(ctx.narrow("trees"), prepared)
    sums = np.zeros((len(shape.matched), shape.inner.groups), np.uint64)
    begin: Any
    end: Any
    begin, end = (_ask, _add_up_at_query) if ctx.role is Role.QUERY else (_answer, _add_up_at_table)
    steps = [ctx.narrow(f"shard{index}") for index in range(number)]
    # the next shard's table is on its way while this one's bits and sums are computed: neither party waits for long
    ahead = await begin(steps[0], shape, planting, await ctx.compute(pieces.piece, 0))
    for index, step in enumerate(steps):
        begun = ahead
        if index + 1 < number:
            ahead = await begin(steps[index + 1], shape, planting, await ctx.compute(pieces.piece, index + 1))
        sums += await end(step, shape, prepared, begun)
    totals = _with_unmatched(shape, sums, rows if ctx.role is Role.QUERY else None)
    return totals & np.array([[(1 << total.bits) - 1] for total in shape.inner.totals], np.uint64)


def check(shape: JointShape) -> None:
    """Refuse, as a ValueError, what this engine has not."""
    inner = shape.inner
    others = (inner.choices != (MATCH,), inner.columns, inner.second, inner.apart, inner.leasts)
    if any(others) or any(total.choice for total in inner.totals):
        raise ValueError("two parties join by equal ids only")
    if any(total.outer for total in inner.totals) and inner.table_groups > 1:
        raise ValueError("a row without a match has no group of TABLE")
    if any(total.outer == "anti" and total.payload is not None for total in inner.totals):
        raise ValueError("a row without a match has no payload")
    if any(len(shape.spans) <= (product.value or 0) for product in shape.wanted.products):
        raise ValueError("a value that a payload multiplies needs its span")
    if inner.query_groups > groups.MOST_LABELS:
        raise ValueError("there are too many groups")


@dataclass(frozen=True, repr=False)
class _Piece:
    """A shard's rows: hashes (rows, 2), padded; values (k, true rows); groups (true rows,)."""

    hashes: U64
    values: NDArray[np.int64]
    groups: NDArray[np.int64] | None
    size: Size


@dataclass(frozen=True, repr=False)
class _Pieces:
    """An owner's rows, ordered by shard. ends: of each shard's rows in that order."""

    shape: JointShape
    rows: Rows
    hashes: U64
    order: NDArray[np.int64]
    ends: NDArray[np.int64]
    padding: Stream
    step: str
    bound: int  # padded rows of a shard

    def piece(self, shard: int) -> _Piece:
        """The rows of one shard; their hashes are padded with random ones, which match nothing."""
        chosen = self.order[self.ends[shard] : self.ends[shard + 1]]
        if len(chosen) > self.bound:
            raise no_place("a shard is too small", self.step)
        hashes = self.padding.read((self.bound, 2), np.uint64)
        hashes[: len(chosen)] = self.hashes.take(chosen, axis=0)
        of_rows = None if self.rows.groups is None else self.rows.groups.take(chosen)
        return _Piece(hashes, self.rows.values.take(chosen, axis=1), of_rows, self.shape.size(shard))


async def _cut(ctx: Context, shape: JointShape, number: int, rows: Rows) -> _Pieces:
    """Refuse what an owner must not bring, and find each row's shard."""
    at_query = ctx.role is Role.QUERY
    whole, (_, one) = shape.inner, shape.shards
    bound, labels = (whole.n_query, whole.query_groups) if at_query else (whole.n_table, whole.table_groups)
    if len(rows.ids) > bound or rows.values.shape[1:] != (len(rows.ids),) or (labels > 1) != (rows.groups is not None):
        raise ValueError("an owner's rows are at most its bound, with as many values, and groups if the shape has any")
    if at_query:
        _check_spans(shape, rows, ctx.path)
    key = ctx.key(peer_of(ctx), "id")
    hashes, shards = await ctx.compute(_hashed, rows.ids, bound, number, key, ctx.private("padding"), ctx.path)
    order = np.argsort(shards, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(shards, minlength=number))])
    padded = one.n_query if at_query else one.n_table
    return _Pieces(shape, rows, hashes, order, ends, ctx.private("hashes"), ctx.path, padded)


def _check_spans(shape: JointShape, rows: Rows, step: str) -> None:
    for value in {value for value, _ in shape.wanted.digits}:
        low, high = shape.spans[value]
        if len(rows.ids) and not low <= int(rows.values[value].min()) <= int(rows.values[value].max()) <= high:
            raise DataError("a value is out of the range that the contract allows", step=step)


def _hashed(ids: U8, bound: int, shards: int, key: bytes, random: Stream, step: str) -> tuple[U64, U8]:
    """Hashes and shards of an owner's rows; time tells the public bound only."""
    hashes = identifiers.hash_ids(with_padding(ids, bound, random), key)
    repeated = identifiers.repeats(ids, hashes)
    if repeated:
        raise DataError(f"{repeated} rows repeat an id of another row", step=step, hint="one row an id")
    return hashes[: len(ids)], identifiers.shard_numbers(hashes, shards)[: len(ids)]


class _Begun(NamedTuple):
    """A shard under way at QUERY: its question, and the values and labels of the rows in its bins."""

    table: Context
    asked: Asked
    values: NDArray[np.int64]
    labels: U16


async def _ask(ctx: Context, shape: JointShape, planting: Trees, piece: _Piece) -> _Begun:
    """QUERY: one id a bin, and what TABLE needs to know to answer."""
    key, random = ctx.key(Role.TABLE, "places"), ctx.private("empty")
    hashes, values, labels = await ctx.compute(_in_bins, shape, piece, key, random, ctx.path)
    table = ctx.narrow("table")
    return _Begun(table, await asked(table, planting, piece.size, hashes), values, labels)


async def _add_up_at_query(ctx: Context, shape: JointShape, prepared: Prepared, begun: _Begun) -> U64:
    """QUERY: shares of words, of match bits, of rows, of sums."""
    inner, size = shape.inner, begun.asked.size
    words = await looked_up(begun.table, begun.asked)
    bits = await equality.equal_tags(ctx.narrow("equal"), prepared, words[0])
    chosen = bits[None]
    if inner.table_groups > 1:
        hot = words[size.parts[1]]
        chosen = await planes.at_query(ctx.narrow("planes"), prepared, inner.table_groups, bits, hot)
    by_label, labelled = ctx.narrow("labels"), None
    if inner.query_groups > 1:
        labelled = await groups.labels_told(by_label, prepared, inner.query_groups, begun.labels)
    shares = Shares(chosen, words, begun.values)
    rows = _flat(await rows_at_query(ctx.narrow("totals"), shape.wanted, prepared, shares))
    sums = await ctx.compute(_sums, rows, begun.labels, inner.query_groups)
    if labelled is not None:
        sums += await groups.sums_at_query(by_label, labelled, len(rows))
    return _ordered(sums, shape)


async def _answer(ctx: Context, shape: JointShape, planting: Trees, piece: _Piece) -> U64:
    """TABLE: all its ids in a table; its shares of words."""
    placed = await ctx.compute(cuckoo.places, piece.hashes, ctx.key(Role.QUERY, "places"), piece.size.bins)
    rows = await ctx.compute(_words, piece, shape.inner)
    return await programmed(ctx.narrow("table"), planting, piece.size, piece.hashes, placed, rows)


async def _add_up_at_table(ctx: Context, shape: JointShape, prepared: Prepared, words: U64) -> U64:
    """TABLE: shares of match bits, of rows, of sums."""
    inner, size = shape.inner, shape.size()
    equal = ctx.narrow("equal")
    if inner.table_groups > 1:
        outcome = ctx.private("outcome").read(size.bins // 8, np.uint8)
        bits = await equality.equal_tags(equal, prepared, words[0], outcome)
        hot = words[size.parts[1]]
        blocks = await planes.at_table(ctx.narrow("planes"), prepared, inner.table_groups, bits, hot)
    else:
        blocks = [prepared.chosen_blocks(size.bins)]
        await equality.equal_tags(equal, prepared, words[0], blocks[0].bits)
    by_label, levels = ctx.narrow("labels"), []
    if inner.query_groups > 1:
        levels = [prepared.sent_blocks(size.bins) for _ in range(groups.depth(inner.query_groups))]
    shares = Shares(np.stack([one.bits for one in blocks]), words)
    rows = _flat(await rows_at_table(ctx.narrow("totals"), shape.wanted, prepared, shares, blocks))
    if not levels:
        return _ordered(await ctx.compute(_sums, rows, None, 1), shape)
    vectors = np.stack([row.astype(np.uint64) for row in rows])
    return _ordered(await groups.sums_at_table(by_label, levels, inner.query_groups, vectors), shape)


def _in_bins(
    shape: JointShape, piece: _Piece, key: bytes, random: Stream, step: str
) -> tuple[U64, NDArray[np.int64], U16]:
    """Settle QUERY's ids: hashes (bins, 2), random where a bin is empty; values (k, bins); labels (bins,)."""
    bins = piece.size.bins
    try:
        owners = cuckoo.settled(transfer_kernels(), cuckoo.places(piece.hashes, key, bins), bins)
    except cuckoo.NoRoomError as problem:
        raise no_place("the ids have no places", step) from problem
    hashes = random.read((bins, 2), np.uint64)
    full = np.flatnonzero(owners != cuckoo.FREE)
    function = (full * cuckoo.FUNCTIONS // bins).astype(np.uint64)
    hashes[full] = cuckoo.mixed(piece.hashes[owners[full]], function)
    true = owners < piece.values.shape[1]  # padding rows come last
    values = np.zeros((len(piece.values), bins), np.int64)
    values[:, true] = piece.values[:, owners[true]]
    for value in {value for value, _ in shape.wanted.digits}:
        values[value] = np.clip(values[value], *shape.spans[value])  # changes padding only
    labels = np.zeros(bins, np.uint16)
    if piece.groups is not None:
        labels[true] = piece.groups[owners[true]]
    return hashes, values, labels


def _words(piece: _Piece, inner: JoinShape) -> U64:
    """Payloads, and bits of groups, of TABLE's rows: (words - 1, rows), padded."""
    rows, true = np.zeros((inner.words - 1, len(piece.hashes)), np.uint64), piece.values.shape[1]
    rows[: inner.payloads, :true] = piece.values.view(np.uint64)
    if piece.groups is not None:
        rows[inner.payloads :, :true] = group_words(piece.groups, inner.table_groups)
    return rows


def _flat(rows: list[list[Ring]]) -> list[Ring]:
    """Rows of total k in plane j at k planes + j."""
    return [row for of_total in zip(*rows, strict=True) for row in of_total]


def _sums(rows: list[Ring], labels: U16 | None, count: int) -> U64:
    """Sums of each vector by label: (vectors, count), mod 2^64."""
    if labels is None or count == 1:
        return np.array([[row.sum(dtype=np.uint64)] for row in rows], np.uint64)
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=count))
    sums = np.empty((len(rows), count), np.uint64)
    for index, row in enumerate(rows):
        prefixes = np.concatenate([np.zeros(1, np.uint64), np.cumsum(row[order], dtype=np.uint64)])
        sums[index] = np.diff(prefixes[ends], prepend=np.uint64(0))
    return sums


def _ordered(sums: U64, shape: JointShape) -> U64:
    """(matched totals, groups): by QUERY's group, and within it by TABLE's."""
    inner, count = shape.inner, len(shape.matched)
    by_plane = sums.reshape(count, inner.table_groups, inner.query_groups)
    return by_plane.transpose(0, 2, 1).reshape(count, inner.groups)


def _parts(total: Total) -> list[tuple[Total, int]]:
    """What a total takes of matching rows, and times what.

    With QUERY's rows that have no match, as if each had the payload 1: sum v + sum b v (p - 1); of those alone:
    sum v - sum b v. QUERY adds sum v.
    """
    plain = total._replace(outer="")
    match total.outer, total.payload:
        case "anti", _:
            return [(plain, -1)]
        case "left", None:
            return []
        case "left", _:
            return [(plain, 1), (plain._replace(payload=None), -1)]
    return [(plain, 1)]


def _with_unmatched(shape: JointShape, sums: U64, rows: Rows | None) -> U64:
    """Every total from sums over matching rows and, at QUERY, from those over all its rows: (totals, groups)."""
    matched, out = shape.matched, np.zeros((len(shape.inner.totals), shape.inner.groups), np.uint64)
    for index, total in enumerate(shape.inner.totals):
        for part, times in _parts(total):
            out[index] += sums[matched.index(part)] * np.uint64(times % (1 << 64))
        if total.outer and rows is not None:
            labels = None if rows.groups is None else rows.groups.astype(np.uint16)
            value = None if total.value is None else rows.values[total.value].view(np.uint64)
            ones = np.ones(len(rows.ids), np.uint64)
            out[index] += _sums([ones if value is None else value], labels, shape.inner.groups)[0]
    return out
