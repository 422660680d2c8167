"""Many random oblivious transfers from 128 seeds: of bits 1 in 16, and of blocks 1 in 2 under one difference.

Functionality  nibbles: sender gets 16 random bits each, chooser a random place and the bit there;
               blocks: sender gets K[i] and one D, chooser a random bit c[i] and K[i] ^ c[i] D
Parties        QUERY and TABLE, either of them the chooser
Security       semi-honest; base transfers; AES as a PRG, AES under a public key as an ideal permutation
Leakage        the numbers of transfers
Rounds         3
Bytes          8352 + 3.125 N; N = 4 nibbles + blocks, each of the two rounded up to 512
Source         SoftSpoken [Roy22] with trees of 32 leaves [GGM86]; 1 in 16 of bits by 4 of 1 in 2 [NP99]; hash [GKWY20];
               two-party.md 2.1

What the sender receives, beyond base transfers: sums of tree nodes under base keys, of which it can open all but those
on its path; and U_g ^ U_0 of every tree, each hidden by the stream of the leaf that it lacks. The chooser receives base
transfers only. Nothing depends on data: all of it can be made before there is any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import trees
from glovebox.algebra.blocks import PUBLIC, hashed, permuted
from glovebox.algebra.kernels import transfer_kernels
from glovebox.algebra.leaves import Leaves, corrected, vectors
from glovebox.protocols.two_party.base_transfers import chosen_keys, peer_of, random_keys
from glovebox.runtime.context import Context

U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
U64 = NDArray[np.uint64]

DEPTH = 5  # of a tree: 25 bits a transfer. 4 takes 31, 6 takes 21 and nearly twice the AES, which is half of the time
TREES = 26  # 130 bits of missing leaves, of which D is the first 128
BATCH = 1 << 17  # transfers a frame: 400 KiB, and 16 KiB of each leaf's stream
LARGEST_FRAME = 4 * BATCH  # bytes, of the 25 trees' vectors of a batch
ROUNDED = 512  # transfers that are transposed at once
HASHED = 1 << 14  # blocks that are hashed while they are in cache


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
    secret = ctx.private("difference").read(TREES, np.uint8) & ((1 << DEPTH) - 1)
    path = (secret[:, None] >> np.arange(DEPTH, dtype=np.uint8) & 1).reshape(-1).astype(np.uint8)
    keys = await chosen_keys(ctx.narrow("base"), path ^ np.uint8(1))  # keys of the sides off the path
    shape = (TREES, DEPTH, 2)
    corrections = await ctx.receive(peer, np.uint64, (*shape, 2), "trees")
    seeds = await ctx.compute(trees.punctured, secret, keys.reshape(shape), corrections)
    leaves = await ctx.compute(Leaves, seeds, secret)
    difference = np.packbits(path[:128], bitorder="little").view(np.uint64)
    made = Sent(np.empty(nibbles, np.uint16), np.empty((blocks, 2), np.uint64), difference)
    room = _Room()
    for batch in _batches(nibbles, blocks):
        differences = await ctx.receive(peer, np.uint64, (TREES - 1, batch.words), batch.name)
        await ctx.compute(_sent, leaves, secret, differences, batch, made, room)
    return made


async def chosen_transfers(ctx: Context, nibbles: int, blocks: int) -> Chosen:
    """The chooser's part; places and bits are random."""
    peer = peer_of(ctx)
    keys = await random_keys(ctx.narrow("base"), TREES * DEPTH)
    roots = ctx.private("roots").read((TREES, 2), np.uint64)
    seeds, corrections = await ctx.compute(trees.whole, roots, keys.reshape(TREES, DEPTH, 2, 2))
    await ctx.send(peer, corrections, "trees")
    leaves = await ctx.compute(Leaves, seeds)
    made = Chosen(
        np.empty(nibbles // 2, np.uint8),
        np.empty(nibbles // 8, np.uint8),
        np.empty(-(-blocks // 8), np.uint8),
        np.empty((blocks, 2), np.uint64),
    )
    room = _Room()
    for batch in _batches(nibbles, blocks):
        differences = await ctx.compute(_chosen, leaves, batch, made, room)
        await ctx.send(peer, differences, batch.name)
    return made


def _words(nibbles: int, blocks: int) -> tuple[int, int]:
    """Words of each tree's vector for both kinds."""
    words = ROUNDED // 64
    return words * -(-4 * nibbles // ROUNDED), words * -(-blocks // ROUNDED)


class _Batch(NamedTuple):
    """Transfers that travel in one frame. first: the number of the first one of its kind."""

    name: str
    is_nibbles: bool
    words: int
    first: int


def _batches(nibbles: int, blocks: int) -> list[_Batch]:
    """All batches, in the public order."""
    return [
        _Batch(f"{kind}{begin}", kind == "nibbles", min(BATCH // 64, words - begin), 64 * begin)
        for kind, words in zip(("nibbles", "blocks"), _words(nibbles, blocks), strict=True)
        for begin in range(0, words, BATCH // 64)
    ]


class _Room:
    """Arrays that every batch overwrites: fresh ones would cost as much again as what is done in them."""

    def __init__(self) -> None:
        self._blocks = np.empty((2 * HASHED, 2), np.uint64)
        self._images = np.empty((2 * HASHED + 1, 2), np.uint64)
        self._vectors = vectors(TREES, DEPTH, 0)

    def vectors(self, words: int) -> tuple[U64, U64]:
        """Room for V and U of a batch."""
        if self._vectors[1].shape[1] != words:
            self._vectors = vectors(TREES, DEPTH, words)
        return self._vectors

    def hashed(self, planes: U64, begin: int, first: int, difference: U64 | None) -> tuple[U64, U64]:
        """Blocks with their numbers, (1 or 2, n, 2), and their images: the hash is the sum of the two.

        Of HASHED blocks from word `begin` of the planes on, or as many as there are.
        """
        words = min(HASHED // 64, planes.shape[1] - begin)
        shape = (1 if difference is None else 2, 64 * words, 2)
        blocks = self._blocks[: shape[0] * shape[1]]
        transfer_kernels().keys(planes, begin, first, difference, blocks.reshape(shape))
        return blocks.reshape(shape), permuted(blocks, PUBLIC, self._images).reshape(shape)


def _sent(leaves: Leaves, secret: U8, differences: U64, batch: _Batch, made: Sent, room: _Room) -> None:
    """Fill in a batch at the sender. Tree 0 needs no correction: its U is the chooser's bits."""
    kernels = transfer_kernels()
    v, noise = room.vectors(batch.words)
    leaves.read(kernels, v, noise)
    corrected(kernels, v[DEPTH:], secret[1:], differences)
    if not batch.is_nibbles:
        keys = made.keys[batch.first :][: 64 * batch.words]
        keys[:] = kernels.transposed(v[:128])[: len(keys)]
        return
    for begin in range(0, batch.words, HASHED // 64):
        first = batch.first + 64 * begin
        blocks, images = room.hashed(v, begin, first, made.difference)
        tables = made.tables[first // 4 :][: blocks.shape[1] // 4]
        tables[:] = kernels.tables(blocks, images)[: len(tables)]


def _chosen(leaves: Leaves, batch: _Batch, made: Chosen, room: _Room) -> U64:
    """Fill in a batch at the chooser; what the sender has to be told."""
    kernels = transfer_kernels()
    v, u = room.vectors(batch.words)
    leaves.read(kernels, v, u)
    choices = u[0].view(np.uint8)
    differences: U64 = np.bitwise_xor(u[1:], u[0])
    if not batch.is_nibbles:
        keys, bits = made.keys[batch.first :][: 64 * batch.words], made.bits[batch.first // 8 :][: 8 * batch.words]
        keys[:], bits[:] = kernels.transposed(v[:128])[: len(keys)], choices[: len(bits)]
        return differences
    places = made.places[batch.first // 8 :][: 8 * batch.words]
    places[:] = choices[: len(places)]
    for begin in range(0, batch.words, HASHED // 64):
        first = batch.first + 64 * begin
        blocks, images = room.hashed(v, begin, first, None)
        pads = made.pads[first // 32 :][: blocks.shape[1] // 32]
        chosen = choices[8 * begin :][: blocks.shape[1] // 8]
        pads[:] = kernels.pads(blocks[0], images[0], chosen)[: len(pads)]
    return differences


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
