"""What several rows of a person come to: counts, sums, averages, truths and least values, each a column of persons."""

from __future__ import annotations

from dataclasses import replace as replaced
from typing import NoReturn

from msgspec.structs import replace
from sqlglot import exp

from glovebox.contract.bounds import TOTAL_LIMIT, rows_of_id
from glovebox.planner.conditions import where
from glovebox.planner.conjuncts import conjuncts
from glovebox.planner.gathered import Gathered, Measures
from glovebox.planner.nulls import holds_null
from glovebox.planner.scope import Scope
from glovebox.planner.typed import NULL, Typed, at_scale
from glovebox.planner.typing import Typing
from glovebox.schema.columns import Column, Kind, Use
from glovebox.schema.expressions import Call, ColumnRef, Constant, Expression, substituted
from glovebox.schema.local import Measure

ONE = Constant("integer", "1")
PERSON = "SELECT id, SUM(x) AS s FROM (… UNION ALL …) GROUP BY id"
USES: tuple[Use, ...] = ("sum", "avg", "quantile", "group", "filter", "compare")
"""What a contract may allow for what an id's rows come to."""
AGGREGATES = (exp.Count, exp.Sum, exp.Min, exp.Max, exp.LogicalOr)
MOST_DECIMALS = 6
"""Of an id's average, which is rounded; fewer where sums of its square would not fit."""


class Summaries:
    """What becomes of a person's rows, aggregate by aggregate. side 0 of the scope: that of the rows.

    ids, keys: what rows are put together by. alone: one owner computes it, and nothing of it meets another's on shares.
    """

    def __init__(self, scope: Scope, typing: Typing, ids: Column, keys: tuple[Column, ...], alone: bool) -> None:
        self.scope, self.typing, self.ids, self.keys, self.alone = scope, typing, ids, keys, alone
        self.side = scope.sides[0]
        self.most = rows_of_id(self.side.table, ids)
        self.counted: tuple[Column, Expression | None] | None = None  # another id that is counted once, where

    def _no(self, node: exp.Expr, sentence: str, hint: str = PERSON) -> NoReturn:
        self.scope.statement.refuse(node, "sql", sentence, hint)

    def column(self, node: exp.Expr, name: str) -> Gathered:
        """What a person has by an aggregate, or as its id."""
        column = self.scope.find(node)[1] if isinstance(node, exp.Column) else None
        if column == self.ids:
            unique, required = self.ids.unique or not self.keys, self.ids.required or not self.alone
            return Gathered(replace(self.ids, name=name, unique=unique, required=required), "id")
        if column in self.keys:
            return Gathered(replace(column, name=name), "key")
        condition, inner = None, node
        if isinstance(node, exp.Filter):
            condition, inner = self.condition(node.expression.this), node.this
        if isinstance(inner, exp.Avg) and self.alone:
            return self._averaged(inner, name, condition)
        if not isinstance(inner, AGGREGATES):
            self._no(node, "Of a person's rows, counts, sums, MIN, MAX and bool_or are taken")
        match inner:
            case exp.Count() if isinstance(inner.this, exp.Star):
                return self._counted(name, condition, None)
            case exp.Count() if isinstance(inner.this, exp.Distinct):
                return self._once(name, inner, condition) or self._owners(name, inner, condition)
            case exp.Count():
                one = self.typing.typed(inner.this)
                self.typing.allow_conditions(inner, one)
                return self._counted(name, condition, one)
            case exp.Sum():
                return self._summed(inner.this, name, condition)
            case exp.LogicalOr():
                return self._any(inner.this, name, condition)
        return self._least(inner, name, condition)

    def condition(self, node: exp.Expr | None) -> Typed | None:
        parts = []
        for part in conjuncts(node):
            one = self.typing.condition(part)
            self.typing.allow(part, one, "filter")
            parts.append(one)
        if len(parts) < 2:
            return parts[0] if parts else None
        whole = Call("and", tuple(part.expression for part in parts))
        names = frozenset[str]().union(*(part.conditions for part in parts))
        return Typed(whole, "boolean", 0, nullable=any(part.nullable for part in parts), conditions=names)

    def _nullable(self, one: Typed) -> bool:
        """Whether a value may be NULL; a category never is, for what is missing there is "other" or refused."""
        columns = [self.side.table.column(name) for name in one.values | one.conditions]
        missing = any(column is None or (column.kind != "category" and not column.required) for column in columns)
        return one.nullable and (missing or holds_null(one.expression))

    def _measures(self, measure: Measure) -> Measures:
        """The measure of every owner, of columns of its own."""
        return tuple(
            replace(measure, expression=substituted(measure.expression, branch.columns))
            for branch in self.side.branches
        )

    def _made(self, name: str, kind: Kind, ends: tuple[int, int], read: Typed | None, nullable: bool) -> Column:
        """The column; it may be used as what it is made of may be."""
        low, high = ends
        values, conditions = (read.values, read.conditions) if read else (frozenset[str](), frozenset[str]())
        may = tuple(use for use in USES if self._may(values, use) and self._may(conditions, "filter"))
        return Column(name, kind, required=not nullable, scale=read.scale if read else 0, low=low, high=high, may=may)

    def _may(self, names: frozenset[str], use: Use) -> bool:
        return self._has(names, "filter" if use == "group" else use)  # groups of what is made tell as conditions on it

    def _has(self, names: frozenset[str], use: Use) -> bool:
        columns = [self.side.table.column(name) for name in names]
        return all(column is not None and use in column.may for column in columns)

    def _counted(self, name: str, condition: Typed | None, counted: Typed | None) -> Gathered:
        kind = "values" if condition or counted else "rows"
        expression = where(condition, counted.expression if counted else ONE) if kind == "values" else None
        measure = Measure(kind, expression, 0, 0, self.most)  # type: ignore[arg-type]
        ends = (0, self.most * len(self.side.branches))
        return Gathered(self._made(name, "integer", ends, None, False), "sum", self._measures(measure))

    def _once(self, name: str, node: exp.Count, condition: Typed | None) -> Gathered | None:
        """How many values of another id the person's rows have, at all owners together; None if it is no other id."""
        counted = node.this.expressions
        column = self.scope.find(counted[0])[1] if len(counted) == 1 and isinstance(counted[0], exp.Column) else None
        if column is None or column.kind != "id" or column == self.ids:
            return None
        several, place = len(self.side.branches) > 1, (column, condition.expression if condition else None)
        if several and self.counted not in (None, place):
            sentence = "One other id is counted once of a person's rows, under one condition"
            self._no(node, sentence, "one COUNT(DISTINCT other id)")
        self.counted = place if several else None
        measure = Measure("distinct", where(condition, ColumnRef(column.name)), 0, 0, self.most)
        made = self._made(name, "integer", (0, self.most * len(self.side.branches)), None, False)
        return Gathered(made, "distinct" if several else "sum", self._measures(measure))

    def _owners(self, name: str, node: exp.Count, condition: Typed | None) -> Gathered:
        """At how many owners the person has rows: COUNT(DISTINCT a column that is another constant at each)."""
        one = self.typing.typed(node.this.expressions[0])
        made = [
            branch.columns.get(one.expression.name) if isinstance(one.expression, ColumnRef) else None
            for branch in self.side.branches
        ]
        if len(set(made)) < len(made) or not all(isinstance(each, Constant) for each in made):
            sentence = (
                "Of a person, only owners can be counted as distinct, by a constant that each part has of its own, "
                "or another id"
            )
            self._no(node, sentence, "SELECT 'name' AS owner, … in every part, and COUNT(DISTINCT owner)")
        measure = Measure("people", where(condition, ONE) if condition else None, 0, 0, 1)
        column = self._made(name, "integer", (0, len(made)), None, False)
        return Gathered(column, "sum", self._measures(measure))

    def _summed(self, node: exp.Expr, name: str, condition: Typed | None) -> Gathered:
        one = self.typing.typed(node)
        if one.sort != "number":
            self._no(node, "Only numbers are added up", "SUM(CASE WHEN … THEN 1 ELSE 0 END)")
        self.typing.allow_conditions(node, one)  # which persons have a sum tells where they hold
        expression, nullable = where(condition, one.expression), condition is not None or self._nullable(one)
        low, high = min(0, one.low) * self.most, max(0, one.high) * self.most
        measure = Measure("sum", expression, one.scale, low, high)
        owners = len(self.side.branches)
        kind: Kind = "decimal" if one.scale else "integer"
        column = self._made(name, kind, (low * owners, high * owners), one, nullable)
        return Gathered(column, "sum", self._measures(measure), self._there(expression) if nullable else None)

    def _averaged(self, node: exp.Avg, name: str, condition: Typed | None) -> Gathered:
        """AVG of an id's rows, with as many decimals as leave room for the sum of its square over all ids."""
        one = self.typing.typed(node.this)
        if one.sort != "number":
            self._no(node, "Only numbers are averaged", "AVG(x)")
        self.typing.allow(node, one, "avg")
        most, scale = max(-one.low, one.high, 1), MOST_DECIMALS
        while scale and (most * 10**scale // 10**one.scale) ** 2 * self.side.table.rows >= TOTAL_LIMIT:
            scale -= 1
        if scale < one.scale:
            self._no(node, "The average of numbers as large as these is not exact enough", "SUM(x) AS s, COUNT(x) AS n")
        ends = (one.low * 10 ** (scale - one.scale), one.high * 10 ** (scale - one.scale))
        nullable = condition is not None or self._nullable(one)
        measure = Measure("mean", where(condition, one.expression), scale, *ends)
        column = self._made(name, "decimal", ends, replaced(one, scale=scale), nullable)
        return Gathered(column, "mean", self._measures(measure), () if nullable else None)

    def _there(self, expression: Expression) -> Measures:
        return self._measures(Measure("people", expression, 0, 0, 1))

    def _any(self, node: exp.Expr, name: str, condition: Typed | None) -> Gathered:
        one = self.typing.condition(node)
        self.typing.allow(node, one, "filter")
        true = one.expression if condition is None else Call("and", (condition.expression, one.expression))
        nullable = condition is not None or self._nullable(one)
        measure = Measure("people", Call("case", (true, ONE, NULL)), 0, 0, 1)
        there = self._there(where(condition, one.expression)) if nullable else None
        column = Column(name, "boolean", required=not nullable, may=("group", "filter"))
        return Gathered(column, "any", self._measures(measure), there)

    def _least(self, node: exp.Min | exp.Max, name: str, condition: Typed | None) -> Gathered:
        """MIN, or MAX as minus the least of minus: of numbers, days, and labels in their order as texts."""
        one = self.typing.typed(node.this)
        grouped = self._has(one.values, "group") and self._has(one.conditions, "filter")
        if not grouped:
            self.typing.allow(node, one, "filter")
        nullable, negative = condition is not None or self._nullable(one), isinstance(node, exp.Max)
        labels: tuple[str, ...] = ()
        if one.sort == "category" and one.column:
            labels = tuple(sorted(one.column.values))
            pairs = [
                part
                for place, label in enumerate(labels)
                for part in (
                    Call("=", (one.expression, Constant("category", label))),
                    Constant("integer", str(place)),
                )
            ]
            read, (low, high) = Call("case", (*pairs, NULL)), (0, len(labels) - 1)
        elif one.sort in ("number", "date"):
            read = Call("days", (one.expression,)) if one.sort == "date" else one.expression  # type: ignore[assignment]
            low, high = at_scale(one, one.scale)
        else:
            self._no(node, "This has no least and no greatest here", "a number, a date or a label")
        signed = Call("negate", (read,)) if negative else read
        ends = (-high, -low) if negative else (low, high)
        measure = Measure("least", where(condition, signed), one.scale, ends[0], ends[1] + 1)
        kinds: dict[str, Kind] = {"category": "category", "date": "date"}
        kind: Kind = kinds.get(one.sort, "decimal" if one.scale else "integer")
        made = self._made(name, kind, (low, high), one, nullable)
        may = tuple(use for use in made.may if use != "group" and self._has(one.values, "filter"))
        column = replace(made, values=labels, may=(*may, "group") if grouped else may)  # of a row's own value
        return Gathered(column, "least", self._measures(measure), () if nullable else None, negative)
