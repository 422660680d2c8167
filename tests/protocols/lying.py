"""Whole finishing stages, from totals to the answer, in which one party or two lie."""

from __future__ import annotations

import numpy as np

from glovebox.algebra.laplace import decay
from glovebox.protocols.conversion import secure_totals
from glovebox.protocols.finishing import Finishing, Part, finish
from glovebox.protocols.having import Bound
from glovebox.protocols.reveal import reveal_to_receivers, shares_for_opening
from glovebox.protocols.suppression import Nesting
from glovebox.protocols.verified import verified
from glovebox.runtime.world import World

RINGS = (32, 64)
RECEIVERS = (0, 1)
PEOPLE, SUMS = [12, 3, 40, 25], [-700, 5, 0, 9000]
TOTALS = (Part("total", 0), Part("total", 1))
BOTH = (1000, 2**40)
STAGES = {
    "threshold": Finishing(2, BOTH, 0, 10, False, TOTALS),
    "noise": Finishing(1, BOTH, 0, 10, False, TOTALS, (decay(1, 2), decay(1, 50))),
    "having": Finishing(1, BOTH, 0, 10, True, TOTALS, having=(Bound(((1, 1),), 800),)),
    "nested": Finishing(4, BOTH, 0, 10, False, TOTALS[:1], nesting=Nesting((0, 1, 2, 3), (2,))),
    "quotient": Finishing(1, BOTH, 0, 10, False, (Part("quotient", 1, 0, -(10**4), 10**4),)),
}


async def answered(ctx, *, stage):
    """From ring shares to the answer, as a session's worker does it."""
    finishing = STAGES[stage]
    totals = np.array([PEOPLE, SUMS])[:, : finishing.groups].astype(np.uint64)
    masks = np.arange(1, totals.size + 1, dtype=np.uint64).reshape(totals.shape) << np.uint64(29)
    ring = np.array([(1 << bits) - 1 for bits in RINGS], np.uint64)[:, None]
    mine = {0: totals - masks & ring, 1: masks & ring}.get(ctx.party)
    secret = await secure_totals(ctx.narrow("in"), finishing.bits, RINGS, finishing.most, finishing.groups, 0, 1, mine)
    finished = await finish(ctx.narrow("finish"), finishing, secret)
    await verified(ctx.narrow("verified"))
    opening = await shares_for_opening(ctx.narrow("opening"), finishing, finished)
    return await reveal_to_receivers(ctx.narrow("reveal"), finishing, opening, RECEIVERS, "rules")


def is_right(answer, stage):
    """Whether an answer is the true one; with noise, whether it is near."""
    shown, parts = answer.shown.tolist(), answer.parts.tolist()
    match stage:
        case "threshold":
            return (shown, parts) == ([True, False], [[12, 0], [-700, 0]])
        case "noise":
            return not shown[0] or (abs(parts[0][0] - 12) < 2**9 and abs(parts[1][0] + 700) < 2**15)
        case "having":
            return (shown, parts) == ([True], [[12], [-700]])
        case "nested":
            return (shown, parts) == ([False, False, True, True], [[0, 0, 40, 25]])
        case "quotient":
            return (shown, parts) == ([True], [[-58333333]])
    raise ValueError(stage)


async def run(stage, m=3, tamper=None):
    """What each party got, and what it met."""
    async with World(m, shamir=True, tamper=tamper, deadline_s=30) as world:
        answers, errors = await world._session(answered, [None] * m, {"stage": stage})
        return answers, errors, world.meter
