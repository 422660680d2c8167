"""A session of two owners in the homomorphic-encryption mode, in its worker: matching, encrypted columns, opening.

What is opened is stored as two halves of each noisy sum: TABLE's leave in the reveal, QUERY, the one receiver, adds its
own. QUERY keeps the threshold, over counts that have noise (two-party.md 1.7).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import rlwe
from glovebox.algebra.laplace import geometrics
from glovebox.errors import Refused
from glovebox.node.steps import finishing_of, join_shape, lists_of
from glovebox.planner.plan import Joined, Plan
from glovebox.planner.shape import by_group
from glovebox.protocols.finishing import SALT, Finishing, Part, check_noise
from glovebox.protocols.reveal import Opened
from glovebox.protocols.shards import Rows
from glovebox.protocols.two_party.homomorphic import at_query, at_table
from glovebox.runtime.context import Context, Role

Reach = Callable[[str], Awaitable[None]]

HALF_BYTES = 20  # of a number below q, which has 150 bits


async def halves_for_opening(ctx: Context, plan: Plan, own: Rows, reached: Reach) -> bytes:
    """This party's halves of every total of every group, and its part of the salt."""
    lists, finishing = lists_of(plan), finishing_of(plan)
    if finishing.decays:
        check_noise(finishing)
    step = ctx.narrow("matching")
    if ctx.role is Role.QUERY:
        _, halves = await at_query(step, lists, own.ids)
    else:
        halves = await at_table(step, lists, own.ids, _columns(plan, own), _noise(ctx, plan, finishing))
    await reached("matched")
    return b"".join(half.to_bytes(HALF_BYTES, "little") for half in halves) + ctx.private("salt").bytes(SALT)


async def reveal(ctx: Context, plan: Plan, opening: bytes) -> Opened | None:
    """TABLE's halves go to QUERY, now or again; what both open to there."""
    count = lists_of(plan).columns
    if not plan.clause or len(opening) != HALF_BYTES * count + SALT:
        raise Refused("an opening needs a clause of the contract and its own halves", step="reveal")
    if ctx.role is Role.TABLE:
        await ctx.send(Role.QUERY, np.frombuffer(opening, np.uint8), "opening")
        return None
    theirs = (await ctx.receive(Role.TABLE, np.uint8, len(opening), "opening")).tobytes()
    own, other = (_numbers(half, count) for half in (opening, theirs))
    if max(other) >= rlwe.Q:
        ctx.blame(Role.TABLE, "sent a number that is too large")
    sums = np.array([rlwe.opened(one, answer) for one, answer in zip(own, other, strict=True)], np.int64)
    salt = bytes(a ^ b for a, b in zip(opening[-SALT:], theirs[-SALT:], strict=True))
    return _opened(plan, sums, salt)


def _columns(plan: Plan, own: Rows) -> NDArray[np.int64]:
    """What TABLE encrypts: each total's numbers, in rows of one group at a time."""
    shape, n = join_shape(plan), len(own.ids)
    out = np.zeros((len(shape.totals), shape.table_groups, n), np.int64)
    for total, columns in zip(shape.totals, out, strict=True):
        numbers = np.ones(n, np.int64) if total.payload is None else own.values[total.payload]
        for group, column in enumerate(columns):
            column[:] = numbers if own.groups is None else np.where(own.groups == group, numbers, 0)
    return out.reshape(-1, n)


def _noise(ctx: Context, plan: Plan, finishing: Finishing) -> list[int]:
    """A whole discrete Laplace for each column, whose total has noise."""
    shape = join_shape(plan)
    each = len(shape.totals) // len(plan.totals) * shape.table_groups
    out: list[int] = []
    for decay in finishing.decays or (None,) * len(plan.totals):
        drawn = geometrics(decay, each, ctx.entropy) - geometrics(decay, each, ctx.entropy) if decay else [0] * each
        out += [int(number) for number in drawn]
    return out


def _numbers(opening: bytes, count: int) -> list[int]:
    return [int.from_bytes(opening[HALF_BYTES * k : HALF_BYTES * (k + 1)], "little") for k in range(count)]


def _opened(plan: Plan, sums: NDArray[np.int64], salt: bytes) -> Opened:
    """What the receiver shows of noisy totals, or of exact ones where the contract lets everyone see them."""
    if not isinstance(plan.source, Joined):
        raise TypeError("two owners alone join")
    finishing, shape = finishing_of(plan), join_shape(plan)
    flat = sums.view(np.uint64).reshape(len(shape.totals), shape.table_groups)
    totals = by_group(plan.source, plan.totals, flat).view(np.int64)
    shown = totals[finishing.people] >= finishing.threshold
    if finishing.zero_shown:
        shown |= totals[finishing.people] == 0
    for bound in finishing.having:
        shown &= bound.number(totals.astype(object)) >= 0
    parts = [[_part(part, totals[:, group]) for group in range(finishing.groups)] for part in finishing.parts]
    return Opened(shown, np.array(parts, object).reshape(-1, finishing.groups) * shown, salt)


def _part(part: Part, totals: NDArray[np.int64]) -> int:
    """One part of a group, in the clear (`finishing.Part`)."""
    match part.kind:
        case "null":
            return int(totals[part.over] == 0)
        case "quotient":
            count = int(totals[part.over])
            return round(Fraction(10**6 * int(totals[part.total]), count)) if count else 0
        case "band":
            return sum(int(totals[part.total]) >= edge for edge in part.edges)
    return int(totals[part.total])
