"""Shamir shares as bytes, and recombination that checks: plain integers, no MPyC.

A share is an integer 0 <= s < p, on the wire little-endian in the bytes of p. Party number i (0..m-1) holds the
polynomial's value at i + 1 [Shamir79].
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from glovebox.errors import IntegrityError


def width(modulus: int) -> int:
    """Bytes of one share."""
    return (modulus.bit_length() + 7) // 8


def encode(values: Iterable[int], modulus: int) -> bytes:
    """Field integers as bytes. Raises ValueError for anything that is no integer in [0, modulus)."""
    size = width(modulus)
    checked = list(values)
    if not all(type(value) is int and 0 <= value < modulus for value in checked):
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
