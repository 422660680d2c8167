"""Who computes what: the owners' local parts, the roles of the row engine, and the totals as these roles see them."""

from __future__ import annotations

import math

from msgspec.structs import replace

from glovebox.planner.aggregates import Totals
from glovebox.planner.cost import join_cost, join_shape
from glovebox.planner.grouping import Key
from glovebox.planner.mixed import swapped
from glovebox.planner.plan import Joined, Stacked, Total
from glovebox.protocols.intersection import MOST_ROWS
from glovebox.schema.local import LocalQuery

MOST_TOTALS = 2048
"""Totals times groups of TABLE in a join: each costs 4 to 40 bytes a row, and a stream of its own at all three."""


def source_of(
    totals: Totals, keys: list[Key], computing: tuple[int, ...]
) -> tuple[Joined | Stacked, tuple[Total, ...]]:
    """The source of a plan, and its totals. Refused for what is too much to join."""
    if totals.joined:
        return _joined(totals, keys, computing)
    side = totals.scope.sides[0]
    lines = math.prod(len(key.groupings[0].labels) for key in keys)
    queries = tuple(
        LocalQuery(
            owner,
            side.table.name,
            tuple(totals.measures[0]),
            lines,
            None,
            totals.where(0),
            tuple(key.groupings[number] for key in keys),
        )
        for number, owner in enumerate(side.owners)
    )
    return Stacked(queries), tuple(totals.totals)


def _joined(totals: Totals, keys: list[Key], computing: tuple[int, ...]) -> tuple[Joined, tuple[Total, ...]]:
    """Of the two ways to give the roles, the one that sends less; of equal ones the contract's order decides."""
    scope = totals.scope
    for side in scope.sides:
        if side.table.rows > MOST_ROWS:
            sentence = f"A join of {side.table.rows} rows would match two ids wrongly with more than 2^-40"
            hint = f"a contract whose tables have at most {MOST_ROWS} rows"
            scope.statement.refuse(scope.statement.tree, "rows", sentence, hint)
    first, second = (_local(totals, keys, number) for number in range(2))
    helper = next(party for party in computing if party not in (first.party, second.party))
    choices, columns = tuple(totals.choices), tuple(totals.columns)
    ways = [
        (Joined(first, second, helper, choices, columns), tuple(totals.totals)),
        (
            Joined(second, first, helper, tuple(map(swapped, choices)), tuple(map(swapped, columns))),
            tuple(replace(total, query=total.table, table=total.query) for total in totals.totals),
        ),
    ]
    ways.sort(key=lambda way: way[0].query.party)
    shapes = [join_shape(*way) for way in ways]
    sizes = [len(shape.totals) * shape.table_groups for shape in shapes]
    if min(sizes) > MOST_TOTALS:
        group = scope.statement.tree.args["group"]
        sentence = f"These groups are {min(sizes)} totals of every row"
        scope.statement.refuse(group, "sql", sentence, f"fewer groups or columns: at most {MOST_TOTALS} totals")
    best = min((place for place in range(2) if sizes[place] <= MOST_TOTALS), key=lambda n: join_cost(shapes[n]).size)
    return ways[best]


def _local(totals: Totals, keys: list[Key], number: int) -> LocalQuery:
    side = totals.scope.sides[number]
    return LocalQuery(
        side.owners[0],
        side.table.name,
        tuple(totals.measures[number]),
        side.table.rows,
        side.ids.name if side.ids else None,
        totals.where(number),
        tuple(key.groupings[0] for key in keys if key.side == number),
        number in totals.pivoted,
    )
