"""The joint part of a session of two owners alone, in its worker: transfers, join, noise, finishing, opening."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from functools import lru_cache

from glovebox.contract.terms import Contract
from glovebox.errors import Refused
from glovebox.node.steps import ending_of, finishing_of, joint_shape_of
from glovebox.planner.plan import Joined, Plan
from glovebox.planner.question import plan_question
from glovebox.planner.shape import by_group
from glovebox.planner.two_owners import counts_and_sums
from glovebox.planner.typed import SAMPLES
from glovebox.protocols.reveal import Opened
from glovebox.protocols.shards import Rows
from glovebox.protocols.two_party import intersection
from glovebox.protocols.two_party.finishing import finish, noisy
from glovebox.protocols.two_party.prepared import Needs, Prepared, prepare
from glovebox.protocols.two_party.reveal import reveal_to_receivers
from glovebox.runtime.context import Context

Reach = Callable[[str], Awaitable[None]]


def needs_of(plan: Plan) -> Needs:
    """The transfers of a plan's run, the join's first."""
    return intersection.needs_of(joint_shape_of(plan)) + ending_of(plan).needs()


def needs_by_party(plan: Plan) -> Needs:
    """The same with party 0 in QUERY's place, which no plan's roles change."""
    if not isinstance(plan.source, Joined):
        raise TypeError("two owners alone join")
    needs = needs_of(plan)
    return needs if plan.source.query.party == 0 else needs.turned


@lru_cache(64)
def usual_needs(contract: Contract) -> Needs:
    """What covers each question that a contract of two parties names, and where any may be asked a count and a sum."""
    needs = Needs()
    for question in contract.questions:
        given = {name: SAMPLES[kind] for name, kind in question.parameters}
        with contextlib.suppress(Refused):  # a sample may be no label of the column that it is compared with
            needs |= needs_by_party(plan_question(contract, question.name, given, contract.rules.ask[0]))
    if contract.rules.questions == "any":
        for statement in counts_and_sums(contract):
            with contextlib.suppress(Refused):
                needs |= needs_by_party(plan_question(contract, statement, {}, contract.rules.ask[0]))
    return needs


async def transfers(ctx: Context, plan: Plan) -> Prepared:
    """What the run will use up, made in the session itself. Needs no data."""
    if not isinstance(plan.source, Joined):
        raise TypeError("two owners alone join")
    return await prepare(ctx.narrow("prepare"), needs_of(plan), plan.source.lpn > 0)


async def joint_opening(ctx: Context, plan: Plan, made: Prepared, own: Rows, reached: Reach) -> bytes:
    """From both owners' rows to this party's shares of what is opened."""
    if not isinstance(plan.source, Joined):
        raise TypeError("two owners alone join")
    shares = await intersection.joined_totals(ctx.narrow("join"), joint_shape_of(plan), own, made)
    await reached("matched")
    finishing, held = finishing_of(plan), by_group(plan.source, plan.totals, shares)
    if finishing.decays:
        held = noisy(ctx.narrow("noise"), finishing.decays, plan.receivers, held)
    return await finish(ctx.narrow("finish"), ending_of(plan), made, held)


async def reveal(ctx: Context, plan: Plan, opening: bytes) -> Opened | None:
    """Send this party's shares to the receivers, now or again."""
    return await reveal_to_receivers(ctx, ending_of(plan), opening, plan.receivers, plan.clause)
