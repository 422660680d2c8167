"""Vectors over Z_2^8 to Z_2^64: numpy's unsigned integers, which wrap; no branch on a bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
Ring = NDArray[Any]  # of one of RINGS

RINGS: dict[int, type[np.unsignedinteger[Any]]] = {8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}


def all_bits(bits: U8, ring: type[np.unsignedinteger[Any]]) -> Ring:
    """-b of each bit b: zeros or ones throughout."""
    return np.negative(bits.astype(ring))


def kept(bits: U8, vector: Ring) -> Ring:
    """b y: y where the bit is set, else 0."""
    return vector & all_bits(bits, vector.dtype.type)


def signed(bits: U8, vector: Ring) -> Ring:
    """(1 - 2 b) y: -y where the bit is set, else y."""
    minus = all_bits(bits, vector.dtype.type)
    return (vector ^ minus) - minus


def block_sums(vector: Ring, blocks: int) -> Ring:
    """The sum of each block of neighbouring rows, in the vector's own ring: (blocks,)."""
    sums: Ring = vector.reshape(blocks, -1).sum(axis=1, dtype=vector.dtype)
    return sums
