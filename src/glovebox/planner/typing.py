"""Expressions of one owner's columns: typed, with their range, and with what the contract must allow for them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from sqlglot import exp

from glovebox.planner import calendar, dates
from glovebox.planner.scope import Scope
from glovebox.planner.typed import NULL, Sort, Typed, at_scale, is_like, moment, number, with_article
from glovebox.schema.columns import Use
from glovebox.schema.expressions import Call, ColumnRef, Constant, Operator

SORTS: dict[str, Sort] = {"integer": "number", "decimal": "number"}
ARITHMETIC: dict[type[exp.Expr], Operator] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}
COMPARISON: dict[type[exp.Expr], Operator] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
MOMENTS = (exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ)  # the last is what DuckDB calls TIMESTAMP
MOST = 1 << 62
MOST_SCALE = 18


class Typing:
    """Types the expressions of one statement. parameters: typed constants, by name."""

    def __init__(self, scope: Scope, parameters: Mapping[str, Typed]) -> None:
        self.scope, self.parameters = scope, parameters
        self._refuse = scope.statement.refuse
        self._made: dict[type[exp.Expr], Callable[[Any], Typed]] = {
            **dict.fromkeys(ARITHMETIC, self._arithmetic), exp.Cast: self._cast, exp.Case: self._case,
            exp.Coalesce: self._coalesce, exp.Floor: self._floor, exp.IntDiv: self._whole_quotient,
            exp.Mod: self._whole_quotient, **dates.made_by(self),
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
                    self._refuse(node, "question", f"There is no parameter {node.name[:63]}", hint)
                return self.parameters[node.name]
            case exp.Neg():
                return self.added(node, None, self._number(node.this), -1)
            case exp.Interval():
                self._refuse(
                    node, "sql", "An interval is added to a date, or to a time", "DATE '2026-12-31' - INTERVAL 7 DAY"
                )
            case exp.Div():
                hint = "a ratio of aggregates, like SUM(…) / SUM(…)"
                self._refuse(node, "sql", "A ratio of a row's values is no exact number", hint)
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
                return self._boolean(node, "and" if isinstance(node, exp.And) else "or", parts)
            case exp.Not():
                return self._boolean(node, "not", (self.condition(node.this),))
            case exp.Is():
                if not isinstance(node.expression, exp.Null):
                    self._refuse(node, "sql", "IS stands before NULL only", "IS NULL, or = TRUE")
                one = self.typed(node.this)
                if one.sort == "id":  # whether there is an id is no secret of its value: no clause guards it
                    one = replace(one, values=frozenset())
                return replace(self._boolean(node, "is_null", (one,)), nullable=False)
            case exp.In():
                return self._in(node)
            case exp.Like() | exp.ILike():
                return self._like(node)
            case exp.Between():
                value, low, high = (self.typed(node.args[part]) for part in ("this", "low", "high"))
                ends = (self._compare(node, ">=", value, low), self._compare(node, "<=", value, high))
                return self._boolean(node, "and", ends)
        if type(node) in COMPARISON:
            return self._compare(node, COMPARISON[type(node)], self.typed(node.this), self.typed(node.expression))
        if isinstance(node, exp.Column | exp.Boolean | exp.Placeholder):
            found = self.typed(node)
            if found.sort == "boolean":
                return replace(found, values=frozenset(), conditions=found.conditions | found.values)
        return self._refuse(node, "sql", "This is no condition", "a comparison, or a boolean column")

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
        return number(str(node.this)) or self._refuse(node, "sql", "This is no exact number", hint)

    def _cast(self, node: exp.Cast) -> Typed:
        kind, value = node.to.this, node.this
        if kind in MOMENTS and isinstance(value, exp.Literal) and value.is_string:
            found = moment("date" if kind == exp.DType.DATE else "timestamp", value.this)
            return found or self._refuse(node, "sql", "This is no date or time", "DATE '2026-12-31'")
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
        return self._refuse(node, "sql", "This cannot be cast", "CAST(a boolean or an integer AS INTEGER)")

    def _floor(self, node: exp.Floor) -> Typed:
        """A number, or its quotient by a positive constant, rounded down."""
        inner = node.this.unnest()
        parts = (inner.this, inner.expression) if isinstance(inner, exp.Div) else (inner, exp.Literal.number(1))
        value, divisor = self._number(parts[0]), self._number(parts[1])
        if not isinstance(divisor.expression, Constant) or divisor.low <= 0:
            self._refuse(node, "sql", "FLOOR takes a number, or one divided by a positive constant", "floor(x / 10)")
        if value.low <= -MOST or value.high >= MOST:
            self._refuse(node, "columns", "Nothing bounds this number", "a column with a range")
        low, high = (end * 10**divisor.scale // (divisor.low * 10**value.scale) for end in (value.low, value.high))
        call = Call("floor", (value.expression, divisor.expression))
        return replace(value, expression=call, scale=0, low=low, high=high, column=None)

    def _whole_quotient(self, node: exp.IntDiv | exp.Mod) -> Typed:
        """x // c, or x % c, of whole numbers that are not negative: of others SQL cuts off toward zero."""
        value, divisor = self._number(node.this), self._number(node.expression)
        if not isinstance(divisor.expression, Constant) or divisor.low <= 0 or value.scale or divisor.scale:
            self._refuse(
                node, "sql", "// and % take a whole number and a positive constant", "x // 10, or floor(x / 10)"
            )
        if value.low < 0:
            self._refuse(node, "sql", "// and % take numbers that cannot be negative", "floor(x / 10)")
        quotient = self._floor(exp.Floor(this=exp.Div(this=node.this, expression=node.expression)))
        if isinstance(node, exp.IntDiv):
            return quotient
        whole = self._calculated(node, "*", quotient, divisor)
        found = self._calculated(node, "-", value, whole)
        return replace(found, low=0, high=min(value.high, divisor.low - 1))

    def _coalesce(self, node: exp.Coalesce) -> Typed:
        """A number, or another where it is missing."""
        if len(node.expressions) != 1:
            self._refuse(node, "sql", "COALESCE takes two values here", "COALESCE(x, 0)")
        value, other = self._number(node.this), self._number(node.expressions[0])
        missing = Typed(Call("is_null", (value.expression,)), "boolean", value.side)  # as it adds, so it may be missing
        return self._number_of(node, (missing, other, value), (other, value), other.nullable)

    def _number(self, node: exp.Expr) -> Typed:
        found = self.typed(node)
        if found.sort != "number":
            self._refuse(node, "sql", "A number is wanted here", "CASE WHEN … THEN 1 ELSE 0 END")
        return found

    def _arithmetic(self, node: exp.Expr) -> Typed:
        if later := dates.shifted(self, node):
            return later
        left, right = self.typed(node.this), self.typed(node.expression)
        if isinstance(node, exp.Sub) and left.sort == right.sort == "date":
            left, right = _days(left), _days(right)
        return self._calculated(node, ARITHMETIC[type(node)], left, right)

    def _calculated(self, node: exp.Expr, operator: Operator, left: Typed, right: Typed) -> Typed:
        for one in (left, right):
            if one.sort != "number":
                self._refuse(node, "sql", "A number is wanted here", "CASE WHEN … THEN 1 ELSE 0 END")
            if one.low <= -MOST or one.high >= MOST:
                hint = "columns with a range, and fewer factors"
                self._refuse(node, "columns", "Nothing bounds this number, so that it could overflow", hint)
        if operator == "*":
            corners = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
            scale, low, high = left.scale + right.scale, min(corners), max(corners)
        else:
            scale = max(left.scale, right.scale)
            (a, b), (c, d) = (at_scale(side, scale) for side in (left, right))
            low, high = (a + c, b + d) if operator == "+" else (a - d, b - c)
        if scale > MOST_SCALE:
            self._refuse(node, "sql", f"This has {scale} decimals", f"at most {MOST_SCALE}")
        return replace(self._joined(node, operator, (left, right)), sort="number", scale=scale, low=low, high=high)

    def difference(self, node: exp.Expr, left: Typed, right: Typed) -> Typed:
        """One number of an owner less another."""
        return self._calculated(node, "-", left, right)

    def product(self, node: exp.Expr, left: Typed, right: Typed) -> Typed:
        """Two factors of one owner as one number."""
        return self._calculated(node, "*", left, right)

    def added(self, node: exp.Expr, left: Typed | None, right: Typed, sign: int) -> Typed:
        """The sum (1) or the difference (-1) of two numbers of one owner; nothing counts as zero."""
        if left is not None:
            return self._calculated(node, "+" if sign > 0 else "-", left, right)
        if sign > 0:
            return right
        negated = Call("negate", (right.expression,))
        return replace(right, expression=negated, low=-right.high, high=-right.low, column=None)

    def _case(self, node: exp.Case) -> Typed:
        arguments, branches = [], []
        for branch in node.args["ifs"]:
            when = branch.this
            if node.this is None:
                condition = self.condition(when)
            else:
                condition = self._compare(node, "=", self.typed(node.this), self.typed(when))
            arguments += [condition, self.typed(branch.args["true"])]
            branches.append(arguments[-1])
        default = node.args.get("default")
        branches.append(self.typed(default) if default else Typed(NULL, "null", nullable=True))
        sorts = {branch.sort for branch in branches} - {"null"}
        if sorts != {"number"}:
            self._refuse(node, "sql", "CASE gives numbers here", "CASE WHEN … THEN 1 ELSE 0 END")
        nullable = any(branch.nullable for branch in branches)
        return self._number_of(node, (*arguments, branches[-1]), branches, nullable)

    def _number_of(
        self, node: exp.Expr, arguments: tuple[Typed, ...], branches: Sequence[Typed], nullable: bool
    ) -> Typed:
        """The number that one of some branches is. arguments: of CASE."""
        scale = max(branch.scale for branch in branches)
        ends = [at_scale(branch, scale) for branch in branches if branch.sort == "number"]
        whole = self._joined(node, "case", arguments)
        low, high = min(end[0] for end in ends), max(end[1] for end in ends)
        return replace(whole, sort="number", scale=scale, low=low, high=high, nullable=nullable)

    def _in(self, node: exp.In) -> Typed:
        if node.args.get("query"):
            hint = "JOIN (SELECT s.id, COUNT(*) AS n FROM s JOIN t ON t.key = s.key GROUP BY s.id) q, by that id"
            self._refuse(node, "sql", "IN a sub-query within another asks of the same id, and of no other", hint)
        if not node.expressions:
            self._refuse(node, "sql", "IN stands before a list of constants", "IN ('a', 'b')")
        value = self.typed(node.this)
        found = [self._compare(node, "=", value, self.typed(item)) for item in node.expressions]
        return found[0] if len(found) == 1 else self._boolean(node, "or", tuple(found))

    def _like(self, node: exp.Like | exp.ILike) -> Typed:
        """Whether a category is one of those of the contract's labels that are like a pattern."""
        value, pattern = self.typed(node.this), node.expression
        if value.column is None or value.sort != "category" or not isinstance(pattern, exp.Literal):
            self._refuse(node, "sql", "LIKE stands between a category and a constant", "category LIKE 'a%'")
        folded = str.lower if isinstance(node, exp.ILike) else str
        like = folded(str(pattern.this))
        found = [exp.Literal.string(label) for label in value.column.values if is_like(folded(label), like)]
        if not found:
            hint = ", ".join(f"'{label}'" for label in value.column.values[:8])
            clause = f"columns.{value.column.name}.values"
            self._refuse(node, clause, "The contract has no value like this here", hint, self.scope.owner(value.side))
        among = self._in(exp.In(this=node.this, expressions=found))
        return self._boolean(node, "not", (among,)) if node.args.get("negate") else among

    def _compare(self, node: exp.Expr, operator: Operator, left: Typed, right: Typed) -> Typed:
        left, right = self._as(node, left, right), self._as(node, right, left)
        if "id" in (left.sort, right.sort):
            hint = "JOIN … USING, COUNT(DISTINCT id), or IS NOT NULL"
            self._refuse(node, "columns", "Ids are joined and counted, never compared", hint)
        if left.sort != right.sort or (left.sort in ("category", "boolean") and operator not in ("=", "<>")):
            if left.sort == right.sort:
                self._refuse(node, "sql", f"{with_article(left.sort)} has no order here", "=, <> or IN")
            hint = "IS NULL" if "null" in (left.sort, right.sort) else f"{with_article(left.sort)} on both sides"
            sentence = f"{with_article(left.sort)} cannot be compared with {with_article(right.sort).lower()}"
            self._refuse(node, "sql", sentence, hint)
        self._check_met(node, left, right)
        return self._boolean(node, operator, (left, right))

    def _check_met(self, node: exp.Expr, left: Typed, right: Typed) -> None:
        """Refuse to compare what two owners have of a person, where the contract lets their columns not be compared."""
        persons, names = self.scope.sides[0].persons, left.values | right.values
        held = [
            {place for place, measure in enumerate(one.measures) if measure}
            for one in (persons.columns if persons else ())
            if one.column.name in names
        ]
        if len({place for places in held if len(places) == 1 for place in places}) > 1:
            self.allow(node, Typed(NULL, "boolean", 0, values=names), "compare")

    def _as(self, node: exp.Expr, one: Typed, beside: Typed) -> Typed:
        """A text constant, as what stands beside it: a label of its column, or a date."""
        if one.sort not in ("text", "date") or not isinstance(one.expression, Constant):
            return one
        text = one.expression.text
        if beside.sort == "timestamp" and one.sort == "date":
            return moment("timestamp", text) or one
        if one.sort == "text" and beside.sort in ("date", "timestamp"):
            found = moment(beside.sort, text)
            return found or self._refuse(node, "sql", f"This is no {beside.sort}", "'2026-12-31'")
        if one.sort == "text" and beside.sort == "category" and beside.column is not None:
            if text not in beside.column.values:
                labels = [f"'{value}'" for value in beside.column.values]
                meant = difflib.get_close_matches(f"'{text}'", labels, n=1) if len(labels) > 8 else []
                hint = f"did you mean {meant[0]}?" if meant else ", ".join(labels[:8])
                clause = f"columns.{beside.column.name}.values"
                self._refuse(node, clause, "The contract has no such value here", hint, self.scope.owner(beside.side))
            return Typed(Constant("category", text), "category")
        return one

    def _boolean(self, node: exp.Expr, operator: Operator, arguments: tuple[Typed, ...]) -> Typed:
        whole = self._joined(node, operator, arguments)
        conditions = whole.conditions | whole.values
        return replace(whole, sort="boolean", low=0, high=1, values=frozenset(), conditions=conditions)

    def _joined(self, node: exp.Expr, operator: Operator, arguments: tuple[Typed, ...]) -> Typed:
        sides = {argument.side for argument in arguments} - {None}
        if len(sides) > 1:
            sentence = "Columns of two owners meet in WHERE, in FILTER and in what is added up, and not here"
            self._refuse(node, "sql", sentence, "COUNT(*) FILTER (WHERE …), one for each case")
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
                    uses = {
                        "sum": "summed",
                        "avg": "averaged",
                        "min": "asked for its least",
                        "max": "asked for its greatest",
                        "quantile": "asked for its median, or another quantile",
                        "filter": "filtered by",
                        "group": "grouped by",
                        "compare": "compared with another owner's column",
                    }
                    allowed = [example for may, example in EXAMPLES.items() if may in column.may]
                    hint = " or ".join(allowed or ["COUNT(*)"]).replace("x", name)
                    self._refuse(node, clause, f"{table.name}.{name} may not be {uses[wanted]}", hint, party)

    def allow_conditions(self, node: exp.Expr, typed: Typed) -> None:
        """Refuse conditions on columns that the contract lets nobody filter by; whether a value is there is free."""
        self.allow(node, replace(typed, values=frozenset()), "filter")


EXAMPLES: dict[Use, str] = {
    "sum": "SUM(x)",
    "avg": "AVG(x)",
    "min": "MIN(x)",
    "max": "MAX(x)",
    "quantile": "MEDIAN(x)",
    "filter": "a condition on x",
    "group": "GROUP BY x",
    "compare": "a comparison of x",
}


def chain(node: exp.Expr, kind: type[exp.Expr]) -> Iterator[exp.Expr]:
    """The parts of a chain of one connective."""
    while isinstance(node, exp.Paren):
        node = node.this
    if type(node) is kind:
        yield from chain(node.this, kind)
        yield from chain(node.expression, kind)
    else:
        yield node


def _days(one: Typed) -> Typed:
    """A day as a number of days since 1970."""
    if isinstance(one.expression, Constant):
        days = (date.fromisoformat(one.expression.text) - date(1970, 1, 1)).days
        return replace(one, expression=Constant("integer", str(days)), sort="number", low=days, high=days)
    return replace(one, expression=Call("days", (one.expression,)), sort="number", column=None)
