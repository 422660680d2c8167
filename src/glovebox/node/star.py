"""The totals of a star join: owners' rows beside the tables that they name by several keys, or pairs of ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from glovebox.data.facts import LoadedFacts
from glovebox.data.loading import LoadedRows
from glovebox.data.pairs import PAIR_BYTES
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
    return await secure_star_totals(ctx, plan, plan.source, *star_rows(own, len(plan.source.facts)))


async def secure_star_totals(
    ctx: Context, plan: Plan, source: Star, rows: StarRows | None, tables: Mapping[int, Rows]
) -> Any:
    """The same of one star join of a plan. rows, tables: as the protocol takes them."""
    finishing, shapes = finishing_of(plan), star_shapes(source)
    shares = await star_totals(ctx.narrow("star"), shapes, rows, tables)
    rings, added = tuple(total.bits for total in plan.totals), None
    for place, (shape, mine) in enumerate(zip(shapes, shares, strict=True)):
        held = None if mine is None else mine.reshape(len(plan.totals), finishing.groups)
        ends = shape.query, shape.helper
        converted = await secure_totals(
            ctx.narrow(f"conversion{place}"), finishing.bits, rings, finishing.most, finishing.groups, *ends, held
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


def rows_of_pairs(lines: Rows, pairs: LoadedRows) -> StarRows:
    """An owner's pairs as the rows of a star join, in the order of the lines of their first id.

    Lines without a pair are the last: their sums are zero.
    """
    ids = np.concatenate([lines.ids, pairs.ids[:, PAIR_BYTES:]])
    _, numbers = np.unique(ids.view(f"V{ids.shape[1]}").ravel(), return_inverse=True)
    of_lines, of_pairs = np.split(numbers, [len(lines.ids)])
    counts = np.bincount(of_pairs, minlength=len(of_lines))[of_lines]
    order = np.argsort(counts == 0, kind="stable")
    places = np.empty(len(order), np.int64)
    places[of_lines[order]] = np.arange(len(order))
    by_line = np.argsort(places[of_pairs], kind="stable")
    some = counts[order][counts[order] > 0]
    return StarRows(
        [pairs.ids[by_line, :PAIR_BYTES], lines.ids[order]],
        [np.arange(len(by_line)), places[of_pairs][by_line]],
        np.zeros((0, len(by_line)), np.int64),
        [np.cumsum(some) - 1],
        lines.values[:, order],
    )
