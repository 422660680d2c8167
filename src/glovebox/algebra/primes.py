"""Polynomials over a prime field whose values are known at 0, 1, 2, ..: many at once, each row of numbers one integer.

A number times a row is then one product of integers, whose cost is that of its machine words: a tenth of what Python
needs for the numbers one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from math import comb, factorial
from operator import mul

import gmpy2

NARROW = 8  # columns, up to which numbers are no slower one by one


@cache
def further(count: int) -> tuple[tuple[int, ...], ...]:
    """For each of the points count, .., 2 count - 2: weights, integers, that take values at 0, .., count - 1 there."""
    found = []
    for point in range(count, 2 * count - 1):
        # Lagrange: the product of (point - j) / (i - j) over j != i
        line = [comb(point, i) * comb(point - i - 1, count - 1 - i) for i in range(count)]
        found.append(tuple(-weight if (count - 1 - i) % 2 else weight for i, weight in enumerate(line)))
    return tuple(found)


def lagrange(point: int, count: int, modulus: int) -> list[int]:
    """Weights that take values at 0, .., count - 1 to the value at a point."""
    before, after = [1], [1]
    for i in range(count - 1):
        before.append(before[-1] * (point - i) % modulus)
        after.append(after[-1] * (point - (count - 1 - i)) % modulus)
    return [
        x * y % modulus * z % modulus for x, y, z in zip(before, reversed(after), _below(count, modulus), strict=True)
    ]


@cache
def _below(count: int, modulus: int) -> tuple[int, ...]:
    """1 over the product of i - j over j != i, both below count."""
    products = [factorial(i) * factorial(count - 1 - i) * (-1) ** (count - 1 - i) for i in range(count)]
    return tuple(pow(product, -1, modulus) for product in products)


@cache
def _place_bits(count: int, modulus: int) -> int:
    """Bits of a sum of `count` numbers times weights up to the modulus, or up to the largest of `further`."""
    largest = max([modulus, *(abs(weight) for line in further(count) for weight in line)])
    return (count * largest * modulus).bit_length()


def dot(x: Iterable[int], y: Iterable[int], modulus: int) -> int:
    """The sum of products."""
    return int(sum(map(mul, x, y)) % modulus)


class Rows:
    """Numbers of a field in rows of one length, the last filled up with zeros."""

    def __init__(self, numbers: Sequence[int], count: int, modulus: int) -> None:
        self.modulus = modulus
        self.width = -(-len(numbers) // count)
        filled = [*numbers, *[0] * (count * self.width - len(numbers))]
        self.rows = [filled[at : at + self.width] for at in range(0, len(filled), self.width)]
        self._bits = _place_bits(count, modulus)
        if self.width > NARROW:
            self._packed = [gmpy2.pack(row, self._bits) for row in self.rows]
            self._moduli = gmpy2.pack([modulus] * self.width, self._bits)
        else:
            self._columns = list(zip(*self.rows, strict=True))

    def __repr__(self) -> str:
        return f"<Rows: {len(self.rows)} of {self.width} numbers>"

    def weighed(self, weights: Sequence[int]) -> list[int]:
        """The sum of the rows times weights, that may be negative. Not reduced: integers of as many bits as two."""
        if self.width <= NARROW:
            return [sum(map(mul, weights, column)) for column in self._columns]
        total = gmpy2.mpz(0)
        for weight, row in zip(weights, self._packed, strict=True):
            total += row * weight if weight >= 0 else (self._moduli - row) * -weight
        values: list[int] = gmpy2.unpack(total, self._bits)
        return values + [0] * (self.width - len(values))

    def at(self, point: int) -> list[int]:
        """The polynomials through the rows at a point, which is none of their own."""
        return [int(value % self.modulus) for value in self.weighed(lagrange(point, len(self.rows), self.modulus))]
