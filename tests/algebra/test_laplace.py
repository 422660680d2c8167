"""Halves of discrete Laplace noise: the laws, against exact ones and against an implementation of another kind.

Samples come from a stream, so a test gives the same numbers each time. Chi-squares are held against their 1 - 10^-6
quantile by Wilson and Hilferty's cube (z = 4.75).
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from glovebox.algebra import laplace
from glovebox.algebra.laplace import MOST_SCALE, MOST_T, Decay, below, decay, fair_exp, geometrics, halves, last_zeros
from glovebox.algebra.streams import Stream, derive

SAMPLES = 40_000
DECAYS = [decay(1, 1), decay(1, 2), decay(3, 2), decay(1, 10), decay(7, 1000), decay(1, 10**6), decay(3, 10**13)]


def draw(name):
    return Stream(derive(bytes(32), name)).bytes


def chi_square(counts, chances):
    """The statistic over cells that expect 5 or more and one of the rest, and its 1 - 10^-6 quantile."""
    n = sum(counts)
    cells = [(count, chance * n) for count, chance in zip(counts, chances, strict=True) if chance * n >= 5]
    cells.append((n - sum(count for count, _ in cells), n - sum(expected for _, expected in cells)))
    freedom = len(cells) - 1
    found = sum((count - expected) ** 2 / max(expected, 1e-9) for count, expected in cells if expected > 1e-6)
    ninth = 2 / (9 * freedom)
    return found, freedom * (1 - ninth + 4.75 * math.sqrt(ninth)) ** 3


def tail(q: Decay, x):
    """P(X >= x) of the discrete Laplace, x >= 1."""
    ratio = math.exp(-q.s / q.t)
    return math.exp(-q.s * x / q.t) / (1 + ratio)


def edges(q: Decay):
    """Cells of about equal chance, as their lower ends: -inf .. -e, ..., -1, 0, 1, ..., e .. inf."""
    ends = sorted({max(1, round(-math.log(p) * q.t / q.s)) for p in np.linspace(0.02, 0.98, 30)})
    return [-end + 1 for end in reversed(ends)] + ends


def against_laplace(samples, q: Decay):
    """The statistic of samples against the discrete Laplace, and its limit."""
    ends = edges(q)
    above = [1.0, *(tail(q, end) if end > 0 else 1 - tail(q, 1 - end) for end in ends), 0.0]
    counts = np.bincount(np.searchsorted(ends, samples, side="right"), minlength=len(ends) + 1)
    return chi_square(counts.tolist(), [a - b for a, b in pairwise(above)])


@pytest.mark.parametrize("q", DECAYS, ids=str)
def test_two_halves_are_one_discrete_laplace(q):
    found, limit = against_laplace(halves(q, SAMPLES, draw("one")) + halves(q, SAMPLES, draw("other")), q)
    assert found < limit


def test_a_wrong_scale_is_seen():
    """The test above can fail: five per cent of scale are enough."""
    q, other = decay(1, 10), decay(1, 11)
    found, limit = against_laplace(halves(other, SAMPLES, draw("one")) + halves(other, SAMPLES, draw("other")), q)
    assert found > 2 * limit


def walked(n, coins):
    """The last zero of a fair walk of 2 n steps, halved: coin by coin, and nothing shared with the module."""
    steps = 2 * np.unpackbits(np.frombuffer(coins(-(-2 * n // 8)), np.uint8))[: 2 * n].astype(int) - 1
    zeros = np.flatnonzero(np.cumsum(steps) == 0)
    return (int(zeros[-1]) + 1) // 2 if len(zeros) else 0


def arcsine(n):
    """The exact law of the last zero."""
    u = [Fraction(math.comb(2 * k, k), 4**k) for k in range(n + 1)]
    return [u[k] * u[n - k] for k in range(n + 1)]


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 40, 200])
def test_last_zeros_have_the_arcsine_law_as_those_of_walks(n):
    assert sum(arcsine(n)) == 1
    coins = draw("coins")
    for found in (last_zeros(np.full(SAMPLES, n, np.uint64), draw("zeros")), [walked(n, coins) for _ in range(8000)]):
        counts = np.bincount(np.array(found, int), minlength=n + 1).tolist()
        statistic, limit = chi_square(counts, [float(chance) for chance in arcsine(n)]) if n else (0, 1)
        assert statistic < limit
        assert len(counts) == n + 1


def test_close_comparisons_decided_exactly_have_the_same_law(monkeypatch):
    monkeypatch.setattr(laplace, "CLOSE", 2.0)
    n = 40
    found = last_zeros(np.full(4000, n, np.uint64), draw("zeros"))
    statistic, limit = chi_square(np.bincount(found.astype(int), minlength=n + 1).tolist(), map(float, arcsine(n)))
    assert statistic < limit


@pytest.mark.parametrize("n", [1, 2, 3, 9, 64, 333])
def test_bounds_of_a_chance_enclose_it_and_it_is_one_at_most(n):
    u = [Fraction(math.comb(2 * k, k), 4**k) for k in range(n + 1)]
    for k in range(n // 2 + 1):
        m = math.isqrt(k)
        chance = Fraction(2, 3) * (2 * m + 1) * u[k] * u[n - k] / u[n - n // 2]
        assert chance <= 1
        for bits in (64, 192):
            low, high = laplace._bounds(n, m, k, bits)
            assert low <= chance * 2**bits <= high <= low + 3
        estimate = np.exp([laplace._log_u(np.array([j], np.uint64))[0] for j in (k, n - k, n - n // 2)])
        assert abs((2 * m + 1) / 1.5 * estimate[0] * estimate[1] / estimate[2] - float(chance)) < laplace.CLOSE / 20


def test_a_close_comparison_takes_as_many_bits_as_it_needs():
    low, _ = laplace._bounds(1000, 3, 12, 192)
    word = low >> 128
    for rest, expected in (((low & (2**128 - 1)) - 5, True), ((low & (2**128 - 1)) + 5, False)):
        pieces = iter([(rest >> 64).to_bytes(8, "little"), (rest & (2**64 - 1)).to_bytes(8, "little")])
        assert laplace._decided(word, 1000, 3, 12, lambda _, pieces=pieces: next(pieces)) is expected
        assert next(pieces, None) is None


@pytest.mark.parametrize("q", DECAYS[:5], ids=str)
def test_geometrics_have_their_law(q):
    ratio = math.exp(-q.s / q.t)
    found = geometrics(q, SAMPLES, draw("geometric"))
    most = int(8 * q.t / q.s) + 2
    counts = np.bincount(np.minimum(found, most).astype(int), minlength=most + 1).tolist()
    statistic, limit = chi_square(counts, [(1 - ratio) * ratio**x for x in range(most)] + [ratio**most])
    assert statistic < limit


@pytest.mark.parametrize(("over", "under"), [(0, 1), (1, 1), (1, 3), (2**49, 2**50), (5, 10**12)])
def test_fair_exp_is_true_with_its_chance(over, under):
    found = fair_exp(np.full(SAMPLES, over, np.uint64), np.full(SAMPLES, under, np.uint64), draw("exp")).mean()
    chance = math.exp(-over / under)
    assert abs(found - chance) <= 4.9 * math.sqrt(chance * (1 - chance) / SAMPLES)


@pytest.mark.parametrize("bound", [1, 2, 3, 5, 2**32 + 1, 2**63 + 1])
def test_numbers_below_a_bound_are_uniform(bound):
    found = below(np.full(SAMPLES, bound, np.uint64), draw("below"))
    assert int(found.max()) < bound
    cells = min(bound, 7)
    counts = np.bincount((found.astype(object) * cells // bound).astype(int), minlength=cells).tolist()
    sizes = [-(-bound * (cell + 1) // cells) - -(-bound * cell // cells) for cell in range(cells)]
    statistic, limit = chi_square(counts, [size / bound for size in sizes]) if cells > 1 else (0, 1)
    assert statistic < limit


def test_a_half_stays_within_its_reach_and_is_drawn_again_beyond(monkeypatch):
    monkeypatch.setattr(laplace, "REACH", 1)
    q = decay(1, 8)
    found = halves(q, 4000, draw("reach"))
    assert q.reach == 16
    assert found.min() == -16
    assert found.max() == 15


@pytest.mark.parametrize(("s", "t"), [(1, MOST_SCALE), (3, 3 * MOST_SCALE), (10**6 - 1, 10**19), (500_000, 10**6 * 3)])
def test_a_decay_is_reduced_and_never_faster(s, t):
    q = decay(s, t)
    assert q.t <= MOST_T
    assert 0 <= Fraction(s, t) - Fraction(q.s, q.t) <= Fraction(s, t) / 2**45


def test_a_scale_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="scale"):
        decay(1, MOST_SCALE + 1)
