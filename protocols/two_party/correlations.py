"""Many random oblivious transfers from 128 seeds: of bits 1 in 16, and of blocks 1 in 2 under one difference.

Functionality  nibbles: sender gets 16 random bits each, chooser a random place and the bit there;
               blocks: sender gets K[i] and one D, chooser a random bit c[i] and K[i] ^ c[i] D
Parties        QUERY and TABLE, either of them the chooser
Security       semi-honest; base transfers; AES as a PRG, AES under a public key as an ideal permutation
Leakage        the numbers of transfers
Rounds         3
Bytes          8224 + 3.875 N; N = 4 nibbles + blocks, each of the two rounded up to 512
Source         SoftSpoken [Roy22] with trees of 16 leaves [GGM86]; 1 in 16 of bits by 4 of 1 in 2 [NP99]; hash [GKWY20];
               two-party.md 2.1

What the sender receives, beyond base transfers: sums of tree nodes under base keys, of which it can open all but those
on its path; and U_g ^ U_0 of every tree, each hidden by the stream of the leaf that it lacks. The chooser receives base
transfers only. Nothing depends on data: all of it can be made before there is any.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import trees
from glovebox.algebra.blocks import hashed
from glovebox.algebra.kernels import transfer_kernels
from glovebox.algebra.leaves import Leaves, corrected
from glovebox.protocols.two_party.base_transfers import chosen_keys, peer_of, random_keys
from glovebox.runtime.context import Context

U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
U64 = NDArray[np.uint64]

TREES = 128 // trees.DEPTH  # D has 128 bits, 4 of them the missing leaf of each tree
BATCH = 1 << 17  # transfers a frame: 508 KB, and 16 KiB of each leaf's stream
ROUNDED = 512  # transfers that are transposed at once
HASHED = 1 << 14  # rows that are hashed while they are in cache


@dataclass(frozen=True, repr=False)
class Sent:
    """The sender's side: tables (nibbles,) uint16; keys (blocks, 2) uint64; difference (2,) uint64."""

    tables: U16
    keys: U64
    difference: U64

    def __repr__(self) -> str:
        return f"<Sent: {len(self.tables)} nibbles, {len(self.keys)} blocks>"


@dataclass(frozen=True, repr=False)
class Chosen:
    """The chooser's side, packed: places (nibbles / 2,), pads (nibbles / 8,), bits (blocks / 8,); keys (blocks, 2)."""

    places: U8
    pads: U8
    bits: U8
    keys: U64

    def __repr__(self) -> str:
        return f"<Chosen: {2 * len(self.places)} nibbles, {len(self.keys)} blocks>"


def sizes(nibbles: int, blocks: int) -> dict[str, float]:
    """The sizes of the card."""
    return {"N": 64 * sum(_words(nibbles, blocks))}


async def sent_transfers(ctx: Context, nibbles: int, blocks: int) -> Sent:
    """The sender's part. nibbles: a multiple of 8."""
    peer = peer_of(ctx)
    secret = ctx.private("difference").read(TREES, np.uint8) & (trees.LEAVES - 1)
    path = (secret[:, None] >> np.arange(trees.DEPTH, dtype=np.uint8) & 1).reshape(-1).astype(np.uint8)
    keys = await chosen_keys(ctx.narrow("base"), path ^ np.uint8(1))  # keys of the sides off the path
    shape = (TREES, trees.DEPTH, 2)
    corrections = await ctx.receive(peer, np.uint64, (*shape, 2), "trees")
    seeds = await ctx.compute(trees.punctured, secret, keys.reshape(shape), corrections)
    leaves = await ctx.compute(Leaves, seeds, secret)
    difference = np.packbits(path, bitorder="little").view(np.uint64)
    tables, rows = [np.empty(0, np.uint16)], [np.empty((0, 2), np.uint64)]
    for name, words, counter in _batches(nibbles, blocks):
        differences = await ctx.receive(peer, np.uint64, (TREES - 1, words), name)
        batch = await ctx.compute(_sent_rows, leaves, secret, differences)
        if name.startswith("nibbles"):
            tables.append(await ctx.compute(_tables, batch, difference, counter))
        else:
            rows.append(batch)
    return Sent(np.concatenate(tables)[:nibbles], np.concatenate(rows)[:blocks], difference)


async def chosen_transfers(ctx: Context, nibbles: int, blocks: int) -> Chosen:
    """The chooser's part; places and bits are random."""
    peer = peer_of(ctx)
    keys = await random_keys(ctx.narrow("base"), TREES * trees.DEPTH)
    roots = ctx.private("roots").read((TREES, 2), np.uint64)
    seeds, corrections = await ctx.compute(trees.whole, roots, keys.reshape(TREES, trees.DEPTH, 2, 2))
    await ctx.send(peer, corrections, "trees")
    leaves = await ctx.compute(Leaves, seeds)
    places, pads = [np.empty(0, np.uint8)], [np.empty(0, np.uint8)]
    bits, rows = [np.empty(0, np.uint8)], [np.empty((0, 2), np.uint64)]
    for name, words, counter in _batches(nibbles, blocks):
        v, u = await ctx.compute(leaves.read, transfer_kernels(), words)
        await ctx.send(peer, u[1:] ^ u[0], name)
        batch = await ctx.compute(transfer_kernels().transposed, v)
        choices = u[0].view(np.uint8).copy()
        if name.startswith("nibbles"):
            places.append(choices)
            pads.append(await ctx.compute(_pads, batch, choices, counter))
        else:
            bits.append(choices)
            rows.append(batch)
    return Chosen(
        np.concatenate(places)[: nibbles // 2],
        np.concatenate(pads)[: nibbles // 8],
        np.concatenate(bits)[: -(-blocks // 8)],
        np.concatenate(rows)[:blocks],
    )


def _words(nibbles: int, blocks: int) -> tuple[int, int]:
    """Words of each tree's vector for both kinds."""
    words = ROUNDED // 64
    return words * -(-4 * nibbles // ROUNDED), words * -(-blocks // ROUNDED)


def _batches(nibbles: int, blocks: int) -> list[tuple[str, int, int]]:
    """Names, words and the first transfer's number of all batches, in the public order."""
    return [
        (f"{kind}{begin}", min(BATCH // 64, words - begin), 64 * begin)
        for kind, words in zip(("nibbles", "blocks"), _words(nibbles, blocks), strict=True)
        for begin in range(0, words, BATCH // 64)
    ]


def _sent_rows(leaves: Leaves, secret: U8, differences: U64) -> U64:
    """K of a batch: (64 words, 2). Tree 0 needs no correction: its U is the chooser's bits."""
    v, _ = leaves.read(transfer_kernels(), differences.shape[1])
    corrected(v[trees.DEPTH :], secret[1:], differences)
    return transfer_kernels().transposed(v)


def _tables(rows: U64, difference: U64, counter: int) -> U16:
    out = np.empty(len(rows) // 4, np.uint16)
    for begin in range(0, len(rows), HASHED):
        piece = rows[begin : begin + HASHED]
        both = np.empty((2, len(piece), 2), np.uint64)
        both[0] = tweaked(piece, counter + begin)
        np.bitwise_xor(both[0], difference, out=both[1])
        out[begin // 4 : (begin + len(piece)) // 4] = transfer_kernels().tables(
            hashed(both.reshape(-1, 2)).reshape(both.shape)
        )
    return out


def _pads(rows: U64, choices: U8, counter: int) -> U8:
    out = np.empty(len(rows) // 32, np.uint8)
    for begin in range(0, len(rows), HASHED):
        hashes = hashed(tweaked(rows[begin : begin + HASHED], counter + begin))
        octets = slice(begin // 32, (begin + len(hashes)) // 32)
        out[octets] = transfer_kernels().pads(hashes, choices[4 * octets.start : 4 * octets.stop])
    return out


def tweaked(rows: U64, first: int, purpose: int = 0) -> U64:
    """Rows with their number from `first` on, and what they are hashed for, mixed in: no hash is used twice."""
    out = rows.copy()
    out[:, 0] ^= np.arange(first, first + len(rows), dtype=np.uint64)
    out[:, 1] ^= np.uint64(purpose)
    return out


def masks_of(keys: U64, first: int, count: int) -> U64:
    """The first words that blocks hash to, two of a hash: (count, n). first: the number of the first block."""
    out = np.empty((count, len(keys)), np.uint64)
    for begin in range(0, len(keys), HASHED):
        piece = slice(begin, begin + HASHED)
        for word in range(0, count, 2):
            out[word : word + 2, piece] = hashed(tweaked(keys[piece], first + begin, word)).T[: count - word]
    return out
