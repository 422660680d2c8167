"""Streams of the leaves of many trees, and the sums of them that make a vector of one party the other's multiple.

Small-field vector OLE [Roy22, 3]: of a tree with leaves r_x, U = sum of all r_x and V_j = sum of the r_x whose x has
bit j. Who lacks leaf alpha takes bit j of x ^ alpha in place of x, lacks nothing, and has V_j ^ alpha_j U.
"""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from glovebox.algebra.kernels import TransferKernels
from glovebox.algebra.streams import ZEROS

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

PIECE_WORDS = 1 << 12  # of a leaf's stream: 32 leaves of 32 KiB stay in cache


class Leaves:
    """The streams of all leaves of some trees, read side by side from the front.

    seeds: (trees, leaves, 2) from `trees`; 16 or 32 leaves. missing: (trees,) the leaf that is not known, None where
    all are. AES in counter mode, by way of GCM, whose counters OpenSSL computes faster than those of plain CTR.
    """

    def __init__(self, seeds: U64, missing: U8 | None = None) -> None:
        leaves = seeds.shape[1]
        offset = np.zeros(len(seeds), np.uint8) if missing is None else missing
        # the leaf at place x ^ missing comes at x, so that the missing one comes first, where no V_j has it
        order = np.arange(leaves, dtype=np.uint8) ^ offset[:, None]
        placed = np.take_along_axis(seeds, order[:, :, None].astype(np.int64), axis=1)
        self._streams = [
            [Cipher(algorithms.AES(key.tobytes()), modes.GCM(bytes(12))).encryptor() for key in tree] for tree in placed
        ]
        self._room = np.empty(leaves * PIECE_WORDS, np.uint64)

    def __repr__(self) -> str:
        return f"<Leaves of {len(self._streams)} trees>"

    def read(self, kernels: TransferKernels, v: U64, u: U64) -> None:
        """Overwrite v, (trees depth, words), and u, (trees, words), with the next words of V and U.

        U is noise where a leaf is missing.
        """
        trees, words = u.shape
        depth, leaves = len(v) // trees, len(self._streams[0])
        for begin in range(0, words, PIECE_WORDS):
            piece = slice(begin, min(begin + PIECE_WORDS, words))
            room = self._room[: leaves * (piece.stop - begin)].reshape(leaves, -1)
            zeros = memoryview(ZEROS)[: room[0].nbytes]
            rows = [row.view(np.uint8).data for row in room]
            for tree, streams in enumerate(self._streams):
                for stream, row in zip(streams, rows, strict=True):
                    stream.update_into(zeros, row)
                kernels.fold(room, v[depth * tree : depth * (tree + 1), piece], u[tree, piece])


def vectors(trees: int, depth: int, words: int) -> tuple[U64, U64]:
    """Room for V and U."""
    return np.empty((trees * depth, words), np.uint64), np.empty((trees, words), np.uint64)


def corrected(kernels: TransferKernels, v: U64, missing: U8, u: U64) -> None:
    """Add bit j of a tree's missing place times its vector: what a correction of U changes in V_j, in place.

    v: (trees depth, words); missing: (trees,); u: (trees, words). Takes the same time whatever the places.
    """
    depth = len(v) // len(missing)
    bits = missing[:, None] >> np.arange(depth, dtype=np.uint8) & 1
    kernels.add_multiples(v, np.negative(bits.reshape(-1).astype(np.uint64)), u)
