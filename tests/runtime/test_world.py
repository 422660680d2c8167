from __future__ import annotations

import numpy as np
import pytest

from glovebox.errors import GloveboxError, PeerLost
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.context import Context, Role
from glovebox.runtime.world import (
    World,
    blames,
    cut_short,
    frames_of,
    from_another_session,
    sent_twice,
    too_long,
)

CARD = """A test's protocol.

Functionality  what it does, in one
               equation
Parties        three
Security       none
Leakage        all
Rounds         2
Bytes          16 n; twice
Source         none
"""
ROWS = np.arange(6, dtype=np.uint64).reshape(2, 3)


async def there_and_back(ctx: Context, array: np.ndarray | None) -> np.ndarray | None:
    """QUERY's array goes to HELPER masked by TABLE's and QUERY's stream, and comes back doubled."""
    step = ctx.narrow("there")
    match ctx.role:
        case Role.QUERY:
            mask = step.stream(Role.TABLE, "mask").read((2, 3), np.uint64)
            await step.send(Role.HELPER, array ^ mask, "masked")
            return await step.receive(Role.HELPER, np.uint64, (2, 3), "back")
        case Role.HELPER:
            got = await step.receive(Role.QUERY, np.uint64, (2, 3), "masked")
            await step.send(Role.QUERY, await ctx.compute(np.multiply, got, np.uint64(2)), "back")
            return got
    return step.stream(Role.QUERY, "mask").read((2, 3), np.uint64)


__doc__ = CARD


async def test_roles_share_what_they_should_and_the_meter_sees_it():
    async with World(seed=5) as world:
        got = await world.run(there_and_back, query=ROWS)
        np.testing.assert_array_equal(got.helper ^ got.table, ROWS)
        np.testing.assert_array_equal(got.query, got.helper * np.uint64(2))
        assert world.meter.bytes_by_step() == {"there/masked": 48, "there/back": 48}
        assert world.meter.shape() == {(0, 2): [("there/masked", 48)], (2, 0): [("there/back", 48)]}
        again = await world.run(there_and_back, query=ROWS)
    assert (again.table != got.table).all()


async def test_the_card_is_held_against_the_meter():
    async with World() as world:
        await world.run(there_and_back, query=ROWS)
    assert world.matches_card(there_and_back, n=6)
    with pytest.raises(AssertionError, match="112"):
        world.matches_card(there_and_back, n=7)


async def test_parties_without_roles_get_inputs_in_order():
    async def sum_of_all(ctx: Context, mine: int) -> int:
        for party in ctx.parties:
            if party != ctx.party:
                await ctx.send(party, np.array([mine]), "mine")
        others = [await ctx.receive(party, np.int64, 1, "mine") for party in ctx.parties if party != ctx.party]
        return mine + sum(int(other[0]) for other in others)

    async with World(parties=4) as world:
        assert await world.run(sum_of_all, inputs=[1, 20, 300, 4000]) == [4321] * 4
        assert world.meter.rounds == 1


@pytest.mark.parametrize("fault", [cut_short, too_long, sent_twice, from_another_session])
async def test_a_bad_frame_stops_everyone(fault):
    for frame in await frames_of(there_and_back, query=ROWS):
        async with World(seed=7, tamper=(frame, fault)) as world:
            errors = await world.fails(there_and_back, query=ROWS)
        assert set(errors) == {0, 1, 2}
        assert blames(errors[frame.receiver], frame)


async def test_a_party_that_fails_ends_the_others_and_its_error_is_raised():
    async def two_fail(ctx: Context, array: object) -> None:
        if ctx.role is Role.HELPER:
            raise GloveboxError("no", code="no")
        await ctx.receive(Role.HELPER, np.uint64, 1, "never")

    async with World(seed=7) as world:
        errors = await world.fails(two_fail)
        assert [type(errors[party]) for party in range(3)] == [PeerLost, PeerLost, GloveboxError]
        assert (errors[0].party, errors[0].step) == ("party 2", "never")
        with pytest.raises(GloveboxError, match="no") as caught:
            await world.run(two_fail)
    assert caught.value.__notes__ == ["<World of 3, seed 7>, run 2"]


async def test_a_run_that_does_not_fail_is_not_a_failure():
    async with World() as world:
        with pytest.raises(AssertionError, match=r"\[0, 1, 2\] ended without"):
            await world.fails(there_and_back, query=ROWS)


@pytest.mark.parametrize("twice", ["narrow", "stream", "private", "send", "receive", "key"])
async def test_a_label_serves_once(twice):
    async def again(ctx: Context, nothing: None) -> None:
        if ctx.role is Role.QUERY:
            await use(ctx)
            await use(ctx)
        elif ctx.role is Role.HELPER and twice == "receive":
            await ctx.send(Role.QUERY, np.zeros(1, np.uint8), "a")

    async def use(ctx: Context) -> None:
        match twice:
            case "narrow":
                ctx.narrow("a")
            case "stream":
                ctx.stream(Role.HELPER, "a")
            case "key":
                ctx.key(Role.HELPER, "a")
            case "private":
                ctx.private("a")
            case "send":
                await ctx.send(Role.HELPER, np.zeros(1, np.uint8), "a")
            case "receive":
                await ctx.receive(Role.HELPER, np.uint8, 1, "a")

    async with World() as world:
        with pytest.raises(RuntimeError, match="a was used before"):
            await world.run(again)


async def test_two_steps_with_one_path_share_no_stream():
    async def clash(ctx: Context, nothing: None) -> None:
        if ctx.role is Role.QUERY:
            ctx.narrow("a").stream(Role.TABLE, "b/c")
            ctx.narrow("a/b").stream(Role.TABLE, "c")

    async with World() as world:
        with pytest.raises(RuntimeError, match="a/b/c was used before"):
            await world.run(clash)


async def test_a_context_shows_no_secret():
    shown = []

    async def show(ctx: Context, nothing: None) -> None:
        stream = ctx.stream(Role.TABLE if ctx.role is not Role.TABLE else Role.QUERY, "s")
        shown.append("".join(map(repr, (ctx, ctx.narrow("step"), stream, ctx._ground, ctx._ground.links))))

    async with World() as world:
        await world.run(show)
    secrets = [secret for ground in world.grounds for secret in (ground.seed, *ground.secrets.values())]
    for text in shown:
        assert not any(repr(secret)[2:-1] in text or secret.hex() in text for secret in secrets)
    assert "<Context step of party 0>" in shown[0]


async def test_shamir_is_there_when_it_was_asked_for():
    async def parties(ctx: Context, nothing: None) -> int:
        return int(ctx.shamir.m)

    async with World(parties=5, shamir=True) as world:
        assert await world.run(parties, inputs=[None] * 5) == [5] * 5
        assert world.meter.frames == []
    async with World() as world:
        with pytest.raises(RuntimeError, match="no finishing engine"):
            await world.run(parties)


def test_a_card_has_seven_lines():
    card = terms(CARD)
    assert card["Functionality"] == "what it does, in one equation"
    assert card["Rounds"] == "2"
    with pytest.raises(ValueError, match="Leakage"):
        terms(CARD.replace("Leakage ", "Leak "))


@pytest.mark.parametrize(
    ("formula", "value"), [("6", 6), ("39.375 n", 3937.5), ("13 n + 8 W R; a remark", 1300 + 8 * 2 * 5), ("1 + E", 2)]
)
def test_a_formula_is_a_sum_of_products(formula, value):
    assert value_of(formula, {"n": 100, "W": 2, "R": 5, "E": 1}) == value
