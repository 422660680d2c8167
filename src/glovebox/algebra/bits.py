"""Bits of rows: the layout of the equality tree, planes of bits, and how they come back into row order (psi.md 7)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]

HALF_WORDS = (np.uint32, np.uint16, np.uint8)
NIBBLES = ((4, 0x0F, 0xF0), (2, 0x33, 0xCC), (1, 0x55, 0xAA))  # shift, low bits, high bits of layers 3, 4, 5


def halves(bits: U8, layer: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The left and the right half of every row's remaining 64 >> layer bits; each again holds whole rows.

    bits: (n (64 >> layer) / 8,) uint8, n a multiple of 64. Two arrays of half as many bytes, of one unsigned dtype.
    """
    if layer < len(HALF_WORDS):
        pairs = bits.view(HALF_WORDS[layer])
        return pairs[0::2], pairs[1::2]
    shift, low, high = NIBBLES[layer - len(HALF_WORDS)]
    a, b = np.split(bits, 2)
    return (a & low) | ((b & low) << shift), ((a >> shift) & low) | (b & high)


def rows_in_order(bits: U8) -> U8:
    """One byte, 0 or 1, a row: (n,) from (n / 8,), where bit k of byte j is row j + k n / 8."""
    return np.unpackbits(bits[:, None], axis=1, bitorder="little").T.reshape(-1)


def packed(bits: U8) -> U8:
    """(.., n) bytes of 0 and 1 as (.., n / 8), bit j of byte i is row 8 i + j."""
    return np.packbits(bits, axis=-1, bitorder="little")


def unpacked(octets: U8) -> U8:
    """The reverse of `packed`."""
    return np.unpackbits(octets, axis=-1, bitorder="little")


def narrowed(numbers: NDArray[Any], bits: int) -> NDArray[Any]:
    """Unsigned numbers mod 2^8, 2^16, 2^32 or 2^64, the smallest of these with so many bits."""
    width = next(size for size in (8, 16, 32, 64) if bits <= size)
    return numbers.astype(f"u{width // 8}", copy=False)


def planes(numbers: NDArray[Any], bits: int) -> U8:
    """Bit i of every row's number in a plane of its own, packed in row order: (.., bits, n / 8) from (.., n).

    numbers: unsigned; n a multiple of 64; bits at most 64. Transposes squares of bits [Warren, Hacker's Delight, 7-3].
    """
    narrow = narrowed(numbers, bits)
    (*lead, n), width, word = narrow.shape, 8 * narrow.itemsize, narrow.dtype.type
    rows = narrow.reshape(*lead, n // width, width).swapaxes(-1, -2).copy()  # row i of every square
    step, every = width // 2, (1 << width) - 1
    while step:
        pairs = rows.reshape(*lead, width // (2 * step), 2, step, n // width)
        above, below = pairs[..., 0, :, :], pairs[..., 1, :, :]
        low = word(every // ((1 << step) + 1))  # the lower half of each 2 step bits
        moved = ((above >> word(step)) ^ below) & low
        below ^= moved
        above ^= moved << word(step)
        step //= 2
    return rows[..., :bits, :].view(np.uint8)
