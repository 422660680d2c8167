"""Two parties' shares of totals are finished in one circuit and opened to receivers, as with three parties."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.algebra.laplace import decay
from glovebox.errors import BadFrame, IntegrityError, Refused
from glovebox.protocols.finishing import Finishing, Part
from glovebox.protocols.having import Bound
from glovebox.protocols.two_party import finishing as module
from glovebox.protocols.two_party import reveal
from glovebox.protocols.two_party.finishing import Ending, finish, noisy
from glovebox.protocols.two_party.prepared import prepare
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.context import Context, Ground
from glovebox.runtime.world import World, blames, cut_short, too_long

from ..noise import assert_noise

MICRO = 10**6
MOST = (1000, 10**9, 1000)  # people, a sum, its count
RINGS = (32, 64, 32)
PARTS = (Part("total", 0), Part("total", 1), Part("null", over=2))
CLAUSE = "rules.sums"


def shares_of(totals, rings=RINGS, seed=1):
    """Two additive shares of totals (totals, groups), below 2^ring."""
    rng = np.random.default_rng(seed)
    one = rng.integers(0, 1 << 64, np.shape(totals), dtype=np.uint64)
    two = np.array([[int(x) % 2**64 for x in line] for line in totals], np.uint64) - one
    masks = np.array([[(1 << ring) - 1] for ring in rings], np.uint64)
    return one & masks, two & masks


async def finished(ctx, own, ending):
    prepared, shares = own
    return await finish(ctx, ending, prepared, shares)


async def stored(totals, finishing, rings=RINGS, seed=1, runs=1):
    """Both parties' openings, and the meter of finishing alone."""
    ending = Ending(finishing, rings)
    one, two = shares_of(totals, rings, seed)
    async with World(2, seed=seed, keep=True) as world:
        made = await world.run(prepare, needs=ending.needs())
        got = await world.run(finished, ending=ending, query=(made.query, one), table=(made.table, two))
    return ending, [got.query, got.table], world.meter


async def revealed(ctx, opening, *, ending, receivers, clause=CLAUSE):
    return await reveal.reveal_to_receivers(ctx, ending, opening, receivers, clause)


async def opened(totals, finishing, rings=RINGS, receivers=(0,)):
    ending, openings, _ = await stored(totals, finishing, rings)
    async with World(2) as world:
        answers = await world.run(revealed, inputs=openings, ending=ending, receivers=receivers)
    return answers, world.meter


groups = st.tuples(st.sampled_from([0, 1, 9, 10, 11, 1000]), st.integers(-(10**9), 10**9), st.sampled_from([0, 1, 999]))


@settings(max_examples=12)
@given(st.lists(groups, min_size=1, max_size=6), st.booleans())
async def test_shown_groups_open_as_they_are_and_hidden_ones_as_zeros(groups, zero_shown):
    finishing = Finishing(len(groups), MOST, 0, 10, zero_shown, PARTS, m=2)
    (answer, none), _ = await opened([list(column) for column in zip(*groups, strict=True)], finishing)
    assert none is None
    for (people, total, count), shown, got in zip(groups, answer.shown, answer.parts.T.tolist(), strict=True):
        visible = people >= 10 or (zero_shown and people == 0)
        assert shown == visible
        assert got == ([people, total, int(count == 0)] if visible else [0, 0, 0])


async def test_an_average_inside_is_rounded_half_to_even_and_shares_its_null_flag():
    parts = (Part("quotient", 1, 2, -(10**5), 10**6), Part("null", over=2), Part("total", 0))
    totals = [[10, 9, 12, 11, 50], [7, 5, 0, -50000, 3], [3, 1, 0, 7, 64]]
    (answer, _), _ = await opened(totals, Finishing(5, MOST, 0, 10, False, parts, m=2))
    rounded = [round(Fraction(MICRO * t, n)) if n else 0 for t, n in zip(totals[1], totals[2], strict=True)]
    assert answer.parts.tolist() == [
        [rounded[0], 0, 0, rounded[3], rounded[4]],
        [0, 0, 1, 0, 0],
        [10, 0, 12, 11, 50],
    ]


async def test_a_group_whose_totals_do_not_meet_a_bound_is_not_shown():
    bounds = (Bound(((1, 2), (0, -3)), 7), Bound(((1, -1),), 10**6))  # 2 sum - 3 people + 7 >= 0, sum <= 10^6
    people, sums = [10, 10, 10, 9, 12], [11, 12, -5, 500, 10**6 + 1]
    finishing = Finishing(5, MOST, 0, 10, False, (Part("total", 1),), m=2, having=bounds)
    (answer, _), _ = await opened([people, sums, [0] * 5], finishing)
    assert answer.shown.tolist() == [False, True, False, False, False]
    assert answer.parts.tolist() == [[0, 12, 0, 0, 0]]


async def test_of_a_count_only_its_band_may_open():
    parts = (Part("band", 0, edges=(10, 20, 50)),)
    (answer, _), _ = await opened(
        [[9, 10, 19, 20, 50, 999], [0] * 6, [0] * 6], Finishing(6, MOST, 0, 10, False, parts, m=2)
    )
    assert answer.parts.tolist() == [[0, 1, 1, 2, 3, 3]]


@pytest.mark.parametrize(("people", "threshold"), [(2**31 - 1, 1), (2**31 - 1, 2**31 - 1), (5, 2**31 - 1)])
async def test_thresholds_hold_at_the_ends_of_the_ring(people, threshold):
    finishing = Finishing(1, (2**31 - 1,), 0, threshold, False, (Part("total", 0),), m=2)
    (answer, _), _ = await opened([[people]], finishing, (32,))
    assert answer.shown.tolist() == [people >= threshold]


async def test_the_cards_hold_and_traffic_is_the_same_whatever_is_shown():
    finishing = Finishing(3, MOST, 0, 10, True, (*PARTS, Part("quotient", 1, 2, 0, 10**6)), m=2)
    shapes = []
    for counts in ([0, 0, 0], [1, 10, 1000]):
        ending, _, meter = await stored([counts] * 3, finishing)
        shapes.append(meter.shape())
        card = terms(module.__doc__)
        assert (meter.rounds, meter.size) == tuple(
            value_of(card[line], ending.traffic()) for line in ("Rounds", "Bytes")
        )
        assert max(frame.size for frame in meter.frames) <= ending.largest_frame
    assert shapes[0] == shapes[1]
    for receivers, both in (((0,), 0), ((1,), 0), ((0, 1), 1)):
        _, meter = await opened([[10]] * 3, Finishing(1, MOST, 0, 10, False, PARTS, m=2), receivers=receivers)
        sizes = {
            "s": Ending(Finishing(1, MOST, 0, 10, False, PARTS), RINGS).opening_bytes,
            "f": len(receivers),
            "B": both,
        }
        card = terms(reveal.__doc__)
        assert (meter.rounds, meter.size) == tuple(value_of(card[line], sizes) for line in ("Rounds", "Bytes"))


async def test_every_frame_and_every_opening_is_noise_by_itself():
    finishing = Finishing(4, MOST, 0, 10, False, PARTS, m=2)
    ending = Ending(finishing, RINGS)
    nothing = np.zeros((3, 4), np.uint64)
    seen = {}
    async with World(2, seed=4, keep=True) as world:
        for _ in range(30):
            made = await world.run(prepare, needs=ending.needs())
            got = await world.run(finished, ending=ending, query=(made.query, nothing), table=(made.table, nothing))
            frames = world.meter.seen | {(0, 0, "own"): got.query, (1, 1, "own"): got.table}
            for frame, octets in frames.items():
                seen.setdefault(frame, []).append(np.frombuffer(octets, np.uint8))
    assert len(seen) == 4 + 2
    for frame, octets in seen.items():
        whole = ending.widths and sum(ending.widths) * 4 // 8  # the last byte's spare bits are 0
        assert_noise(frame, np.stack(octets)[:, :whole] if frame[2] == "own" else np.stack(octets))


@pytest.mark.parametrize("receivers", [(0,), (1,), (0, 1)])
async def test_receivers_and_nobody_else_get_the_answer_and_one_salt_again_and_again(receivers):
    finishing = Finishing(3, MOST, 0, 10, False, PARTS, m=2)
    ending, openings, _ = await stored([[12, 3, 40], [-700, 5, 2**30], [1, 0, 0]], finishing)
    salt = bytes(a ^ b for a, b in zip(openings[0][-32:], openings[1][-32:], strict=True))
    for _ in range(2):
        async with World(2) as world:
            answers = await world.run(revealed, inputs=openings, ending=ending, receivers=receivers)
        assert [answer is not None for answer in answers] == [party in receivers for party in range(2)]
        for answer in filter(None, answers):
            assert answer.shown.tolist() == [True, False, True]
            assert answer.parts.tolist() == [[12, 0, 40], [-700, 0, 2**30], [0, 0, 1]]
            assert answer.salt == salt


async def test_a_receiver_that_computes_nothing_opens_what_it_is_sent():
    ending, openings, _ = await stored([[12], [-7], [0]], Finishing(1, MOST, 0, 10, False, PARTS, m=2))

    async def three(ctx, mine):
        ground = Ground(**{**vars(ctx._ground), "parties": (0, 1)})
        ctx = Context(ground).narrow("reveal")
        if ctx.party == 2:
            return await reveal.reveal_from_parties(ctx, ending, (0, 1), CLAUSE)
        return await reveal.reveal_to_receivers(ctx, ending, mine, (2,), CLAUSE)

    async with World(3) as world:
        answers = await world.run(three, inputs=[*openings, None])
    assert answers[:2] == [None, None]
    assert answers[2].parts.tolist() == [[12], [-7], [1]]


async def test_who_opens_what_it_has_not_committed_to_is_named():
    ending, openings, _ = await stored([[12], [-7], [0]], Finishing(1, MOST, 0, 10, False, PARTS, m=2))

    async def late(ctx, mine):
        if ctx.party == 0:
            return await reveal.reveal_to_receivers(ctx, ending, mine, (0, 1), CLAUSE)
        await ctx.send(0, np.frombuffer(hashlib.sha256(mine).digest(), np.uint8), "commitment")
        await ctx.receive(0, np.uint8, 32, "commitment")
        other = bytearray(mine)
        other[0] ^= 2
        await ctx.send(0, np.frombuffer(other, np.uint8), "opening")
        return await ctx.receive(0, np.uint8, ending.opening_bytes, "opening")

    async with World(2, deadline_s=5) as world:
        _, errors = await world._session(late, openings, {})
    assert type(errors[0]) is BadFrame
    assert errors[0].lines() == ["party 1 opened what it had not committed to"]


async def test_openings_that_do_not_belong_together_are_told():
    ending, openings, _ = await stored([[3], [-7], [0]], Finishing(1, MOST, 0, 10, False, PARTS, m=2))
    other = bytearray(openings[1])
    other[0] ^= 0b10  # a hidden group's number
    async with World(2, deadline_s=5) as world:
        _, errors = await world._session(revealed, [openings[0], bytes(other)], {"ending": ending, "receivers": (0,)})
    assert type(errors[0]) is IntegrityError


@pytest.mark.parametrize("fault", [cut_short, too_long])
async def test_a_bad_frame_stops_both(fault):
    ending = Ending(Finishing(1, MOST, 0, 10, False, PARTS, m=2), RINGS)
    one, two = shares_of([[12], [-7], [0]])

    async def all_of_it(ctx, shares):
        made = await prepare(ctx.narrow("prepare"), ending.needs())
        opening = await finish(ctx.narrow("finish"), ending, made, shares)
        return await revealed(ctx.narrow("reveal"), opening, ending=ending, receivers=(0, 1))

    async with World(2) as world:
        await world.run(all_of_it, query=one, table=two)
        frames = [frame for frame in world.meter.frames if not frame.step.startswith("prepare")]
    for frame in frames:
        async with World(2, tamper=(frame, fault), deadline_s=10) as world:
            _, errors = await world._session(all_of_it, None, {"query": one, "table": two})
        assert blames(errors[frame.receiver], frame), (frame, errors[frame.receiver].lines())


@pytest.mark.parametrize(
    ("receivers", "adding"),
    [((0,), (False, True)), ((1,), (True, False)), ((0, 1), (True, True)), ((2,), (True, True))],
)
async def test_who_does_not_receive_adds_a_whole_noise(receivers, adding):
    decays = (decay(1, 50), None)
    shares = np.full((2, 2000), 1 << 40, np.uint64)

    async def adds(ctx, own):
        return noisy(ctx, decays, receivers, own)

    async with World(2) as world:
        got = await world.run(adds, query=shares, table=shares)
    for lines, added in zip((got.query, got.table), adding, strict=True):
        noise = (lines - shares).view(np.int64)
        assert not noise[1].any()
        # the variance of a discrete Laplace of scale 50 is about 2 * 50^2
        assert (0.8 < noise[0].var() / (2 * 50**2) < 1.25) if added else not noise[0].any()


async def test_what_must_not_be_opened_is_refused():
    shares = np.zeros((3, 1), np.uint64)
    bad = [
        Finishing(1, MOST, 0, 0, False, PARTS, m=2),
        Finishing(2, MOST, 0, 10, False, PARTS, m=2),
        Finishing(1, MOST, 0, 10, True, PARTS, (decay(1, 3), decay(1, 3), decay(1, 3)), m=2),
        Finishing(1, MOST, 0, 10, False, (Part("total", 1),), (decay(1, 3), None, None), m=2),
    ]
    for finishing in bad:
        async with World(2) as world:
            with pytest.raises(Refused):
                await world.run(finished, ending=Ending(finishing, RINGS), query=(None, shares), table=(None, shares))
    ending, openings, _ = await stored([[3], [-7], [0]], Finishing(1, MOST, 0, 10, False, PARTS, m=2))
    for opening, clause in ((openings[0], ""), (openings[0][1:], CLAUSE)):
        async with World(2, deadline_s=5) as world:
            with pytest.raises(Refused, match="clause"):
                await world.run(revealed, inputs=[opening] * 2, ending=ending, receivers=(0,), clause=clause)
