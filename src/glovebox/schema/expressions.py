"""Typed expressions over one owner's columns, as a plan holds them: data, never text, never a library's objects.

The planner builds and types them; the owner renders them for its own DuckDB; their canonical bytes are part of the
plan's hash. The set is closed: what is not here cannot be asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeVar

from msgspec import Struct

Operator = Literal[
    "+", "-", "*", "negate",
    "=", "<>", "<", "<=", ">", ">=",
    "and", "or", "not", "is_null",
    "case", "integer", "days", "microseconds", "floor", "year", "month",
    "date", "trunc_hour", "trunc_day", "trunc_week", "trunc_month", "trunc_quarter", "trunc_year",
]  # fmt: skip
"""`+` and `-` of numbers, or of a date and a number of days. `case`: condition, value, condition, value, ...,
otherwise. `integer`: CAST of a boolean or an integer to integer. `days` of a date, `microseconds` of a timestamp: since
the beginning of 1970. `floor`: the greatest integer that is not above a number divided by a positive constant. `year`
and `month` of a date or a timestamp. `date`: the day of a timestamp. `trunc_month`, ..: the first day of a date's
month, or the first moment of a timestamp's."""


class ColumnRef(Struct, frozen=True, tag_field="node", tag="column", forbid_unknown_fields=True):
    """A column of the owner's table, by its name in the contract."""

    name: str


class Constant(Struct, frozen=True, tag_field="node", tag="constant", forbid_unknown_fields=True):
    """A constant of the question. type says how to read the text; a NULL has type "null" and text ""."""

    type: Literal["integer", "decimal", "boolean", "category", "text", "date", "timestamp", "null"]
    text: str


class Call(Struct, frozen=True, tag_field="node", tag="call", forbid_unknown_fields=True):
    """An operator of the closed set and what it works on."""

    operator: Operator
    arguments: tuple[ColumnRef | Constant | Call, ...]


Expression = ColumnRef | Constant | Call

Optional = TypeVar("Optional", Expression, Expression | None)


def substituted(expression: Optional, columns: Mapping[str, Expression]) -> Optional:
    """An expression in which some columns are expressions themselves; nothing stays nothing."""
    match expression:
        case ColumnRef(name):
            return columns.get(name, expression)
        case Call(operator, arguments):
            return Call(operator, tuple(substituted(argument, columns) for argument in arguments))
    return expression


def columns_of(expression: Expression | None) -> Iterator[str]:
    """The names of all columns in an expression, each as often as it stands there."""
    match expression:
        case ColumnRef(name):
            yield name
        case Call(_, arguments):
            for argument in arguments:
                yield from columns_of(argument)
