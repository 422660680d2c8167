from __future__ import annotations

import numpy as np
import pytest

from glovebox.algebra.bits import halves, packed, planes, rows_in_order, unpacked


@pytest.mark.parametrize("rows", [64, 320])
def test_the_tree_of_halves_ends_with_the_and_of_each_row(rows):
    rng = np.random.default_rng(rows)
    words = rng.integers(0, 1 << 64, rows, dtype=np.uint64)
    ones = np.uint64(2**64 - 1)
    words[::3] = ones
    words[1::7] = ones ^ (np.uint64(1) << rng.integers(0, 64, len(words[1::7]), dtype=np.uint64))
    bits = words.view(np.uint8)
    for layer in range(6):
        left, right = halves(bits, layer)
        bits = (left & right).view(np.uint8)
    np.testing.assert_array_equal(rows_in_order(bits), words == ones)


def test_packed_bits_come_back():
    bits = np.random.default_rng(0).integers(0, 2, 640, dtype=np.uint8)
    assert (packed(bits)[3] >> 5 & 1) == bits[29]
    np.testing.assert_array_equal(unpacked(packed(bits)), bits)


@pytest.mark.parametrize("bits", [1, 7, 8, 9, 16, 17, 31, 33, 64])
def test_a_plane_holds_one_bit_of_every_row(bits):
    numbers = np.random.default_rng(bits).integers(0, 1 << 64, (3, 192), dtype=np.uint64)
    found = planes(numbers, bits)
    assert found.shape == (3, bits, 24)
    for bit in range(bits):
        np.testing.assert_array_equal(
            np.unpackbits(found[:, bit], axis=-1, bitorder="little"), numbers >> np.uint64(bit) & np.uint64(1)
        )
    assert planes(numbers[:, :0], bits).shape == (3, bits, 0)
