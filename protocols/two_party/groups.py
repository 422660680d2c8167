"""Sums by a label of each row that QUERY alone knows, of vectors that TABLE alone knows.

Functionality  sum[k, g] = sum of vector[k, j] over the rows j of label g, mod 2^64; query + table
Parties        QUERY holds labels, TABLE vectors; both receive shares
Security       semi-honest; transfers; AES under a public key as an ideal permutation
Leakage        n, the numbers of vectors and labels
Rounds         2
Bytes          n s + 16 n D + 8 n C; C vectors, D = ceil(log2 labels) levels, s = 1 (2 above 256 labels)
Source         trees [GYWZXZ23]; a vector at a secret place from all leaves but one, as in [BGI17]; two-party.md 2.3

Each row has a tree of 2^D leaves, of which QUERY lacks one, at random; it tells TABLE how its label differs from that.
At every label, the shares of TABLE and QUERY are a leaf and minus that leaf. But at the row's own label, whose leaf
QUERY lacks, its share is the vector less all leaves (which TABLE sends) plus the leaves that it has: vector - leaf. So
the shares add up to the vector there and to 0 elsewhere; they are summed over rows where they lie.

What TABLE receives: label ^ a random place. What QUERY receives: a correction a level, which it can open for one side
of each tree only, and vectors masked by leaves that it lacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import branches
from glovebox.algebra.bits import unpacked
from glovebox.protocols.two_party.correlations import tweaked
from glovebox.protocols.two_party.prepared import ChosenBlocks, Needs, Prepared, SentBlocks
from glovebox.runtime.context import Context, Role

U16 = NDArray[np.uint16]
U64 = NDArray[np.uint64]

MOST_LABELS = 1 << 16
PIECE_LEAVES = 1 << 18  # leaves in memory at once


def depth(labels: int) -> int:
    """Levels of a row's tree; at least one."""
    return max(1, (labels - 1).bit_length())


def needs_of(n: int, labels: int) -> Needs:
    """Transfers of n rows; none for a single label."""
    return Needs(query_blocks=n * depth(labels) if labels > 1 else 0)


@dataclass(frozen=True, repr=False)
class Labelled:
    """QUERY's trees: what it chose, the leaf that it lacks of each, and how its labels differ from that."""

    labels: int
    blocks: list[ChosenBlocks]
    missing: U16
    shifts: U16

    def __repr__(self) -> str:
        return f"<Labelled: {len(self.missing)} rows>"


async def labels_told(ctx: Context, prepared: Prepared, labels: int, own: U16) -> Labelled:
    """QUERY's first part, which waits for nothing. own: (n,) the label of each row, below `labels`."""
    blocks = [prepared.chosen_blocks(len(own)) for _ in range(depth(labels))]
    missing = np.zeros(len(own), np.uint16)
    for level, one in enumerate(blocks):
        missing |= (unpacked(one.bits) ^ np.uint8(1)).astype(np.uint16) << np.uint16(level)
    shifts = own ^ missing
    await ctx.send(Role.TABLE, shifts.astype(_label_type(labels)), "labels")
    return Labelled(labels, blocks, missing, shifts)


async def sums_at_query(ctx: Context, labelled: Labelled, vectors: int) -> U64:
    """QUERY's shares: (vectors, labels)."""
    n = len(labelled.missing)
    corrections = await ctx.receive(Role.TABLE, np.uint64, (n, len(labelled.blocks), 2), "trees")
    masked = await ctx.receive(Role.TABLE, np.uint64, (vectors, n), "vectors")
    return await ctx.compute(_at_query, labelled, corrections, masked)


async def sums_at_table(ctx: Context, blocks: list[SentBlocks], labels: int, vectors: U64) -> U64:
    """TABLE's shares: (vectors, labels). blocks: of each level; vectors: (k, n)."""
    n = vectors.shape[1]
    roots = ctx.private("roots").read((n, 2), np.uint64)
    shifts = (await ctx.receive(Role.QUERY, _label_type(labels), n, "labels")).astype(np.uint16)
    if int(shifts.max()) >> len(blocks):
        ctx.blame(Role.QUERY, "sent a label that no row has")
    sums, corrections, masked = await ctx.compute(_at_table, labels, blocks, roots, shifts, vectors)
    await ctx.send(Role.QUERY, corrections, "trees")
    await ctx.send(Role.QUERY, masked, "vectors")
    return sums


def _label_type(labels: int) -> type[np.unsignedinteger]:
    return np.uint8 if depth(labels) <= 8 else np.uint16


def _at_query(labelled: Labelled, corrections: U64, masked: U64) -> U64:
    sums = np.zeros((len(masked), labelled.labels), np.uint64)
    for piece in _pieces(len(labelled.missing), len(labelled.blocks)):
        missing = labelled.missing[piece]
        leaves = branches.punctured(missing, _keys(labelled.blocks, piece), corrections[piece])
        words = branches.leaf_words(leaves, len(masked))
        rows = np.arange(len(missing))
        words[:, rows, missing] = 0
        words[:, rows, missing] -= masked[:, piece] + words.sum(axis=2, dtype=np.uint64)
        sums -= _by_label(words, labelled.shifts[piece], labelled.labels)
    return sums


def _at_table(labels: int, blocks: list[SentBlocks], roots: U64, shifts: U16, vectors: U64) -> tuple[U64, U64, U64]:
    sums = np.zeros((len(vectors), labels), np.uint64)
    corrections, masked = np.empty((len(roots), len(blocks), 2), np.uint64), np.empty_like(vectors)
    for piece in _pieces(len(shifts), len(blocks)):
        leaves, corrections[piece] = branches.whole(roots[piece], blocks[0].difference, _keys(blocks, piece))
        words = branches.leaf_words(leaves, len(vectors))
        masked[:, piece] = vectors[:, piece] - words.sum(axis=2, dtype=np.uint64)
        sums += _by_label(words, shifts[piece], labels)
    return sums, corrections, masked


def _pieces(n: int, levels: int) -> Iterator[slice]:
    rows = max(1, PIECE_LEAVES >> levels)
    return (slice(begin, min(n, begin + rows)) for begin in range(0, n, rows))


def _keys(blocks: list[ChosenBlocks] | list[SentBlocks], piece: slice) -> U64:
    """Keys of each tree's levels: (rows, levels, 2)."""
    levels = [tweaked(one.keys[piece], one.first + piece.start) for one in blocks]
    return np.ascontiguousarray(np.stack(levels, axis=1))


def _by_label(words: U64, shifts: U16, labels: int) -> U64:
    """The sum over rows of the leaf of each label: (vectors, labels)."""
    places = np.arange(labels, dtype=np.uint16) ^ shifts[:, None]
    sums: U64 = np.take_along_axis(words, places[None].astype(np.int64), axis=2).sum(axis=1, dtype=np.uint64)
    return sums
