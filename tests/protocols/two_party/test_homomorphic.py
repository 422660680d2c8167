"""Matching by Diffie-Hellman, sums by RLWE: exact, padded, hostile points refused; and the strict engine's oracle."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.algebra import ristretto, rlwe
from glovebox.protocols.intersection import JoinShape, Rows
from glovebox.protocols.totals import Total
from glovebox.protocols.two_party import homomorphic
from glovebox.protocols.two_party.homomorphic import HALF, Lists, at_query, at_table, common
from glovebox.protocols.two_party.intersection import JointShape, joined_totals, needs_of
from glovebox.protocols.two_party.prepared import prepare
from glovebox.runtime.context import Role
from glovebox.runtime.world import World, blames, cut_short, frames_of, from_another_session, sent_twice, too_long

from ..joins import opened, owner, two_tables

FEW = bytes([0, 1, 0x80, 0xFF] * 64)  # of all bytes, so that rows are alike in places


async def matched(ctx, own, lists):
    if ctx.role is Role.QUERY:
        return await at_query(ctx, lists, own.ids)
    rows, noise = own
    ones = np.ones((1, len(rows.ids)), np.int64)
    return await at_table(ctx, lists, rows.ids, np.concatenate([ones, rows.values]), noise)


matched.__module__ = homomorphic.__name__


async def sums_of(lists, query, table, noise=None, seed=3):
    noise = noise or [0] * lists.columns
    async with World(2, seed=seed, deadline_s=60) as world:
        got = await world.run(matched, lists=lists, query=query, table=(table, noise))
        assert world.matches_card(matched, **lists.traffic())
        assert max(frame.size for frame in world.meter.frames) <= lists.largest_frame
        shape = world.meter.shape()
    size, halves = got.query
    return size, [rlwe.opened(own, answer) for own, answer in zip(halves, got.table, strict=True)], shape


@pytest.mark.parametrize(("n_query", "n_table", "matches"), [(1, 1, 1), (1, 1, 0), (60, 40, 40), (50, 70, 0)])
async def test_sums_over_common_ids_are_exact_and_traffic_has_one_shape(n_query, n_table, matches):
    query, table = two_tables(n_query, n_table, matches)
    there = np.isin(table.ids.view("V32").ravel(), query.ids.view("V32").ravel())
    size, sums, shape = await sums_of(Lists(70, 80, 2, False), query, table, [0, -5])
    assert (size, sums) == (matches, [matches, int(table.values[0, there].sum()) - 5])
    empty = owner([], np.empty((1, 0)))
    assert (await sums_of(Lists(70, 80, 2, False), empty, empty))[1:] == ([0, 0], shape)


async def test_dummies_hide_how_many_ids_are_common_and_change_no_sum():
    query, table = two_tables(30, 30, 10)
    size, sums, _ = await sums_of(Lists(30, 30, 2, True), query, table)
    assert sums[0] == 10
    assert size != 10
    assert 0 <= size - 10 <= 2 * HALF


async def test_blocks_of_a_column_add_up():
    table = owner(range(400), range(400))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lists, "sizes", property(lambda self: (self.n_query, rlwe.N + 1)))
        patch.setattr(Lists, "dummies", property(lambda self: rlwe.N + 1 - 400 if self.hidden else 0))
        lists = Lists(400, rlwe.N + 1, 2, False)
        size, sums, _ = await sums_of(lists, owner(range(100, 500), [0] * 400), table)
    assert (size, sums) == (300, [300, sum(range(100, 400))])


async def test_the_strict_engine_says_the_same():
    query, table = two_tables(90, 80, 33, seed=8)
    _, sums, _ = await sums_of(Lists(90, 80, 2, False), query, table)
    shape = JointShape(JoinShape(90, 80, 1, (Total(None, None, 32), Total(None, 0, 64))))

    async def strict(ctx, own):
        made = await prepare(ctx.narrow("prepare"), needs_of(shape))
        return await joined_totals(ctx.narrow("join"), shape, Rows(own.ids, own.values), made)

    async with World(2, seed=1) as world:
        got = await world.run(strict, query=query, table=table)
    assert [[one] for one in sums] == opened(shape.inner, got.query, got.table)


def test_the_size_is_noised_as_differential_privacy_wants():
    rng = np.random.default_rng(1)
    drawn = np.array([common(rng.bytes(16)) for _ in range(4000)]) - HALF
    alpha = math.exp(-0.1)
    assert abs(drawn.mean()) < 6 * math.sqrt(2 * alpha) / (1 - alpha) / 4000**0.5
    assert 0.85 < drawn.var() / (2 * alpha / (1 - alpha) ** 2) < 1.15
    assert alpha**HALF * (1 - alpha) / (1 + alpha - 2 * alpha ** (HALF + 1)) < 2**-40  # of the least draw
    assert (common(bytes(16)), common(b"\xff" * 16)) == (0, 2 * HALF)


@given(st.lists(st.binary(min_size=16, max_size=16).map(lambda one: one.translate(FEW)), max_size=6))
def test_rows_are_sorted_and_compared_as_bytes(rows):
    octets = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 16)
    assert [row.tobytes() for row in octets[homomorphic._order(octets)]] == sorted(rows)
    for one in (rows, sorted(rows), sorted(set(rows))):
        rising = all(row < other for row, other in itertools.pairwise(one))
        assert homomorphic._is_rising(np.frombuffer(b"".join(one), np.uint8).reshape(-1, 16)) == rising


@pytest.mark.parametrize("bad", ["identity", "not canonical", "twice", "out of order"])
async def test_points_that_are_none_or_come_twice_end_the_run(bad):
    lists = Lists(3, 3, 1, False)

    async def hostile(ctx, own):
        if ctx.role is Role.TABLE:
            return await at_table(ctx, lists, own.ids, np.ones((1, 3), np.int64), [0])
        fine = sorted(ristretto.base_times(bytes([number, *[0] * 31])) for number in (1, 2, 3))
        sent = {
            "identity": [bytes(32), *fine[1:]], "not canonical": [*fine[:2], b"\xff" * 32],
            "twice": [fine[0], fine[0], fine[1]], "out of order": fine[::-1],
        }[bad]  # fmt: skip
        await ctx.send(Role.TABLE, np.frombuffer(b"".join(sent), np.uint8).reshape(3, 32), "query")
        return await ctx.receive(Role.TABLE, np.uint8, 1, "never")

    async with World(2, deadline_s=20) as world:
        errors = await world.fails(hostile, query=None, table=owner([1, 2, 3], [0] * 3))
    assert errors[1].lines() == ["party 0 sent points that the group has not, or out of order, or one twice"]


NO_POINTS = "party 1 sent points that the group has not, or out of order, or one twice"


@pytest.mark.parametrize(("frame", "bend", "told"), [
    ("table", lambda data: bytes(32) + data[32:], NO_POINTS),
    ("table", lambda data: data[:-32] + b"\xff" * 32, NO_POINTS),
    ("table", lambda data: data[:-1] + bytes([data[-1] | 0x80]), NO_POINTS),
    ("table", lambda data: data[:32] + data[:32] + data[64:], NO_POINTS),
    ("columns", lambda data: b"\xff" * len(data), "party 1 sent numbers that are no residues"),
    ("cuts", lambda data: data[16:32] + data[:16] + data[32:], "party 1 sent points out of order, or one twice"),
    ("cuts", lambda data: data[:16] * 3, "party 1 sent points out of order, or one twice"),
])  # fmt: skip
async def test_a_bent_frame_of_the_encryptor_ends_the_run(frame, bend, told):
    lists, table = Lists(3, 3, 1, False), owner([1, 2, 3], [0] * 3)

    async def summed(ctx, own):
        if ctx.role is Role.QUERY:
            return await at_query(ctx, lists, own.ids)
        return await at_table(ctx, lists, own.ids, np.ones((1, 3), np.int64), [0])

    def bent(packet):
        return [packet._replace(octets=memoryview(bend(bytes(packet.octets))))]

    async with World(2, seed=4) as world:
        await world.run(summed, query=table, table=table)
        (sent,) = [one for one in world.meter.frames if one.step == frame]
    async with World(2, seed=4, tamper=(sent, bent), deadline_s=20) as world:
        errors = await world.fails(summed, query=table, table=table)
    assert errors[0].lines() == [told]


@pytest.mark.parametrize("fault", [cut_short, too_long, sent_twice, from_another_session])
async def test_a_bad_frame_stops_both(fault):
    lists, table = Lists(3, 3, 2, False), owner([1, 2, 3], [0] * 3)
    arguments = {"lists": lists, "query": table, "table": (table, [0, 0])}
    for frame in await frames_of(matched, parties=2, **arguments):
        async with World(2, tamper=(frame, fault), deadline_s=20) as world:
            errors = await world.fails(matched, **arguments)
        assert blames(errors[frame.receiver], frame), (frame, errors[frame.receiver].lines())
