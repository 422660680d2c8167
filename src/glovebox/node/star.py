"""The totals of a star join: owners' rows beside the tables that they name by several keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glovebox.data.facts import LoadedFacts
from glovebox.data.loading import LoadedRows
from glovebox.node.steps import finishing_of
from glovebox.planner.plan import Plan, Star
from glovebox.planner.shape import star_shapes
from glovebox.protocols.conversion import secure_totals
from glovebox.protocols.shards import Rows
from glovebox.protocols.star import StarRows, star_totals
from glovebox.runtime.context import Context


async def star_join_totals(ctx: Context, plan: Plan, own: Mapping[int, LoadedRows | LoadedFacts]) -> Any:
    """A secure array (totals, groups). own: this party's own parts, by their place among the plan's."""
    if not isinstance(plan.source, Star):
        raise TypeError("these are the totals of a star join")
    finishing, shapes = finishing_of(plan), star_shapes(plan.source)
    shares = await star_totals(ctx.narrow("star"), shapes, *star_rows(own, len(shapes)))
    rings, added = tuple(total.bits for total in plan.totals), None
    for place, (shape, mine) in enumerate(zip(shapes, shares, strict=True)):
        held = None if mine is None else mine.reshape(len(plan.totals), finishing.groups)
        ends = shape.query, shape.helper
        converted = await secure_totals(
            ctx.narrow(f"conversion{place}"), finishing.bits, rings, finishing.groups, *ends, held
        )
        added = converted if added is None else added + converted
    return added


def star_rows(own: Mapping[int, LoadedRows | LoadedFacts], facts: int) -> tuple[StarRows | None, dict[int, Rows]]:
    """A party's own parts as the protocol takes them: its facts, and the tables of dimensions by their numbers.

    facts: how many of the plan's parts are facts, which are the first.
    """
    rows, tables = None, {}
    for place, loaded in own.items():
        if isinstance(loaded, LoadedFacts):
            rows = StarRows(loaded.keys, loaded.places, loaded.values, loaded.ends, loaded.persons[None])
        else:
            tables[place - facts] = Rows(loaded.ids, loaded.values)
    return rows, tables
