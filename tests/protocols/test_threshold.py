"""Which groups may show, and which totals are zero.

Could a party tell anything beyond the leakage line? By message: random bits are made from opened squares of random
numbers; the masked difference is opened, 58 bits above its range; the product that is tested for zero is opened under a
mask of degree 2t (tests/attacks/test_mpyc_products.py shows what happens without) and is zero or not by a hidden sign;
the rest are fresh shares. The last two tests look at the opened values.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.protocols import threshold
from glovebox.protocols.threshold import large_enough, zero
from glovebox.runtime import engine
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.coroutines import running
from glovebox.runtime.world import World

from .opening import opened, sizes

HIGH = 1000


async def judged(ctx, people, *, k, low=0, high=HIGH, zero_shown=False, what="shown"):
    array = ctx.shamir.integers(64).array
    ((secret,),) = ctx.shamir.runtime.input([array(np.array(people, dtype=object))], senders=[0])
    bits = zero(ctx, secret, high) if what == "zero" else large_enough(ctx, secret, k, low, high, zero_shown)
    return await ctx.shamir.shares(bits)


async def run(m, people, **arguments):
    async with World(m, shamir=True) as world:
        outs = await world.run(judged, inputs=[people] * m, **arguments)
        return opened(outs), world.meter


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 2 * HIGH), st.booleans(), st.lists(st.integers(0, HIGH), min_size=1, max_size=5))
async def test_a_group_shows_from_the_threshold_on(k, zero_shown, people):
    people = [*people, 0, max(0, min(k, HIGH) - 1), min(k, HIGH), HIGH]
    bits, _ = await run(3, people, k=k, zero_shown=zero_shown)
    assert bits == [int(n >= k or (zero_shown and n == 0)) for n in people]


@pytest.mark.parametrize("high", [1, 2, 3, 31, 32, 2**31 - 1])
async def test_bounds_of_any_size_are_exact_at_both_ends(high):
    people = sorted({0, 1, high // 2, high - 1, high})
    for k in {1, 2, high, high + 1}:
        assert (await run(3, people, k=k, high=high))[0] == [int(n >= k) for n in people]
    assert (await run(3, people, k=1, high=high, what="zero"))[0] == [int(n == 0) for n in people]


@pytest.mark.parametrize("low", [-1, -1000, -(2**54)])
async def test_a_count_with_noise_may_be_below_zero(low):
    people = [low, low + 1, -1, 0, 4, 5, HIGH - low]
    assert (await run(3, people, k=5, low=low, high=HIGH - low))[0] == [int(n >= 5) for n in people]


@pytest.mark.parametrize("m", [3, 4, 5, 9])
async def test_the_card_holds(m):
    people, bits = [0, 4, 5, 6, 1000], 11  # 1000 < 2^10, and a sign
    card, numbers = terms(threshold.__doc__), sizes(m)
    given_away = numbers["p"] * len(people) * numbers["s"]  # the test's own input of the counts
    _, meter = await run(m, people, k=5)
    stated = value_of(card["Bytes"], {"b": bits, "g": len(people), **numbers})
    assert meter.size - given_away == stated
    _, meter = await run(m, people, k=5, what="zero")
    q, o, r, s = (numbers[name] for name in "qors")
    assert meter.size - given_away == (q * 10 + o + 9 * r) * len(people) * s


@pytest.mark.parametrize(("high", "halvings"), [(6, 3), (1000, 4), (10**6, 5)])
async def test_rounds_grow_with_the_logarithm_of_the_bits(high, halvings):
    _, meter = await run(3, [0, 1], k=5, high=high)
    assert meter.rounds == value_of(terms(threshold.__doc__)["Rounds"], {"h": halvings})


async def test_traffic_is_the_same_for_other_counts():
    shapes = [(await run(3, people, k=5, zero_shown=True))[1].shape() for people in ([0, 0, 0], [4, 5, 1000])]
    assert shapes[0] == shapes[1]


async def openings(people: int, times: int, monkeypatch) -> dict[int, list[int]]:
    """Values that party 1 sees opened, by the size of the opening, for one count, over many runs."""
    seen: dict[int, list[int]] = {}
    recombine = engine.thresha.np_recombine

    def noted(field, points, *rest):
        values = recombine(field, points, *rest)
        if running.get().pid == 1:
            seen.setdefault(len(points), []).extend(map(int, values.value))
        return values

    monkeypatch.setattr(engine.thresha, "np_recombine", noted)
    async with World(shamir=True) as world:
        for _ in range(times):
            await world.run(judged, inputs=[[people]] * 3, k=5)
    monkeypatch.undo()
    return seen


async def test_the_masked_difference_hides_the_count(monkeypatch):
    """A difference of 999 is opened under masks of 60 bits more than its range: the two samples overlap."""
    low, high = [(await openings(people, 40, monkeypatch))[2] for people in (0, 999)]
    assert len(low) == len(high) == 40
    assert min(low) < max(high)
    assert min(high) < max(low)
    assert all(value > 2**60 for value in low + high)
