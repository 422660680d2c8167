"""Which numbers are below an edge.

Could a party tell anything beyond the leakage line? By message: shares of degree t of products, in both fields; a
number that opens under masks that are much longer, of which a party lacks one; a bit that opens under a random byte.
The last tests look at what opens, and at every frame of bits.
"""

from __future__ import annotations

from math import ceil, log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.errors import Refused
from glovebox.protocols import threshold
from glovebox.protocols.threshold import below, judged_bits
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.shamir import Shamir
from glovebox.runtime.world import World

from .noise import assert_noise
from .opening import comparing, hashes, opened, sizes

HIGH = 1000


async def judged(ctx, people, *, k, low=0, high=HIGH):
    array = ctx.shamir.integers(64).array
    ((secret,),) = ctx.shamir.runtime.input([array(np.array(people, dtype=object))], senders=[0])
    (found,) = await below(ctx, 64, [secret], [k], judged_bits(k, low, high))
    return await ctx.shamir.shares(1 - found)


async def run(m, people, **arguments):
    async with World(m, shamir=True) as world:
        outs = await world.run(judged, inputs=[people] * m, **arguments)
        return opened(outs), world.meter


@settings(max_examples=30)
@given(st.integers(1, 2 * HIGH), st.lists(st.integers(0, HIGH), min_size=1, max_size=5))
async def test_a_group_is_large_enough_from_the_threshold_on(k, people):
    people = [*people, 0, max(0, min(k, HIGH) - 1), min(k, HIGH), HIGH]
    bits, _ = await run(3, people, k=k)
    assert bits == [int(n >= k) for n in people]


@pytest.mark.parametrize("m", [3, 4, 5, 9])
@pytest.mark.parametrize("high", [1, 2, 3, 6, 7, 14, 31, 32, 2**31 - 1, 2**59])
async def test_bounds_of_any_size_are_exact_at_both_ends(m, high):
    people = sorted({0, 1, high // 2, high - 1, high})
    for k in {1, high, high + 1}:
        assert (await run(m, people, k=k, high=high))[0] == [int(n >= k) for n in people]


@pytest.mark.parametrize("low", [-1, -1000, -(2**54)])
async def test_a_count_with_noise_may_be_below_zero(low):
    people = [low, low + 1, -1, 0, 4, 5, HIGH - low]
    assert (await run(3, people, k=5, low=low, high=HIGH - low))[0] == [int(n >= 5) for n in people]


async def test_numbers_that_their_masks_would_not_hide_are_refused():
    async with World(shamir=True, deadline_s=5) as world:
        with pytest.raises(Refused, match="too large"):
            await world.run(judged, inputs=[[0]] * 3, k=5, high=2**62)


@pytest.mark.parametrize("m", [3, 4, 5, 9])
@pytest.mark.parametrize("high", [1, 6, 1000, 10**6])
async def test_the_card_holds(m, high):
    people = [0, 1, 1, 0, 1]
    card, numbers, b = terms(threshold.__doc__), sizes(m), judged_bits(1, 0, high)
    _, meter = await run(m, people, k=1, high=high)
    given_away = numbers["p"] * len(people) * numbers["s"]  # the test's own input of the counts, in a round of its own
    assert meter.size - given_away == comparing(m, len(people), b) + hashes(m)
    if b > 2:
        rounds = 1 + value_of(card["Rounds"], {"w": LAYERS[m], "h": ceil(log2(b - 2))})
        assert rounds <= meter.rounds <= rounds + 1 + LAYERS[m]  # the meter orders coins, masks and their bits


LAYERS = {3: 1, 4: 2, 5: 5, 9: 11}  # of three addends to two each: 3, 4, 10 and 126 become two


async def test_traffic_is_the_same_for_other_counts():
    shapes = [(await run(3, people, k=5))[1].shape() for people in ([0, 0, 0], [4, 5, 1000])]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("people", [0, 1000])
async def test_every_frame_of_bits_is_noise_to_its_receiver(people):
    seen = {}
    async with World(shamir=True, keep=True) as world:
        for _ in range(60):
            await world.run(judged, inputs=[[people] * 8] * 3, k=5)
            for frame, octets in world.meter.seen.items():
                if not frame[2].startswith(("shamir", "coins", "masked")):  # which are numbers
                    seen.setdefault(frame, []).append(np.frombuffer(octets, np.uint8))
    assert len(seen) > 20
    for frame, octets in seen.items():
        assert_noise(frame, np.stack(octets))


async def test_the_bit_that_opens_stands_under_a_random_byte(monkeypatch):
    seen = []
    reveal = threshold.opened_masked

    async def noted(ctx, x):
        bits = await reveal(ctx, x)
        if ctx.party == 1:
            seen.append(np.unpackbits(bits[:, None], axis=1))
        return bits

    monkeypatch.setattr(threshold, "opened_masked", noted)
    async with World(shamir=True) as world:
        for _ in range(10):
            await world.run(judged, inputs=[[1000] * 40] * 3, k=5)
    ones = np.concatenate(seen).sum(
        axis=0, dtype=int
    )  # of all bits of the byte, for a lie in a product may reach any of them
    assert (abs(ones - 200) < 60).all()  # six standard deviations


async def test_the_masked_difference_hides_the_count(monkeypatch):
    """A difference of 999 is opened under masks of 60 bits more than its range: the two samples overlap."""
    seen, reveal = {0: [], 999: []}, Shamir.opened_masked

    async def noted(self, *args):
        values = await reveal(self, *args)
        if self.index == 1:
            seen[people] += values
        return values

    monkeypatch.setattr(Shamir, "opened_masked", noted)
    async with World(shamir=True) as world:
        for people in seen:
            for _ in range(40):
                await world.run(judged, inputs=[[people]] * 3, k=5)
    low, high = seen.values()
    assert len(low) == len(high) == 40
    assert min(low) < max(high)
    assert min(high) < max(low)
    assert all(value > 2**100 for value in low + high)
