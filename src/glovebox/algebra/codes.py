"""A pseudorandom code, and the sums that make one party's functions of it pseudorandom to the other [KKRT16, Roy22].

A word of the code has 192 bits, one for each of 192 trees. Some two of the 2^28 pairs of words that meet in a bin (of
2^24 ids a side) differ in fewer than 32 places with a chance of 2^-44; at 32 places, 128 bits of missing leaves are
needed to go from one word's value to the other's. The 768 bits of a value are summed to 128 by a random public matrix:
on the columns where two words differ it has full rank, but for 2^-70 a pair.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.blocks import permuted
from glovebox.algebra.kernels import TransferKernels
from glovebox.algebra.streams import Stream

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

TREES = 192
DEPTH = 4
WORDS = TREES // 64
PLANES = TREES * DEPTH


def code_words(hashes: U64, keys: tuple[bytes, bytes]) -> U64:
    """The word of each hash: (n, 3) uint64. hashes: (n, 2), C-contiguous."""
    first, second = (permuted(hashes, key) for key in keys)
    return np.concatenate([first, second[:, :1]], axis=1)


def matrix(stream: Stream) -> U64:
    """The public matrix: (PLANES, 2), a row of 128 bits for each plane."""
    return stream.read((PLANES, 2), np.uint64)


def summed(kernels: TransferKernels, planes: U64, matrix: U64) -> U64:
    """The sum of the matrix rows of each column's bits: (64 words, 2). planes: (PLANES, words)."""
    sums = np.zeros((64 * planes.shape[1], 2), np.uint64)
    for index, table in enumerate(_tables(matrix)):
        kernels.add_lookups(table, planes[8 * index : 8 * index + 8], sums)
    return sums


def differences(matrix: U64, missing: U8) -> U64:
    """By byte of a code word, what its bits add to a value: (24, 256, 2). missing: (TREES,) the missing leaves."""
    bits = missing[:, None] >> np.arange(DEPTH, dtype=np.uint8) & 1
    masks = np.negative(bits.astype(np.uint64)).reshape(PLANES, 1)
    return _tables(np.bitwise_xor.reduce((masks & matrix).reshape(TREES, DEPTH, 2), axis=1))


def _tables(rows: U64) -> U64:
    """For each 8 rows and each byte, the sum of the rows that its bits choose: (rows / 8, 256, 2)."""
    tables = np.zeros((len(rows) // 8, 256, 2), np.uint64)
    for bit in range(8):
        tables[:, 1 << bit : 2 << bit] = tables[:, : 1 << bit] ^ rows[bit::8][:, None]
    return tables
