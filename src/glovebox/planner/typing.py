"""Expressions of one owner's columns: typed, with their range, and with what the contract must allow for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlglot import exp

from glovebox.planner import arithmetic, calendar, dates
from glovebox.planner.comparisons import COMPARISON, among, compared, like
from glovebox.planner.conjuncts import chain
from glovebox.planner.scope import Scope
from glovebox.planner.typed import MOST, NULL, Sort, Typed, at_scale, moment, number
from glovebox.schema.columns import Use
from glovebox.schema.expressions import Call, ColumnRef, Constant, Operator

SORTS: dict[str, Sort] = {"integer": "number", "decimal": "number"}
MOMENTS = (exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ)  # the last is what DuckDB calls TIMESTAMP
MOST_SCALE = 18
USES: dict[Use, tuple[str, str]] = {
    "sum": ("summed", "SUM(x)"),
    "avg": ("averaged", "AVG(x)"),
    "min": ("asked for its least", "MIN(x)"),
    "max": ("asked for its greatest", "MAX(x)"),
    "quantile": ("asked for its median, or another quantile", "MEDIAN(x)"),
    "filter": ("filtered by", "a condition on x"),
    "group": ("grouped by", "GROUP BY x"),
    "compare": ("compared with another owner's column", "a comparison of x"),
}
"""What a column may not be, and what may be asked of one that may."""
DIFFERENCES = {"sum": "SUM(DATE_DIFF('day', x, another))", "avg": "AVG(DATE_DIFF('day', x, another))"}
"""What may be asked of days and times that may be summed, or averaged."""

NO_CONDITION: dict[type[exp.Expr], tuple[str, str]] = {
    exp.Nullif: ("NULLIF is of aggregates, and not of a row's values", "CASE WHEN x <> y THEN x END"),
    exp.Round: ("ROUND is of aggregates, and not of a row's values", "FLOOR(x)"),
}
"""What a row's values are not asked for by."""


class Typing:
    """Types the expressions of one statement. parameters: typed constants, by name."""

    def __init__(self, scope: Scope, parameters: Mapping[str, Typed]) -> None:
        self.scope, self.parameters = scope, parameters
        self.refuse = scope.statement.refuse
        self._made: dict[type[exp.Expr], Callable[[Any], Typed]] = {
            exp.Cast: self._cast, **arithmetic.made_by(self), **dates.made_by(self),
        }  # fmt: skip

    def typed(self, node: exp.Expr) -> Typed:
        """The typed expression of a part. Refused for mixed owners, mixed types and what is no value."""
        match node:
            case exp.Paren():
                return self.typed(node.this)
            case exp.Column():
                return self._column(node)
            case exp.Literal() | exp.Boolean() | exp.Null():
                return self._constant(node)
            case exp.Placeholder():
                if node.name not in self.parameters:
                    hint = f'a constant, or parameters = {{ {node.name[:63]} = "date" }} of an approved question'
                    self.refuse(node, "question", f"There is no parameter {node.name[:63]}", hint)
                return self.parameters[node.name]
            case exp.Interval():
                hint = "DATE '2026-12-31' - INTERVAL 7 DAY"
                self.refuse(node, "sql", "An interval is added to a date, or to a time", hint)
            case exp.Div():
                hint = "a ratio of aggregates, like SUM(…) / SUM(…)"
                self.refuse(node, "sql", "A ratio of a row's values is no exact number", hint)
        if type(node) in self._made:
            return self._made[type(node)](node)
        return self.condition(node)

    def condition(self, node: exp.Expr) -> Typed:
        """The typed boolean of a part."""
        match node:
            case exp.Paren():
                return self.condition(node.this)
            case exp.And() | exp.Or():
                parts = tuple(self.condition(part) for part in chain(node, type(node)))
                return self.boolean(node, "and" if isinstance(node, exp.And) else "or", parts)
            case exp.Not():
                return self.boolean(node, "not", (self.condition(node.this),))
            case exp.Is():
                if not isinstance(node.expression, exp.Null):
                    self.refuse(node, "sql", "IS stands before NULL only", "IS NULL, or = TRUE")
                one = self.typed(node.this)
                if one.sort == "id":  # whether there is an id is no secret of its value: no clause guards it
                    one = replace(one, values=frozenset())
                return replace(self.boolean(node, "is_null", (one,)), nullable=False)
            case exp.In():
                return among(self, node)
            case exp.Like() | exp.ILike():
                return like(self, node)
            case exp.Between():
                value, low, high = (self.typed(node.args[part]) for part in ("this", "low", "high"))
                ends = (compared(self, node, ">=", value, low), compared(self, node, "<=", value, high))
                return self.boolean(node, "and", ends)
        if type(node) in COMPARISON:
            return compared(self, node, COMPARISON[type(node)], self.typed(node.this), self.typed(node.expression))
        if isinstance(node, exp.Column | exp.Boolean | exp.Placeholder):
            found = self.typed(node)
            if found.sort == "boolean":
                return replace(found, values=frozenset(), conditions=found.conditions | found.values)
        sentence, hint = NO_CONDITION.get(type(node), ("This is no condition", "a comparison, or a boolean column"))
        return self.refuse(node, "sql", sentence, hint)

    def _column(self, node: exp.Column) -> Typed:
        side, column = self.scope.find(node)
        sort = SORTS.get(column.kind, column.kind)
        return Typed(
            ColumnRef(column.name),
            sort,  # type: ignore[arg-type]
            side,
            column.scale,
            column.low if column.low is not None else -MOST,
            column.high if column.high is not None else MOST,
            not column.required,
            values=frozenset({column.name}),
            column=column,
        )

    def _constant(self, node: exp.Expr) -> Typed:
        match node:
            case exp.Null():
                return Typed(NULL, "null", nullable=True)
            case exp.Boolean():
                return Typed(Constant("boolean", "true" if node.this else "false"), "boolean", high=1)
            case exp.Literal() if node.is_string:
                return Typed(Constant("text", node.this), "text")
        hint = "like 5000 or 0.05, of at most 18 digits"
        return number(str(node.this)) or self.refuse(node, "sql", "This is no exact number", hint)

    def _cast(self, node: exp.Cast) -> Typed:
        kind, value = node.to.this, node.this
        if kind in MOMENTS and isinstance(value, exp.Literal) and value.is_string:
            found = moment("date" if kind == exp.DType.DATE else "timestamp", value.this)
            return found or self.refuse(node, "sql", "This is no date or time", "DATE '2026-12-31'")
        if kind in (exp.DType.INT, exp.DType.BIGINT):
            one = self.typed(value)
            if one.sort == "boolean":
                one = replace(self.condition(value), low=0, high=1)
                return replace(one, expression=Call("integer", (one.expression,)), sort="number")
            if one.sort == "number" and one.scale == 0:
                return replace(one, expression=Call("integer", (one.expression,)))
        if kind in MOMENTS:
            one, sort = self.typed(value), "date" if kind == exp.DType.DATE else "timestamp"
            if one.sort == "timestamp" and sort == "date" and not isinstance(one.expression, Constant):
                return calendar.day_of(one)
            if one.sort == sort:
                return one
        return self.refuse(node, "sql", "This cannot be cast", "CAST(a boolean or an integer AS INTEGER)")

    def number(self, node: exp.Expr) -> Typed:
        """The typed number of a part."""
        found = self.typed(node)
        if found.sort != "number":
            self.refuse(node, "sql", "A number is wanted here", "CASE WHEN … THEN 1 ELSE 0 END")
        return found

    def calculated(self, node: exp.Expr, operator: Operator, left: Typed, right: Typed) -> Typed:
        """The sum, the difference or the product of two numbers. Refused where nothing bounds them."""
        for one in (left, right):
            if one.sort != "number":
                self.refuse(node, "sql", "A number is wanted here", "CASE WHEN … THEN 1 ELSE 0 END")
            if one.low <= -MOST or one.high >= MOST:
                hint = "columns with a range, and fewer factors"
                self.refuse(node, "columns", "Nothing bounds this number, so that it could overflow", hint)
        if operator == "*":
            corners = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
            scale, low, high = left.scale + right.scale, min(corners), max(corners)
        else:
            scale = max(left.scale, right.scale)
            (a, b), (c, d) = (at_scale(side, scale) for side in (left, right))
            low, high = (a + c, b + d) if operator == "+" else (a - d, b - c)
        if scale > MOST_SCALE:
            self.refuse(node, "sql", f"This has {scale} decimals", f"at most {MOST_SCALE}")
        return replace(self.combined(node, operator, (left, right)), sort="number", scale=scale, low=low, high=high)

    def boolean(self, node: exp.Expr, operator: Operator, arguments: tuple[Typed, ...]) -> Typed:
        """A truth made of one owner's values, which all become conditions."""
        whole = self.combined(node, operator, arguments)
        conditions = whole.conditions | whole.values
        return replace(whole, sort="boolean", low=0, high=1, values=frozenset(), conditions=conditions)

    def combined(self, node: exp.Expr, operator: Operator, arguments: tuple[Typed, ...]) -> Typed:
        """What an operator makes of one owner's values, of no sort yet. Refused for those of two owners."""
        sides = {argument.side for argument in arguments} - {None}
        if len(sides) > 1:
            sentence = "Columns of two owners meet in WHERE, in FILTER and in what is added up, and not here"
            self.refuse(node, "sql", sentence, "COUNT(*) FILTER (WHERE …), one for each case")
        return Typed(
            Call(operator, tuple(argument.expression for argument in arguments)),
            "null",
            next(iter(sides), None),
            nullable=any(argument.nullable for argument in arguments),
            values=frozenset().union(*(argument.values for argument in arguments)),
            conditions=frozenset().union(*(argument.conditions for argument in arguments)),
        )

    def allow(self, node: exp.Expr, typed: Typed, use: Use) -> None:
        """Refuse a use of columns that the contract does not state: values by `use`, conditions by "filter".

        What may be summed may be averaged: an average is a sum and a count.
        """
        if typed.side is None:
            return
        table = self.scope.sides[typed.side].table
        for names, wanted in ((typed.values, use), (typed.conditions, "filter")):
            for name in sorted(names):
                column = table.column(name)
                if column and wanted not in column.may and not (wanted == "avg" and "sum" in column.may):
                    clause, party = f"columns.{name}.may", self.scope.owner(typed.side)
                    moment = column.kind in ("date", "timestamp")
                    allowed = [
                        DIFFERENCES.get(may, example) if moment else example
                        for may, (_, example) in USES.items()
                        if may in column.may
                    ]
                    hint = " or ".join(allowed or ["COUNT(*)"]).replace("x", name)
                    self.refuse(node, clause, f"{table.name}.{name} may not be {USES[wanted][0]}", hint, party)

    def allow_conditions(self, node: exp.Expr, typed: Typed) -> None:
        """Refuse conditions on columns that the contract lets nobody filter by; whether a value is there is free."""
        self.allow(node, replace(typed, values=frozenset()), "filter")
