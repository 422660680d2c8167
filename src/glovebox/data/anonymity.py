"""Anonymisation on the way in: what a value becomes at its owner, before it is counted, summed, hashed or shared.

clip      a value outside the range becomes the range's nearest end
round     a moment becomes the first of its month (week, day, ...)
bands     a number becomes the label of its band

The order is: read, checked against the range or clipped to it, then rounded. Nothing behind this sees what was read.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from glovebox.data.database import Parameters
from glovebox.data.trees import Node, call, cast, compare, is_null, string, when
from glovebox.schema.columns import Column

Bind = Callable[[int], Node]
"""Units of a column's scale, days or seconds as a place in the tree."""


def is_treated(column: Column) -> bool:
    """Whether a column's values become others on the way in."""
    return column.clip or column.round is not None or bool(column.bands)


def treated(column: Column, read: Node, type: str, bind: Bind, parameters: Parameters) -> Node:
    """What a value that was read becomes. type: DuckDB's type of the column."""
    if column.bands:
        return _banded(column, read, bind, parameters)
    value = read
    if column.clip and column.low is not None and column.high is not None:
        low, high = bind(column.low), bind(column.high)
        value = when(compare(exp.LT, value, low), low, when(compare(exp.GT, value, high), high, value))
    if column.round:
        value = cast(call("date_trunc", string(column.round), value), type)
    return value


def _banded(column: Column, read: Node, bind: Bind, parameters: Parameters) -> Node:
    """The label of a number's band; "other", if that is listed, below the first and where there is none."""
    other = string("other") if "other" in column.values else exp.null()
    case = exp.case().when(is_null(read), other)
    labels = [other, *(parameters.bind(label, "VARCHAR") for label in column.values[: len(column.bands)])]
    for edge, label in zip(column.bands, labels[:-1], strict=True):
        case = case.when(compare(exp.LT, read, bind(edge)), label.copy())
    return case.else_(labels[-1].copy())
