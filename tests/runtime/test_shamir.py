"""What sets of parties draw and share without a word; and what is noted, to be checked."""

from __future__ import annotations

import numpy as np
import pytest

from glovebox.algebra import gf256
from glovebox.runtime.engine import SEC_PARAM, modulus
from glovebox.runtime.noted import Noted, Openings, Products
from glovebox.runtime.prss import sets_of, subsets
from glovebox.runtime.shares import of_set, recombined
from glovebox.runtime.world import World

BITS = 64
P = modulus(BITS)


@pytest.mark.parametrize("m", [3, 4, 5, 9])
def test_a_set_shares_what_it_draws_and_nobody_else_has_a_share_but_zero(m):
    t = (m - 1) // 2
    assert len(subsets(m, t)) == sets_of(m)
    for subset in subsets(m, t):
        shares = {party: [5 * of_set(party, subset, m, P) % P] for party in range(m)}
        assert recombined(shares, P, t, "test") == [5]
        bits = [
            gf256.times(np.full(1, 5, np.uint8), np.full(1, gf256.of_set(i, subset, m), np.uint8)) for i in range(m)
        ]
        assert gf256.belong_together(bits, t)
        assert gf256.combined(bits[: t + 1], tuple(range(t + 1))) == 5
        for party in set(range(m)) - set(subset):
            assert (shares[party], bits[party]) == ([0], 0)


def test_a_share_that_is_bent_does_not_belong():
    shares = list(gf256.split(np.arange(9, dtype=np.uint8), np.full((1, 9), 7, np.uint8), 4))
    assert gf256.belong_together(shares, 1)
    shares[3] = shares[3] ^ np.eye(1, 9, dtype=np.uint8)[0]
    assert not gf256.belong_together(shares, 1)


@pytest.mark.parametrize("m", [3, 5, 9])
async def test_masks_fill_the_field_and_their_sum_does_not_wrap(m):
    async def drawn(ctx, mine, *, less):
        whole, low, _ = ctx.shamir.masks("masks", BITS, 200, 20, less)
        return [(share % P).tolist() for share in (whole, low)]

    for less in (0, 11):
        async with World(m, shamir=True) as world:
            outs = await world.run(drawn, inputs=[None] * m, less=less)
        whole, low = (recombined(dict(enumerate(out)), P, (m - 1) // 2, "test") for out in zip(*outs, strict=True))
        assert 0 < min(whole) <= max(whole) < 2 ** (BITS + SEC_PARAM + 1 - less)
        assert max(whole) > 2 ** (BITS + SEC_PARAM - 2 - less)
        assert max(low) < sets_of(m) << 20
        assert all((one - value) % 2**20 == 0 for one, value in zip(whole, low, strict=True))


async def test_noted_bits_and_a_product_are_there_under_their_labels_once():
    async def computed(ctx, mine):
        ((first, second),) = await ctx.shamir.dealt("in", [0], mine, (2, 3), BITS)
        await ctx.shamir.multiplied("product", first, second, BITS)
        ctx.shamir.note_dealt("bits", 0, first, None if mine is None else mine[0], BITS)
        noted, after = await ctx.shamir.settled(), await ctx.shamir.settled()
        return noted.products, [*noted.numbers.products, *noted.dealt], after.products, len(after.dealt)

    async with World(shamir=True) as world:
        outs = await world.run(computed, inputs=[np.ones((2, 3), object), None, None])
    assert outs == [((3, 0), ["product", "bits"], (0, 0), 0)] * 3


def test_what_is_noted_stands_in_the_order_of_labels_whoever_was_faster():
    one, other = Noted(), Noted()
    for noted, labels in ((one, "ab"), (other, "ba")):
        for label in labels:
            value = np.array([ord(label)], object)
            noted.in_field(P).products[label] = Products(value, value, value)
            noted.in_field(P).openings[label] = Openings(value, value)
            noted.tell(label, label.encode())
    assert one.digest == other.digest
    assert [each.x.tolist() for each in (one.numbers.every(object)[0], other.numbers.every(object)[0])] == [
        [97, 98]
    ] * 2
    other.tell("a", b"else")
    assert one.digest != other.digest


def test_a_session_has_one_field_of_numbers():
    noted = Noted()
    noted.in_field(P)
    with pytest.raises(RuntimeError, match="two fields"):
        noted.in_field(modulus(65))
