"""Elements of seven bytes against the definition of their field, and polynomials against their values."""

import numpy as np
import pytest

from glovebox.algebra import gf256
from glovebox.algebra.gf2_56 import LANES, basis_at, beyond, coefficients, scaled, summed, times, weighed


def product(x, y):
    """Polynomials over GF(2^8) multiplied and reduced, one coefficient after the other."""
    value = [0] * (2 * LANES)
    for i, a in enumerate(x):
        for j, b in enumerate(y):
            value[i + j] ^= int(gf256.TIMES[a, b])
    for place in range(2 * LANES - 1, LANES - 1, -1):
        value[place - LANES] ^= value[place]
        value[place - LANES + 1] ^= value[place]
    return value[:LANES]


def elements(*shape, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (*shape, LANES), np.uint8)


def test_products_are_those_of_the_field():
    x, y = elements(2, 50)
    assert times(x, y).tolist() == [product(a, b) for a, b in zip(x, y, strict=True)]
    assert scaled(x[:, 3], y).tolist() == [product([a[3], *[0] * 6], b) for a, b in zip(x, y, strict=True)]


def test_every_element_but_zero_has_an_inverse():
    """x^(2^56 - 2) is one's: the polynomial of the field is irreducible."""
    x = elements(20)
    inverse, power = np.eye(1, LANES, dtype=np.uint8).repeat(20, axis=0), x
    for _ in range(55):
        power = times(power, power)
        inverse = times(inverse, power)
    assert (times(x, inverse) == np.eye(1, LANES, dtype=np.uint8)).all()


@pytest.mark.parametrize("rows", [1, 511, 512, 5000])
def test_rows_are_weighed_alike_with_and_without_a_table(rows):
    numbers, weights = np.random.default_rng(rows).integers(0, 256, (rows, 5), np.uint8), elements(5)
    assert (weighed(numbers, weights) == summed(scaled(numbers, weights), 1)).all()


@pytest.mark.parametrize("places", [0, 1, 2, 5, 7])
def test_a_polynomial_is_known_by_its_values(places):
    """Of degree below 2^places: its values beyond are those of sums of powers, at elements too."""
    size = 1 << places
    powers = np.random.default_rng(places).integers(0, 256, (size, 3), np.uint8)
    points = np.arange(2 * size, dtype=np.uint8)
    values = np.zeros((2 * size, 3), np.uint8)
    for power in powers[::-1]:
        values = gf256.times(values, points[:, None].repeat(3, axis=1)) ^ power
    found = coefficients(values[:size])
    assert (beyond(found) == values[size:]).all()
    point = elements()
    basis = basis_at(point, places)
    at, power_of = np.zeros((3, LANES), np.uint8), np.eye(1, LANES, dtype=np.uint8)[0]
    for power in powers:
        at ^= scaled(power, power_of[None].repeat(3, axis=0))
        power_of = times(power_of, point)
    assert (summed(scaled(found.T, basis[None]), axis=1) == at).all()
