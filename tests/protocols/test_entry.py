"""Numbers that one party knows, which keep within a range whatever it says. Whole runs with lies: `test_verified.py`.

Could a party tell anything beyond the leakage line? It is told a number under the masks of sets, one of which t parties
lack, which looks uniform; and shares of degree t of bits.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from glovebox.errors import IntegrityError
from glovebox.protocols import entry
from glovebox.protocols.entry import MOST_ADDED, entered, reach, wrap_bits
from glovebox.protocols.quotient import Ranges, quotient
from glovebox.protocols.stacking import stacked_totals
from glovebox.protocols.threshold import below, judged_bits
from glovebox.protocols.verified import verified
from glovebox.runtime.engine import modulus
from glovebox.runtime.exchange import Exchange
from glovebox.runtime.shares import recombined
from glovebox.runtime.world import World

from .noise import assert_noise
from .opening import opened, sizes

RINGS = (1, 32, 64)
COLUMNS = 4
EVERY = np.array([[x % (1 << ring) for x in (0, 1, -1, 1 << ring >> 1)] for ring in RINGS], object)


async def shared(ctx, mine, *, senders, tops=False):
    found = await entered(ctx.narrow("in"), 64, RINGS, COLUMNS, senders, mine, tops)
    await ctx.shamir.multiplied(ctx.label("product"), found[0].numbers, found[0].numbers, 64)  # as in every run
    await verified(ctx.narrow("verified"))
    numbers = np.stack([one.numbers for one in found] + [one.tops for one in found if tops])
    return numbers.reshape(-1).tolist()


async def told(m, senders, tops=False, **kept):
    async with World(m, shamir=True, **kept) as world:
        inputs = [EVERY if party in senders else None for party in range(m)]
        outs = await world.run(shared, inputs=inputs, senders=senders, tops=tops)
        return np.array(opened(outs), object).reshape(-1, *EVERY.shape), world


@pytest.mark.parametrize(("m", "senders"), [(3, (0, 1, 2)), (4, (3, 1)), (5, (4,)), (9, (0, 8))])
async def test_numbers_and_their_top_bits_are_those_that_were_entered(m, senders):
    values, _ = await told(m, senders, tops=True)
    tops = 2 * EVERY // np.array([1 << ring for ring in RINGS], object)[:, None]
    for place in range(len(senders)):
        assert (values[place] == EVERY).all()
        assert (values[len(senders) + place] == tops).all()


@pytest.mark.parametrize("m", [3, 5])
@pytest.mark.parametrize("tops", [False, True])
async def test_the_card_holds(m, tops):
    async def alone(ctx, mine):
        await entered(ctx.narrow("in"), 64, RINGS, COLUMNS, (0, 1), mine, tops)

    async with World(m, shamir=True) as world:
        await world.run(alone, inputs=[EVERY, EVERY, *[None] * (m - 2)])
        assert world.matches_card(entered, n=EVERY.size, k=2, e=int(tops), **sizes(m))


async def test_what_is_told_is_noise_whatever_it_is_of():
    seen = []
    for seed in range(60):
        _, world = await told(3, (0,), seed=seed, keep=True)
        seen += [octets for (_, to, step), octets in world.meter.seen.items() if (to, step) == (1, "in/told")]
    lines = np.array([np.frombuffer(octets, np.uint8) for octets in seen])
    assert_noise("told", lines.reshape(len(seen), len(RINGS), 8 * COLUMNS)[:, 2])


@pytest.mark.parametrize("m", [3, 4, 9])
@pytest.mark.parametrize("wraps", [0, 1])
async def test_other_wraps_leave_a_number_within_its_range(m, wraps, monkeypatch):
    bits = entry._bits
    monkeypatch.setattr(entry, "_bits", lambda ctx, own: 0 * bits(ctx, own) + wraps)
    values, _ = await told(m, (0, 1))
    assert (values != EVERY).any()
    for number, ring in zip(values.transpose(1, 0, 2), RINGS, strict=True):
        assert (abs(number) < 1 << ring + wrap_bits(m)).all()


@pytest.mark.parametrize("most", [0, 1, 1000, 2**31 - 1, 2**62 - 1])
@pytest.mark.parametrize("m", [3, 9])
def test_as_many_conversions_as_there_may_be_keep_within_their_reach(most, m):
    b, c = most.bit_length() + 2, wrap_bits(m)
    for u, v in itertools.product((-(1 << b + c), 1 << b + c), repeat=2):
        for wrapped in (0, 1):
            assert abs(MOST_ADDED * (u + v - (wrapped << b) - (1 << b - 2))) < reach(most, m)
            assert MOST_ADDED * (abs(u) + (1 << b - 1)) < reach(most, m)  # as many owners of stacked tables


def lies(monkeypatch, label, plus):
    """One sender deals, or what it deals is, something else than bits."""
    deal = Exchange.deal

    def dealt(self, at, values, p):
        if self.me == 1 and at.endswith(label):
            values = (values + np.eye(1, len(values), dtype=int)[0].astype(object) * plus) % p
        return deal(self, at, values, p)

    monkeypatch.setattr(Exchange, "deal", dealt)


@pytest.mark.parametrize("m", [3, 4, 5])
@pytest.mark.parametrize("plus", [2, -1, 2**100])
async def test_a_sender_whose_wraps_are_no_bits_is_found_out(m, plus, monkeypatch):
    lies(monkeypatch, "in/wraps", plus)
    async with World(m, shamir=True) as world:
        errors = await world.fails(shared, inputs=[EVERY, EVERY, *[None] * (m - 2)], senders=(0, 1))
    assert set(errors) == set(range(m))


async def averaged(ctx, mine):
    """Averages of what owners stack."""
    ranges = Ranges(0, 100, 10, reach(1000, 3))
    totals = await stacked_totals(ctx.narrow("in"), ranges.bits, (10, 1000), 1, ctx.parties, mine)
    edges, b = (0, 11, *ranges.powers), judged_bits(11, -reach(10, 3), reach(10, 3))
    none, over, *less = await below(ctx.narrow("edges"), ranges.bits, [totals[0]] * len(edges), edges, b)
    result = await quotient(ctx.narrow("quotient"), ranges.bits, ranges, totals[1], totals[0], less, over - none)
    await verified(ctx.narrow("verified"))
    return await ctx.shamir.shares(result)


@pytest.mark.parametrize("plus", [0, 2, 2**100])
async def test_an_owner_of_a_stacked_table_out_of_range_ends_the_run_before_anything_hangs_on_it(plus, monkeypatch):
    lies(monkeypatch, "in/wraps", plus)
    inputs = [np.array([[2], [10 * party]]) for party in range(3)]
    async with World(shamir=True) as world:
        answers, errors = await world._session(averaged, inputs, {})
        steps = {frame.step for frame in world.meter.frames}
    masked = any("newton0/masked" in step for step in steps)
    if not plus:
        ranges = Ranges(0, 100, 10, reach(1000, 3))
        assert recombined(dict(enumerate(answers)), modulus(ranges.bits), 1, "test") == [5 * 10**6]
        assert masked
        return
    assert set(errors) == {0, 1, 2}
    assert any(isinstance(error, IntegrityError) for error in errors.values())
    assert not masked
