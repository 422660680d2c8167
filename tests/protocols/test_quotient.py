"""Averages whose sum and count stay hidden, exactly.

Could a party tell anything beyond the leakage line? All frames are those of `test_threshold.py`: openings of squares
of random numbers, of numbers under masks of 58 bits and more, of products under a mask of degree 2t; and fresh shares.
What this file adds is that every masked number keeps within the range its mask is made for.
"""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest

from glovebox.protocols import quotient as module
from glovebox.protocols.quotient import FIRST_ERROR, MICRO, Ranges, quotient
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.world import World

from .opening import opened, sizes

RANGES = [
    Ranges(0, 1, 1),
    Ranges(-7, 9, 5),
    Ranges(3, 3, 10),
    Ranges(0, 120, 1000),
    Ranges(-5000, 10**7, 10**6),
    Ranges(-(10**9), 10**9, 2**31 - 1),
    Ranges(0, 10**12, 10**6),
]


async def divided(ctx, pairs, *, ranges):
    array = ctx.shamir.integers(ranges.bits).array
    ((secret,),) = ctx.shamir.runtime.input([array(np.array(pairs, dtype=object))], senders=[0])
    results = quotient(ctx, ranges.bits, ranges, secret[0], secret[1])
    return await ctx.shamir.shares(ctx.shamir.runtime.np_stack(list(results)))


def rounded(x: int, n: int) -> int:
    return round(Fraction(MICRO * x, n)) if n else 0


def cases(ranges: Ranges, count: int) -> list[tuple[int, int]]:
    """No rows, one, many; values at both ends; quotients half-way between two millionths, above and below even."""
    rng = random.Random(ranges.most)
    found = [(0, 0), (ranges.low, 1), (ranges.high, 1), (ranges.low * ranges.most, ranges.most)]
    found += [(ranges.high * ranges.most, ranges.most)]
    if ranges.most >= 128 and ranges.high > ranges.low:
        found += [(128 * ranges.low + k, 128) for k in (1, 2, 3, 5)]  # 10^6 / 128 = 7812.5
    while len(found) < count:
        n = min(ranges.most, rng.choice([1, 2, 3, 7, rng.randrange(1, ranges.most + 1)]))
        found.append((rng.randrange(ranges.low * n, ranges.high * n + 1), n))
    return found


@pytest.mark.parametrize("ranges", RANGES, ids=str)
async def test_quotients_are_exact_and_round_half_to_even(ranges):
    pairs = cases(ranges, 12)
    async with World(shamir=True) as world:
        outs = await world.run(divided, inputs=[list(map(list, zip(*pairs, strict=True)))] * 3, ranges=ranges)
    got = opened(outs, ranges.bits)
    assert got[: len(pairs)] == [rounded(x, n) for x, n in pairs]
    assert got[len(pairs) :] == [int(n == 0) for _, n in pairs]


async def test_five_parties_divide_alike():
    ranges = Ranges(-5, 100, 50)
    pairs = cases(ranges, 8)
    async with World(5, shamir=True) as world:
        outs = await world.run(divided, inputs=[list(map(list, zip(*pairs, strict=True)))] * 5, ranges=ranges)
    assert opened(outs, ranges.bits)[:8] == [rounded(x, n) for x, n in pairs]


@pytest.mark.parametrize("ranges", RANGES, ids=str)
def test_the_method_is_exact_in_the_clear_and_within_its_bits(ranges):
    """The same steps on integers, with the worst truncations: every number has room, every quotient is right."""
    most = 1 << ranges.bits - 1
    nu, steps = ranges.divisor_bits, ranges.precisions
    for x, n in cases(ranges, 400):
        for up in (0, 1):  # a truncation gives the floor or one more
            divisor = n or 1
            scale = next(4 ** (nu // 2 - 1 - j) for j in reversed(range(nu // 2)) if divisor >= 4**j)
            c, w, g = divisor * scale, (module.START << nu) - module.SLOPE * divisor * scale, nu + module.SCALE_BITS
            for step in steps:
                number = w * ((2 << nu + g) - c * w)
                assert 0 <= number < most
                w, g = (number >> nu + 2 * g - step) + up, step
            assert abs(1 - Fraction(c * w, 2 ** (nu + g))) * 2**ranges.quotient_bits < Fraction(1, 2)
            dividend, shift = 2 * MICRO * (x - ranges.low * n) + divisor, nu + 1 + g
            number = dividend * scale * w - (1 << shift - 1)
            assert -most <= number < most
            base = (number >> shift) + up - 1
            assert 0 <= dividend - base * 2 * divisor < 3 * 2 * divisor


def test_the_first_guess_is_as_good_as_its_error_says():
    for c in range(256, 1024):
        guess = Fraction(module.START - module.SLOPE * Fraction(c, 1024), 2**module.SCALE_BITS)
        assert abs(1 - Fraction(c, 1024) * guess) <= FIRST_ERROR < Fraction(2, 9)


@pytest.mark.parametrize("m", [3, 5])
async def test_the_card_holds(m):
    ranges = Ranges(0, 10**5, 10**6)
    pairs = [[12345, 0], [1, 0]]
    async with World(m, shamir=True) as world:
        await world.run(divided, inputs=[pairs] * m, ranges=ranges)
    nu, steps = ranges.divisor_bits, ranges.precisions
    powers, rest = nu // 2, nu + 3
    truncated = sum(nu + 2 * g - step for g, step in zip((nu + module.SCALE_BITS, *steps), steps, strict=False))
    counted = {
        "c": powers * (nu + 2) + truncated + nu + 1 + steps[-1] + 1 + 2 * (rest + 1) + 3 * rest,
        "e": powers + 2,
        "v": powers + len(steps) + 2 + 2 + 3,
        "x": powers * (nu + 1) + 1 + 2 * len(steps) + 2 + 1 + 2 * rest + 3 * (rest - 1) + 2,
    }
    numbers = sizes(m, ranges.bits)
    given_away = 4 * numbers["p"] * numbers["s"]
    stated = value_of(terms(module.__doc__)["Bytes"], {**numbers, **counted})
    assert world.meter.size - given_away == 2 * stated
    assert abs(world.meter.rounds - value_of(terms(module.__doc__)["Rounds"], {"i": len(steps)})) <= 8


async def test_traffic_is_the_same_for_other_numbers():
    shapes = []
    for pairs in ([[0, 0], [0, 0]], [[-35, 44], [5, 5]]):
        async with World(shamir=True) as world:
            await world.run(divided, inputs=[pairs] * 3, ranges=Ranges(-7, 9, 5))
            shapes.append(world.meter.shape())
    assert shapes[0] == shapes[1]
