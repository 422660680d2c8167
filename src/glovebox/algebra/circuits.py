"""Numbers on wires: (bits, .., lanes, 2), the lowest bit first, in two's complement; dimensions in between broadcast.

Few ANDs rather than few levels: circuits are garbled, and then levels cost no flights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.garbling import Machine

U64 = NDArray[np.uint64]

MICRO = 10**6


def added(m: Machine, a: U64, b: U64, carry: U64 | None = None) -> U64:
    """a + b (+ 1 if the wire `carry` is set) modulo 2^bits: one AND a bit [KS08]."""
    a, b = np.broadcast_arrays(a, b)
    out = np.empty_like(a)
    carry = np.zeros_like(a[0]) if carry is None else carry
    for bit in range(len(a)):
        out[bit] = a[bit] ^ b[bit] ^ carry
        if bit + 1 < len(a):
            carry = carry ^ m.both(a[bit] ^ carry, b[bit] ^ carry)
    return out


def subtracted(m: Machine, a: U64, b: U64) -> U64:
    """a - b modulo 2^bits."""
    return added(m, a, m.flipped(b), m.flipped(np.zeros_like(a[0])))


def constant(m: Machine, number: int, bits: int, like: U64) -> U64:
    """A public number, on wires shaped as the wire `like`. Public wires have the label 0 at the evaluator."""
    zero = np.zeros_like(like)
    one = m.flipped(zero)
    return np.stack([one if number >> bit & 1 else zero for bit in range(bits)])


def widened(a: U64, bits: int, signed: bool) -> U64:
    """The same number in more bits."""
    top = a[-1:] if signed else np.zeros_like(a[-1:])
    return np.concatenate([a, np.repeat(top, bits - len(a), axis=0)])


def times(m: Machine, a: U64, factor: int) -> U64:
    """factor a modulo 2^bits, for a public factor >= 0: an addition for each 1 in it but the first."""
    total: U64 | None = None
    for place in range(min(len(a), factor.bit_length())):
        if factor >> place & 1:
            part = np.concatenate([np.zeros_like(a[:place]), a[: len(a) - place]])
            total = part if total is None else added(m, total, part)
    return np.zeros_like(a) if total is None else total


def negative(a: U64) -> U64:
    """[a < 0], a wire."""
    top: U64 = a[-1]
    return top


def zero(m: Machine, a: U64) -> U64:
    """[a = 0], a wire."""
    left = m.flipped(a)
    while len(left) > 1:
        half = len(left) // 2
        left = np.concatenate([m.both(left[:half], left[half : 2 * half]), left[2 * half :]])
    only: U64 = left[0]
    return only


def at_least(m: Machine, a: U64, bound: int) -> U64:
    """[a >= bound], a wire; both fit into bits less one."""
    return m.flipped(negative(added(m, a, constant(m, -bound, len(a), a[0]))))


def quotient(m: Machine, dividend: U64, divisor: U64, bits: int) -> tuple[U64, U64]:
    """floor(a / d) < 2^bits for a >= 0 and d > 0, and the rest: long division, 2 ANDs a bit of d and of the result.

    dividend: at most bits + len(divisor) bits, unsigned; divisor unsigned.
    """
    width = len(divisor) + 1
    d = widened(divisor, width, False)
    rest = widened(dividend[bits:], width, False) if len(dividend) > bits else np.zeros_like(d)
    out = []
    for place in reversed(range(bits)):
        rest = np.concatenate([dividend[place : place + 1], rest[:-1]])
        less = subtracted(m, rest, d)
        fits = m.flipped(negative(less))
        rest = rest ^ m.both(fits[None], rest ^ less)
        out.append(fits)
    return np.stack(out[::-1]), rest


def average_bits(low: int, high: int) -> int:
    """Bits of an average, and of its distance from the least one, with a sign."""
    return (MICRO * max(high - low, abs(low), abs(high)) + 1).bit_length() + 1


def average(m: Machine, total: U64, count: U64, low: int, high: int) -> tuple[U64, U64]:
    """round-half-even(10^6 total / count), signed, and [count = 0], where it is 0; low count <= total <= high count.

    total signed, count unsigned. With y = total - low count: (2 10^6 y + count) / (2 count) rounded down; where that
    divides, the quotient lies half-way, and an odd one goes down by one (10^6 low is even).
    """
    bits = (MICRO * (high - low) + 1).bit_length()
    null = zero(m, count)
    wide = len(count) + 1 + bits  # of 2 10^6 y + count < 2^bits (2 count)
    n = widened(count, max(wide, len(total)), False)
    y = widened(total, len(n), True)
    if low:
        part = times(m, n, abs(low))
        y = subtracted(m, y, part) if low > 0 else added(m, y, part)
    dividend = added(m, times(m, y, 2 * MICRO), n)[:wide]
    above, rest = quotient(m, dividend, np.concatenate([np.zeros_like(count[:1]), count]), bits)
    tie = m.both(zero(m, rest), above[0])
    signed = average_bits(low, high)
    above = added(m, widened(above, signed, False), np.repeat(tie[None], signed, axis=0))  # plus -1
    shifted = added(m, above, constant(m, MICRO * low, signed, above[0])) if low else above
    return m.both(m.flipped(null)[None], shifted), null
