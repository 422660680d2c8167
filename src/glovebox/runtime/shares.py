"""Shamir shares as bytes, and recombination that checks: plain integers, no MPyC.

A share is an integer 0 <= s < p, on the wire little-endian in the bytes of p. Party number i (0..m-1) holds the
polynomial's value at i + 1 [Shamir79].
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from glovebox.errors import IntegrityError


def width(modulus: int) -> int:
    """Bytes of one share."""
    return (modulus.bit_length() + 7) // 8


def encode(values: Iterable[int], modulus: int) -> bytes:
    """Field integers as bytes. Raises ValueError for anything that is no integer in [0, modulus)."""
    size = width(modulus)
    checked = list(values)
    if checked and (set(map(type, checked)) != {int} or min(checked) < 0 or max(checked) >= modulus):
        raise ValueError("not field integers")
    return b"".join([value.to_bytes(size, "little") for value in checked])


def decode(data: bytes | memoryview, modulus: int, count: int) -> list[int]:
    """`count` field integers. Raises ValueError for another length or a value >= modulus."""
    size = width(modulus)
    if len(data) != count * size:
        raise ValueError(f"sent {len(data)} bytes of shares where {count * size} belong")
    raw = bytes(data)
    values = [int.from_bytes(raw[at : at + size], "little") for at in range(0, len(raw), size)]
    if values and max(values) >= modulus:
        raise ValueError("sent a share outside the field")
    return values


def split(secrets: NDArray[np.object_], modulus: int, threshold: int, m: int) -> list[NDArray[np.object_]]:
    """Each party's shares of (n,) field integers: values of polynomials of degree `threshold`, freshly drawn."""
    coefficients = [uniform(len(secrets), modulus) for _ in range(threshold)]
    shares = []
    for party in range(m):
        value = 0 * secrets
        for coefficient in reversed(coefficients):
            value = (value + coefficient) * (party + 1)
        shares.append((value + secrets) % modulus)
    return shares


def uniform(count: int, modulus: int) -> NDArray[np.object_]:
    """(count,) integers in [0, modulus) of the system's randomness: 64 bits more, so 2^-64 from uniform."""
    long = -(-modulus.bit_length() // 64) + 1
    words = np.frombuffer(os.urandom(count * 8 * long), np.uint64).reshape(count, long)
    numbers = words[:, 0].astype(object)
    for place in range(1, long):
        numbers |= words[:, place].astype(object) << 64 * place
    drawn: NDArray[np.object_] = numbers % modulus
    return drawn


def recombined(shares: Mapping[int, Sequence[int]], modulus: int, threshold: int, step: str) -> list[int]:
    """The secrets of all parties' shares, as signed integers -p/2 < x < p/2.

    shares: party number -> that party's shares, one a secret; all m > 2 threshold parties. Raises IntegrityError,
    which names the step and nothing else, unless each secret's m shares lie on one polynomial of degree threshold.
    With at most `threshold` wrong shares only the true one passes, for it alone fits the m - threshold others.
    """
    parties = sorted(shares)
    if len(parties) <= 2 * threshold or len({len(line) for line in shares.values()}) > 1:
        raise IntegrityError("shares of an opening are missing", step=step)
    first, others = tuple(parties[: threshold + 1]), parties[threshold + 1 :]
    for other in others:
        if _at(other + 1, first, shares, modulus) != list(shares[other]):
            raise IntegrityError("the shares of an opening do not belong together", step=step)
    return [value - modulus if value > modulus // 2 else value for value in _at(0, first, shares, modulus)]


def _at(x: int, parties: tuple[int, ...], shares: Mapping[int, Sequence[int]], modulus: int) -> list[int]:
    weights = _lagrange(x, parties, modulus)
    lines = [shares[party] for party in parties]
    return [sum(w * s for w, s in zip(weights, column, strict=True)) % modulus for column in zip(*lines, strict=True)]


def at_zero(parties: tuple[int, ...], modulus: int) -> tuple[int, ...]:
    """Weights that take these parties' shares to the secret, of a degree below their number."""
    return _lagrange(0, parties, modulus)


@cache
def of_set(party: int, subset: tuple[int, ...], m: int, modulus: int) -> int:
    """A party's share of 1 under the polynomial that is 0 at every party outside a set of m - t [CDI05]."""
    weight = 1
    for other in set(range(m)) - set(subset):
        weight = weight * (party - other) * pow(-1 - other, -1, modulus) % modulus
    return weight


@cache
def _lagrange(x: int, parties: tuple[int, ...], modulus: int) -> tuple[int, ...]:
    """Weights that take values at the parties' points to the value at x."""
    points = [party + 1 for party in parties]
    weights = []
    for i in points:
        above = below = 1
        for j in points:
            if i != j:
                above, below = above * (x - j) % modulus, below * (i - j) % modulus
        weights.append(above * pow(below, -1, modulus) % modulus)
    return tuple(weights)
