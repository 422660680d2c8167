"""The totals of a star join: one owner's rows beside the tables that they name by several keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glovebox.data.facts import LoadedFacts
from glovebox.data.loading import LoadedRows
from glovebox.node.steps import finishing_of
from glovebox.planner.plan import Plan, Star
from glovebox.planner.shape import star_shape
from glovebox.protocols.conversion import secure_totals
from glovebox.protocols.shards import Rows
from glovebox.protocols.star import StarRows, star_totals
from glovebox.runtime.context import Context


async def star_join_totals(ctx: Context, plan: Plan, own: Mapping[int, LoadedRows | LoadedFacts]) -> Any:
    """A secure array (totals, groups). own: this party's own parts, by their place among the plan's."""
    if not isinstance(plan.source, Star):
        raise TypeError("these are the totals of a star join")
    finishing, shape = finishing_of(plan), star_shape(plan.source)
    shares = await star_totals(ctx.narrow("star"), shape, *star_rows(own))
    held = None if shares is None else shares.reshape(len(plan.totals), finishing.groups)
    rings = tuple(total.bits for total in plan.totals)
    return await secure_totals(
        ctx.narrow("conversion"), finishing.bits, rings, finishing.groups, shape.query, shape.helper, held
    )


def star_rows(own: Mapping[int, LoadedRows | LoadedFacts]) -> tuple[StarRows | None, dict[int, Rows]]:
    """A party's own parts as the protocol takes them: the facts, and the tables of dimensions by their numbers."""
    rows, tables = None, {}
    for place, loaded in own.items():
        if isinstance(loaded, LoadedFacts):
            rows = StarRows(loaded.keys, loaded.places, loaded.values, loaded.ends, loaded.persons[None])
        else:
            tables[place - 1] = Rows(loaded.ids, loaded.values)
    return rows, tables
