"""How many people of an owner's table one question counts and another does not: what both answers together tell of."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from glovebox.data.database import Database, rows
from glovebox.data.measures import condition
from glovebox.data.sources import Source
from glovebox.data.trees import Node, call, name
from glovebox.data.view import View, view_of
from glovebox.schema.columns import Table
from glovebox.schema.local import LocalQuery


def people_between(
    database: Database, table: Table, source: Source, query: LocalQuery, others: Sequence[LocalQuery]
) -> list[int]:
    """For each other query, how many people have a row that passes the filter of one of both and not of the other.

    People are ids of the table's first id column, and rows where there is none or a row is a person.
    """
    if not others:
        return []
    view = view_of(database, table, source)
    own = _passes(query, view)
    ids = next((column for column in table.columns if column.kind == "id"), None)
    person = name(view.name_of(ids.name)) if ids and table.person != "row" else None
    counts = []
    for other in others:
        between = exp.NEQ(this=own.copy(), expression=_passes(other, view))
        counted = person.copy() if person is not None else exp.Literal.number(1)
        kept = exp.case().when(between, counted)
        counts.append(exp.Count(this=exp.Distinct(expressions=[kept]) if person is not None else kept))
    select = exp.select(*counts).from_(view.checked().subquery("checked"))
    (found,) = rows(database, select, view.parameters)
    return [int(count) for count in found]


def _passes(query: LocalQuery, view: View) -> Node:
    """Whether a row passes, true or false."""
    return call("coalesce", condition(query, view, view.parameters), exp.false())
