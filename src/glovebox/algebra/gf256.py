"""GF(2^8) on arrays of bytes: the field that bits are Shamir-shared in, up to 255 parties. Addition is XOR."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]

POLYNOMIAL = 0x11B  # x^8 + x^4 + x^3 + x + 1, irreducible; x + 1 generates [FIPS 197, 4.2]


def _table() -> U8:
    powers, element = [0] * 255, 1
    for exponent in range(255):
        powers[exponent] = element
        double = element << 1 ^ (POLYNOMIAL if element & 0x80 else 0)
        element ^= double  # times x + 1
    logs = np.zeros(256, np.int64)
    logs[powers] = np.arange(255)
    table: U8 = np.array(powers, np.uint8)[(logs[:, None] + logs) % 255]
    table[0] = table[:, 0] = 0
    return table


TIMES = _table()
FLAT = TIMES.reshape(-1)


def times(x: U8, y: U8) -> U8:
    """Products, element by element."""
    products: U8 = FLAT[x.astype(np.uint16) << np.uint16(8) | y]
    return products


def split(secrets: U8, coefficients: U8, m: int) -> U8:
    """Shamir shares (m, ..) of secrets (..): party i's is the polynomial's value at i + 1; coefficients (t, ..)."""
    shares = np.empty((m, *secrets.shape), np.uint8)
    for party in range(m):
        value = np.zeros_like(secrets)
        for coefficient in coefficients[::-1]:
            value = TIMES[party + 1][value ^ coefficient]
        shares[party] = value ^ secrets
    return shares


def combined(shares: Sequence[U8], parties: tuple[int, ...], point: int = 0) -> U8:
    """The secrets of shares of these parties, one more of them than the degree; or the polynomials at another point."""
    weights = _weights(parties, point)
    value = np.zeros_like(shares[0])
    for weight, share in zip(weights, shares, strict=True):
        value ^= TIMES[weight][share]
    return value


def belong_together(shares: Sequence[U8], degree: int) -> bool:
    """Whether all parties' shares, in their order, are of polynomials of a degree."""
    first = tuple(range(degree + 1))
    others = range(degree + 1, len(shares))
    return all((combined(shares[: degree + 1], first, party + 1) == shares[party]).all() for party in others)


@functools.cache
def _weights(parties: tuple[int, ...], point: int) -> tuple[int, ...]:
    """Lagrange's weights at a point."""
    weights = []
    for i in parties:
        weight = 1
        for j in parties:
            if i != j:
                difference = (i + 1) ^ (j + 1)
                inverse = int(np.flatnonzero(TIMES[difference] == 1)[0])
                weight = int(TIMES[weight, TIMES[(j + 1) ^ point, inverse]])
        weights.append(weight)
    return tuple(weights)


@functools.cache
def of_set(party: int, subset: tuple[int, ...], m: int) -> int:
    """A party's share of 1 under the polynomial that is 0 at every party outside a set of m - t [CDI05]."""
    weight = 1
    for other in set(range(m)) - set(subset):
        inverse = int(np.flatnonzero(TIMES[other + 1] == 1)[0])
        weight = int(TIMES[weight, TIMES[(party + 1) ^ (other + 1), inverse]])
    return weight
