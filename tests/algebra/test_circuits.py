"""Garbled circuits compute what they say, for garbler and evaluator together."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.algebra import circuits
from glovebox.algebra.garbling import Counter, Evaluator, Garbler, lowest_bits


def labels(rng, *shape):
    return rng.integers(0, 1 << 64, (*shape, 2), dtype=np.uint64)


def computed(circuit, *inputs):
    """Outputs of a circuit on inputs (numbers, bits): a list of integer arrays, unsigned, with the gates it took."""
    rng = np.random.default_rng(1)
    garbler = Garbler(labels(rng))
    zeros, active, shapes = [], [], []
    for numbers, bits in inputs:
        values = np.array([[int(number) >> bit & 1 for number in numbers] for bit in range(bits)], np.uint64)
        wires = labels(rng, *values.shape)
        zeros.append(wires)
        active.append(wires ^ values[..., None] * garbler.difference)
        shapes.append(np.zeros((bits, 1, 2), np.uint64))
    ours = circuit(garbler, *zeros)
    evaluator = Evaluator(garbler.tables)
    theirs = circuit(evaluator, *active)
    counter = Counter()
    circuit(counter, *shapes)
    assert counter.gates * len(inputs[0][0]) == len(garbler.tables)
    outs = []
    for our, their in zip(ours, theirs, strict=True):
        bits = lowest_bits(our) ^ lowest_bits(their)
        bits = bits[None] if bits.ndim == 1 else bits
        outs.append([sum(int(bit) << place for place, bit in enumerate(lane)) for lane in bits.T])
    return outs, counter.gates


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)), min_size=1, max_size=5))
@settings(max_examples=15)
def test_sums_differences_and_comparisons(pairs):
    a, b = zip(*pairs, strict=True)

    def circuit(m, x, y):
        return (
            circuits.added(m, x, y),
            circuits.subtracted(m, x, y),
            circuits.zero(m, x),
            circuits.at_least(m, circuits.widened(x, 34, False), 1000),
            circuits.times(m, x, 2000000),
        )

    (total, less, none, large, product), _ = computed(circuit, (a, 32), (b, 32))
    assert total == [(x + y) % 2**32 for x, y in pairs]
    assert less == [(x - y) % 2**32 for x, y in pairs]
    assert none == [x == 0 for x in a]
    assert large == [x >= 1000 for x in a]
    assert product == [x * 2000000 % 2**32 for x in a]


@pytest.mark.parametrize("a", [[0, 0, 1, 1]])
def test_a_gate_is_an_and(a):
    (out,), gates = computed(lambda m, x, y: (m.both(x, y),), (a, 1), ([0, 1, 0, 1], 1))
    assert (out, gates) == ([0, 0, 0, 1], 1)


def test_edges_of_comparisons():
    def circuit(m, x):
        return circuits.zero(m, x), circuits.at_least(m, x, 5), circuits.at_least(m, x, 1)

    values = [0, 1, 4, 5, 6, 2**16 - 1, 2**17 - 1]  # the last is -1 in 17 bits
    (none, five, one), _ = computed(circuit, (values, 17))
    assert none == [1, 0, 0, 0, 0, 0, 0]
    assert five == [0, 0, 0, 1, 1, 1, 0]
    assert one == [0, 1, 1, 1, 1, 1, 0]


def rounded(total: int, count: int) -> int:
    return round(Fraction(10**6 * total, count)) if count else 0


@given(data=st.data())
@settings(max_examples=12)
def test_averages_are_rounded_half_to_even(data):
    low, high = data.draw(st.sampled_from([(0, 1), (0, 5000), (-7, 9), (-(10**6), -1), (3, 3)]))
    most = data.draw(st.sampled_from([1, 7, 1000, 10**6]))
    counts = [0, 1, most, *data.draw(st.lists(st.integers(0, most), max_size=3))]
    totals = [data.draw(st.integers(low * n, high * n)) for n in counts]
    bits = most.bit_length()

    def circuit(m, total, count):
        return circuits.average(m, total, count, low, high)

    (quotients, nulls), _ = computed(circuit, (totals, 40), (counts, bits))
    signed = circuits.average_bits(low, high)
    got = [one - (1 << signed) if one >> (signed - 1) & 1 else one for one in quotients]
    assert nulls == [n == 0 for n in counts]
    assert [one % 2**signed for one in got] == [rounded(t, n) % 2**signed for t, n in zip(totals, counts, strict=True)]


@pytest.mark.parametrize(
    ("total", "count"), [(1, 2 * 10**6), (3, 2 * 10**6), (5, 2 * 10**6), (2 * 10**6 - 1, 2 * 10**6)]
)
def test_ties(total, count):
    (quotients, _), _ = computed(lambda m, t, n: circuits.average(m, t, n, 0, 1), ([total], 40), ([count], 22))
    assert quotients == [rounded(total, count)]
