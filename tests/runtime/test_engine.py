"""The finishing engine: MPyC over links, for several parties and sessions in one event loop."""

from __future__ import annotations

import asyncio
import operator

import numpy as np
import pytest

from glovebox.errors import IntegrityError, PeerLost, Refused
from glovebox.runtime.engine import Engine, modulus
from glovebox.runtime.memory import Meter, memory_links
from glovebox.runtime.prss import LABEL, subsets
from glovebox.runtime.shamir import open_shamir
from glovebox.runtime.shares import recombined
from glovebox.runtime.world import World, blames, cut_short, frames_of, from_another_session, sent_twice, too_long

BITS = 64


def opened(outs: list[list[int]]) -> list[int]:
    m = len(outs)
    return recombined(dict(enumerate(outs)), modulus(BITS), (m - 1) // 2, "test")


async def computed(ctx, mine, *, operation=operator.mul):
    """Party 0's first row and party 2's second row, combined; this party's shares."""
    runtime, array = ctx.shamir.runtime, ctx.shamir.integers(BITS).array
    values = np.zeros(3, dtype=object) if mine is None else np.array(mine, dtype=object)
    (a,), (b,) = runtime.input([array(values)], senders=[0, 2])
    return await ctx.shamir.shares(operation(a, b))


A, B = [3, -20, 2**31], [5, 20, -(2**31) + 1]


@pytest.mark.parametrize("m", [3, 4, 5, 7])
@pytest.mark.parametrize("operation", [operator.add, operator.mul, operator.lt, operator.eq])
async def test_secure_integers_compute_what_integers_do(m, operation):
    async with World(m, shamir=True) as world:
        outs = await world.run(computed, inputs=[A, None, B], operation=operation)
    assert opened(outs) == [operation(a, b) for a, b in zip(A, B, strict=True)]


async def test_the_shares_of_one_party_change_from_run_to_run():
    async with World(shamir=True) as world:
        first = await world.run(computed, inputs=[A, None, B])
        second = await world.run(computed, inputs=[A, None, B])
    assert opened(first) == opened(second)
    assert all(set(one).isdisjoint(other) for one, other in zip(first, second, strict=True))


async def test_sessions_of_three_and_of_five_share_one_event_loop():
    async def session(m, factor):
        async with World(m, seed=m, shamir=True) as world:
            return opened(await world.run(computed, inputs=[[factor] * 3, None, B]))

    results = await asyncio.gather(session(3, 2), session(5, 3), session(4, 5))
    assert results == [[factor * b for b in B] for factor in (2, 3, 5)]


@pytest.mark.parametrize("m", [1, 2, 10])
async def test_fewer_than_three_parties_or_more_than_nine_are_refused(m):
    with pytest.raises(Refused, match="3 to 9"):
        await open_shamir(0, dict.fromkeys(range(1, m)), bytes(32))


async def engines(m: int, transcripts: list[bytes], alter=lambda links: None) -> list[Engine]:
    names, meter = {i: f"party {i}" for i in range(m)}, Meter()
    links: list[dict] = [{} for _ in names]
    for a in range(m):
        for b in range(a):
            links[a][b], links[b][a] = memory_links(a, b, names, b"session", meter)
    alter(links)
    opening = [open_shamir(i, links[i], transcripts[i]) for i in range(m)]
    return [shamir.runtime for shamir in await asyncio.gather(*opening)]


@pytest.mark.parametrize("m", [3, 5])
async def test_the_members_of_a_set_agree_on_its_key_and_others_do_not_have_it(m):
    parties = await engines(m, [b"t" * 32] * m)
    every = subsets(m, (m - 1) // 2)
    for subset in every:
        keys = {parties[i]._prss_keys[subset] for i in subset}
        assert len(keys) == 1
        assert not any(keys & set(parties[i]._prss_keys.values()) for i in range(m) if i not in subset)
    assert len({key for party in parties for key in party._prss_keys.values()}) == len(every)


@pytest.mark.parametrize("m", [4, 5, 9])
async def test_a_party_that_gives_members_different_parts_of_a_key_is_found_out(m):
    def alter(links):
        post = links[0][1].post  # to one of the members alone

        def unlike(label, data):
            post(label, bytes([data[0] ^ 1]) + data[1:] if label == LABEL else data)

        links[0][1].post = unlike

    with pytest.raises(IntegrityError, match="different parts"):
        await engines(m, [b"t" * 32] * m, alter)


async def test_another_transcript_gives_other_keys():
    parties = await engines(3, [b"t" * 32, b"t" * 32, b"u" * 32])
    assert parties[0]._prss_keys[0, 1] == parties[1]._prss_keys[0, 1]
    assert parties[0]._prss_keys[0, 2] != parties[2]._prss_keys[0, 2]


async def test_no_repr_holds_a_key():
    engine = (await engines(3, [b"t" * 32] * 3))[0]
    assert repr(engine) == "<Engine 0 of 3>"


async def test_a_bad_frame_stops_everyone():
    for frame in await frames_of(computed, shamir=True, inputs=[A, None, B], operation=operator.lt):
        for fault in (cut_short, too_long, sent_twice, from_another_session):
            async with World(shamir=True, tamper=(frame, fault), deadline_s=5) as world:
                errors = await world.fails(computed, inputs=[A, None, B], operation=operator.lt)
            assert blames(errors[frame.receiver], frame), fault


async def test_a_share_outside_the_field_names_sender_and_step():
    def outside(packet):
        return [packet._replace(octets=memoryview(b"\xff" * len(packet.octets)))]

    for frame in await frames_of(computed, shamir=True, inputs=[A, None, B]):
        async with World(shamir=True, tamper=(frame, outside), deadline_s=5) as world:
            errors = await world.fails(computed, inputs=[A, None, B])
        assert blames(errors[frame.receiver], frame)
        assert "outside the field" in errors[frame.receiver].summary


async def test_a_lost_party_reaches_everyone_who_waits_and_leaves_no_task():
    async def leaves(ctx, mine):
        if ctx.party == 1:
            raise PeerLost("gone", party="party 1")
        return await computed(ctx, mine)

    before = asyncio.all_tasks()
    async with World(shamir=True, deadline_s=2) as world:
        errors = await world.fails(leaves, inputs=[A, None, B])
    await asyncio.sleep(0)
    assert {type(error) for error in errors.values()} == {PeerLost}
    assert asyncio.all_tasks() == before


async def test_an_error_inside_mpyc_ends_the_session_and_not_the_event_loop(caplog):
    secret = 424242

    async def breaks(ctx, mine):
        runtime, array = ctx.shamir.runtime, ctx.shamir.integers(BITS).array
        ((a,),) = runtime.input([array(np.array([secret], dtype=object))], senders=[0])
        wrong = runtime.np_getitem(a, 0) if ctx.party != 2 else runtime.np_sgn(a, l="x")
        return await ctx.shamir.shares(runtime.np_multiply(a, wrong))

    async with World(shamir=True, deadline_s=2) as world:
        errors = await world.fails(breaks)
    assert not any(str(secret) in str(vars(error)) for error in errors.values())
    assert str(secret) not in caplog.text
    assert asyncio.get_running_loop().is_running()


@pytest.mark.parametrize(
    "call", ["start", "shutdown", "transfer", "run", "peek", "logging", "set_protocol", "_send_message"]
)
async def test_what_faced_the_network_in_mpyc_refuses(call):
    engine = (await engines(3, [b"t" * 32] * 3))[0]
    with pytest.raises(RuntimeError, match="not used"):
        getattr(engine, call)(1)


async def test_mpyc_has_no_pickle():
    import mpyc.runtime

    for name in ("dumps", "loads"):
        with pytest.raises(RuntimeError, match="pickled"):
            getattr(mpyc.runtime.pickle, name)(b"")


async def test_the_threshold_cannot_be_changed():
    engine = (await engines(3, [b"t" * 32] * 3))[0]
    with pytest.raises(AttributeError):
        engine.threshold = 0
