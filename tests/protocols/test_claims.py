"""Claims that fall once, as all parties compute them: the honest hold, and no two lies make up for each other."""

import os

import numpy as np
import pytest

from glovebox.algebra import gf256
from glovebox.algebra.streams import Stream
from glovebox.errors import IntegrityError
from glovebox.protocols.claims import LANES, BitsClaim, NumbersClaim
from glovebox.protocols.verified import falls
from glovebox.runtime.engine import modulus
from glovebox.runtime.noted import Dealt, Noted, Openings, Products
from glovebox.runtime.shares import split

P = modulus(64)
TWICE = 5  # how often each lie is tried: by chance it passes with 2^-48


def some(count, below=P):
    return np.array([int.from_bytes(os.urandom(24)) % below for _ in range(count)], object)


def octets(*shape):
    return np.frombuffer(os.urandom(int(np.prod(shape))), np.uint8).reshape(shape)


def noted_by(m, numbers=0, bits=0, dealt=(), *, more=(), other=(), no_bits=(), torn=False):
    """What m parties have noted. more, other: of a product of numbers, of bits, by how much it is wrong.

    no_bits: of the first dealing, what is no bit. torn: whether one share of it is on no polynomial.
    """
    t, every = (m - 1) // 2, [Noted() for _ in range(m)]
    for noted in every:
        noted.in_field(P)
    x, y = some(numbers), some(numbers)
    z = x * y % P
    for place, by in more:
        z[place] += by
    opened = some(2)
    lines = [split(values, P, t, m) for values in (x, y, z, opened)]
    for noted, *of in zip(every, *lines, strict=True):
        noted.numbers.products["a"] = Products(*of[:3])
        noted.numbers.openings["o"] = Openings(of[3], opened)
    for number, count in enumerate(dealt):
        own = some(count, 2)
        for place, value in no_bits if number == 0 else ():
            own[place] = value % P
        shares = split(own, P, t, m)
        if torn and number == 0:
            shares[-1][0] += 1
        for party, noted in enumerate(every):
            noted.dealt[f"d{number}"] = Dealt(number % m, shares[party], own if party == number % m else None)
    if bits:
        one, another = octets(bits), octets(bits)
        product = gf256.times(one, another).copy()
        for place, by in other:
            product[place] ^= by
        of = [gf256.split(values, octets(t, bits), m) for values in (one, another, product)]
        for noted, *shares in zip(every, *of, strict=True):
            noted.bits.products["a"] = Products(*shares)
    return every


def held(every):
    """Whether the claims of numbers and of bits are found true, checked by all."""
    m = len(every)
    t, coin, point = (m - 1) // 2, os.urandom(16), os.urandom(16)
    (plan,) = falls(*every[0].products, [len(one.share) for one in every[0].dealt_bits])
    for noted in every:
        noted.multiply_dealt()
    kinds = [([NumbersClaim(noted, Stream(coin)) for noted in every], [split(some(1), P, t, m) for _ in "uv"])]
    if every[0].products[1]:
        masks = [gf256.split(octets(LANES), octets(t, LANES), m) for _ in "uv"]
        kinds.append(([BitsClaim(noted.bits, Stream(coin), once=True) for noted in every], masks))
    found = []
    for parts, (claims, (u, v)) in zip(plan, kinds, strict=False):
        for claim, *mask in zip(claims, u, v, strict=True):
            claim.hide(tuple(one[0] for one in mask) if isinstance(claim, NumbersClaim) else tuple(mask))
        dealt = [claim.split(claim.fall(parts), Stream(os.urandom(16)), t, m) for claim in claims]
        for party, claim in enumerate(claims):
            claim.meet(claim.joined([one[party] for one in dealt[: 2 * t + 1]]), Stream(point))
        ends = [claim.ends() for claim in claims]
        try:
            found.append(all(claim.holds(ends, t) for claim in claims))
        except IntegrityError:
            found.append(False)
    return found


@pytest.mark.parametrize("m", [3, 4, 5])
@pytest.mark.parametrize(
    ("numbers", "bits", "dealt"),
    [
        (0, 0, []), (0, 1, []), (0, 0, [0]), (0, 0, [1]), (0, 0, [31]), (31, 127, []), (1, 1, [30]), (30, 2, [1]),
        (0, 127, [0, 5]), (5, 126, [3, 3]), (1, 64, []),
    ],
)  # fmt: skip
def test_what_is_right_holds_whatever_there_is_of_it(m, numbers, bits, dealt):
    assert all(held(noted_by(m, numbers, bits, dealt)))


@pytest.mark.parametrize("m", [3, 4, 5])
@pytest.mark.parametrize(
    "lie",
    [
        {"more": [(1, 7)]},
        {"more": [(1, 7), (3, -7)]},
        {"no_bits": [(0, 2)]},
        {"no_bits": [(0, 2)], "more": [(0, 2)]},  # 2 (2 - 1) is too much by as much as the product
        {"no_bits": [(0, 2), (1, 2), (2, 2)], "more": [(0, 6)]},
        {"torn": True},
    ],
)
def test_no_lies_in_numbers_make_up_for_each_other(m, lie):
    for _ in range(TWICE):
        numbers, bits = held(noted_by(m, 5, 9, [4, 4], **lie))
        assert not numbers
        assert bits


@pytest.mark.parametrize("m", [3, 4, 5])
@pytest.mark.parametrize("lie", [[(1, 7)], [(1, 7), (3, 7)], [(0, 1), (1, 2), (2, 3)]])
def test_no_lies_in_bits_make_up_for_each_other(m, lie):
    for _ in range(TWICE):
        assert held(noted_by(m, 5, 9, [4, 4], other=lie)) == [True, False]
