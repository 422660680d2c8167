"""The opening: to receivers, from stored shares, with a salt, checked.

Could a party tell anything beyond the leakage line? A receiver gets one frame of each other computing party: all shares
of values it is to learn, and salt. Nobody else gets a frame, which the second test counts.
"""

from __future__ import annotations

import numpy as np
import pytest

from glovebox.errors import BadFrame, IntegrityError, Refused
from glovebox.protocols import reveal as module
from glovebox.protocols.finishing import SALT, Finishing, Part, finish
from glovebox.protocols.reveal import (
    opening_bytes,
    reveal_from_parties,
    reveal_to_receivers,
    shares_for_opening,
)
from glovebox.protocols.stacking import stacked_totals
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.context import Context, Ground
from glovebox.runtime.engine import modulus
from glovebox.runtime.shares import width
from glovebox.runtime.world import World, blames, cut_short, frames_of, too_long

TOTALS = [[12, 3, 40], [-700, 5, 2**40]]
FINISHING = Finishing(3, (1000, 2**50), 0, 10, False, (Part("total", 0), Part("total", 1)))
CLAUSE = "rules.sums"


async def opening(ctx, totals):
    mine = np.array(TOTALS, dtype=np.int64) * (ctx.party == 0)
    secret = await stacked_totals(ctx, FINISHING.bits, FINISHING.most, FINISHING.groups, ctx.parties, mine)
    return await shares_for_opening(ctx, FINISHING, await finish(ctx, FINISHING, secret))


async def prepared(m: int = 3) -> list[bytes]:
    """What each party stores before it sends anything."""
    async with World(m, shamir=True) as world:
        stored = await world.run(opening, inputs=[None] * m)
    assert {len(one) for one in stored} == {opening_bytes(FINISHING)}
    return stored


async def revealed(ctx, stored, *, receivers, clause=CLAUSE):
    return await reveal_to_receivers(ctx, FINISHING, stored, receivers, clause)


def is_right(answer) -> bool:
    return answer.shown.tolist() == [True, False, True] and answer.parts.tolist() == [[12, 0, 40], [-700, 0, 2**40]]


@pytest.mark.parametrize("m", [3, 4, 5])
@pytest.mark.parametrize("receivers", [(0,), (1, 2), (0, 1, 2)])
async def test_receivers_and_nobody_else_get_the_answer_and_one_salt(m, receivers):
    stored = await prepared(m)
    async with World(m) as world:  # no engine: stored bytes are sent again in another session
        answers = await world.run(revealed, inputs=stored, receivers=receivers)
    assert [answer is not None for answer in answers] == [i in receivers for i in range(m)]
    assert all(is_right(answer) for answer in answers if answer)
    salt = bytes(np.bitwise_xor.reduce([np.frombuffer(one[-SALT:], np.uint8) for one in stored]))
    assert {answer.salt for answer in answers if answer} == {salt}
    frames = m * len(receivers) - len(receivers)
    assert {frame.receiver for frame in world.meter.frames} <= set(receivers)
    card = terms(module.__doc__)
    assert world.meter.size == value_of(card["Bytes"], {"v": 9, "s": width(modulus(64)), "f": frames})
    assert world.meter.rounds == value_of(card["Rounds"], {})


async def test_the_same_shares_again_give_the_same_answer_and_salt():
    stored = await prepared()
    answers = []
    async with World(seed=5) as world:
        for _ in range(2):
            answers.append((await world.run(revealed, inputs=stored, receivers=(1,)))[1])
    assert answers[0].salt == answers[1].salt
    assert all(map(is_right, answers))


async def test_a_receiver_that_computes_nothing_opens_what_it_is_sent():
    stored = await prepared()

    async def four(ctx, mine):
        ground = Ground(**{**vars(ctx._ground), "parties": (0, 1, 2)})
        ctx = Context(ground).narrow("reveal")
        if ctx.party == 3:
            return await reveal_from_parties(ctx, FINISHING, (0, 1, 2), CLAUSE)
        return await reveal_to_receivers(ctx, FINISHING, mine, (3,), CLAUSE)

    async with World(4) as world:
        answers = await world.run(four, inputs=[*stored, None])
    assert answers[:3] == [None] * 3
    assert is_right(answers[3])


async def test_salts_differ_from_run_to_run_and_from_party_to_party():
    salts = {one[-SALT:] for _ in range(2) for one in await prepared()}
    assert len(salts) == 3  # a World draws from its seed: runs alike, parties apart
    assert len({one[:-SALT] for one in await prepared()}) == 3


def flipped(packet):
    octets = bytearray(packet.octets)
    octets[0] ^= 1
    return [packet._replace(octets=memoryview(octets))]


def outside(packet):
    return [packet._replace(octets=memoryview(b"\xff" * len(packet.octets)))]


async def test_a_wrong_share_is_noticed_by_the_receiver_who_gets_it():
    stored = await prepared()
    for frame in await frames_of(revealed, inputs=stored, receivers=(0, 1)):
        async with World(tamper=(frame, flipped), deadline_s=5) as world:
            _, errors = await world._session(revealed, stored, {"receivers": (0, 1)})
        assert type(errors[frame.receiver]) is IntegrityError
        assert errors[frame.receiver].lines() == ["the shares of an opening do not belong together (reveal)"]


@pytest.mark.parametrize("fault", [cut_short, too_long, outside])
async def test_a_frame_that_is_no_opening_names_its_sender(fault):
    stored = await prepared()
    for frame in await frames_of(revealed, inputs=stored, receivers=(0,)):
        async with World(tamper=(frame, fault), deadline_s=5) as world:
            _, errors = await world._session(revealed, stored, {"receivers": (0,)})
        assert type(errors[0]) is BadFrame
        assert errors[0].party == f"party {frame.sender}"
        assert fault is outside or blames(errors[0], frame)


@pytest.mark.parametrize(("stored", "clause"), [(None, ""), (b"", CLAUSE), (bytes(10), CLAUSE)])
async def test_an_opening_needs_a_clause_and_all_its_shares(stored, clause):
    mine = (await prepared())[0] if stored is None else stored
    async with World(deadline_s=5) as world:
        with pytest.raises(Refused, match="clause"):
            await world.run(revealed, inputs=[mine] * 3, receivers=(0,), clause=clause)


async def test_no_value_is_in_the_repr_of_an_answer():
    stored = await prepared()
    async with World() as world:
        answer = (await world.run(revealed, inputs=stored, receivers=(0,)))[0]
    assert repr(answer) == "<Opened 2 parts of 3 groups>"
