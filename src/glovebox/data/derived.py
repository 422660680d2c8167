"""An owner's sub-query: its rows put together by an id, and by more keys, before anything else is computed of them."""

from __future__ import annotations

from sqlglot import exp

from glovebox.data.columns import Reading
from glovebox.data.database import Parameters
from glovebox.data.expressions import rendered
from glovebox.data.measures import of_id
from glovebox.data.trees import Node, call, cast, compare, epoch, name, not_, number
from glovebox.data.view import View
from glovebox.errors import GloveboxError
from glovebox.schema.columns import Column
from glovebox.schema.local import Derived


def derived_view(
    derived: Derived, view: View, every: exp.Select, ids: Column, unmatched: bool, parameters: Parameters
) -> tuple[View, exp.Select]:
    """The view of a sub-query's rows, and a SELECT of them.

    every: the table's rows. unmatched: those without an id too, as one row.
    """
    keys = [name(view.name_of(key.name)) for key in derived.keys]
    made = [key.copy().as_(f"c{index}") for index, key in enumerate(keys, 1)]
    for index, one in enumerate(derived.columns, 1 + len(keys)):
        node = of_id(one.measure, view, parameters)
        if one.negative:
            node = exp.paren(exp.Neg(this=exp.paren(node)), copy=False)
        if one.column.kind == "date":
            node = compare(exp.Add, epoch(), cast(node, "INTEGER"))
        made.append(exp.alias_(node, f"c{index}"))
    id_ = name(view.name_of(ids.name))
    kept = exp.select(exp.Star()).from_(every.subquery("every"))
    if derived.where is not None:
        typed = rendered(derived.where, view, parameters)
        if typed.sort not in {"boolean", "null"}:
            raise GloveboxError("the plan filters by what is no condition", code="plan", step="loaded")
        kept = kept.where(cast(typed.node, "BOOLEAN"))
    if not unmatched:
        kept = kept.where(not_(exp.Is(this=id_.copy(), expression=exp.null())))
    if derived.first:
        kept = kept.qualify(_is_first(derived, view, id_, parameters))
    select = exp.select(id_.as_("c0"), *made).from_(kept.subquery("kept"))
    if not derived.first:
        select = select.group_by(id_.copy(), *keys)
    columns = (ids, *(key.column for key in derived.keys), *(one.column for one in derived.columns))
    return _view_of(view, columns, parameters), select


def _is_first(derived: Derived, view: View, id_: Node, parameters: Parameters) -> Node:
    """Whether a row is the first of its id's. Of equals one counts that nothing in it, but all of it, points out."""
    order = [
        exp.Ordered(
            this=rendered(one.expression, view, parameters).node, desc=one.descending, nulls_first=one.nulls_first
        )
        for one in derived.first
    ]
    order.append(exp.Ordered(this=call("hash", *(name(reading.name) for reading in view.readings))))
    place = exp.Window(this=exp.RowNumber(), partition_by=[id_.copy()], order=exp.Order(expressions=order))
    return compare(exp.EQ, place, number(1))


def _view_of(view: View, columns: tuple[Column, ...], parameters: Parameters) -> View:
    """A view whose columns are called c0, c1, .. in their order; none of them is cleaned again."""
    table = type(view.table)(view.table.name, view.table.owners, view.table.rows, columns)
    readings = tuple(
        Reading(column, index, exp.null(), None, exp.null(), (), exp.false()) for index, column in enumerate(columns)
    )
    return View(table, readings, exp.select(exp.Star()), parameters)
