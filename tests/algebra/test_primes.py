"""Polynomials over a prime field against their definition."""

import random

import pytest

from glovebox.algebra.primes import Rows, dot, further

P = 2**126 - 137  # of `Shamir.integers(64)`


def value(powers, point):
    return sum(power * point**place for place, power in enumerate(powers)) % P


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 64])
def test_a_polynomial_is_known_by_its_values(count):
    rng = random.Random(count)
    polynomials = [[rng.randrange(P) for _ in range(count)] for _ in range(3)]
    numbers = [value(powers, point) for point in range(count) for powers in polynomials]
    rows = Rows(numbers, count, P)
    for place, weights in enumerate(further(count)):
        assert [number % P for number in rows.weighed(weights)] == [
            value(powers, count + place) for powers in polynomials
        ]
    point = rng.randrange(count, P)
    assert rows.at(point) == [value(powers, point) for powers in polynomials]


def test_rows_are_filled_up_with_zeros():
    assert Rows([1, 2, 3, 4], 3, P).rows == [[1, 2], [3, 4], [0, 0]]
    assert Rows([0, 0, 5], 2, P).weighed([0, 1]) == [5, 0]
    assert Rows([0, 0, 0], 1, P).weighed([1]) == [0, 0, 0]
    assert dot([P - 1, 2], [3, 4], P) == 5
