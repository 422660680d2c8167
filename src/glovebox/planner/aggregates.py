"""The aggregates of SELECT as columns of an answer: COUNT, SUM and AVG; others have modules of their own."""

from __future__ import annotations

from typing import NoReturn

from sqlglot import exp

from glovebox.planner.conditions import NONE, Conditions, where
from glovebox.planner.conjuncts import chain
from glovebox.planner.extremes import extreme
from glovebox.planner.moments import difference
from glovebox.planner.nulls import is_zero, of_nulls
from glovebox.planner.persons import ids_called
from glovebox.planner.plan import Output
from glovebox.planner.quantiles import QUANTILES, end, quantile
from glovebox.planner.slots import THERE
from glovebox.planner.totals import Totals
from glovebox.planner.typed import NULL, Typed, with_article
from glovebox.protocols import expression as shared
from glovebox.protocols.entry import reach
from glovebox.protocols.threshold import MOST_BITS, judged_bits
from glovebox.runtime.engine import MOST_PARTIES
from glovebox.schema.local import Measure


def aggregated(totals: Totals, name: str, node: exp.Expr) -> Output:
    """The output column that an aggregate becomes. Refused for what is none."""
    inner, filters = with_filter(totals, node)
    if filters.lacking and not isinstance(inner, exp.Count | exp.Sum | exp.Avg):
        hint = "COUNT, SUM or AVG; or ANTI JOIN"
        totals.scope.statement.refuse(node, "sql", "Rows without a match are counted and added up", hint)
    match inner:
        case exp.Count():
            return _count(totals, name, inner, filters)
        case exp.Sum():
            return difference(totals, name, inner, filters) or _sum(totals, name, inner, filters)
        case exp.Avg():
            return difference(totals, name, inner, filters) or _average(totals, name, inner, filters)
        case exp.Min() | exp.Max():
            return (extreme if totals.joined else end)(totals, name, inner, filters)
    if isinstance(inner, QUANTILES):
        return quantile(totals, name, inner, filters)
    hint = "COUNT, SUM, AVG, MIN, MAX or MEDIAN, or a column of GROUP BY"
    return totals.scope.statement.refuse(node, "sql", "Only aggregates and group columns can be selected", hint)


def with_filter(totals: Totals, node: exp.Expr) -> tuple[exp.Expr, Conditions]:
    """An aggregate without its FILTER, and the conditions of that."""
    if isinstance(node, exp.Filter):
        return node.this, totals.conditions(node.expression.this)
    return node, NONE


def _count(totals: Totals, name: str, node: exp.Count, filters: Conditions) -> Output:
    inside = node.this
    if isinstance(inside, exp.Star):
        return Output(name, "count", total=totals.total(totals.rows_of(filters), node, filters))
    if isinstance(inside, exp.Distinct):
        if len(inside.expressions) != 1 or not _is_person(totals, inside.expressions[0]):
            _refuse_distinct(totals, node)
        people = totals.people(filters)
        if totals.outer == "left" and totals.scope.find(inside.expressions[0])[0] == 1:  # of the matches alone
            people[1] = people[1] or Measure("people", None, 0, 0, 1)
        return Output(name, "count", total=totals.total(people, node, filters))
    one = totals.typing.typed(inside)
    if one.sort == "null":
        totals.scope.statement.refuse(node, "sql", "A null cannot be counted", "COUNT(*), or COUNT of a column")
    totals.typing.allow_conditions(inside, one)
    return Output(name, "count", total=totals.total(totals.present(one, filters), node, filters))


def _refuse_distinct(totals: Totals, node: exp.Count) -> NoReturn:
    """Refuse to count what is no person's id; of another id, say by which people are counted here."""
    found, asked = totals.scope.sides[0], node.this.expressions
    name = found.ids.name if found.ids else next(iter(ids_called(totals.scope)), "id")
    sentence, hint = "Only people can be counted as distinct, by their id", f"COUNT(DISTINCT {name}), or COUNT(*)"
    other = totals.scope.find(asked[0])[1] if len(asked) == 1 and isinstance(asked[0], exp.Column) else None
    if other and other.kind == "id":
        by = "tables are joined by" if totals.joined else "people are told apart by"
        sentence = f"{other.name} is not the id that {by} here, which is {name}"
        if totals.joined:
            hint = f"an inner JOIN and no IN, NOT IN or EXISTS, to count {other.name}; or COUNT(DISTINCT {name})"
    totals.scope.statement.refuse(node, "sql", sentence, hint)


def _is_person(totals: Totals, node: exp.Expr) -> bool:
    if not isinstance(node, exp.Column):
        return False
    side, column = totals.scope.find(node)
    found = totals.scope.sides[side]
    if found.keys:
        sentence = "A row joined by one of several ids may be without the others"
        totals.scope.statement.refuse(node, "sql", sentence, "COUNT(*), as each row is a person's")
    return column == found.ids if totals.joined else column.name in ids_called(totals.scope)


def _sum(totals: Totals, name: str, node: exp.Sum, filters: Conditions) -> Output:
    total, present, factors = _added(totals, node.this, filters, "sum")
    scale = sum(one.scale for one in factors)
    over: int | None = present
    if totals.noisy:
        over = None  # whether there is a value at all is not told; the noisy sum of none is about zero
    elif not filters and not any(one.nullable or totals.may_lack(one) for one in factors):
        # Each of a group's people has a value. So NULL is for no people, which shows only where zero does; of a
        # stacked table rows without an id would be no people and have values.
        over = None
        if totals.zero_shown:
            over = 0 if totals.joined and not totals.outer else present
    return Output(name, "sum", total=total, over=over, scale=scale)


def _average(totals: Totals, name: str, node: exp.Avg, filters: Conditions) -> Output:
    total, present, factors = _added(totals, node.this, filters, "avg")
    scale = sum(one.scale for one in factors)
    open_parts = totals.noisy or all(
        "sum" in column.may
        for one in factors
        for value in one.values
        if one.side is not None and (column := totals.scope.sides[one.side].table.column(value))
    )
    if open_parts:
        return Output(name, "average", total=total, over=present, scale=scale)
    if len(factors) > 1:
        sentence = "The average of a product cannot hide its sum yet"
        totals.scope.statement.refuse(node, "columns.may", sentence, "AVG of columns that may be summed too")
    most = totals.totals[present].high
    if judged_bits(most + 1, -reach(most, MOST_PARTIES), 0) > MOST_BITS:
        hint = "fewer rows, or rows of an id; or AVG of a column that may be summed too"
        totals.scope.statement.refuse(
            node, "rows", "So many rows could be averaged that the sum cannot be hidden", hint
        )
    one = factors[0]
    return Output(name, "quotient", total=total, over=present, scale=scale, low=one.low, high=one.high)


def _added(totals: Totals, node: exp.Expr, filters: Conditions, use: str) -> tuple[int, int, list[Typed]]:
    """The total of a sum, the total of its rows that are not NULL, and its factors."""
    if totals.joined and any(totals.mixing.is_mixed(factor) for factor in chain(node, exp.Mul)):
        return _added_column(totals, node, filters)
    factors = _factors(totals, node)
    measures, present = totals.rows_of(filters), totals.rows_of(filters)
    for one in factors:
        if one.sort != "number":
            sentence = f"{with_article(one.sort)} cannot be added up"
            totals.scope.statement.refuse(node, "sql", sentence, "a number, or CAST(a condition AS INTEGER)")
        totals.typing.allow(node, one, use)  # type: ignore[arg-type]
        of_nothing = totals.may_lack(one) and not one.nullable and is_zero(of_nulls(one.expression))
        if not of_nothing:  # zero adds nothing, and is there all the same
            totals.refuse_value_of_nothing(node, one)
        side = one.side or 0
        most = totals.bound(side)
        expression = where(filters.own.get(side), one.expression)
        low, high = min(0, one.low) * most, max(0, one.high) * most
        measures[side] = Measure("sum", expression, one.scale, low, high)
        if one.nullable or side in filters.own or (totals.may_lack(one) and not of_nothing):
            present[side] = Measure("values", expression, 0, 0, most)
    return totals.total(measures, node, filters), totals.total(present, node, filters), factors


def _added_column(totals: Totals, node: exp.Expr, filters: Conditions) -> tuple[int, int, list[Typed]]:
    """The same of a number that both owners' columns make, row by row."""
    column, scale, present = totals.mixing.number(node)
    if filters.own or filters.lacking:
        hint = "conditions of both owners' columns, or a WHERE"
        totals.scope.statement.refuse(node, "sql", "A FILTER of one owner cannot stand with this sum yet", hint)
    kind = shared.kind_of(column)
    mixed = (*filters.mixed, *present)
    ends, place, slots = (kind.low, kind.high), totals.column_of(column), totals.pairs.slots
    there = [totals.place(side, THERE) if side in slots else None for side in range(len(totals.scope.sides))]
    total = totals.added_up(node, there if slots else (), ends, False, mixed, place)
    one = Typed(NULL, "number", None, scale, kind.low, kind.high, nullable=True)
    return total, totals.total(totals.rows_of(NONE), node, Conditions(mixed=mixed), matched=True), [one]


def _factors(totals: Totals, node: exp.Expr) -> list[Typed]:
    """What is added up: an expression of one owner, or one of each, multiplied."""
    if isinstance(node, exp.Distinct):
        totals.scope.statement.refuse(node, "sql", "Values cannot be told apart", "the aggregate without DISTINCT")
    if not totals.joined:
        return [totals.typing.typed(node)]
    found: dict[int, Typed] = {}
    factors = [totals.typing.typed(factor) for factor in chain(node, exp.Mul)]
    for one in sorted(factors, key=lambda one: one.side is None):  # constants join a side that is there
        side = one.side if one.side is not None else next(iter(found), 0)
        found[side] = totals.typing.calculated(node, "*", found[side], one) if side in found else one
    return list(found.values())
