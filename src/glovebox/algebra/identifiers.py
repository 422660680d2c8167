"""From ids to pseudonyms and masks, under keys that only QUERY and TABLE hold (psi.md 4).

Every function makes whole passes over all rows, so that its time tells nothing about them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.blocks import permuted

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

    hashes: (m,) uint64, a hash of each of the n ids and then of random values, so that the time to sort them tells
    only m. Ids are compared only where two hashes are equal.
    """
    ordered = np.sort(hashes)
    if not bool((ordered[1:] == ordered[:-1]).any()):
        return 0
    rows = np.ascontiguousarray(ids).view(f"V{ids.shape[1]}")
    return len(ids) - len(np.unique(rows.reshape(-1)))
