"""The field of 256 elements against its definition, and shares in it."""

from itertools import combinations

import numpy as np
import pytest

from glovebox.algebra.gf256 import POLYNOMIAL, combined, split, times


def product(x, y):
    """Polynomials multiplied and reduced, bit by bit."""
    value = 0
    for place in range(8):
        value ^= (x << place) * (y >> place & 1)
    for place in range(15, 7, -1):
        value ^= (POLYNOMIAL << place - 8) * (value >> place & 1)
    return value


def test_products_are_those_of_the_field():
    x, y = np.divmod(np.arange(1 << 16), 256)
    got = times(x.astype(np.uint8), y.astype(np.uint8))
    assert got.tolist() == [product(int(a), int(b)) for a, b in zip(x, y, strict=True)]


@pytest.mark.parametrize(("m", "t"), [(3, 1), (5, 2), (9, 4)])
def test_any_shares_one_more_than_the_degree_give_the_secrets(m, t):
    random = np.random.default_rng(m)
    secrets = random.integers(0, 256, (4, 5), np.uint8)
    shares = split(secrets, random.integers(0, 256, (t, 4, 5), np.uint8), m)
    for parties in combinations(range(m), t + 1):
        assert (combined([shares[party] for party in parties], parties) == secrets).all()


def test_products_of_shares_lie_on_a_polynomial_of_twice_the_degree():
    random = np.random.default_rng(1)
    x, y = random.integers(0, 256, (2, 100), np.uint8)
    ones, others = [split(value, random.integers(0, 256, (1, 100), np.uint8), 3) for value in (x, y)]
    assert (combined(list(times(ones, others)), (0, 1, 2)) == times(x, y)).all()
