"""Averages whose sum and count stay hidden, exactly.

Could a party tell anything beyond the leakage line? All frames are those of `test_threshold.py`, or openings of squares
of random numbers under a mask of degree 2t, of numbers under masks of 58 bits and more; and fresh shares. What this
file adds is that every masked number keeps within the range its mask is made for.
"""

from __future__ import annotations

import itertools
import random
from fractions import Fraction
from math import ceil, log2

import numpy as np
import pytest

from glovebox.protocols import quotient as module
from glovebox.protocols.quotient import (
    FIRST_ERROR,
    MICRO,
    REST,
    Ranges,
    fraction_bits,
    quotient,
    truncated,
)
from glovebox.protocols.threshold import below, judged_bits
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.prss import sets_of
from glovebox.runtime.world import World

from .opening import checks, comparing, hashes, opened, sizes

RANGES = [
    Ranges(0, 1, 1),
    Ranges(-7, 9, 5),
    Ranges(3, 3, 10),
    Ranges(0, 120, 1000),
    Ranges(-5000, 10**7, 10**6),
    Ranges(-(10**9), 10**9, 2**31 - 1),
    Ranges(0, 10**12, 10**6),
    Ranges(0, 100, 10, 10**6),
]
FAR = 50  # times as many as there may be at most


async def divided(ctx, pairs, *, ranges):
    array = ctx.shamir.integers(ranges.bits).array
    ((secret,),) = ctx.shamir.runtime.input([array(np.array(pairs, dtype=object))], senders=[0])
    edges, b = edges_of(ranges), judged_of(ranges)
    none, over, *less = await below(ctx.narrow("edges"), ranges.bits, [secret[1]] * len(edges), edges, b)
    result = await quotient(ctx.narrow("quotient"), ranges.bits, ranges, secret[0], secret[1], less, over - none)
    return await ctx.shamir.shares(result)


def edges_of(ranges: Ranges) -> tuple[int, ...]:
    return (0, ranges.most + 1, *ranges.powers)


def judged_of(ranges: Ranges) -> int:
    return judged_bits(ranges.most + 1, -FAR * ranges.most, FAR * ranges.most)


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
    assert opened(outs, ranges.bits) == [rounded(x, n) for x, n in pairs]


async def test_five_parties_divide_alike():
    ranges = Ranges(-5, 100, 50)
    pairs = cases(ranges, 8)
    async with World(5, shamir=True) as world:
        outs = await world.run(divided, inputs=[list(map(list, zip(*pairs, strict=True)))] * 5, ranges=ranges)
    assert opened(outs, ranges.bits) == [rounded(x, n) for x, n in pairs]


@pytest.mark.parametrize("m", [3, 9])
@pytest.mark.parametrize("ranges", RANGES, ids=str)
def test_the_method_is_exact_in_the_clear_and_within_its_bits(ranges, m):
    """The same steps on integers, with the worst truncations: every number has room, every quotient is right."""
    most, fraction = 1 << ranges.bits - 1, fraction_bits(m)
    nu, steps = ranges.divisor_bits, ranges.precisions
    for x, n in cases(ranges, 400):
        for up, last in itertools.product((0, sets_of(m)), (0, 1)):  # a truncation gives the floor or so much more
            divisor = n or 1
            scale = next(4 ** (nu // 2 - 1 - j) for j in reversed(range(nu // 2)) if divisor >= 4**j)
            c, w, g = divisor * scale, (module.START << nu) - module.SLOPE * divisor * scale, nu + module.SCALE_BITS
            for step in steps:
                number = w * ((2 << nu + g) - c * w)
                assert 0 <= number < min(most, 1 << nu + 2 * g + 3)
                w, g = (number >> nu + 2 * g - step) + up, step
            assert abs(1 - Fraction(c * w, 2 ** (nu + g))) * 2**ranges.quotient_bits < Fraction(1, 4)
            dividend, shift = 2 * MICRO * (x - ranges.low * n) + divisor, nu + 1 + g
            number = dividend * scale * w
            assert 0 <= number < min(most, 1 << ranges.quotient_bits + nu + g + 2)
            fine = (number >> shift - fraction) + up
            base = (fine - (1 << fraction - 1) >> fraction) + last - 1
            assert 0 <= dividend - base * 2 * divisor < 3 * 2 * divisor < 1 << nu + REST - 1


@pytest.mark.parametrize("m", [3, 5])
async def test_a_truncation_is_off_by_its_sets_at_most(m):
    numbers = [0, 1, 2**20 - 1, 2**20, 2**60 - 1, *(random.Random(1).randrange(2**60) for _ in range(200))]

    async def shortened(ctx, values):
        array = ctx.shamir.integers(64).array
        ((secret,),) = ctx.shamir.runtime.input([array(np.array(values, dtype=object))], senders=[0])
        return await ctx.shamir.shares(await truncated(ctx, 64, secret, 20))

    async with World(m, shamir=True) as world:
        got = opened(await world.run(shortened, inputs=[numbers] * m))
    off = {value - (number >> 20) for value, number in zip(got, numbers, strict=True)}
    assert off <= set(range(sets_of(m) + 1))
    assert len(off) > 1


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
    numbers = sizes(m, ranges.bits)
    counted = {
        "c": comparing(m, 5, nu + REST, ranges.bits),
        "e": fraction_bits(m) + 1,
        "v": len(steps) + 3,
        "x": 2 * len(steps) + 9,
    }
    given_away = 4 * numbers["p"] * numbers["s"] + 2 * comparing(
        m, len(edges_of(ranges)), judged_of(ranges), ranges.bits
    )
    stated = value_of(terms(module.__doc__)["Bytes"], {**numbers, **counted})
    assert world.meter.size - given_away - checks(world.meter) == 2 * stated + 2 * hashes(m)
    layers = {3: 1, 5: 5}[m]  # of three addends to two each: the card's is of three parties
    edges = layers + 3 + ceil(log2(judged_of(ranges) - 2))
    rounds = world.meter.rounds - 1 - edges - (layers - 1)
    assert abs(rounds - value_of(terms(module.__doc__)["Rounds"], {"i": len(steps), "k": len(steps) + 2, "v": 5})) <= 12


async def test_traffic_is_the_same_for_other_numbers():
    shapes = []
    for pairs in ([[0, 0], [0, 0]], [[-35, 44], [5, 5]]):
        async with World(shamir=True) as world:
            await world.run(divided, inputs=[pairs] * 3, ranges=Ranges(-7, 9, 5))
            shapes.append(world.meter.shape())
    assert shapes[0] == shapes[1]
