"""Noise: whose halves are in it, and in what range. A party that puts in something else: `test_verified.py`.

Could a party tell anything beyond the leakage line? It receives shares of degree t of bits, at which the last test
looks.
"""

from __future__ import annotations

import numpy as np
import pytest

from glovebox.algebra.laplace import decay, halves
from glovebox.errors import Refused
from glovebox.protocols import noise as module
from glovebox.protocols.noise import bits_of, drawing, most_noise, noisy_totals
from glovebox.protocols.stacking import stacked_totals
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.engine import modulus
from glovebox.runtime.world import World

from .opening import opened, sizes, stacked

DECAYS = (decay(1, 4), None, decay(1, 1000))
TOTALS = np.array([[0, 7, 50], [1, 2, 3], [-(2**40), 0, 10**6]], dtype=np.int64)
SHAPE = TOTALS.shape
MOST = (1000, 1000, 2**40)


async def noisy(ctx, mine, *, decays=DECAYS):
    secret = await stacked_totals(ctx, 64, MOST, SHAPE[1], ctx.parties, TOTALS * (ctx.party == 0))
    return await ctx.shamir.shares(await noisy_totals(ctx.narrow("noise"), 64, secret, decays))


async def drawn(m, monkeypatch, alter=lambda party, number, values: values):
    """Outputs of a run, and each party's halves of it."""
    parts: dict[int, list[np.ndarray]] = {}
    as_bits = module._as_bits

    def noted(ctx, decays, groups):
        mine = parts[ctx.party] = []

        def taken(q, count, draw):
            values = alter(ctx.party, len(mine), halves(q, count, draw))
            mine.append(values)
            return values

        monkeypatch.setattr(module, "halves", taken)
        return as_bits(ctx, decays, groups)

    monkeypatch.setattr(module, "_as_bits", noted)
    async with World(m, shamir=True) as world:
        outs = await world.run(noisy, inputs=[None] * m)
        return np.array(opened(outs), dtype=object).reshape(SHAPE), parts, world


@pytest.mark.parametrize("m", [3, 4, 5, 9])
async def test_totals_get_the_halves_of_the_first_parties_and_nothing_else(m, monkeypatch):
    values, parts, _ = await drawn(m, monkeypatch)
    assert sorted(parts) == list(range(drawing(m)))
    assert drawing(m) - (m - 1) // 2 == 2  # what t corrupt parties know leaves two
    for number, place in ((0, 0), (2, 1)):
        assert (values[number] - TOTALS[number] == sum(part[place] for part in parts.values())).all()
    assert (values[1] == TOTALS[1]).all()


async def test_halves_at_both_ends_of_their_range_are_taken(monkeypatch):
    def extreme(party, number, values):
        reach = (DECAYS[0], DECAYS[2])[number].reach
        return np.full_like(values, reach - 1 if party else -reach)

    values, _, _ = await drawn(3, monkeypatch, extreme)
    for number in (0, 2):
        reach = DECAYS[number].reach
        assert (values[number] - TOTALS[number] == reach - 2).all()
        assert abs(reach - 2) <= most_noise(DECAYS[number], 3)


async def test_every_run_draws_anew(monkeypatch):
    async with World(shamir=True) as world:
        first, second = [opened(await world.run(noisy, inputs=[None] * 3)) for _ in range(2)]
    assert first != second


@pytest.mark.parametrize("m", [3, 5])
async def test_the_card_holds(m):
    async with World(m, shamir=True) as world:
        await world.run(noisy, inputs=[None] * m)
        meter, n = world.meter, sizes(m)
    card = terms(module.__doc__)
    given_away = stacked(m, TOTALS.size)  # the test's own input of totals, and its round
    stated = value_of(card["Bytes"], {"h": drawing(m), "B": bits_of(DECAYS) * 3, **n})
    assert (meter.size - given_away, meter.rounds - 1) == (stated, value_of(card["Rounds"], n))


@pytest.mark.parametrize("decays", [(None,) * 3, DECAYS[:2], (*DECAYS, None)])
async def test_noise_is_stated_for_each_total(decays):
    async with World(shamir=True, deadline_s=5) as world:
        with pytest.raises(Refused, match="noise"):
            await world.run(noisy, inputs=[None] * 3, decays=decays)


async def test_traffic_is_the_same_for_other_noise():
    shapes = []
    for seed in (1, 2):
        async with World(seed=seed, shamir=True) as world:
            await world.run(noisy, inputs=[None] * 3)
            shapes.append(world.meter.shape())
    assert shapes[0] == shapes[1]


async def test_what_is_sent_of_a_half_is_as_wide_as_the_field():
    """Shares of bits are no bits: nearly all have a one among their highest twelve bits."""
    async with World(shamir=True, keep=True) as world:
        await world.run(noisy, inputs=[None] * 3)
        sent = [octets for octets in world.meter.seen.values() if len(octets) > 1000]
    s = sizes(3)["s"]
    shares = [int.from_bytes(octets[at : at + s], "little") for octets in sent for at in range(0, len(octets), s)]
    assert len(shares) == drawing(3) * 2 * bits_of(DECAYS) * 3
    assert sum(share >> (modulus(64).bit_length() - 12) > 0 for share in shares) > 0.99 * len(shares)
