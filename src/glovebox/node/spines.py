"""The totals of a question over several spines: each owner's lines beside those of others, in turn, and all added."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from glovebox.data.loading import LoadedRows
from glovebox.errors import GloveboxError
from glovebox.node.steps import finishing_of, roles_of
from glovebox.planner.plan import Joined, Plan, Spine, Spines, local_query
from glovebox.planner.shape import by_bucket, join_shape, pivots
from glovebox.protocols.conversion import secure_totals
from glovebox.protocols.intersection import joined_totals
from glovebox.protocols.shards import Rows
from glovebox.protocols.stacking import stacked_totals
from glovebox.runtime.context import Context
from glovebox.schema.local import LocalQuery


async def spine_totals(ctx: Context, plan: Plan, own: LoadedRows | None) -> Any:
    """A secure array (totals, groups). own: the lines of this party's query, if it owns some."""
    if not isinstance(plan.source, Spines):
        raise TypeError("these are the totals of spines")
    shape = (len(plan.totals), finishing_of(plan).groups)
    alone = [spine for spine in plan.source.spines if spine.join is None]
    added = await _alone(ctx.narrow("stacking"), plan, alone, shape, own) if alone else 0
    for number, spine in enumerate(plan.source.spines):
        if spine.join:
            added = added + await _joined(ctx.narrow(f"spine{number}"), plan, spine, spine.join, own)
    return added


async def _alone(ctx: Context, plan: Plan, spines: list[Spine], shape: tuple[int, int], own: LoadedRows | None) -> Any:
    """What owners sum of their own lines, added."""
    mine = next((spine for spine in spines if spine.query.party == ctx.party), None)
    sums = None
    if mine is not None and own is not None:
        rows, query = _rows(plan, own, mine.query), mine.query
        sums = np.zeros(shape, np.int64)
        groups = np.zeros(len(rows.ids), np.int64) if rows.groups is None else rows.groups
        for line, total in zip(sums, mine.totals, strict=True):
            if total.query is None or query.pivoted:
                raise GloveboxError("lines alone are summed by a measure", code="plan", step="stacking")
            np.add.at(line, groups, rows.values[total.query])
    owners = tuple(spine.query.party for spine in spines)
    return await stacked_totals(ctx, finishing_of(plan).bits, shape, owners, sums)


async def _joined(ctx: Context, plan: Plan, spine: Spine, joined: Joined, own: LoadedRows | None) -> Any:
    """What one owner's lines add beside those of others."""
    if joined.helper is None or not isinstance(plan.source, Spines):
        raise TypeError("a spine has a helper")
    finishing, roles = finishing_of(plan), roles_of(joined)
    held = None
    if ctx.party in roles.values():
        local = next((each for each in joined.owners if each.party == ctx.party), None)
        rows = _rows(plan, own, local) if own is not None and local is not None else None
        shares = await joined_totals(ctx.narrow("join").playing(roles), join_shape(joined, spine.totals), rows)
        buckets = math.prod(len(grouping.labels) for grouping in plan.source.buckets)
        held = None if shares is None else by_bucket(spine, shares, buckets)
    rings = tuple(total.bits for total in plan.totals)
    query, helper = joined.query.party, joined.helper
    return await secure_totals(ctx.narrow("conversion"), finishing.bits, rings, finishing.groups, query, helper, held)


def _rows(plan: Plan, own: LoadedRows, local: LocalQuery) -> Rows:
    """This party's lines with those measures that one spine takes."""
    loaded = local_query(plan, local.party)
    if loaded is None:
        raise GloveboxError("a spine is of an owner that loads nothing", code="plan", step="loaded")
    width, places = pivots(loaded), [loaded.measures.index(measure) for measure in local.measures]
    taken = own.values[[place * width + group for place in places for group in range(width)]]
    return Rows(own.ids, taken, own.groups if local.groupings and not local.pivoted else None)
