"""Averages without opening sum and count: a quotient, rounded half to even, on shares.

Functionality  [q] = round-half-even(10^6 x / n) where n > 0; [null] = [n = 0], and q = 0 there
Parties        all m computing parties hold and receive shares
Security       semi-honest, t = (m - 1) // 2 corrupt parties; statistical as `threshold.py`
Leakage        nothing but the number of quotients and the public bounds low n <= x <= high n, n <= most; what is
               opened later may tell x and n where n is below about 700: six decimals often fix the fraction
Rounds         30 + 4 i; about, for i iterations (4 to 6) and a divisor of up to 31 bits
Bytes          c q s + e q s + v o s + x r s; a quotient, with q, o, r and s of `threshold.py`, c random bits, e tests
               for zero, v openings and x products, which the test counts; 125 kB at m = 3, 10^5 cents and 10^6 rows
Source         Newton iteration on a normalised divisor as in Catrina and Saxena, FC 2010; then made exact here

With y = x - low n >= 0 and W = high - low: q - 10^6 low is round(A / d) for A = 2 10^6 y + n, d = 2 n, rounded down;
where d divides A, x / n lay half-way, and an odd quotient goes down by one (10^6 low is even). The quotient is found
from an approximate reciprocal and corrected by the remainder, which is exact.

What a party receives: as in `threshold.py`: masked openings and shares of products, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from glovebox.runtime.context import Context

MICRO = 10**6

# 1/c is about 125/32 - 100/32 c on 1/4 <= c < 1: c (a - b c) is least at the ends and most at a / 2b
SLOPE, START, SCALE_BITS = 100, 125, 5
_A, _B = Fraction(START, 2**SCALE_BITS), Fraction(SLOPE, 2**SCALE_BITS)
FIRST_ERROR = max(abs(1 - _A**2 / (4 * _B)), abs(1 - (_A - _B / 4) / 4), abs(1 - (_A - _B)))


@dataclass(frozen=True)
class Ranges:
    """Public sizes of a quotient: low n <= x <= high n for 0 <= n <= most."""

    low: int
    high: int
    most: int

    @property
    def divisor_bits(self) -> int:
        """Even, n < 2^divisor_bits."""
        return max(2, (self.most.bit_length() + 1) // 2 * 2)

    @property
    def quotient_bits(self) -> int:
        """A / d <= 10^6 (high - low) + 1/2 < 2^quotient_bits."""
        return (MICRO * (self.high - self.low) + 1).bit_length()

    @property
    def precisions(self) -> tuple[int, ...]:
        """Fractional bits g of the reciprocal after each iteration: e' <= e^2 + 2^-g, until 2^quotient_bits e < 1/2."""
        error, goal = FIRST_ERROR, Fraction(1, 2 ** (self.quotient_bits + 1))
        steps: list[int] = []
        while not steps or error >= goal:
            squared = error**2
            useful = (squared.denominator // squared.numerator).bit_length() + 2  # 2^-g is a quarter of e^2 or less
            steps.append(min(useful, self.quotient_bits + 3))
            error = squared + Fraction(1, 2 ** steps[-1])
        return tuple(steps)

    @property
    def bits(self) -> int:
        """Bits of secure integers that hold every value on the way, with its sign."""
        nu, steps = self.divisor_bits, self.precisions
        before = (nu + SCALE_BITS, *steps[:-1])
        newton = max(nu + 2 * g + 3 for g in before)  # c w (2 - c w) <= 1 and c >= 1/4: w (2 - c w) <= 4 < 2^3
        product = self.quotient_bits + nu + 1 + steps[-1] + 1  # (A / d) 2^(nu + 1) c w 2^g
        return max(64, newton + 1, product + 1)

    @property
    def widest(self) -> int:
        """Field elements of the largest message of one quotient: random bits of a comparison or a truncation."""
        nu, steps = self.divisor_bits, self.precisions
        first = nu + 2 * (nu + SCALE_BITS) - steps[0]
        later = [nu + 2 * g - step for g, step in pairwise(steps)]
        return max(nu // 2 * (nu + 2), first, *later, nu + 1 + steps[-1], 3 * (nu + 3))


def quotient(ctx: Context, bits: int, ranges: Ranges, x: Any, n: Any) -> tuple[Any, Any]:
    """Secure arrays (q, null) of the shape of x and n, secure arrays of integers of `bits` >= ranges.bits."""
    runtime = ctx.shamir.runtime
    nu, steps = ranges.divisor_bits, ranges.precisions
    powers = [4**j for j in range(nu // 2)]
    below = runtime.np_sgn(runtime.np_stack([n - power for power in powers]), l=nu + 1, LT=True)
    null = below[0]
    divisor = n + null  # 1 where n = 0, and x = 0 there: the quotient is 0
    top = powers[-1]
    scale = top - sum(((1 - below[j]) * (3 * top // 4**j) for j in range(1, len(powers))), 0 * null)
    dividend = 2 * MICRO * (x - ranges.low * n) + divisor
    reciprocal = _reciprocal(runtime, divisor * scale, nu, steps)
    shift = nu + 1 + steps[-1]
    guess = runtime.np_trunc(dividend * scale * reciprocal - (1 << shift - 1), f=shift)
    return _corrected(runtime, guess - 1, dividend, 2 * divisor, nu + 3) + MICRO * ranges.low * (1 - null), null


def _reciprocal(runtime: Any, c: Any, nu: int, steps: tuple[int, ...]) -> Any:
    """w 2^-g with |1 - c w 2^-(nu + g)| below 2^-(quotient_bits + 1), for 2^nu / 4 <= c < 2^nu; g = steps[-1]."""
    w, g = (START << nu) - SLOPE * c, nu + SCALE_BITS
    for step in steps:
        w = runtime.np_trunc(w * ((2 << nu + g) - c * w), f=nu + 2 * g - step)
        g = step
    return w


def _corrected(runtime: Any, base: Any, dividend: Any, divisor: Any, bits: int) -> Any:
    """round(dividend / divisor) down, and to even where it divides exactly.

    The guess is floor(z - 1/2 + u) for |z - dividend / divisor| < 1/2 and some 0 <= u < 1, so the quotient is it or
    one off, and base, one less, leaves a remainder r with 0 <= r < 3 divisor. bits: |r - 2 divisor| < 2^(bits - 1).
    """
    odd = runtime.np_lsb(base)
    r = dividend - base * divisor
    rests = runtime.np_stack([r - divisor, r - 2 * divisor, r])
    once, twice = 1 - runtime.np_sgn(rests[:2], l=bits, LT=True)
    tie = runtime.np_sum(runtime.np_sgn(rests, l=bits, EQ=True), axis=0)
    change = once - twice  # parity of once + twice, for twice implies once
    parity = odd + change - 2 * (odd * change)
    return base + once + twice - tie * parity
