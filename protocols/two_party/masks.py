"""A function of (bin, id) for each bin that QUERY can evaluate at one id of its choice, and TABLE at all.

Functionality  QUERY gets f_j(code[j]) for each of n bins j; TABLE can evaluate every f_j
Parties        QUERY evaluates, TABLE holds the functions
Security       semi-honest; transfers; AES as a PRG, AES under a public key as an ideal permutation; code as in codes.py
Leakage        n
Rounds         1
Bytes          24 n
Source         Kolesnikov, Kumaresan, Rosulek, Trieu, CCS 2016, on trees of 16 leaves in place of pairs [Roy22];
               two-party.md 2.2

What TABLE receives: U_g ^ (bit g of each code), hidden by the stream of the leaf of tree g that it lacks. QUERY
receives nothing here: the trees' corrections came with what was prepared, in the other direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import codes, trees
from glovebox.algebra.blocks import hashed
from glovebox.algebra.kernels import transfer_kernels
from glovebox.algebra.leaves import Leaves, corrected, vectors
from glovebox.protocols.two_party.base_transfers import peer_of
from glovebox.protocols.two_party.correlations import tweaked
from glovebox.protocols.two_party.prepared import Needs, Prepared
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]

NEEDS = Needs(table_blocks=codes.PLANES)  # keys of the trees: once for all shards of a run
SHAPE = (codes.TREES, codes.DEPTH)


@dataclass(frozen=True, repr=False)
class Trees:
    """All leaves' streams of the trees at QUERY, all but one a tree at TABLE; both at the same bin."""

    leaves: Leaves
    matrix: U64
    missing: U8 | None

    def __repr__(self) -> str:
        return f"<Trees: {self.leaves!r}>"


@dataclass(frozen=True, repr=False)
class Functions:
    """TABLE's functions of the bins of a shard: values (n, 2) at the code word 0, and what other words add."""

    values: U64
    differences: U64

    def __repr__(self) -> str:
        return f"<Functions of {len(self.values)} bins>"


async def planted(ctx: Context, prepared: Prepared) -> Trees:
    """Make the trees of a run: one frame of 24 KiB from QUERY to TABLE."""
    matrix = codes.matrix(ctx.stream(peer_of(ctx), "matrix"))
    if ctx.role is Role.QUERY:
        blocks = prepared.sent_blocks(codes.PLANES)
        zero = tweaked(blocks.keys, blocks.first)
        keys = hashed(np.stack([zero, zero ^ blocks.difference], axis=1).reshape(-1, 2))
        roots = ctx.private("roots").read((codes.TREES, 2), np.uint64)
        seeds, corrections = await ctx.compute(trees.whole, roots, keys.reshape(*SHAPE, 2, 2))
        await ctx.send(Role.TABLE, corrections, "trees")
        return Trees(await ctx.compute(Leaves, seeds), matrix, None)
    chosen = prepared.chosen_blocks(codes.PLANES)
    path = 1 - np.unpackbits(chosen.bits, bitorder="little").reshape(SHAPE)
    missing = np.packbits(path, axis=1, bitorder="little")[:, 0]
    keys = hashed(tweaked(chosen.keys, chosen.first)).reshape(*SHAPE, 2)
    corrections = await ctx.receive(Role.QUERY, np.uint64, (*SHAPE, 2, 2), "trees")
    seeds = await ctx.compute(trees.punctured, missing, keys, corrections)
    return Trees(await ctx.compute(Leaves, seeds, missing), matrix, missing)


async def evaluated(ctx: Context, planting: Trees, words: U64) -> U64:
    """QUERY's part: its values (n, 2), to be hashed. words: (n, 3) code words, n a multiple of 64."""
    values, masked = await ctx.compute(_evaluated, planting, words)
    await ctx.send(Role.TABLE, masked, "codes")
    return values


async def functions(ctx: Context, planting: Trees, bins: int) -> Functions:
    """TABLE's part: the functions of the next bins."""
    masked = await ctx.receive(Role.QUERY, np.uint64, (codes.TREES, bins // 64), "codes")
    return await ctx.compute(_functions, planting, masked)


def values_at(functions: Functions, bins: U32, words: U64) -> U64:
    """TABLE's values, to be hashed, of code words (k, 3) in bins (k,): (k, 2)."""
    sums = transfer_kernels().lookup_sums(functions.differences, words.view(np.uint8))
    sums ^= functions.values[bins]
    return sums


def masks(values: U64, bins: U32, count: int, first: int) -> U64:
    """The mask words of values in bins: (count, n). first: the number of bin 0 in the run, so that no hash repeats."""
    out = np.empty((count, len(values)), np.uint64)
    where = bins.astype(np.uint64) + np.uint64(first)
    for pair in range(0, count, 2):
        rows = values.copy()
        rows[:, 0] ^= where
        rows[:, 1] ^= np.uint64(pair)
        out[pair : pair + 2] = hashed(rows).T[: count - pair]
    return out


def _evaluated(planting: Trees, words: U64) -> tuple[U64, U64]:
    kernels = transfer_kernels()
    v, u = vectors(codes.TREES, codes.DEPTH, len(words) // 64)
    planting.leaves.read(kernels, v, u)
    u ^= kernels.transposed(words)
    return codes.summed(kernels, v, planting.matrix), u


def _functions(planting: Trees, masked: U64) -> Functions:
    if planting.missing is None:
        raise ValueError("TABLE lacks a leaf of each tree")
    kernels = transfer_kernels()
    v, noise = vectors(codes.TREES, codes.DEPTH, masked.shape[1])
    planting.leaves.read(kernels, v, noise)
    corrected(kernels, v, planting.missing, masked)
    return Functions(codes.summed(kernels, v, planting.matrix), codes.differences(planting.matrix, planting.missing))
