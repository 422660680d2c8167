"""Events in time and several keys, against plain Python. What roles receive is that of the gates they are made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.protocols.events import any_of, first_after, first_of, last_until, one_of
from glovebox.protocols.expression import Payload, Value, kind_of
from glovebox.protocols.rows import traffic

from .alignment import N, evaluated

HIGH, MOST = 20, 5
UNUSED = HIGH + MOST + 1  # later than any moment and `most`
MOMENT = Value(0, 0, HIGH)


def slots_of(count: int):
    return [Payload(0, j, 0, UNUSED) for j in range(count)], [Payload(0, count + j, 0, 999) for j in range(count)]


def events(count: int, seed: int):
    """Each row's events in order of time, unused slots last; matches, payloads and moments."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(0, HIGH, (count, N), endpoint=True), axis=0)
    used = np.arange(count)[:, None] < rng.integers(0, count, N, endpoint=True)
    times = np.where(used, times, UNUSED)
    amounts = np.where(used, rng.integers(1, 999, (count, N), endpoint=True), 0)
    match = rng.integers(0, 2, (1, N), dtype=np.uint8)
    columns = np.concatenate([times, amounts])
    noise = rng.integers(-(1 << 63), 1 << 63, columns.shape)
    return match, np.where(match, columns, noise)[None], rng.integers(0, HIGH, (1, N), endpoint=True)


def found(columns, count: int, row: int, which) -> int:
    """The amount of the event that `which` picks of a row's true events."""
    match, payloads, moments = columns
    if not match[0][row]:
        return 0
    times, amounts = payloads[0][:count, row], payloads[0][count:, row]
    true = [(int(t), int(a)) for t, a in zip(times, amounts, strict=True) if t != UNUSED]
    picked = which(true, int(moments[0][row]))
    return picked[1] if picked else 0


PICKS = {
    last_until: lambda true, moment, most: next((e for e in reversed(true) if moment - most <= e[0] <= moment), None),
    first_after: lambda true, moment, most: next((e for e in true if moment < e[0] <= moment + most), None),
}


@pytest.mark.parametrize("most", [None, 0, MOST])
@pytest.mark.parametrize("choose", PICKS)
@given(count=st.integers(1, 4), seed=st.integers(0, 99))
@settings(max_examples=6)
async def test_the_event_next_to_a_moment(choose, most, count, seed):
    times, amounts = slots_of(count)
    bits = choose(times, MOMENT, most)
    amount, any_found = one_of(bits, amounts), any_of(bits)
    kinds = kind_of(amount), kind_of(any_found)
    assert not kinds[0].noisy
    columns = events(count, seed)
    got, exists = await evaluated([amount, any_found], columns)
    which = PICKS[choose]
    expected = [found(columns, count, row, lambda *x: which(*x, 999 if most is None else most)) for row in range(N)]
    np.testing.assert_array_equal(got, expected)
    if most is not None or choose is last_until:
        np.testing.assert_array_equal(exists, np.array(expected) > 0)


def test_a_slot_costs_a_comparison_an_and_and_a_choice():
    """Times and moments of 27 days compare in 6 bits; all slots go side by side, and the match bit is opened once."""
    times, amounts = slots_of(4)
    cost = traffic([one_of(last_until(times, MOMENT), amounts)])
    sign, conjunction, choice = 4.5, 0.625, 32.25
    assert cost["O"] + cost["D"] == 4 * (sign + conjunction + choice) - 3 * 0.25
    assert cost["F"] == 4 + 1 + 1


@given(seed=st.integers(0, 99), keys=st.integers(1, 4))
@settings(max_examples=10)
async def test_the_first_key_that_matches_wins(seed, keys):
    rng = np.random.default_rng(seed)
    matches = rng.integers(0, 2, (keys, N), dtype=np.uint8)
    payloads = rng.integers(-(1 << 63), 1 << 63, (keys, 1, N))
    payloads[:, 0][matches == 1] %= 1000
    bits = first_of(range(keys))
    amount = one_of(bits, [Payload(table, 0, 0, 999) for table in range(keys)])
    assert not kind_of(amount).noisy
    got, any_found = await evaluated([amount, any_of(bits)], (matches, payloads, np.zeros((1, N), np.int64)))
    first = matches.argmax(axis=0)
    np.testing.assert_array_equal(any_found, matches.any(axis=0))
    np.testing.assert_array_equal(got, np.where(any_found, payloads[first, 0, np.arange(N)], 0))
    cost = traffic([any_of(bits)]) if keys > 1 else {"O": 0, "D": 0}
    assert cost["O"] + cost["D"] == 0.625 * (keys - 1)
