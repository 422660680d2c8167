"""The totals of a stacked question: the owners' sums, added as secure integers, and quantiles of all their numbers.

Quantiles need many counts, which are added and searched in ring shares by three of the computing parties.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glovebox.data.groups import LoadedGroups
from glovebox.errors import GloveboxError
from glovebox.node.steps import finishing_of, row_roles
from glovebox.planner.plan import Plan, Stacked
from glovebox.planner.ranked import Ranked, ranked_of
from glovebox.protocols.conversion import secure_totals
from glovebox.protocols.quantile import from_lowest, quantiles
from glovebox.protocols.ring_stacking import stacked_shares
from glovebox.protocols.stacking import stacked_totals
from glovebox.runtime.context import Context, Role


async def sums_and_quantiles(ctx: Context, plan: Plan, own: LoadedGroups | None) -> Any:
    """A secure array (totals, groups). own: what this party counts alone, if it owns rows."""
    if not isinstance(plan.source, Stacked):
        raise TypeError("these are the totals of a stacked table")
    finishing, ranked = finishing_of(plan), ranked_of(plan)
    owners = tuple(query.party for query in plan.source.owners)
    sums = [place for place, total in enumerate(plan.totals) if not total.ranks]
    mine = None if own is None else np.stack([own.values[plan.totals[place].query] for place in sums])
    most = [finishing.most[place] for place in sums]
    parts = [await stacked_totals(ctx.narrow("stacking"), finishing.bits, most, finishing.groups, owners, mine)]
    for number, one in enumerate(ranked):
        counts = None if own is None else own.counts[number]
        parts.append(await _quantiles(ctx.narrow(f"quantiles{number}"), plan, one, owners, counts))
    order = sums + [place for one in ranked for place in one.places]
    return ctx.shamir.runtime.np_concatenate(parts)[np.argsort(order).tolist()] if ranked else parts[0]


async def _quantiles(ctx: Context, plan: Plan, one: Ranked, owners: tuple[int, ...], counts: Any) -> Any:
    """The numbers at the ranks of one measure: a secure array (totals of it, groups)."""
    finishing, roles, sizes = finishing_of(plan), row_roles(plan), one.sizes
    mine = None if counts is None else counts.reshape(-1)
    size = sizes.groups * sizes.values
    shares = await stacked_shares(ctx.narrow("stacking"), owners, roles, size, mine)
    held = None
    if ctx.party in roles.values():
        given = None if shares is None else shares.reshape(sizes.groups, sizes.values)
        held = from_lowest(ctx, one.asked, one.low, await quantiles(ctx.narrow("ranks"), one.asked, sizes, given))
    if (held is None) != (ctx.role not in (Role.QUERY, Role.HELPER)):
        raise GloveboxError("quantiles are held by two parties", code="plan", step="quantiles")
    rings, most = (64,) * len(one.asked), [finishing.most[place] for place in one.places]
    query, helper = roles[Role.QUERY], roles[Role.HELPER]
    return await secure_totals(
        ctx.narrow("conversion"), finishing.bits, rings, most, finishing.groups, query, helper, held
    )
