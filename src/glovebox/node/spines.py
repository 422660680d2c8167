"""The totals of a question over several spines: each owner's lines beside those of others, in turn, and all added."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from glovebox.data.loading import LoadedRows
from glovebox.data.pairs import PAIR_BYTES
from glovebox.errors import GloveboxError
from glovebox.node.star import rows_of_pairs, secure_star_totals
from glovebox.node.steps import finishing_of, roles_of
from glovebox.planner.plan import Joined, Plan, Spine, Spines, Star
from glovebox.planner.shape import by_bucket, join_shape
from glovebox.protocols.conversion import secure_totals
from glovebox.protocols.entry import MOST_ADDED
from glovebox.protocols.intersection import joined_totals
from glovebox.protocols.shards import Rows
from glovebox.protocols.stacking import stacked_totals
from glovebox.runtime.context import Context
from glovebox.schema.local import LocalQuery

Own = Mapping[int, LoadedRows]


async def spine_totals(ctx: Context, plan: Plan, own: Own) -> Any:
    """A secure array (totals, groups). own: this party's own parts, by their place among the plan's."""
    if not isinstance(plan.source, Spines):
        raise TypeError("these are the totals of spines")
    if len(plan.source.spines) > MOST_ADDED:
        raise GloveboxError("more spines than a total has room for", code="plan", step="spines")
    if any(total.least or total.ranks for total in plan.totals):
        raise GloveboxError("what spines have is added, which makes no least number", code="plan", step="spines")
    shape = (len(plan.totals), finishing_of(plan).groups)
    alone = [spine for spine in plan.source.spines if spine.join is None]
    added = await _alone(ctx.narrow("stacking"), plan, alone, shape, own) if alone else 0
    for number, spine in enumerate(plan.source.spines):
        step = ctx.narrow(f"spine{number}")
        match spine.join:
            case Joined():
                added = added + await _joined(step, plan, spine, spine.join, own)
            case Star():
                added = added + await _of_pairs(step, plan, spine, spine.join, own)
    return added


async def _alone(ctx: Context, plan: Plan, spines: list[Spine], shape: tuple[int, int], own: Own) -> Any:
    """What owners sum of their own lines, added."""
    mine = next((spine for spine in spines if spine.query.party == ctx.party), None)
    sums = None
    if mine is not None and own:
        rows, query = _rows(plan, own, mine.query), mine.query
        sums = np.zeros(shape, np.int64)
        groups = np.zeros(len(rows.ids), np.int64) if rows.groups is None else rows.groups
        for line, total in zip(sums, mine.totals, strict=True):
            if total.query is None or query.pivoted:
                raise GloveboxError("lines alone are summed by a measure", code="plan", step="stacking")
            np.add.at(line, groups, rows.values[total.query])
    owners = tuple(spine.query.party for spine in spines)
    finishing = finishing_of(plan)
    return await stacked_totals(ctx, finishing.bits, finishing.most, finishing.groups, owners, sums)


async def _joined(ctx: Context, plan: Plan, spine: Spine, joined: Joined, own: Own) -> Any:
    """What one owner's lines add beside those of others."""
    if joined.helper is None or not isinstance(plan.source, Spines):
        raise TypeError("a spine has a helper")
    finishing, roles = finishing_of(plan), roles_of(joined)
    held = None
    if ctx.party in roles.values():
        local = next((each for each in joined.owners if each.party == ctx.party), None)
        rows = _rows(plan, own, local) if own and local is not None else None
        shares = await joined_totals(ctx.narrow("join").playing(roles), join_shape(joined, spine.totals), rows)
        buckets = math.prod(len(grouping.labels) for grouping in plan.source.buckets)
        held = None if shares is None else by_bucket(spine, shares, buckets)
    rings = tuple(total.bits for total in plan.totals)
    query, helper = joined.query.party, joined.helper
    return await secure_totals(
        ctx.narrow("conversion"), finishing.bits, rings, finishing.most, finishing.groups, query, helper, held
    )


async def _of_pairs(ctx: Context, plan: Plan, spine: Spine, star: Star, own: Own) -> Any:
    """What one owner's lines add beside the pairs of ids, and the lines, of another."""
    rows, tables, other = None, {}, star.dimensions[0].table.party
    if ctx.party == spine.query.party:
        rows = rows_of_pairs(_rows(plan, own, spine.query), _loaded(plan, own, star.facts[0])[1])
    if ctx.party == other:
        pairs, lines = (one.table for one in star.dimensions)
        held = _loaded(plan, own, pairs)[1]
        tables = {0: Rows(held.ids[:, :PAIR_BYTES], held.values), 1: _rows(plan, own, lines)}
    return await secure_star_totals(ctx, plan, star, rows, tables)


def _rows(plan: Plan, own: Own, local: LocalQuery) -> Rows:
    """This party's lines with those measures that one spine takes."""
    loaded, rows = _loaded(plan, own, local)
    width, places = loaded.width, [loaded.measures.index(measure) for measure in local.measures]
    taken = rows.values[[place * width + group for place in places for group in range(width)]]
    return Rows(rows.ids, taken, rows.groups if local.groupings and not local.pivoted else None)


def _loaded(plan: Plan, own: Own, local: LocalQuery) -> tuple[LocalQuery, LoadedRows]:
    """What this party loaded for a query of a spine: its lines, or its pairs."""
    for place, query in enumerate(plan.source.owners):
        if (query.party, query.other) == (local.party, local.other):
            return query, own[place]
    raise GloveboxError("a spine is of an owner that loads nothing", code="plan", step="loaded")
