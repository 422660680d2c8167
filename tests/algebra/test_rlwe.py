"""Sums of encrypted numbers at chosen places, against big integers and schoolbook products."""

from __future__ import annotations

import numpy as np
import pytest

from glovebox.algebra import rlwe
from glovebox.algebra.rlwe import FLOOD, PRIMES, N, Q
from glovebox.algebra.streams import Stream

RANDOM = np.random.default_rng(1)


def stream(number):
    return Stream(number.to_bytes(16, "little"))


def test_the_primes_are_primes_with_room_for_the_transform():
    for prime in PRIMES:
        assert prime % (2 * N) == 1
        assert prime < 1 << 30
        assert pow(2, prime - 1, prime) == 1
        assert all(prime % factor for factor in range(3, 32768, 2))
    assert 2 * FLOOD + (1 << 30) < Q >> 65


@pytest.mark.parametrize("places", [(0, 0), (1, N - 1), (17, 4000), (N - 1, N - 1)])
def test_a_product_is_the_schoolbooks(places):
    """X^i times a polynomial turns it, with a minus for what comes round."""
    one, other = places
    numbers = RANDOM.integers(-1000, 1000, N)
    shift = np.zeros(N, np.int64)
    np.add.at(shift, [one, other], [3, 5])
    product = np.zeros(N, np.int64)
    for place, factor in ((one, 3), (other, 5)):
        turned = np.roll(numbers, place)
        turned[:place] *= -1
        product += factor * turned
    left = rlwe._times(rlwe.ntt(rlwe._residues(numbers)), rlwe.ntt(rlwe._residues(shift)))
    np.testing.assert_array_equal(left, rlwe.ntt(rlwe._residues(product)))
    assert rlwe.constant_term(left) == int(product[0]) % Q


def summed(numbers, places, noise=0, seed=1):
    key, random = rlwe.key(stream(seed), rlwe.uniform(stream(99), 1)[0]), stream(seed + 1)
    masks = rlwe.uniform(stream(seed + 2), len(numbers))
    bodies = rlwe.encrypted(key.secret, masks, numbers, random)
    asked, own = rlwe.selected(masks, bodies, places, key.public, stream(seed + 3))
    return rlwe.opened(own, rlwe.answered(asked, key.secret, noise, random))


@pytest.mark.parametrize("ends", [(-1000, 1000), (-(1 << 62), 1 << 62), (0, (1 << 63) - 1), (-(1 << 63), 0)])
@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_a_sum_at_chosen_places_is_exact_modulo_two_to_the_64(ends, share):
    numbers = RANDOM.integers(*ends, (2, N))
    places = RANDOM.random((2, N)) < share
    places[0, 0] = places[1, N - 1] = share > 0
    clear = int(numbers.astype(object)[places].sum()) if places.any() else 0
    wrapped = (clear + (1 << 63)) % (1 << 64) - (1 << 63)
    assert summed(numbers, places) == wrapped
    assert summed(np.zeros((1, N), np.int64), places[:1], noise=-77) == -77
    assert summed(np.ones((1, N), np.int64), np.ones((1, N), bool), noise=1 << 61) == N + (1 << 61)


def test_scaling_up_rounds_as_big_integers_do():
    numbers = np.array([0, 1, 2, (1 << 64) - 1, 1 << 63, (1 << 63) - 1, 123456789123456789], np.uint64)
    scaled = rlwe._scaled_up(np.pad(numbers, (0, N - len(numbers)))[None])[0]
    for place, number in enumerate(numbers.tolist()):
        exact = (2 * Q * number + (1 << 64)) // (1 << 65)
        assert [int(residue) for residue in scaled[:, place]] == [exact % prime for prime in PRIMES]


def test_errors_are_small_and_what_is_sent_looks_uniform():
    errors = rlwe._error(stream(3), 4)
    assert np.abs(errors).max() <= rlwe.ERROR_BITS
    assert 9 < errors.var() < 12
    key = rlwe.key(stream(5), rlwe.uniform(stream(99), 1)[0])
    masks = rlwe.uniform(stream(6), 1)
    bodies = rlwe.encrypted(key.secret, masks, np.zeros((1, N), np.int64), stream(7))
    asked, _ = rlwe.selected(masks, bodies, np.ones((1, N), bool), key.public, stream(8))
    for element in (bodies[0], asked):
        means = element.mean(axis=1) / np.array(PRIMES)
        assert (np.abs(means - 0.5) < 6 / (12 * N) ** 0.5).all()
