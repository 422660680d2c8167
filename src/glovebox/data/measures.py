"""The measures and the filter of a local query as trees, and their results as integers within their bounds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlglot import exp

from glovebox.data.arrays import integers
from glovebox.data.database import Parameters
from glovebox.data.expressions import measured, present, rendered
from glovebox.data.trees import Node, call, cast, compare, name, number, when
from glovebox.data.view import View
from glovebox.errors import DataError, GloveboxError
from glovebox.schema.expressions import Expression
from glovebox.schema.local import LocalQuery, Measure


def condition(query: LocalQuery, view: View, parameters: Parameters) -> Node:
    """WHERE, which takes a row only if its condition is true."""
    if query.where is None:
        return exp.true()
    typed = rendered(query.where, view, parameters)
    if typed.sort not in {"boolean", "null"}:
        raise GloveboxError("the plan filters by what is no condition", code="plan", step="loaded")
    return cast(typed.node, "BOOLEAN")


def of_row(measure: Measure, view: View, parameters: Parameters) -> Node | None:
    """A measure of a single row; None where that is 1 for each."""
    if measure.kind == "rows" or (measure.kind == "people" and measure.expression is None):
        return None
    if measure.kind in ("sum", "least", "counts", "mean"):
        return measured(_expression(measure), measure.scale, view, parameters)
    return present(_expression(measure), view, parameters)


def of_id(measure: Measure, view: View, parameters: Parameters, rows: Node | None = None) -> Node:
    """A measure over all rows of an id, or over those that meet a condition."""
    once = measure.kind == "distinct"
    value = rendered(_expression(measure), view, parameters).node if once else of_row(measure, view, parameters)
    if measure.kind == "rows":
        over = call("count_star")
    elif once:
        over = exp.Count(this=exp.Distinct(expressions=[value]))
    elif measure.kind == "mean" and value is not None:
        ratio = compare(exp.Div, call("sum", value), call("count", value))
        return cast(call("round", ratio, number(measure.scale)), f"DECIMAL(18,{measure.scale})")
    else:
        function = {"people": "bool_or", "values": "count_if", "sum": "sum", "least": "min"}[measure.kind]
        over = call(function, exp.true() if value is None else value)
    if measure.after and value is not None:
        over = call("min", value, number(measure.after + 1))
    kept = over if rows is None else exp.Filter(this=over, expression=exp.Where(this=rows.copy()))
    return call("list_extract", kept, number(measure.after + 1)) if measure.after else kept


def group_number(query: LocalQuery, view: View, parameters: Parameters) -> Node:
    """The number of a row's group in row-major order of the groupings' domains."""
    number_of: Node = number(0)
    within: Node
    for grouping in query.groupings:
        if grouping.index is not None:
            within = rendered(grouping.index, view, parameters).node
        elif grouping.column is None:
            if grouping.always not in grouping.labels:
                raise GloveboxError("a group's label is not in its domain", code="plan", step="loaded")
            within = number(grouping.labels.index(grouping.always))
        else:
            within = compare(exp.Sub, view.place_of(grouping.column, grouping.labels, parameters), number(1))
        number_of = compare(exp.Add, compare(exp.Mul, number_of, number(len(grouping.labels))), within)
    return cast(number_of, "BIGINT")


def in_group(query: LocalQuery, group: int, view: View, parameters: Parameters) -> Node:
    """Whether a row is in a group."""
    return compare(exp.EQ, group_number(query, view, parameters), number(group))


def _expression(measure: Measure) -> Expression:
    if measure.expression is None:
        raise GloveboxError(f"the plan's measure {measure.kind} lacks its expression", code="plan", step="loaded")
    return measure.expression


def of_group(measure: Measure, view: View, parameters: Parameters) -> Node:
    """A measure over the rows of a group. Its people are its rows, or the different ids of the first id column."""
    if measure.kind != "people":
        return of_id(measure, view, parameters)
    there = present(measure.expression, view, parameters) if measure.expression else exp.true()
    if view.table.person == "row":
        return call("count_if", there)
    id_ = next(name(reading.name) for reading in view.readings if reading.column.kind == "id")
    return exp.Count(this=exp.Distinct(expressions=[when(there, id_)]))


def line_units(measure: Measure, column: pa.Array[Any]) -> NDArray[np.int64]:
    """A measure's column as integers, in units of its scale if it has one; where NULL zero, of a least its `high`."""
    scale = column.type.scale if pa.types.is_decimal(column.type) else 0
    if measure.kind in ("sum", "least", "counts") and scale != measure.scale:
        raise GloveboxError("a number came with other decimals than the plan has", code="plan", step="loaded")
    values, valid = integers(column)
    return values if measure.kind != "least" or valid is None else np.where(valid, values, measure.high)


def total_units(measure: Measure, total: Any) -> int:
    """A total as an integer: a sum in units of its scale, NULL as zero. (28 digits of Python's Decimal are enough:
    what has more is out of bounds.)"""
    if total is None:
        return 0
    units = int(total.scaleb(measure.scale)) if isinstance(total, Decimal) else int(total)
    if not measure.low <= units <= measure.high:
        raise DataError(f"a group has a {measure.kind} outside the bounds that the contract gives", step="loaded")
    return units


class Outside:
    """How many lines have a measure outside its bounds, counted as they come."""

    def __init__(self, query: LocalQuery) -> None:
        self._query = query
        self._counts = [0] * (len(query.measures) * query.width)

    def count(self, values: NDArray[np.int64]) -> None:
        """Look at the next lines: (measures groups, lines)."""
        for index, line in enumerate(values):
            measure = self._query.measures[index // self._query.width]
            self._counts[index] += int(np.count_nonzero((line < measure.low) | (line > measure.high)))

    def refuse(self) -> None:
        """Return if there were none; raise DataError with the number of the first measure that has some."""
        for index, outside in enumerate(self._counts):
            if outside:
                kind, table = self._query.measures[index // self._query.width].kind, self._query.table
                sentence = f"{table}: {outside} ids have a {kind} outside the bounds that the contract gives"
                raise DataError(sentence, step="loaded", hint="glovebox data check")
