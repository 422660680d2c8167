"""GF(2^56) over GF(2^8), seven bytes an element, and polynomials whose values are known at the bytes 0, 1, 2, ..

y^7 + y + 1 is irreducible over GF(2), and over GF(2^8) too, for 7 and 8 have no common factor. Rows of values become
rows of coefficients in the basis of Lin, Chung and Han (FOCS 2014, section III), of products of the polynomials that
vanish on the spaces 0..2^i - 1; with n values that takes n log n / 2 products, and not n^2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.gf256 import FLAT, TIMES

U8 = NDArray[np.uint8]

LANES = 7  # bytes of an element
PLACES = 8  # bits of a byte: values at up to 2^8 points
TABLED = 256  # rows from which a table is made sooner than the products
_EIGHT = np.uint16(8)


def _steps() -> tuple[U8, list[int]]:
    """(8, 256): s_i(x) / s_i(2^i) for each byte x, s_i the product of x - a over 0 <= a < 2^i; and what makes the next.

    s_(i + 1)(x) = s_i(x) (s_i(x) - s_i(2^i)), for s_i is linear over GF(2).
    """
    steps, factors = [np.arange(256, dtype=np.uint8)], []
    for place in range(1, PLACES):
        product = TIMES[steps[-1], steps[-1] ^ np.uint8(1)]
        factors.append(int(np.flatnonzero(TIMES[product[1 << place]] == 1)[0]))
        steps.append(TIMES[factors[-1]][product])
    return np.stack(steps), [*factors, 1]


STEPS, FACTORS = _steps()


def scaled(bytes_: U8, elements: U8) -> U8:
    """Bytes times elements: (..) and (.., 7)."""
    products: U8 = FLAT[elements.astype(np.uint16) << _EIGHT | bytes_[..., None]]
    return products


def _pairs() -> tuple[NDArray[np.int64], NDArray[np.int64], list[int]]:
    """Which bytes of two factors add to each byte of their product, one after the other, and where each byte starts."""
    of = [[] for _ in range(LANES)]  # type: list[list[tuple[int, int]]]
    for i in range(LANES):
        for j in range(LANES):
            places = (i + j,) if i + j < LANES else (i + j - LANES, i + j - LANES + 1)  # y^7 = y + 1
            for place in places:
                of[place].append((i, j))
    one, other = np.array([pair for pairs in of for pair in pairs]).T
    return one, other, np.cumsum([0, *map(len, of[:-1])]).tolist()


ONE, OTHER, STARTS = _pairs()


def times(x: U8, y: U8) -> U8:
    """Products of elements, (.., 7)."""
    each = FLAT[x.astype(np.uint16)[..., ONE] << _EIGHT | y[..., OTHER]]
    products: U8 = np.bitwise_xor.reduceat(each, STARTS, axis=-1)
    return products


def summed(x: U8, axis: int = 0) -> U8:
    """Sums along an axis."""
    total: U8 = np.bitwise_xor.reduce(x, axis=axis)
    return total


def weighed(rows: U8, elements: U8) -> U8:
    """Of each row (rows, n) of bytes the sum of its bytes times elements (n, 7): (rows, 7).

    Many rows are worked on with a table of all that a byte makes of an element, which is one word.
    """
    if len(rows) < 2 * TABLED:
        return summed(scaled(rows, elements), 1)
    table = np.zeros((len(elements), 256, 8), np.uint8)
    table[..., :LANES] = scaled(np.arange(256, dtype=np.uint8), elements[:, None])
    words, found = table.view(np.uint64).reshape(-1), np.empty(len(rows), np.uint64)
    starts, some = np.arange(len(elements), dtype=np.int32) << 8, max(1, TABLED * 256 // len(elements))
    for at in range(0, len(rows), some):
        found[at : at + some] = np.bitwise_xor.reduce(words.take(rows[at : at + some] | starts), axis=1)
    return found.view(np.uint8).reshape(-1, 8)[:, :LANES].copy()


def coefficients(values: U8) -> U8:
    """Of the polynomials with these values at 0, 1, .., 2^k - 1: (2^k, columns)."""
    rows = values.copy()
    size = 1
    while size < len(rows):
        low, high, step = _halves(rows, size, 0)
        high ^= low
        low ^= FLAT[step | high]
        size *= 2
    return rows


def beyond(coefficients_: U8) -> U8:
    """Their values at the next 2^k points, 2^k, .., 2^(k + 1) - 1."""
    rows, start = coefficients_.copy(), len(coefficients_)
    size = start // 2
    while size:
        low, high, step = _halves(rows, size, start)
        low ^= FLAT[step | high]
        high ^= low
        size //= 2
    return rows


def _halves(rows: U8, size: int, start: int) -> tuple[U8, U8, NDArray[np.uint16]]:
    """Lower and upper halves of all blocks of 2 size rows, and what a block's point is at their step, times 256."""
    blocks = rows.reshape(-1, 2, size, rows.shape[1])
    points = start + 2 * size * np.arange(len(blocks))
    step = STEPS[size.bit_length() - 1][points].astype(np.uint16) << _EIGHT
    return blocks[:, 0], blocks[:, 1], step[:, None, None]


def basis_at(point: U8, places: int) -> U8:
    """The 2^places polynomials of the basis at an element (7,): (2^places, 7)."""
    values = np.zeros((1, LANES), np.uint8)
    values[0, 0] = 1
    step = point
    for factor in FACTORS[:places]:
        values = np.concatenate([values, times(values, step[None])])
        other = step.copy()
        other[0] ^= 1
        step = TIMES[factor][times(step, other)]
    return values
