"""Gates on shared columns: exact, priced as the card states, and what each role receives is noise.

What could a role tell? QUERY receives HELPER's shares of wires less a stream of k_ST, and corrections less another
stream of k_ST; HELPER receives QUERY's shares of wires less a stream of k_QT. Each stream is read once, for one wire of
one flight, and the receiver lacks its key: uniform frames, jointly too. A wire that feeds many gates is opened once;
where HELPER's share is opened by itself besides, that is another wire under another mask. TABLE receives nothing.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.protocols.flights import cost_of
from glovebox.protocols.gates import Column, chosen, counted, minimum, multiplied, sign
from glovebox.protocols.wires import together
from glovebox.runtime.context import Role

from .gating import assert_masked, bits_of, result, rows_of

N = 64
RINGS = [np.uint16, np.uint32, np.uint64]
KNOWN = [(), (0,), (1,), (0, 1)]
SEEDS = st.integers(0, 999)


def of(gate, *arguments, known=()):
    """A gate on arrays, giving an array."""

    def make(me, *shares):
        columns = [Column(me, share, index in known) for index, share in enumerate(shares)]
        return (yield from gate(*columns, *arguments)).share

    return make


def numbers(ring, seed: int) -> np.ndarray:
    top = np.iinfo(ring).max
    rng = np.random.default_rng(seed)
    return np.concatenate([np.array([0, 1, top, top // 2], ring), rng.integers(0, top, N - 4, ring, endpoint=True)])


def flags(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, N).astype(bool)


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("ring", RINGS)
@given(seed=SEEDS)
@settings(max_examples=5)
async def test_products_of_numbers(ring, known, seed):
    x, y = numbers(ring, seed), numbers(ring, seed + 1)[::-1].copy()
    np.testing.assert_array_equal(await result(of(multiplied, known=known), N, x, y, known=known), x * y)


@pytest.mark.parametrize("known", KNOWN)
async def test_products_of_bits(known):
    x, y = flags(1), flags(2)
    np.testing.assert_array_equal(
        rows_of(await result(of(multiplied, known=known), N, bits_of(x), bits_of(y), known=known)), x & y
    )


async def test_squares_open_their_wire_once():
    def make(me, share):
        x = Column(me, share)
        return (yield from multiplied(x, x)).share

    x = numbers(np.uint64, 3)
    np.testing.assert_array_equal(await result(make, N, x), x * x)
    cost = cost_of(make(Role.TABLE, x[:0]))
    assert (cost.rounds, cost.opened, cost.dealt) == (1, 16, 8)


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("ring", RINGS)
@given(seed=SEEDS)
@settings(max_examples=5)
async def test_choices(ring, known, seed):
    b, p = flags(seed), numbers(ring, seed)
    got = await result(of(chosen, known=known), N, bits_of(b), p, known=known)
    np.testing.assert_array_equal(got, np.where(b, p, 0))


@pytest.mark.parametrize("known", [(), (0,)])
@pytest.mark.parametrize("ring", RINGS)
async def test_bits_as_numbers(ring, known):
    b = flags(5)
    np.testing.assert_array_equal(
        await result(of(counted, np.dtype(ring), known=known), N, bits_of(b), known=known), b.astype(ring)
    )


@pytest.mark.parametrize("known", [(), (0,)])
@pytest.mark.parametrize("bits", [2, 16, 33, 64])
async def test_signs(bits, known):
    x = np.random.default_rng(bits).integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1, N, endpoint=True)
    got = await result(of(sign, bits, known=known), N, x.view(np.uint64), known=known)
    np.testing.assert_array_equal(rows_of(got), x < 0)


@pytest.mark.parametrize("known", KNOWN)
@given(seed=SEEDS)
@settings(max_examples=5)
async def test_minima(known, seed):
    x, y = np.random.default_rng(seed).integers(-(1 << 30), 1 << 30, (2, N))
    got = await result(of(minimum, 32, known=known), N, x.view(np.uint64), y.view(np.uint64), known=known)
    np.testing.assert_array_equal(got.view(np.int64), np.minimum(x, y))


BIT, NUMBER = np.empty(0, np.uint8), np.empty(0, np.uint64)


@pytest.mark.parametrize(("gate", "columns", "known", "opened", "dealt"), [
    (multiplied, (BIT, BIT), (), 1 / 2, 1 / 8),
    (multiplied, (BIT, BIT), (0,), 1 / 4, 1 / 8),
    (multiplied, (NUMBER, NUMBER), (), 32, 8),
    (multiplied, (NUMBER, NUMBER), (1,), 16, 8),
    (multiplied, (NUMBER, NUMBER), (0, 1), 0, 0),
    (counted, (BIT, np.dtype(np.uint64)), (), 1 / 4, 8),
    (chosen, (BIT, NUMBER), (), 16.25, 16),
    (chosen, (BIT, NUMBER), (0,), 8.125, 8),
    (chosen, (BIT, NUMBER), (1,), 8.125, 8),
])  # fmt: skip
def test_gates_cost_what_the_card_says(gate, columns, known, opened, dealt):
    columns = [
        Column(Role.TABLE, one, index in known) if isinstance(one, np.ndarray) else one
        for index, one in enumerate(columns)
    ]
    cost = cost_of(gate(*columns))
    assert (cost.rounds, cost.opened, cost.dealt) == (bool(opened), opened, dealt)


async def test_gates_on_the_same_columns_share_a_flight_and_their_wires():
    """b p, b q, b' p and b & b': four wires in one flight, and each mask of a bit is dealt once."""

    def make(me, b, other, p, q):
        b, other, p, q = (Column(me, share) for share in (b, other, p, q))
        found = yield from together(chosen(b, p), chosen(b, q), chosen(other, p), multiplied(b, other))
        return np.stack([one.share for one in found[:3]])

    b, other, p, q = flags(1), flags(2), numbers(np.uint64, 1), numbers(np.uint64, 2)
    got = await result(make, N, bits_of(b), bits_of(other), p, q)
    np.testing.assert_array_equal(got, np.where([b, b, other], [p, q, p], 0))
    cost = cost_of(make(Role.TABLE, BIT, BIT, NUMBER, NUMBER))
    assert (cost.rounds, cost.opened, cost.dealt) == (1, 2 * 16 + 2 / 4, 2 * 8 + 3 * 8 + 1 / 8)


@pytest.mark.parametrize("ones", [False, True])
@pytest.mark.parametrize(("gate", "kinds", "known"), [
    (multiplied, "bb", ()), (multiplied, "bb", (0,)), (multiplied, "nn", ()), (multiplied, "nn", (0,)),
    (chosen, "bn", ()), (chosen, "bn", (0,)), (chosen, "bn", (1,)),
])  # fmt: skip
async def test_every_frame_is_noise_to_its_receiver(gate, kinds, known, ones):
    n = 256
    columns = {"b": np.full(n // 8, 255 * ones, np.uint8), "n": np.full(n, -int(ones), np.int64).view(np.uint64)}
    await assert_masked(of(gate, known=known), n, [columns[kind] for kind in kinds])


@pytest.mark.parametrize("ones", [False, True])
async def test_a_bit_as_a_number_is_noise(ones):
    await assert_masked(of(counted, np.dtype(np.uint64)), 256, [np.full(32, 255 * ones, np.uint8)])
