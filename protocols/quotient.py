"""Averages without opening sum and count: a quotient, rounded half to even, on shares.

Functionality  [q] = round-half-even(10^6 x / n) where n > 0, and 0 where n = 0; some number where a lie took x or n
               out of range
Parties        all m computing parties hold and receive shares
Security       t = (m - 1) // 2 corrupt parties, that follow the protocol or are found out by `verified.py`, which runs
               before a number opens that is made of products; statistical, 2^-58 an opened number (m = 3)
Leakage        nothing but the number of quotients and the public bounds low n <= x <= high n, n <= most; what is
               opened later may tell x and n where n is below about 700: six decimals often fix the fraction
Rounds         19 + 3 i + k v; about, for i iterations (4 to 6), three parties and a divisor of up to 31 bits, after its
               comparisons; v of a check, k = i + 2 of them
Bytes          c + e q s + v o s + x r s; a quotient, its checks and hashes apart, with o, r and s of `threshold.py`,
               q = 2 t m; c of five numbers compared, e random bits, v openings and x products, which the test counts
Source         Newton iteration on a normalised divisor as in Catrina and Saxena, FC 2010; then made exact here

With y = x - low n >= 0 and W = high - low: q - 10^6 low is round(A / d) for A = 2 10^6 y + n, d = 2 n, rounded down;
where d divides A, x / n lay half-way, and an odd quotient goes down by one (10^6 low is even). The quotient is found
from an approximate reciprocal and corrected by the remainder, which is exact.

Of x and n nothing is known but what others say. They were checked to be within their reach (`entry.py`), for which
masks have room; and before powers of n are taken, it becomes 0 unless 0 <= n <= most.

What a party receives: openings of r^2 for random r under a mask of degree 2t; of numbers under masks that are 60 bits
longer, in C(m, t) parts of which it lacks one at least; what `threshold.py` says; and shares of products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from glovebox.protocols.threshold import negative
from glovebox.protocols.verified import checked
from glovebox.runtime.context import Context
from glovebox.runtime.engine import MOST_PARTIES, modulus
from glovebox.runtime.noted import Numbers
from glovebox.runtime.prss import sets_of

MICRO = 10**6

# 1/c is about 125/32 - 100/32 c on 1/4 <= c < 1: c (a - b c) is least at the ends and most at a / 2b
SLOPE, START, SCALE_BITS = 100, 125, 5
_A, _B = Fraction(START, 2**SCALE_BITS), Fraction(SLOPE, 2**SCALE_BITS)
FIRST_ERROR = max(abs(1 - _A**2 / (4 * _B)), abs(1 - (_A - _B / 4) / 4), abs(1 - (_A - _B)))


GUARD = sets_of(MOST_PARTIES).bit_length()  # a truncation is off by less than 2^GUARD units, one a set at most
COMPARED = 5  # numbers compared in the correction, each with its divisor_bits and REST more bits
REST = 4


@dataclass(frozen=True)
class Ranges:
    """Public sizes of a quotient: low n <= x <= high n for 0 <= n <= most.

    reach: where 0 <= n <= most, |x - low n| stays below it whoever lies about x; 0 if nobody can.
    """

    low: int
    high: int
    most: int
    reach: int = 0

    @property
    def divisor_bits(self) -> int:
        """Even, n < 2^divisor_bits."""
        return max(2, (self.most.bit_length() + 1) // 2 * 2)

    @property
    def quotient_bits(self) -> int:
        """A / d <= 10^6 (high - low) + 1/2 < 2^quotient_bits."""
        return (MICRO * (self.high - self.low) + 1).bit_length()

    @property
    def reached_bits(self) -> int:
        """The same of A / d whatever is said."""
        return max(self.quotient_bits, (MICRO * self.reach + 1).bit_length())

    @property
    def powers(self) -> tuple[int, ...]:
        """What the divisor is compared with, to bring it to between a quarter of 2^divisor_bits and that."""
        return tuple(4**j for j in range(self.divisor_bits // 2))

    @property
    def precisions(self) -> tuple[int, ...]:
        """Fractional bits g of the reciprocal after each iteration, until 2^quotient_bits e < 1/4 for its error e.

        An iteration makes it e' <= e^2 + 2^(GUARD - g).
        """
        error, goal = FIRST_ERROR, Fraction(1, 2 ** (self.quotient_bits + 2))
        steps: list[int] = []
        while not steps or error >= goal:
            squared = error**2
            useful = (squared.denominator // squared.numerator).bit_length() + 2  # a quarter of e^2 or less is lost
            steps.append(min(useful, self.quotient_bits + 4) + GUARD)
            error = squared + Fraction(1, 2 ** (steps[-1] - GUARD))
        return tuple(steps)

    @property
    def bits(self) -> int:
        """Bits of secure integers that hold every value on the way, with its sign."""
        nu, steps = self.divisor_bits, self.precisions
        before = (nu + SCALE_BITS, *steps[:-1])
        newton = max(nu + 2 * g + 3 for g in before)  # c w (2 - c w) <= 1 and c >= 1/4: w (2 - c w) <= 4 < 2^3
        product = self.reached_bits + nu + 1 + steps[-1] + 1  # (A / d) 2^(nu + 1) c w 2^g
        return max(64, newton + 1, product + 1)


def fraction_bits(m: int) -> int:
    """Bits after the point of a guess that a truncation leaves off by less than a quarter."""
    return (4 * sets_of(m)).bit_length()


async def quotient(ctx: Context, bits: int, ranges: Ranges, x: Any, n: Any, below: Sequence[Any], within: Any) -> Any:
    """Secure array of the shape of x and n, secure arrays of integers of `bits` >= ranges.bits.

    below: for each of `ranges.powers`, whether n is below it, a secure array of the same shape; of bits whatever n is.
    within: whether 0 <= n <= ranges.most.
    """
    shamir, fraction = ctx.shamir, fraction_bits(ctx.shamir.m)
    drawn = shamir.runtime.np_random_bits(shamir.integers(bits), (fraction + 1) * n.size)
    masks = (await shamir.numbers(drawn)).reshape(fraction + 1, n.size)  # checked before a number opens under them
    top, steps = ranges.powers[-1], zip(below[1:], ranges.powers[1:], strict=True)
    taken = sum(((1 - less) * (3 * top // power) for less, power in steps), 0 * n)
    n, some, taken = shamir.runtime.np_stack([n, 1 - below[0], taken]) * within
    null = 1 - some
    divisor, scale = n + null, top - taken  # 1 where n = 0, and x = 0 there: the quotient is 0
    dividend = 2 * MICRO * (x - ranges.low * n) + divisor
    g, reciprocal = await _reciprocal(ctx, bits, divisor * scale, ranges)
    shift = ranges.divisor_bits + 1 + g
    fine = await truncated(ctx.narrow("guess"), bits, dividend * scale * reciprocal, shift - fraction)
    low, rest = await _lowest(ctx.narrow("fraction"), bits, fine - (1 << fraction - 1), masks[:-1])
    guess = (fine - (1 << fraction - 1) + low - rest) * pow(1 << fraction, -1, modulus(bits))  # down, or up at random
    rounded = await _corrected(ctx, bits, ranges.divisor_bits, guess - 1, dividend, 2 * divisor, masks[-1:])
    return rounded + MICRO * ranges.low * (1 - null)


async def _reciprocal(ctx: Context, bits: int, c: Any, ranges: Ranges) -> tuple[int, Any]:
    """g and w with |1 - c w 2^-(nu + g)| below 2^-(quotient_bits + 2), for 2^nu / 4 <= c < 2^nu."""
    nu = ranges.divisor_bits
    w, g = (START << nu) - SLOPE * c, nu + SCALE_BITS
    for place, step in enumerate(ranges.precisions):
        w = await truncated(ctx.narrow(f"newton{place}"), bits, w * ((2 << nu + g) - c * w), nu + 2 * g - step)
        g = step
    return g, w


async def truncated(ctx: Context, bits: int, numbers: Any, places: int) -> Any:
    """numbers / 2^places, rounded down or up to C more: C sets of parties know a mask each. 0 <= numbers < 2^bits.

    What opens is the number and all masks. Of each mask its members know, and share, the lowest places.
    """
    await checked(ctx.narrow("checked"))  # numbers are products: a lie in one could make them longer than the masks
    shares = (await ctx.shamir.numbers(numbers)).reshape(-1)
    masks, low, _ = ctx.shamir.masks(ctx.label("masked"), bits, len(shares), places)
    opened = await ctx.shamir.opened_masked(ctx.label("masked"), shares + masks, bits)
    rest = np.array([value & (1 << places) - 1 for value in opened], dtype=object)
    inverse = pow(1 << places, -1, modulus(bits))
    return ctx.shamir.of_shares(bits, ((shares + low - rest) * inverse).reshape(numbers.shape))


async def _lowest(ctx: Context, bits: int, numbers: Any, random: Numbers) -> tuple[Any, Any]:
    """Random numbers below 2^places, and the lowest places of their sums with other numbers, which open.

    random: shares of bits that nobody knows, (places, numbers). -2^(bits - 1) <= numbers < 2^(bits - 1).
    """
    shamir, places = ctx.shamir, len(random)
    low = np.array([1 << place for place in range(places)], object) @ random
    shares = (await shamir.numbers(numbers)).reshape(-1)
    above, _, _ = shamir.masks(ctx.label("masked"), bits, len(shares), 0, places)
    opened = await shamir.opened_masked(ctx.label("masked"), shares + (1 << bits - 1) + low + (above << places), bits)
    rest = np.array([value & (1 << places) - 1 for value in opened], dtype=object)
    return shamir.of_shares(bits, low.reshape(numbers.shape)), rest.reshape(numbers.shape)


async def _corrected(ctx: Context, bits: int, nu: int, base: Any, dividend: Any, divisor: Any, random: Numbers) -> Any:
    """round(dividend / divisor) down, and to even where it divides exactly.

    The guess is floor(z - 1/2 + u) for |z - dividend / divisor| < 1/2 and some 0 <= u < 1, so the quotient is it or
    one off, and base, one less, leaves a remainder r with 0 <= r < 3 divisor; nu: divisor < 2^(nu + 1). random: shares
    of bits, (1, quotients).
    """
    runtime = ctx.shamir.runtime
    bit, told = await _lowest(ctx.narrow("parity"), bits, base, random)
    odd = bit + told - 2 * (bit * told)
    r = dividend - base * divisor
    await checked(ctx.narrow("checked"))  # as r opens next, under masks
    edges = [r - divisor, r - 2 * divisor, r - 1, r - divisor - 1, r - 2 * divisor - 1]
    less, less_twice, zero, less_or_one, less_or_two = await negative(ctx, bits, runtime.np_stack(edges), nu + REST)
    once, twice = 1 - less, 1 - less_twice
    tie = zero + less_or_one - less + less_or_two - less_twice
    change = once - twice  # parity of once + twice, for twice implies once
    parity = odd + change - 2 * (odd * change)
    return base + once + twice - tie * parity
