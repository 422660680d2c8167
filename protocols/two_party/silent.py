"""Many random oblivious transfers from few, by learning parity with noise: nearly nothing is sent.

Functionality  as correlations.py
Parties        QUERY and TABLE, either of them the chooser
Security       semi-honest; correlations.py; LPN with the parameters of lpn.py; AES under a public key as an ideal
               permutation; 127 bits, for the lowest bit of D is 1
Leakage        the numbers of transfers
Rounds         4
Bytes          8352 + 3.125 N + S; N the first round's keys, rounded up to 512; S of all rounds' trees, see `sizes`
Source         Ferret [YWLZW20] with correlated trees [GYWZXZ23]; two-party.md 2.1

A round takes keys K and K ^ c D. Those of the paths plant a tree each: of its leaves, the chooser lacks one, and has it
^ D instead. Those of the short vector are summed, ten for each leaf, by a public code, and added. The chooser's bit of
a leaf is the sum of ten choices, ^ 1 where it lacked the leaf. The lowest bit of a key is 0 at the sender, so at the
chooser it is the choice. The first outputs are the next round's keys, and nothing else.

What the sender receives beyond the first keys: nothing. What the chooser receives: a correction a level of each tree,
masked by a key of which it has the one that opens the side off the path.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import branches, lpn
from glovebox.algebra.bits import packed
from glovebox.algebra.blocks import PUBLIC, permuted
from glovebox.algebra.kernels import transfer_kernels
from glovebox.algebra.streams import Stream
from glovebox.protocols.two_party import correlations
from glovebox.protocols.two_party.base_transfers import peer_of
from glovebox.protocols.two_party.correlations import HASHED, ROUNDED, Chosen, Sent, tweaked
from glovebox.runtime.context import Context

U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]

SEED_BYTES = 3.125  # of a key of the first round, by correlations.py
PIECE_LEAVES = 1 << 17  # leaves in work at once: 2 MiB
CHOICE = np.array([1, 0], np.uint64)  # the bit of a block that is the choice


def sizes(nibbles: int, blocks: int) -> dict[str, float]:
    """The sizes of the card."""
    code, rounds = _code(nibbles, blocks)
    return {"N": -(-code.taken // ROUNDED) * ROUNDED, "S": rounds * code.round_bytes}


async def sent_transfers(ctx: Context, nibbles: int, blocks: int) -> Sent:
    """The sender's part. nibbles: a multiple of 8."""
    peer, (code, rounds) = peer_of(ctx), _code(nibbles, blocks)
    first = await correlations.sent_transfers(ctx.narrow("first"), 0, code.taken)
    keys, difference = first.keys & ~CHOICE, first.difference | CHOICE
    made = Sent(np.empty(nibbles, np.uint16), np.empty((blocks, 2), np.uint64), difference)
    public, roots = ctx.stream(peer, "code"), ctx.private("roots")
    done = 0
    for number in range(rounds):
        after = np.empty((code.kept << code.depth, 2), np.uint64)
        for trees in code.pieces(PIECE_LEAVES):
            planted = roots.read((trees.stop - trees.start, 2), np.uint64)
            leaves, corrections = await ctx.compute(_grown, code, trees, keys, difference, planted, public)
            await ctx.send(peer, corrections, f"round{number}tree{trees.start}")
            if trees.start < code.kept:
                after[trees.start << code.depth :][: len(leaves)] = leaves
            else:
                await ctx.compute(_offered, made, leaves, done)
                done += len(leaves)
        keys = after
    return made


async def chosen_transfers(ctx: Context, nibbles: int, blocks: int) -> Chosen:
    """The chooser's part; places and bits are random."""
    peer, (code, rounds) = peer_of(ctx), _code(nibbles, blocks)
    first = await correlations.chosen_transfers(ctx.narrow("first"), 0, code.taken)
    keys = first.keys & ~CHOICE
    keys[:, 0] |= np.unpackbits(first.bits, count=code.taken, bitorder="little")
    made = Chosen(
        np.empty(nibbles // 2, np.uint8),
        np.empty(nibbles // 8, np.uint8),
        np.empty(-(-blocks // 8), np.uint8),
        np.empty((blocks, 2), np.uint64),
    )
    public = ctx.stream(peer, "code")
    done = 0
    for number in range(rounds):
        after = np.empty((code.kept << code.depth, 2), np.uint64)
        for trees in code.pieces(PIECE_LEAVES):
            shape = (trees.stop - trees.start, code.depth, 2)
            corrections = await ctx.receive(peer, np.uint64, shape, f"round{number}tree{trees.start}")
            leaves = await ctx.compute(_regrown, code, trees, keys, corrections, public)
            if trees.start < code.kept:
                after[trees.start << code.depth :][: len(leaves)] = leaves
            else:
                await ctx.compute(_taken, made, leaves, done)
                done += len(leaves)
        keys = after
    np.copyto(made.bits, _choices(made.keys))
    return made


def _code(nibbles: int, blocks: int) -> tuple[lpn.Code, int]:
    """The code that makes these transfers, and its rounds."""
    return lpn.code_for(4 * nibbles + blocks, SEED_BYTES)


def _grown(code: lpn.Code, trees: slice, keys: U64, difference: U64, roots: U64, public: Stream) -> tuple[U64, U64]:
    """The sender's next keys, (leaves, 2), from some trees; and what the chooser needs to follow."""
    leaves, corrections = branches.whole(roots, difference, _of_paths(code, trees, keys))
    leaves[:, :, 0] &= ~CHOICE[0]
    return _summed(code, leaves, keys, public), corrections


def _regrown(code: lpn.Code, trees: slice, keys: U64, corrections: U64, public: Stream) -> U64:
    """The chooser's next keys. All leaves of a tree sum to D: the one that it lacks, ^ D, is the sum of the others."""
    paths = _of_paths(code, trees, keys)
    sides = (paths[:, :, 0] & np.uint64(1) ^ np.uint64(1)).astype(np.uint16)
    missing = np.bitwise_or.reduce(sides << np.arange(code.depth, dtype=np.uint16), axis=1)
    leaves, rows = branches.punctured(missing, paths, corrections), np.arange(len(paths))
    others = np.stack([np.bitwise_xor.reduce(leaves[:, :, word], axis=1) for word in range(2)], axis=1)
    leaves[:, :, 0] &= ~CHOICE[0]
    leaves[rows, missing] = others | CHOICE
    return _summed(code, leaves, keys, public)


def _of_paths(code: lpn.Code, trees: slice, keys: U64) -> U64:
    """The keys of some trees' levels: (trees, depth, 2)."""
    return keys[: code.paths].reshape(code.trees, code.depth, 2)[trees]


def _summed(code: lpn.Code, leaves: U64, keys: U64, public: Stream) -> U64:
    """Leaves, flat, each plus ten of the short vector."""
    flat = leaves.reshape(-1, 2)
    short = keys[code.paths : code.taken]
    for begin in range(0, len(flat), HASHED):
        piece = flat[begin : begin + HASHED]
        places = public.read((len(piece), lpn.LOCAL), np.uint32)
        places &= np.uint32(len(short) - 1)
        transfer_kernels().add_chosen(short, places, piece)
    return flat


def _offered(made: Sent, keys: U64, done: int) -> None:
    """Fill in what keys are good for, at the sender: tables of nibbles first, four keys each, then blocks as they are.

    done: how many keys there were before.
    """
    kernels, nibbles = transfer_kernels(), 4 * len(made.tables)
    for first, piece in _pieces(keys, done, nibbles):
        blocks = np.empty((2, len(piece), 2), np.uint64)
        blocks[0] = tweaked(piece, first)
        for word in range(2):
            np.bitwise_xor(blocks[0, :, word], made.difference[word], out=blocks[1, :, word])
        images = permuted(blocks.reshape(-1, 2), PUBLIC).reshape(blocks.shape)
        made.tables[first // 4 :][: len(piece) // 4] = kernels.tables(blocks, images)
    _lay(made.keys, keys, done - nibbles)


def _taken(made: Chosen, keys: U64, done: int) -> None:
    """The same at the chooser."""
    kernels, nibbles = transfer_kernels(), 8 * len(made.places)
    for first, piece in _pieces(keys, done, nibbles):
        choices = _choices(piece)
        blocks = tweaked(piece, first)
        made.places[first // 8 :][: len(choices)] = choices
        made.pads[first // 32 :][: len(choices) // 4] = kernels.pads(blocks, permuted(blocks, PUBLIC), choices)
    _lay(made.keys, keys, done - nibbles)


def _pieces(keys: U64, done: int, nibbles: int) -> Iterator[tuple[int, U64]]:
    """The number of the first, and the keys, of what nibbles take, a little at a time."""
    end = max(0, min(len(keys), nibbles - done))
    return ((done + begin, keys[begin : min(begin + HASHED, end)]) for begin in range(0, end, HASHED))


def _lay(blocks: U64, keys: U64, at: int) -> None:
    """Keys that come from place `at` on, which may be negative, where blocks are."""
    piece = keys[max(0, -at) :]
    room = blocks[max(0, at) :][: len(piece)]
    room[:] = piece[: len(room)]


def _choices(keys: U64) -> U8:
    """The lowest bits of keys, packed."""
    return packed((keys[:, 0] & np.uint64(1)).astype(np.uint8))
