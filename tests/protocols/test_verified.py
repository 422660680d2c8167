"""A party that lies in anything it sends: every honest party ends before any of the answer has left it.

Could a party tell anything beyond the leakage line? It receives hashes and parts of coins, shares of degree t of inner
products, and what opens at the end: two numbers that hang on a random product of numbers nobody knows, which another
run gives anew, their product, and 0. The test of views looks at them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from glovebox.algebra.primes import further
from glovebox.errors import IntegrityError
from glovebox.protocols import claims, conversion, entry, noise, shared_bits
from glovebox.protocols import verified as module
from glovebox.protocols.claims import MOST_PARTS, PROOF_PARTS, BitsClaim, NumbersClaim, inner_of
from glovebox.protocols.conversion import secure_totals
from glovebox.protocols.finishing import Finishing, Part, finish
from glovebox.protocols.verified import FIRST_PARTS, LAST_PARTS, falls, largest_frame, traffic, verified
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.context import Context
from glovebox.runtime.engine import modulus
from glovebox.runtime.exchange import Exchange
from glovebox.runtime.shamir import Shamir
from glovebox.runtime.shares import at_zero, decode, encode, split, width
from glovebox.runtime.world import World

from .lying import STAGES, answered, is_right, run
from .opening import opened, sizes

LIAR = 2
LAST = "held"  # who hears that all were content has checked already


def flipped(packet):
    octets = bytearray(packet.octets)
    octets[0] ^= 1
    return [packet._replace(octets=memoryview(octets))]


def bent(packet):
    """A bit in the middle: of another number, or another bit."""
    octets = bytearray(packet.octets)
    octets[len(octets) // 2] ^= 0x10
    return [packet._replace(octets=memoryview(octets))]


async def ended(stage, m=3, honest=None, tamper=None):
    """Check that no party gets an answer, and all that are honest an error."""
    answers, errors, _ = await run(stage, m, tamper)
    assert answers == [None] * m, tamper or stage
    assert set(honest or range(m)) <= set(errors), tamper or stage
    return errors


async def sweep(stage, m, fault, step=1):
    """Bend one frame of a run, and see what comes of it."""
    _, errors, meter = await run(stage, m)
    assert not errors
    for frame in list(meter.frames)[::step]:
        if frame.step.startswith("reveal") or frame.step.endswith(LAST):
            answers, _, _ = await run(stage, m, (frame, fault))
            assert all(is_right(answer, stage) for answer in answers if answer), frame
        else:
            await ended(stage, m, tamper=(frame, fault))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("m", [3, 4, 5])
async def test_honest_parties_get_the_answer(stage, m):
    answers, errors, _ = await run(stage, m)
    assert not errors
    assert [answer is not None for answer in answers] == [True, True, *[False] * (m - 2)]
    assert all(is_right(answer, stage) for answer in answers[:2])


@pytest.mark.parametrize("fault", [flipped, bent])
@pytest.mark.parametrize("stage", ["threshold", "noise", "having"])
async def test_no_bent_frame_makes_an_answer(stage, fault):
    await sweep(stage, 3, fault)


@pytest.mark.parametrize(("stage", "m", "step"), [
    ("nested", 3, 3), ("quotient", 3, 11), ("threshold", 4, 7), ("noise", 5, 31), ("quotient", 5, 211),
])  # fmt: skip
async def test_nor_does_one_among_more_steps_and_more_parties(stage, m, step):
    await sweep(stage, m, flipped, step)


class Lie:
    """Once, at the given one of its calls, a party adds to what it does; counts the calls otherwise."""

    def __init__(self, place=-1):
        self.place, self.calls = place, 0

    def now(self, mine=True):
        self.calls += mine
        return mine and self.calls - 1 == self.place


def lies_in_numbers(monkeypatch, lie):
    """In what it shares of numbers: products and bits, not its own input. All shares belong together."""
    deal = Exchange.deal

    def dealt(self, label, values, modulus):
        if lie.now(self.me == LIAR and not label.startswith("in/shares")):
            values = (values + np.eye(1, len(values), dtype=int)[0].astype(object) * 2) % modulus
        return deal(self, label, values, modulus)

    monkeypatch.setattr(Exchange, "deal", dealt)


def lies_in_bits(monkeypatch, lie):
    deal = shared_bits._dealt

    async def dealt(ctx, secrets):
        if lie.now(ctx.party == LIAR):
            secrets = secrets.copy()
            secrets.reshape(-1)[-1] ^= 1
        return await deal(ctx, secrets)

    monkeypatch.setattr(shared_bits, "_dealt", dealt)


def lies_in_the_check(monkeypatch, lie):
    """In the inner products that it shares again, for both fields, and in what it opens."""
    for kind, plus in ((NumbersClaim, lambda x, p: (x + 1) % p), (BitsClaim, lambda x, p: x ^ np.uint8(1))):

        def split(self, products, private, t, m, own=kind.split, plus=plus):
            if lie.now(Speaker.party == LIAR):
                products = plus(products, getattr(self, "p", 0))
            return own(self, products, private, t, m)

        def ends(self, own=kind.ends):
            octets = bytearray(own(self))
            if lie.now(Speaker.party == LIAR):
                octets[-width(getattr(self, "p", 255))] ^= 1
            return bytes(octets)

        monkeypatch.setattr(kind, "split", split)
        monkeypatch.setattr(kind, "ends", ends)
    monkeypatch.setattr(module, "_reshared", spoken(module._reshared))
    monkeypatch.setattr(module, "_open_ends", spoken(module._open_ends))


class Speaker:
    """Whose turn it is, until it first waits."""

    party = -1


def spoken(function):
    async def called(ctx, *args):
        Speaker.party = ctx.party
        return await function(ctx, *args)

    return called


@pytest.mark.parametrize("kind", [lies_in_numbers, lies_in_bits, lies_in_the_check])
@pytest.mark.parametrize("stage", ["threshold", "noise", "nested", "quotient"])
async def test_shares_that_belong_together_are_of_the_right_product(stage, kind, monkeypatch):
    """Each thing that one party shares again, one after the other: nobody could tell from the shares alone."""
    count = Lie()
    with monkeypatch.context() as patch:
        kind(patch, count)
        assert not (await run(stage))[1]
    assert count.calls
    for place in range(0, count.calls, 1 + count.calls // 12):
        with monkeypatch.context() as patch:
            kind(patch, Lie(place))
            errors = await ended(stage)
        assert any(isinstance(error, IntegrityError) for error in errors.values()), place


@pytest.mark.parametrize(
    ("stage", "opens"), [("nested", "finish/nesting/level0/masked"), ("quotient", "newton0/masked")]
)
async def test_what_hangs_on_products_of_products_opens_when_these_are_checked(stage, opens, monkeypatch):
    """A lie in one could make a number longer than its mask, so nobody sends its share of it before the check."""
    lie = Lie(1)  # in a coin, after the product of the conversion
    lies_in_numbers(monkeypatch, lie)
    _, errors, meter = await run(stage)
    assert set(errors) == {0, 1, 2}
    assert lie.calls > 1
    assert any("checked/seen" in frame.step or "groups/seen" in frame.step for frame in meter.frames)
    assert not any(opens in frame.step for frame in meter.frames)


def deals_out_of_range(monkeypatch, holder, plus, place=0):
    """A holder of ring shares adds to one of the bits that it deals, the first or last."""
    deal = Exchange.deal

    def dealt(self, label, values, p):
        if self.me == holder and label.startswith("in/shares"):
            values = (values + np.eye(1, len(values), place % len(values), dtype=int)[0].astype(object) * plus) % p
        return deal(self, label, values, p)

    monkeypatch.setattr(Exchange, "deal", dealt)


@pytest.mark.parametrize("stage", ["threshold", "noise", "nested", "quotient"])
@pytest.mark.parametrize("holder", [0, 1])
@pytest.mark.parametrize("place", [0, -1])  # of how often it wrapped, and a top bit
@pytest.mark.parametrize("plus", [2, 2**40, 2**100])
async def test_a_holder_that_deals_out_of_range_ends_the_run_before_anything_of_it_opens(
    stage, holder, place, plus, monkeypatch
):
    deals_out_of_range(monkeypatch, holder, plus, place)
    answers, errors, meter = await run(stage)
    assert answers == [None] * 3
    assert set(errors) == {0, 1, 2}
    assert any(isinstance(error, IntegrityError) for error in errors.values())
    assert not any("finish/tests" in frame.step for frame in meter.frames)


@pytest.mark.parametrize("m", [3, 4, 5])
async def test_no_top_bit_opens_where_another_number_opened_to_one(m):
    """Its share of that bit would be off by what it holds of the masks' bits, and all others' words tell it."""
    _, _, honest = await run("threshold", m)
    masked = [frame for frame in honest.frames if frame.step == "finish/tests/masked"]
    assert masked
    for frame in masked:
        errors, meter = (await run("threshold", m, (frame, flipped)))[1:]
        assert set(errors) == set(range(m))
        assert not any(frame.step == "finish/tests/top" for frame in meter.frames)


@pytest.mark.parametrize("people", [3, 4, 5, 6])
async def test_whether_a_group_shows_is_one_bit_whatever_is_said_of_its_people(people, monkeypatch):
    """Told to have 1025 - 5 more people, modulo 2^11, a group of at least 5 has fewer than none."""
    masks, holder = entry._masks, 2
    finishing = Finishing(1, (1000, 2**40), 0, 10, True, (Part("total", 0), Part("total", 1)))

    def more(ctx, sender, *args):
        known, share = masks(ctx, sender, *args)
        return (known + np.array([[1020], [0]], object), share) if ctx.party == sender == holder else (known, share)

    async def shown(ctx, mine):
        totals, held = np.array([[people], [5]], np.uint64), np.array([[700], [2**60]], np.uint64)
        ring = np.array([[2**32 - 1], [2**64 - 1]], np.uint64)
        share = {0: totals - held & ring, holder: held & ring}.get(ctx.party)
        secret = await secure_totals(ctx.narrow("in"), finishing.bits, (32, 64), finishing.most, 1, 0, holder, share)
        finished = await finish(ctx.narrow("finish"), finishing, secret)
        await verified(ctx.narrow("verified"))
        return await ctx.shamir.shares(finished)

    monkeypatch.setattr(entry, "_masks", more)
    async with World(shamir=True) as world:
        outs = await world.run(shown, inputs=[None] * 3)
    assert opened(outs, finishing.bits)[0] in (0, 1)


@pytest.mark.parametrize(
    ("stage", "opens"), [("nested", "finish/nesting/level0/masked"), ("quotient", "newton0/masked")]
)
async def test_so_does_one_that_tells_others_different_numbers(stage, opens):
    _, _, honest = await run(stage)
    told = [frame for frame in honest.frames if frame.step == "in/shares/told"]
    assert {frame.sender for frame in told} == {0, 1}
    for frame in told:
        answers, errors, meter = await run(stage, tamper=(frame, flipped))
        assert answers == [None] * 3
        assert set(errors) == {0, 1, 2}
        assert not any(opens in frame.step for frame in meter.frames)


@pytest.mark.parametrize(
    ("stage", "opens"), [("nested", "finish/nesting/level0/masked"), ("quotient", "newton0/masked")]
)
async def test_nor_may_it_take_a_share_itself_that_fits_what_it_told_others(stage, opens, monkeypatch):
    """Told d and d + 1, the parties at 1 and 3 have shares of d - 1/2, far out of range, if its own is d + 1/2."""
    liar, half, send, masks = 1, pow(2, -1, modulus(STAGES[stage].bits)), Context.send, entry._masks

    async def sent(self, to, array, name=""):
        if (self.party, to, self.label(name)) == (liar, 2, "in/shares/told"):
            array = array + np.eye(1, array.size, dtype=np.uint64).reshape(array.shape)
        await send(self, to, array, name)

    def held(ctx, sender, *args):
        known, share = masks(ctx, sender, *args)
        first = np.eye(1, share.size, dtype=int).reshape(share.shape).astype(object)
        return known, share - half * first if ctx.party == sender == liar else share

    monkeypatch.setattr(Context, "send", sent)
    monkeypatch.setattr(entry, "_masks", held)
    answers, errors, meter = await run(stage)
    assert answers == [None] * 3
    assert set(errors) == {0, 1, 2}
    assert not any(opens in frame.step for frame in meter.frames)


@pytest.mark.parametrize("stage", ["nested", "quotient"])
@pytest.mark.parametrize("wraps", [0, 1])
@pytest.mark.parametrize("told", [0, -1])
@pytest.mark.parametrize("holder", [0, 1])
async def test_whatever_else_a_holder_says_what_opens_is_not_longer_than_its_mask_allows(
    stage, wraps, told, holder, monkeypatch
):
    """In the place of masks stand constants. One party enters other numbers and wraps: these it can prove."""
    bits, masks, seen = entry._bits, Shamir.masks, []

    def constant(self, label, bits, count, places, less=0):
        whole, low, words = masks(self, label, bits, count, places, less)
        return 0 * whole + (1 << bits - less), 0 * low, [0 * line for line in words]

    async def opened(self, label, shares, integers, own=Shamir.opened_masked):
        values, p = await own(self, label, shares, integers), modulus(integers)
        seen.extend((value - p * (value > p // 2), integers) for value in values)
        return values

    def said(ctx, own):
        return 0 * bits(ctx, own) + wraps if ctx.party == holder else bits(ctx, own)

    async def entered(ctx, bits, rings, columns, senders, mine, tops):
        if ctx.party == holder:
            mine = np.array([[told % (1 << ring)] * columns for ring in rings], object)
        return await entry.entered(ctx, bits, rings, columns, senders, mine, tops)

    monkeypatch.setattr(Shamir, "masks", constant)
    monkeypatch.setattr(Shamir, "opened_masked", opened)
    monkeypatch.setattr(entry, "_bits", said)
    monkeypatch.setattr(conversion, "entered", entered)
    _, errors, _ = await run(stage)
    assert not errors
    assert seen
    assert all(0 <= value < 2 << integers for value, integers in seen)


async def test_two_of_five_cannot_open_one_wrong_value_to_all(monkeypatch):
    """Each honest party opens from three shares, one of them a liar's, so that all see the same wrong value."""
    liars, shift, opened = (1, 3), 5, Exchange.opened

    def window(party):
        return tuple((party - k) % 5 for k in (2, 1, 0))

    async def told(self, label, shares, p, degree):
        if self.me not in liars or not label.endswith("masked"):
            return await opened(self, label, shares, p, degree)
        for peer in ((self.me + k) % 5 for k in (1, 2)):
            weight = at_zero(window(peer), p)[window(peer).index(self.me)]
            wrong = 0 if peer in liars else shift * pow(weight, -1, p)
            self._links[peer].post(label, encode(((shares + wrong) % p).tolist(), p))
        seen = [await self.taken(label, peer, p, len(shares)) for peer in window(self.me)[:2]]
        value = sum(w * s for w, s in zip(at_zero(window(self.me), p), [*seen, shares], strict=True))
        return (value + shift) % p

    monkeypatch.setattr(Exchange, "opened", told)
    met = [error.summary for error in (await ended("threshold", 5)).values()]
    assert "a party did not compute what it should" in met
    assert not any("different shares" in summary for summary in met)


@pytest.mark.parametrize("m", [4, 6])
async def test_a_share_on_no_polynomial_tells_nothing_when_the_check_fails(m, monkeypatch):
    """Were products of other senders than the check's, what opens at the end would tell what hid groups have."""
    deal, holds, bent_, ends = Exchange.deal, NumbersClaim.holds, [], []

    def dealt(self, label, values, p):
        if self.me != LIAR or not label.startswith("shamir/") or bent_:
            return deal(self, label, values, p)
        bent_.append(label)  # whether a group shows: the next product is of it and its totals
        shares = split(values, p, self.threshold, self.m)
        for peer, link in self._links.items():
            link.post(label, encode(((shares[peer] + 5 * (peer == 0)) % p).tolist(), p))
        return shares[self.me]

    def held(self, every, t):
        ends.append([decode(one, self.p, claims.ENDS) for one in every])
        return holds(self, every, t)

    monkeypatch.setattr(Exchange, "deal", dealt)
    monkeypatch.setattr(NumbersClaim, "holds", held)
    await ended("having", m)
    p, t = modulus(64), (m - 1) // 2
    u, v, product, _ = (list(line) for line in zip(*ends[0], strict=True))
    inner = sum(w * x * y for w, x, y in zip(at_zero(tuple(range(2 * t + 1)), p), u, v, strict=False)) % p
    unbent = tuple(range(1, t + 2))
    assert inner == sum(w * product[party] for w, party in zip(at_zero(unbent, p), unbent, strict=True)) % p


@pytest.mark.parametrize("m", [3, 5])
@pytest.mark.parametrize("wrong", [2, -1, 2**40, 2**125])
async def test_noise_that_is_no_bits_ends_the_run_at_all(m, wrong, monkeypatch):
    as_bits = noise._as_bits

    def altered(ctx, decays, groups):
        bits = as_bits(ctx, decays, groups)
        if ctx.party == 1:
            bits[len(bits) // 2] = wrong
        return bits

    proof = claims._DealtBits.proof

    def proved(self):
        own = self._own
        if own is not None and own.dtype == object:  # as if they were bits
            self._own = np.array([bit & 1 for bit in own], np.int64)
        return proof(self)

    monkeypatch.setattr(noise, "_as_bits", altered)
    monkeypatch.setattr(claims._DealtBits, "proof", proved)
    errors = await ended("noise", m)
    assert wrong < 9 or str(wrong) not in str([vars(error) for error in errors.values()])


async def test_a_product_that_nothing_is_known_of_is_refused():
    async def unknown(ctx, mine):
        array = ctx.shamir.integers(64).array
        ((a,),) = ctx.shamir.runtime.input([array(np.array([3], dtype=object))], senders=[0])
        await ctx.shamir.shares(a < 5)  # by MPyC's own protocol
        await verified(ctx)

    async with World(shamir=True) as world:
        errors = await world.fails(unknown, inputs=[None] * 3)
    assert all("cannot be checked" in error.summary for error in errors.values())


async def test_bits_without_numbers_do_not_pass_unchecked():
    async def alone(ctx, mine):
        await shared_bits.anded(ctx.narrow("and"), np.ones(4, np.uint8), np.ones(4, np.uint8))
        await verified(ctx.narrow("verified"))

    async with World(shamir=True) as world:
        assert set(await world.fails(alone, inputs=[None] * 3)) == {0, 1, 2}


@pytest.mark.parametrize("m", [3, 4, 5])
@pytest.mark.parametrize("stage", ["threshold", "noise"])
async def test_the_card_holds(stage, m, monkeypatch):
    found = []
    settled = module.falls

    def noted(*numbers):
        found.append(numbers)
        return settled(*numbers)

    monkeypatch.setattr(module, "falls", noted)
    _, errors, meter = await run(stage, m)
    assert not errors
    for path, (numbers, bits, dealt), last in (("verified/", found[-1], 1), ("finish/checked/", found[0], 0)):
        frames = [frame for frame in meter.frames if frame.step.startswith(path)]
        card, counted = terms(module.__doc__), traffic(numbers, bits, sizes(m)["s"], dealt)
        assert counted["l"] == 1 or path == "verified/" or m == 5  # with more to check
        size = value_of(card["Bytes"], {**sizes(m), "m": m, **counted})
        assert sum(frame.size for frame in frames) == size - (1 - last) * m * (m - 1)  # of the word that all hold it
        rounds = {frame.round for frame in frames}
        assert max(rounds) - min(rounds) + 1 == value_of(card["Rounds"], counted) - (1 - last)
        assert max(frame.size for frame in frames) <= largest_frame(sizes(m)["s"])


@pytest.mark.parametrize("dealt", [[], [1, 2], [35] * 3, [10**4] * 6])
@pytest.mark.parametrize("numbers", [1, 2, 31, 32, 1000, 12345, 10**6])
@pytest.mark.parametrize("bits", [1, 127, 128, 10**4, 10**7])
def test_claims_fall_to_one_product(numbers, bits, dealt):
    columns, inner = sum(-(-count // PROOF_PARTS) for count in dealt), inner_of(bits)
    plan = falls(numbers, bits, dealt)
    if len(plan) == 1:
        numbers += sum(dealt)
    for place, (one, other) in enumerate(plan[:-1]):
        numbers, columns = -(-numbers // one) + columns, 0
        bits = -(-bits // (other * inner)) * inner if place == 0 else -(-bits // other)
    one, other = plan[-1]
    assert numbers + 1 == one <= LAST_PARTS
    assert bits + 1 <= other <= MOST_PARTS
    assert plan[0][0] <= (FIRST_PARTS if len(plan) > 1 else LAST_PARTS)


@pytest.mark.parametrize(
    ("sizes", "times"), [((31, 127), 1), ((28, 127, [1, 2]), 1), ((32, 0), 2), ((1, 128), 2), ((30, 0, [2]), 2)]
)
def test_few_claims_fall_once(sizes, times):
    assert len(falls(*sizes)) == times


def test_what_proves_bits_does_not_overflow():
    assert max(sum(map(abs, weights)) for weights in further(PROOF_PARTS)) < 2**30


async def test_what_opens_at_the_end_is_random_but_for_the_zero():
    seen = [[], []]
    for _ in range(20):
        async with World(shamir=True, keep=True) as world:
            await world.run(answered, inputs=[None] * 3, stage="threshold")
            for part, step in enumerate(("verified/ends", "finish/checked/ends")):
                seen[part] += [octets for (_, _, path), octets in world.meter.seen.items() if path == step]
    size, lanes = width(modulus(64)), 7
    assert {len(octets) for octets in seen[0]} == {4 * (size + lanes)}
    assert {len(octets) for octets in seen[1]} == {4 * size}
    for part, start, end in ((0, 0, 3 * size - 1), (0, 4 * size, 4 * size + 3 * lanes), (1, 0, 3 * size - 1)):
        counts = Counter(octet for octets in seen[part] for octet in octets[start:end])
        assert max(counts.values()) < 0.05 * counts.total()


def test_no_point_is_one_of_the_parts():
    drawn = [np.array([5, 0, 0, 0, 0, 0, 0], np.uint8), np.array([5, 0, 0, 0, 0, 0, 1], np.uint8)]
    coin = SimpleNamespace(read=lambda *_: drawn.pop(0))
    assert claims._point(coin).tolist() == [5, 0, 0, 0, 0, 0, 1]


async def test_a_party_that_commits_to_two_coins_is_found_out(monkeypatch):
    exchanged = module.exchanged

    async def twofold(ctx, mine):
        if ctx.party == LIAR and ctx.path.endswith("seen"):
            others = [party for party in ctx.parties if party != ctx.party]
            for place, party in enumerate(others):
                octets = mine[:-1] + bytes([mine[-1] ^ place])
                await ctx.send(party, np.frombuffer(octets, np.uint8))
            return {party: (await ctx.receive(party, np.uint8, len(mine))).tobytes() for party in others}
        return await exchanged(ctx, mine)

    monkeypatch.setattr(module, "exchanged", twofold)
    await asyncio.wait_for(ended("threshold"), 30)
