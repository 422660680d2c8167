"""Silent transfers: both sides belong together, they look random, and nearly nothing is sent for them."""

from __future__ import annotations

import numpy as np
import pytest

from glovebox.algebra import branches, lpn, transfer_arrays
from glovebox.algebra.ristretto import is_element
from glovebox.protocols.intersection import JoinShape
from glovebox.protocols.totals import Total
from glovebox.protocols.two_party import intersection as joint
from glovebox.protocols.two_party import prepared, silent
from glovebox.protocols.two_party.intersection import JointShape, joined_totals, needs_of
from glovebox.protocols.two_party.prepared import Needs, prepare
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.context import Role
from glovebox.runtime.world import World, blames, cut_short, frames_of, from_another_session, sent_twice, too_long

from ..joins import EVERYTHING, in_the_clear, opened, two_tables
from ..noise import assert_noise

SMALL = (lpn.Code(24, 7, 5),)  # secure for nobody; 768 keys a round, of which 480 are given
TOTALS = (Total(None, None, 32), Total(None, 0, 64))


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(lpn, "CODES", SMALL)
    monkeypatch.setattr(silent, "PIECE_LEAVES", 128)


async def made(ctx, nibbles, blocks):
    """QUERY chooses, TABLE sends."""
    if ctx.role is Role.QUERY:
        return await silent.chosen_transfers(ctx, nibbles, blocks)
    return await silent.sent_transfers(ctx, nibbles, blocks)


made.__module__ = silent.__name__


def assert_belong_together(chosen, sent, blocks):
    places = np.stack([chosen.places & 15, chosen.places >> 4], axis=1).reshape(-1)
    pads = np.unpackbits(chosen.pads, bitorder="little")
    np.testing.assert_array_equal(sent.tables >> places & 1, pads)
    bits = np.unpackbits(chosen.bits, bitorder="little")[:blocks].astype(np.uint64)
    np.testing.assert_array_equal(chosen.keys, sent.keys ^ bits[:, None] * sent.difference)
    assert sent.keys.shape == (blocks, 2)
    return places, pads, bits


@pytest.mark.parametrize("form", ["compiled", "numpy"])
@pytest.mark.parametrize(("nibbles", "blocks"), [(8, 0), (0, 3), (200, 70), (1024, 512)])
async def test_both_sides_of_a_transfer_belong_together(small, monkeypatch, form, nibbles, blocks):
    if form == "numpy":
        for module in (silent, branches):
            monkeypatch.setattr(module, "transfer_kernels", lambda: transfer_arrays)
    async with World(2, seed=nibbles) as world:
        got = await world.run(made, nibbles=nibbles, blocks=blocks)
    assert world.matches_card(made, **silent.sizes(nibbles, blocks))
    places, pads, bits = assert_belong_together(got.query, got.table, blocks)
    if nibbles == 1024:
        assert 400 < int(np.unpackbits(got.table.tables.view(np.uint8)).sum()) // 16 < 624
        assert 400 < int(pads.sum()) < 624
        assert 6 < places.mean() < 9
        assert 200 < int(bits.sum()) < 312


async def test_a_round_of_the_table_makes_what_it_says_all_of_it_different():
    """Of the smallest secure code. The chooser's bits are random, and no key comes twice."""
    code = lpn.CODES[0]
    async with World(2, seed=1) as world:
        got = await world.run(made, nibbles=0, blocks=code.given)
    assert world.matches_card(made, **silent.sizes(0, code.given))
    _, _, bits = assert_belong_together(got.query, got.table, code.given)
    assert abs(bits.mean() - 0.5) < 5 / (2 * code.given**0.5)
    assert len(np.unique(got.table.keys[:, 1])) == code.given
    assert (int(got.table.difference[0]) & 1, int(got.table.keys[:, 0].max()) & 1) == (1, 0)
    assert_noise("bits", np.packbits(bits.astype(np.uint8)).reshape(1, -1))


async def test_two_runs_share_nothing(small):
    async with World(2, seed=1) as world:
        one = await world.run(made, nibbles=64, blocks=64)
        two = await world.run(made, nibbles=64, blocks=64)
    assert (one.table.difference != two.table.difference).all()
    assert not set(one.table.keys.reshape(-1)) & set(two.table.keys.reshape(-1))


async def test_every_frame_is_noise_to_its_receiver(small):
    """The sender is sent nothing beyond the first keys. The chooser is sent sums of the nodes off and on its path, each
    under a key of which it can open one: the other one is that ^ D, of which it knows the lowest bit, which is 1."""
    seen = {}
    async with World(2, seed=5, keep=True) as world:
        for _ in range(2):
            await world.run(prepare, needs=Needs(64, 64, 64, 64), low_traffic=True)
            for frame, octets in world.meter.seen.items():
                seen.setdefault(frame, []).append(np.frombuffer(octets, np.uint8))
    for (sender, _, name), runs in seen.items():
        if "/base/" in name:
            assert all(is_element(point.tobytes()) for point in np.stack(runs).reshape(-1, 32))
        else:
            assert_noise(name, np.stack(runs))
        if "/round" in name:
            assert sender == (1 if name.startswith("by_query") else 0)


@pytest.mark.parametrize("fault", [cut_short, too_long, sent_twice, from_another_session])
async def test_a_bad_frame_stops_both(small, fault):
    for frame in await frames_of(made, parties=2, nibbles=8, blocks=8):
        if "round" not in frame.step:
            continue  # the first keys have their own sweep
        async with World(2, tamper=(frame, fault), deadline_s=10) as world:
            errors = await world.fails(made, nibbles=8, blocks=8)
        assert blames(errors[frame.receiver], frame), (frame, errors[frame.receiver].lines())


async def joined(ctx, rows, shape):
    made = await prepare(ctx.narrow("prepare"), needs_of(shape), low_traffic=True)
    return await joined_totals(ctx.narrow("join"), shape, rows, made)


@pytest.mark.parametrize(("n_query", "n_table", "matches"), [(1, 1, 1), (60, 90, 0), (300, 200, 130)])
async def test_a_join_of_low_traffic_is_exact_and_its_traffic_has_one_shape(n_query, n_table, matches):
    shape = JointShape(JoinShape(300, 300, 1, EVERYTHING), ((-1000, 1000), (-1000, 1000)))
    query, table = two_tables(n_query, n_table, matches)
    other = two_tables(3, 7, 2, seed=9)
    async with World(2, seed=3) as world:
        got = await world.run(joined, shape=shape, query=query, table=table)
        shapes = [world.meter.shape()]
        await world.run(joined, shape=shape, query=other[0], table=other[1])
        shapes.append(world.meter.shape())
    assert opened(shape.inner, got.query, got.table) == in_the_clear(shape.inner, query, table)
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(("rows", "most"), [(10_000, 290), (1_000_000, 200)])
async def test_bytes_a_row_of_a_count_and_a_sum(rows, most):
    """By the cards, which the tests above hold against the meter."""
    shape = JointShape(JoinShape(rows, rows, 1, TOTALS))
    ahead = value_of(terms(prepared.__doc__)["Bytes"], prepared.sizes(needs_of(shape), low_traffic=True))
    asked = shape.shards[0] * value_of(terms(joint.__doc__)["Bytes"], joint.traffic(shape))
    assert (ahead + asked) / rows < most
