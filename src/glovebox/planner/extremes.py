"""MIN and MAX of one owner's column, or of several owners' together: the least of x, or minus the least of -x.

Each owner takes the least over its own rows of an id; the least over the ids that match is found on shares.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from sqlglot import exp

from glovebox.planner.conditions import Conditions, where
from glovebox.planner.numbers import SECOND, Unit, counted
from glovebox.planner.plan import Output, Total
from glovebox.planner.totals import Totals
from glovebox.planner.typed import MOST, NULL, Sort, Typed, negated, with_article
from glovebox.protocols import expression as shared
from glovebox.schema.local import Measure

UNITS: dict[str, Literal["", "date", "timestamp"]] = {
    "number": "", "date": "date", "timestamp": "timestamp",
}  # fmt: skip
SORTS: dict[Unit, Sort] = {"plain": "number", "day": "date", "time": "timestamp"}


def extreme(totals: Totals, name: str, node: exp.Min | exp.Max, filters: Conditions) -> Output:
    """The output of MIN or MAX. Refused where noise should hide it, and of rows that have no match."""
    refuse, called = totals.scope.statement.refuse, node.key.upper()
    if totals.noisy:
        sentence = f"{called} is one person's value, which no noise hides"
        refuse(node, "privacy", sentence, "COUNT(*) FILTER (WHERE a column is beyond some value)")
    if totals.scope.contract.protocol:
        refuse(node, "protocol", f"{called} cannot be asked of two owners alone yet", "a contract with a neutral party")
    if totals.pairs.slots:
        hint = f"COUNT(*) FILTER (WHERE it is beyond some value); or {called} where no column meets another owner's"
        refuse(node, "sql", f"{called} over pairs of rows cannot be asked yet", hint)
    if totals.mixing.is_mixed(node.this):
        return _of_several(totals, name, node, filters)
    one = totals.typing.typed(node.this)
    if one.sort not in UNITS:
        refuse(node, "sql", f"{with_article(one.sort)} has no least and no greatest", "a number, a date or a time")
    totals.typing.allow(node, one, "max" if isinstance(node, exp.Max) else "min")
    side = one.side or 0
    if totals.outer and side == 0:
        refuse(node, "sql", f"Rows without a match cannot count in {called} yet", "JOIN, for rows that match")
    totals.refuse_value_of_nothing(node, one)
    return least_of(totals, name, node, one, filters)


def least_of(totals: Totals, name: str, node: exp.Min | exp.Max, one: Typed, filters: Conditions) -> Output:
    """The least of a value of one owner's, of MAX with its sign turned, over the rows that match."""
    side = one.side or 0
    number = _signed(totals, node, one)
    kept = where(filters.own.get(side), number.expression)
    measures = totals.people(filters)
    measures[side] = Measure("least", kept, number.scale, number.low, number.high + 1)
    places = tuple(None if one is None else totals.place(at, one) for at, one in enumerate(measures))
    return _output(totals, name, node, number, places, filters.mixed)


def _of_several(totals: Totals, name: str, node: exp.Min | exp.Max, filters: Conditions) -> Output:
    """The same of a number, a day or a time that several owners' columns make, row by row."""
    found, column, present = totals.mixing.value(node.this, "max" if isinstance(node, exp.Max) else "min")
    if found.unit not in SORTS:
        hint = "a day, a time, or how many days or hours they are apart: DATE_DIFF('hour', a, b)"
        totals.scope.statement.refuse(node, "sql", "How far times are apart has no least and no greatest yet", hint)
    if filters.own:
        hint = "conditions of both owners' columns, or a WHERE"
        totals.scope.statement.refuse(node, "sql", "A FILTER of one owner cannot stand with this number yet", hint)
    if isinstance(node, exp.Max):
        column = shared.Operation("negate", (column,))
    kind = shared.kind_of(column)
    number = Typed(NULL, SORTS[found.unit], None, found.scale, kind.low, kind.high)
    place = totals.column_of(column)
    return _output(totals, name, node, number, (), (*filters.mixed, *present), place)


def _signed(totals: Totals, node: exp.Min | exp.Max, one: Typed) -> Typed:
    """A number, of MAX with its sign turned; its sort is still that of the value."""
    number = one
    if one.sort != "number":
        number = counted(one, "days", 1) if one.sort == "date" else counted(one, "microseconds", SECOND)
    if max(-number.low, number.high) >= MOST - 1:
        totals.scope.statement.refuse(node, "columns", "Nothing bounds this value", "a range for the column")
    return replace(negated(number) if isinstance(node, exp.Max) else number, sort=one.sort)


def _output(
    totals: Totals,
    name: str,
    node: exp.Expr,
    number: Typed,
    places: tuple[int | None, ...],
    mixed: tuple[shared.Expression, ...],
    column: int | None = None,
) -> Output:
    """The output of the least of a measure, or of a column, whose numbers are within those of `number`."""
    query, table, second = (*places, None, None, None)[:3]
    none, choice = number.high + 1, totals.choice(mixed)
    total = Total(query, table, 64, number.low, none, choice, column, second, least=True)
    negative, unit = isinstance(node, exp.Max), UNITS[number.sort]
    place = totals.keep(total, 0)
    return Output(name, "extreme", total=place, scale=number.scale, high=none, negative=negative, unit=unit)
