"""AES-128 of many 16-byte blocks at once; with a public key, the fixed permutation that hashes are made of."""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from glovebox.algebra.streams import SLICE_BYTES

U64 = NDArray[np.uint64]

BLOCK = 16
PUBLIC = b"glovebox/fixed/1"  # any constant does: AES under it is taken as an ideal permutation [GKWY20]


def permuted(blocks: U64, key: bytes, out: U64 | None = None) -> U64:
    """AES-128 of every 16-byte row of a C-contiguous (n, 2) array.

    out: (n + 1, 2) or more rows to be overwritten, of which the first n are returned; new ones if it is None.
    """
    # A bare permutation of hashes: equal rows are meant to have equal images, for those who hold the key.
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
    octets = blocks.reshape(-1).view(np.uint8).data
    if out is None:
        out = np.empty((len(blocks) + 1, 2), np.uint64)
    room = out.reshape(-1).view(np.uint8).data  # one row more: the cipher wants room for a block it never writes
    for start in range(0, len(octets), SLICE_BYTES):
        piece = octets[start : start + SLICE_BYTES]
        encryptor.update_into(piece, room[start : start + len(piece) + BLOCK])
    return out[: len(blocks)]


def hashed(blocks: U64) -> U64:
    """pi(x) ^ x of every row: correlation robust, pi being AES under a public key [GKWY20]."""
    return permuted(blocks, PUBLIC) ^ blocks
