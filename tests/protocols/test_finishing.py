"""What is opened of each group, and nothing of a group too small to show.

Could a party tell anything beyond the leakage line? Finishing itself opens only what `test_threshold.py` and
`test_quotient.py` look at, and ends with shares fresh from a product. What receivers then open of a hidden group are
zeros, whatever it holds: the last test but two.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.algebra.laplace import decay, halves
from glovebox.errors import Refused
from glovebox.protocols import finishing as module
from glovebox.protocols import noise
from glovebox.protocols.finishing import Finishing, Part, finish
from glovebox.protocols.having import Bound
from glovebox.protocols.noise import drawing
from glovebox.protocols.quotient import MICRO
from glovebox.protocols.stacking import stacked_totals
from glovebox.protocols.verified import largest_frame
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.world import World

from .opening import checks, comparing, hashes, opened, sizes, stacked

CHECKED = largest_frame(16)  # of what checks it, which is there however few the groups
MOST = (1000, 10**9, 1000)  # people, a sum, its count
PARTS = (Part("total", 0), Part("total", 1), Part("null", over=2))


async def finished(ctx, totals, *, finishing):
    mine = np.array(totals, dtype=np.int64) if ctx.party == 0 else np.zeros(np.shape(totals), np.int64)
    secret = await stacked_totals(ctx, finishing.bits, finishing.most, finishing.groups, ctx.parties, mine)
    return await ctx.shamir.shares(await finish(ctx, finishing, secret))


async def run(totals, finishing, m=3):
    async with World(m, shamir=True) as world:
        outs = await world.run(finished, inputs=[totals] * m, finishing=finishing)
        lines = np.array(opened(outs, finishing.bits), dtype=object).reshape(finishing.rows, finishing.groups)
        return lines.tolist(), world.meter


groups = st.tuples(st.sampled_from([0, 1, 9, 10, 11, 1000]), st.integers(-(10**9), 10**9), st.sampled_from([0, 1, 999]))


@settings(max_examples=30)
@given(st.lists(groups, min_size=1, max_size=6), st.booleans())
async def test_shown_groups_open_as_they_are_and_hidden_ones_as_zeros(groups, zero_shown):
    finishing = Finishing(len(groups), MOST, 0, 10, zero_shown, PARTS)
    lines, _ = await run([list(column) for column in zip(*groups, strict=True)], finishing)
    for (people, total, count), got in zip(groups, zip(*lines, strict=True), strict=True):
        shown = people >= 10 or (zero_shown and people == 0)
        assert got == ((1, people, total, int(count == 0)) if shown else (0, 0, 0, 0))


async def test_an_average_inside_shares_its_null_flag():
    parts = (Part("quotient", 1, 2, 0, 10**6), Part("null", over=2), Part("total", 0))
    lines, _ = await run([[10, 9, 12], [7, 5, 0], [3, 1, 0]], Finishing(3, MOST, 0, 10, False, parts))
    assert lines == [[1, 0, 1], [round(Fraction(7 * MICRO, 3)), 0, 0], [0, 0, 1], [10, 0, 12]]


@pytest.mark.parametrize("m", [3, 5])
async def test_the_card_holds(m):
    finishing = Finishing(4, MOST, 0, 10, False, PARTS)
    _, meter = await run([[1, 10, 0, 5]] * 3, finishing, m)
    n, parts = sizes(m), comparing(m, 2, 11)  # people and the threshold; null; 1000 < 2^10
    stated = value_of(terms(module.__doc__)["Bytes"], {"w": 4, "g": 4, "a": parts, **n})
    assert meter.size - stacked(m, 12) - checks(meter) == stated + hashes(m)


async def test_traffic_is_the_same_whatever_is_shown():
    finishing = Finishing(3, MOST, 0, 10, True, (*PARTS, Part("quotient", 1, 2, 0, 10**6)))
    shapes = [(await run([counts, counts, counts], finishing))[1].shape() for counts in ([0, 0, 0], [1, 10, 1000])]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("hidden", [[9, 10**9, 1], [1, -5, 0], [0, 0, 0]])
async def test_a_hidden_group_opens_alike_whatever_it_holds(hidden):
    finishing = Finishing(1, MOST, 0, 10, False, (*PARTS, Part("quotient", 1, 2, -(10**9), 10**9)))
    lines, _ = await run([[value] for value in hidden], finishing)
    assert lines == [[0]] * 5


async def test_opened_shares_are_fresh_also_to_somebody_who_sees_all():
    """A receiver that computes nothing sees whole polynomials: that of a hidden zero is not the group's own."""
    finishing = Finishing(1, MOST, 0, 10, False, PARTS)
    async with World(shamir=True) as world:
        seen = [await world.run(finished, inputs=[[[9], [5], [1]]] * 3, finishing=finishing) for _ in range(2)]
    assert all(len({tuple(line) for line in zip(*outs, strict=True)}) == 4 for outs in seen)
    assert not set(seen[0][0]) & set(seen[1][0])


NOISE = (decay(1, 3), decay(1, 10**4), None)
TOTALS = tuple(Part("total", number) for number in range(2))


async def noisy(totals, finishing, monkeypatch, m=3):
    """Opened lines, and all noise that parties drew, (totals with noise, groups)."""
    drawn = []

    def noted(q, count, draw):
        drawn.append(halves(q, count, draw))
        return drawn[-1]

    monkeypatch.setattr(noise, "halves", noted)
    lines, meter = await run(totals, finishing, m)
    return lines, np.array(drawn).reshape(drawing(m), 2, finishing.groups).sum(axis=0), meter


@pytest.mark.parametrize("m", [3, 5])
async def test_the_noisy_count_meets_the_threshold_and_only_noisy_totals_open(m, monkeypatch):
    people = [0, 5, 9, 10, 11, 15, 30, 1000] * 4
    totals = [people, [-(10**9), 10**9] * 16, people]
    finishing = Finishing(32, MOST, 0, 10, False, TOTALS, NOISE, m)
    (shown, counts, sums), added, _ = await noisy(totals, finishing, monkeypatch, m)
    assert shown == [int(count >= 10) for count in people + added[0]]
    assert shown != [int(count >= 10) for count in people]
    assert counts == [int(count) * bit for count, bit in zip(people + added[0], shown, strict=True)]
    assert sums == [int(total) * bit for total, bit in zip(totals[1] + added[1], shown, strict=True)]


@pytest.mark.parametrize("edge", [-1, 0])
async def test_the_threshold_holds_at_both_ends_of_the_noise(edge, monkeypatch):
    reach = NOISE[0].reach
    half = np.full(1, reach - 1 if edge else -reach)
    monkeypatch.setattr(noise, "halves", lambda q, count, draw: half)
    finishing = Finishing(1, (1000,), 0, 10, False, (Part("total"),), NOISE[:1])
    for people in (0, 1000):
        lines, _ = await run([[people]], finishing)
        value = people + 3 * int(half[0])
        assert lines == [[int(value >= 10)], [value * (value >= 10)]]
        low, high = finishing.people_range
        assert low <= value <= high


@pytest.mark.parametrize(("parts", "zero_shown", "decays"), [
    (PARTS, False, NOISE), (TOTALS, True, NOISE), (TOTALS, False, NOISE[:2]), (TOTALS, False, (None, *NOISE[:2])),
    ((Part("total", 2),), False, NOISE), ((Part("quotient", 1, 2, 0, 10**6),), False, NOISE),
])  # fmt: skip
async def test_with_noise_nothing_exact_may_open(parts, zero_shown, decays):
    finishing = Finishing(1, MOST, 0, 10, zero_shown, parts, decays)
    async with World(shamir=True, deadline_s=5) as world:
        with pytest.raises(Refused, match="noise"):
            await world.run(finished, inputs=[[[1]] * 3] * 3, finishing=finishing)


async def test_no_frame_of_noise_is_larger_than_is_said_beforehand(monkeypatch):
    finishing = Finishing(3, MOST, 0, 10, False, TOTALS, NOISE)
    _, _, meter = await noisy([[1, 0, 1]] * 3, finishing, monkeypatch)
    largest = max(frame.size for frame in meter.frames)
    assert largest <= finishing.largest_frame < 2.5 * max(largest, CHECKED)


@pytest.mark.parametrize("threshold", [0, -1])
async def test_a_threshold_below_one_is_refused(threshold):
    async with World(shamir=True, deadline_s=5) as world:
        with pytest.raises(Refused, match="threshold"):
            await world.run(finished, inputs=[[[1]] * 3] * 3, finishing=Finishing(1, MOST, 0, threshold, False, PARTS))


@pytest.mark.parametrize("parts", [(Part("total", 1),), PARTS, (Part("quotient", 1, 2, 0, 10**6),)], ids=len)
@pytest.mark.parametrize("most", [MOST, (2**31 - 1,) * 3, (1, 1, 1)])
async def test_no_frame_is_larger_than_is_said_beforehand(parts, most):
    finishing = Finishing(3, most, 0, 1, False, parts)
    _, meter = await run([[1, 0, 1]] * 3, finishing)
    largest = max(frame.size for frame in meter.frames)
    assert largest <= finishing.largest_frame < 2.5 * max(largest, CHECKED)


BOUNDS = (Bound(((1, 1),), -5), Bound(((1, -2), (2, 3)), 0))  # a sum of 5 or more, and at most 3/2 of its count


@pytest.mark.parametrize("m", [3, 5])
async def test_a_group_outside_a_bound_opens_as_one_that_is_too_small(m):
    totals = [[10, 10, 10, 9, 10, 0], [5, 4, 5, 5, 10**9, 0], [4, 4, 3, 4, 1000, 0]]
    finishing = Finishing(6, MOST, 0, 10, False, PARTS, m=m, having=BOUNDS)
    lines, meter = await run(totals, finishing, m)
    assert list(zip(*lines, strict=True)) == [(1, 10, 5, 0), *[(0, 0, 0, 0)] * 5]
    assert max(frame.size for frame in meter.frames) <= finishing.largest_frame


async def test_a_bound_costs_what_the_card_says():
    found = [
        (await run([[10], [5], [4]], Finishing(1, MOST, 0, 10, False, PARTS, having=some)))[1].size
        for some in (BOUNDS, BOUNDS * 5)
    ]
    n, b = sizes(3), max(bound.bits(MOST) for bound in BOUNDS)  # eight, for bits of as many fill bytes
    assert found[1] - found[0] == comparing(3, 8, b) + 8 * n["r"] * n["s"]


async def test_traffic_is_the_same_whatever_meets_a_bound():
    finishing = Finishing(3, MOST, 0, 10, False, PARTS, having=BOUNDS)
    shapes = [(await run([counts, sums, counts], finishing))[1].shape() for counts, sums in (
        ([10, 10, 10], [5, 5, 5]), ([0, 10, 1000], [-(10**9), 0, 10**9]))]  # fmt: skip
    assert shapes[0] == shapes[1]


async def test_with_noise_no_bound_is_held_against_an_exact_total():
    finishing = Finishing(1, MOST, 0, 10, False, TOTALS, NOISE, having=BOUNDS)
    async with World(shamir=True, deadline_s=5) as world:
        with pytest.raises(Refused, match="noise"):
            await world.run(finished, inputs=[[[1]] * 3] * 3, finishing=finishing)
