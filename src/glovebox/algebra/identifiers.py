"""From ids to pseudonyms and masks, under keys that only QUERY and TABLE hold (psi.md 4).

Every function makes whole passes over all rows, so that its time tells nothing about them.
"""

from __future__ import annotations

import secrets

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.blocks import permuted
from glovebox.algebra.kernels import kernels

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

PIECE_ROWS = 1 << 15  # half a MiB of state stays in cache from block to block
PSEUDONYM_BYTES = 13  # 104 bits: two of n ids are equal with n**2 / 2**105, 2**-65 at a million (psi.md 4)


def hash_ids(ids: U8, key: bytes) -> U64:
    """CBC-MAC of encoded ids [BKR00], a PRF because all have one length.

    ids: (n, 16 blocks) uint8, C-contiguous. Returns (n, 2) uint64.
    """
    hashes = np.empty((len(ids), 2), np.uint64)
    for begin in range(0, len(ids), PIECE_ROWS):
        blocks = ids[begin : begin + PIECE_ROWS].view(np.uint64)
        state = permuted(np.ascontiguousarray(blocks[:, :2]), key)
        for column in range(2, blocks.shape[1], 2):
            state = permuted(state ^ blocks[:, column : column + 2], key)
        hashes[begin : begin + PIECE_ROWS] = state
    return hashes


def pseudonyms(hashes: U64, key: bytes) -> tuple[U64, U8]:
    """x: (n,) uint64 and y: (n, 5) uint8 of each id: AES of its hash, 104 bits of it."""
    blocks = permuted(hashes, key)
    return blocks[:, 0].copy(), blocks.view(np.uint8)[:, 8:PSEUDONYM_BYTES].copy()


def masks(hashes: U64, keys: list[bytes], words: int) -> U64:
    """The first mask words of each id, two for each key: (words, n) uint64. Word 0 is the tag."""
    out = np.empty((words, len(hashes)), np.uint64)
    for index, key in enumerate(keys):
        blocks = permuted(hashes, key)
        pair = out[2 * index : 2 * index + 2]
        pair[...] = blocks.T[: len(pair)]
    return out


def shard_numbers(hashes: U64, shards: int) -> NDArray[np.uint8]:
    """The shard of each id, (n,) uint8: 32 bits of its hash under the key for it, scaled (psi.md 13)."""
    scaled = (hashes[:, 0] & np.uint64(0xFFFFFFFF)) * np.uint64(shards)
    return (scaled >> np.uint64(32)).astype(np.uint8)


def repeats(ids: U8, hashes: U64) -> int:
    """How many rows repeat the id of another row.

    hashes: (m, words) uint64, hashes of the n ids and then of random values, so that the time to compare them tells
    only m. Ids are compared only where two hashes may be equal.
    """
    if not may_repeat(hashes):
        return 0
    rows = np.ascontiguousarray(ids).view(f"V{ids.shape[1]}")
    return len(ids) - len(np.unique(rows.reshape(-1)))


def may_repeat(rows: U64) -> bool:
    """Whether two rows of (n, words) may be equal: always where they are, else with less than n^2 / 2^63."""
    return kernels().may_repeat(np.ascontiguousarray(rows), secrets.randbits(64) | 1)
