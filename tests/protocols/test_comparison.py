"""Comparisons: exact for every number, priced as stated, and what each role receives is noise.

What could a role tell? QUERY receives HELPER's bits ^ a stream of k_ST, once for each wire, and corrections ^ another
stream of k_ST: a one-time pad each, which it lacks. HELPER receives QUERY's bits ^ a stream of k_QT, which it lacks.
The opening of what a leaf propagates is the XOR of two openings both have. TABLE receives nothing; what it deals is a
function of masks. The shares of the result are masked by the last correction: g at HELPER, product ^ g at QUERY.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from glovebox.algebra.bits import planes
from glovebox.protocols.comparison import all_of, carry, in_window, negative, window, window_bits, zero
from glovebox.protocols.flights import cost_of
from glovebox.protocols.wires import part
from glovebox.runtime.context import Role
from glovebox.runtime.world import World, blames, frames_of, from_another_session, too_long

from .gating import assert_masked, gated, joined, result, rows_of, run

N = 64
BITS = st.integers(1, 64)


def numbers(bits: int, seed: int, n: int = N) -> np.ndarray:
    """Numbers of so many bits, signed, the corners first."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    rng = np.random.default_rng(seed)
    corners = [c for c in (low, low + 1, -1, 0, 1, high - 1, high) if low <= c <= high]
    return np.concatenate([corners, rng.integers(low, high, n - len(corners), endpoint=True)]).astype(np.int64)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5])
async def test_carries_of_all_pairs_of_numbers(bits):
    q, s = (np.resize(one, 1024).astype(np.uint64) for one in np.divmod(np.arange(1 << 2 * bits), 1 << bits))

    def gate(me, mine):
        own = planes(mine, bits)
        return carry(me, part(me, Role.QUERY, own), part(me, Role.HELPER, own))

    async with World() as world:
        got = await run(world, gate, 1024, [q], [s])
    np.testing.assert_array_equal(rows_of(joined(got.query, got.helper)), q + s >= 1 << bits)


@given(data=st.data(), bits=BITS, seed=st.integers(0, 999))
@settings(max_examples=40)
async def test_windows_of_any_width(data, bits, seed):
    least, most = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    low = data.draw(st.integers(least, most))
    high = data.draw(st.integers(low, min(most, low + (1 << bits) - 2)))
    d = numbers(bits, seed)
    mine = np.random.default_rng(seed).integers(0, 1 << 64, N, dtype=np.uint64)
    async with World(seed=seed) as world:
        theirs = d.view(np.uint64) - mine
        got = await world.run(in_window, n=N, bits=bits, low=low, high=high, query=mine, helper=theirs)
    assert got.table is None
    np.testing.assert_array_equal(got.query ^ got.helper, _inside(d, bits, low, high))


def _inside(d: np.ndarray, bits: int, low: int, high: int) -> list[bool]:
    return [(int(one) - low) % (1 << bits) <= high - low for one in d]


@pytest.mark.parametrize(("bits", "bytes_a_row", "rounds"), [(8, 13.25, 4), (16, 29.5, 5), (32, 62.75, 6)])
async def test_windows_cost_what_the_card_says(bits, bytes_a_row, rounds):
    async with World() as world:
        zeros = np.zeros(N, np.uint64)
        await world.run(in_window, n=N, bits=bits, low=0, high=7, query=zeros, helper=zeros)
    assert world.matches_card(in_window, n=N, L=math.ceil(math.log2(bits)), B=bytes_a_row)
    cost = cost_of(window(Role.TABLE, zeros[:0], bits, 0, 7))
    assert (cost.rounds, cost.opened + cost.dealt) == (rounds, bytes_a_row)


@pytest.mark.parametrize(("least", "most", "low", "high", "bits"), [
    (0, 0, 0, 0, 1), (-10, 10, 0, 7, 5), (-3650, 3650, 0, 6, 12), (-128, 127, -128, 127, 9), (0, 65535, 1, 65535, 16),
])  # fmt: skip
async def test_bits_of_a_window_hold_every_difference(least, most, low, high, bits):
    assert window_bits(least, most, low, high) == bits
    d = np.array([least, most, low, high, max(least, low - 1), min(most, high + 1)] + [low] * 58)
    mine = np.random.default_rng(0).integers(0, 1 << 64, N, dtype=np.uint64)
    async with World() as world:
        theirs = d.view(np.uint64) - mine
        got = await world.run(in_window, n=N, bits=bits, low=low, high=high, query=mine, helper=theirs)
    np.testing.assert_array_equal(got.query ^ got.helper, (low <= d) & (d <= high))


@pytest.mark.parametrize(("bits", "low", "high"), [(4, 3, 2), (4, 0, 15)])
def test_a_window_that_is_empty_or_holds_all_is_no_window(bits, low, high):
    with pytest.raises(ValueError, match="a window holds"):
        cost_of(window(Role.TABLE, np.empty(0, np.uint64), bits, low, high))


@given(bits=st.integers(2, 64), seed=st.integers(0, 999))
@example(bits=2, seed=0)
@settings(max_examples=40)
async def test_signs_and_zeros(bits, seed):
    x = numbers(bits, seed)
    signs = await result(lambda me, one: negative(me, one, bits), N, x.view(np.uint64))
    np.testing.assert_array_equal(rows_of(signs), x < 0)
    zeros = await result(lambda me, one: zero(me, one, bits), N, x.view(np.uint64))
    np.testing.assert_array_equal(rows_of(zeros), x == 0)


@pytest.mark.parametrize(("bits", "bytes_a_row", "rounds"), [(16, 15, 5), (32, 32.625, 6), (64, 68.25, 7)])
def test_signs_cost_what_is_stated(bits, bytes_a_row, rounds):
    """3 bits a row more than psi.md 17 wherever the number of nodes is odd: the lowest waits, not the highest."""
    cost = cost_of(negative(Role.TABLE, np.empty(0, np.uint64), bits))
    assert (cost.rounds, cost.opened + cost.dealt) == (rounds, bytes_a_row)


@pytest.mark.parametrize("bits", [2, 7, 32, 64])
def test_zeros_cost_five_bits_a_bit(bits):
    cost = cost_of(zero(Role.TABLE, np.empty(0, np.uint64), bits))
    assert (cost.rounds, cost.opened, cost.dealt) == (math.ceil(math.log2(bits)), 4 * (bits - 1) / 8, (bits - 1) / 8)


@pytest.mark.parametrize("count", [1, 2, 3, 6])
async def test_all_of_some_bits(count):
    columns = np.array([[(row >> bit) & 1 for row in range(N)] for bit in range(count)], np.uint8)
    got = await result(all_of, N, np.packbits(columns, axis=-1, bitorder="little"))
    np.testing.assert_array_equal(rows_of(got), columns.all(axis=0))


@pytest.mark.parametrize("value", [0, 2**64 - 1])
@pytest.mark.parametrize("gate", [
    lambda me, x: window(me, x, 16, -3, 9), lambda me, x: negative(me, x, 15), lambda me, x: zero(me, x, 6),
])  # fmt: skip
async def test_every_frame_is_noise_to_its_receiver(gate, value):
    await assert_masked(gate, 256, [np.full(256, value, np.uint64)])


@pytest.mark.parametrize("fault", [too_long, from_another_session])
async def test_a_bad_frame_stops_everyone(fault):
    zeros = np.zeros(N, np.uint64)
    arguments = {"n": N, "bits": 4, "low": 0, "high": 2, "query": zeros, "helper": zeros}
    for frame in await frames_of(in_window, **arguments):
        async with World(tamper=(frame, fault), deadline_s=10) as world:
            errors = await world.fails(in_window, **arguments)
        assert blames(errors[frame.receiver], frame)
        assert len(errors) == 3


async def test_rows_are_whole_words():
    async with World() as world:
        with pytest.raises(ValueError, match="multiple of 64"):
            await world.run(gated, make=lambda _, x: negative(Role.QUERY, x, 4), n=72, query=[np.zeros(72, np.uint64)])
