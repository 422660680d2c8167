"""Sub-queries that make one row a person of several owners' rows: GROUP BY or DISTINCT an id over a UNION ALL.

Each owner puts its own rows of a person together; what the owners have of one person meets on shares (`spines.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace as replaced
from typing import NoReturn

from msgspec.structs import replace
from sqlglot import exp

from glovebox.contract.bounds import TOTAL_LIMIT, rows_of_id
from glovebox.contract.terms import Contract
from glovebox.planner.conjuncts import conjuncts
from glovebox.planner.distinct import check_counted
from glovebox.planner.gathered import Gathered, Measures, Persons
from glovebox.planner.nulls import holds_null
from glovebox.planner.persons import check_met, is_person, names_of
from glovebox.planner.scope import Scope, Side, table_side
from glovebox.planner.stack import branch_query, union_side
from glovebox.planner.statement import Statement
from glovebox.planner.typed import NULL, Typed, all_of, at_scale
from glovebox.planner.typing import Typing
from glovebox.schema.columns import Column, Kind, Table, Use
from glovebox.schema.expressions import Call, ColumnRef, Constant, Expression, substituted
from glovebox.schema.local import LocalQuery, Measure

ONE = Constant("integer", "1")
PERSON = "SELECT id, SUM(x) AS s FROM (… UNION ALL …) GROUP BY id"
USES: tuple[Use, ...] = ("sum", "avg", "quantile", "group", "filter", "compare")
"""What a contract may allow for what an id's rows come to."""
AGGREGATES = (exp.Count, exp.Sum, exp.Min, exp.Max, exp.LogicalOr)
MOST_DECIMALS = 6
"""Of an id's average, which is rounded; fewer where sums of its square would not fit."""


def selects_of_persons(scope: Scope) -> list[exp.Select]:
    """The sub-queries that make persons: one, or several that are joined, or none."""
    if scope.sides[0].persons is None:
        return []
    tree = scope.statement.tree
    return [node.this for node in (tree.args["from_"].this, *(join.this for join in tree.args.get("joins") or []))]


def makes_persons(node: exp.Expr) -> bool:
    """Whether a sub-query makes one row of many."""
    inner = node.this if isinstance(node, exp.Subquery) else None
    return isinstance(inner, exp.Select) and bool(inner.args.get("group") or inner.args.get("distinct"))


def person_side(statement: Statement, contract: Contract, node: exp.Subquery, given: Mapping[str, Typed]) -> Side:
    """The side that such a sub-query is. given: typed parameters of the question."""
    gathering = Gathering(statement, contract, node.this, given)
    gathering.check_by_id()
    gathering.check_joined()
    return gathering.side_of_persons(node.alias)


def side_of(side: Side, persons: Persons, alias: str) -> Side:
    """The side that a table of persons is. side: that of their rows."""
    columns = tuple(gathered.column for gathered in persons.columns)
    owners = tuple(query.party for query in persons.queries)
    table = Table("persons", owners, side.table.rows, columns, None, "id", apart=True)
    called = frozenset({alias.lower()} if alias else ())
    return Side(side.index, table, owners, called, branches=side.branches, persons=persons)


class Gathering:
    """Reads one sub-query: whose rows, by which id, and what becomes of them."""

    def __init__(
        self,
        statement: Statement,
        contract: Contract,
        select: exp.Select,
        given: Mapping[str, Typed],
        alone: bool = False,
    ) -> None:
        """alone: one owner computes it, and nothing of it meets another's on shares."""
        self.statement, self.contract, self.select, self.alone = statement, contract, select, alone
        for part in ("joins", "order", "limit"):
            if select.args.get(part):
                called = "JOIN" if part == "joins" else part.upper()
                self._no(select, f"{called} has no place where rows become persons", PERSON)
        source = select.args["from_"].this
        self.side = (
            union_side(statement, contract, source, given)
            if isinstance(source, exp.Subquery)
            else table_side(statement, contract, source)
        )
        self.scope = Scope(statement, contract, (self.side,))
        self.typing = Typing(self.scope, given)
        self.ids, self.keys = self._keys()
        self.most = rows_of_id(self.side.table, self.ids)
        self.counted: tuple[Column, Expression | None] | None = None  # another id that is counted once, where
        where = select.args.get("where")
        self.where = self._conditions(where.this if where else None)

    def _no(self, node: exp.Expr, sentence: str, hint: str = PERSON) -> NoReturn:
        self.statement.refuse(node, "sql", sentence, hint)

    def _keys(self) -> tuple[Column, tuple[Column, ...]]:
        """The id that rows are put together by, and what else they are."""
        group = self.select.args.get("group")
        columns, places = [], {str(place) for place in range(1, 1 + len(self.select.expressions))}
        for node in group.expressions if group else self.select.expressions:
            key = node.unalias()
            if str(key) in places:
                key = self.select.expressions[int(key.this) - 1].unalias()
            if not isinstance(key, exp.Column):
                self._no(node, "Rows become persons by an id")
            columns.append(self.scope.find(key)[1])
        ids = [column for column in columns if column.kind == "id"]
        if len(ids) != 1 or len(set(columns)) < len(columns):
            self._no(group or self.select, "Rows become persons by one id")
        for column in columns:
            if column.kind != "id" and not {"group", "filter"} & set(column.may):
                sentence, hint = f"Rows may not be told apart by {column.name}", 'a column with may = ["group"]'
                self.statement.refuse(group or self.select, f"columns.{column.name}.may", sentence, hint)
        return ids[0], tuple(column for column in columns if column.kind != "id")

    def check_by_id(self) -> None:
        """Return if rows are put together by the id alone."""
        if self.keys:
            self._no(self.select, "Rows of several owners become persons by one id")

    def names(self) -> list[str]:
        """Each owner's own name of the id."""
        return names_of(self.side, self.ids)

    def check_joined(self) -> None:
        """Return if the contract lets the owners' rows meet by this id."""
        check_met(self.statement, self.contract, self.select, self.side, self.ids)

    def is_person(self) -> bool:
        """Whether each table of several owners enters by the id that its people are told apart by."""
        return is_person(self.contract, self.side, self.ids)

    def queries(self, more: Expression | None = None) -> tuple[LocalQuery, ...]:
        """Each owner's own part: its rows, or those that meet one more condition, by its own name of the id."""
        wheres = [one for one in (self.where.expression if self.where else None, more) if one is not None]
        lines, where = self.side.table.rows, all_of(wheres)
        return tuple(
            replace(branch_query(self.contract, branch, (), lines, where, ()), ids=name)
            for branch, name in zip(self.side.branches, self.names(), strict=True)
        )

    def pairs(self) -> tuple[LocalQuery, ...]:
        """Each owner's own pairs of the id and another that is counted once, if one is."""
        if self.counted is None:
            return ()
        column, where = self.counted
        check_counted(self.statement, self.contract, self.select, self.side)
        check_met(self.statement, self.contract, self.select, self.side, column)
        names = zip(self.queries(where), names_of(self.side, column), strict=True)
        return tuple(replace(query, other=name) for query, name in names)

    def side_of_persons(self, alias: str) -> Side:
        """The table of persons."""
        columns, having = self.columns_with_having()
        return side_of(self.side, Persons(self.queries(), tuple(columns), having, pairs=self.pairs()), alias)

    def columns_with_having(self) -> tuple[list[Gathered], Expression | None]:
        """What a person has, and HAVING; its aggregates are columns that nothing else can name."""
        columns, having = self.columns(), self.select.args.get("having")
        if having is None:
            return columns, None
        condition = exp.Paren(this=having.this.copy())
        found = list(condition.find_all(*AGGREGATES))
        for number, aggregate in enumerate(one.parent if isinstance(one.parent, exp.Filter) else one for one in found):
            columns.append(self.column(aggregate, name := f"having {number}"))
            aggregate.replace(exp.column(name, quoted=True))
        side = side_of(self.side, Persons(self.queries(), tuple(columns)), "")
        typing = Typing(Scope(self.statement, self.contract, (side,)), self.typing.parameters)
        parts = []
        for part in conjuncts(condition):
            one = typing.condition(part)
            typing.allow(part, one, "filter")
            parts.append(one.expression)
        return columns, all_of(parts)

    def columns(self) -> list[Gathered]:
        """What a person has, by name."""
        found = []
        for item in self.select.expressions:
            node = item.unalias()
            name = (item.alias or (node.name if isinstance(node, exp.Column) else "")).lower()
            if not name:
                self._no(item, "What a person has needs a name", "… AS name")
            found.append(self.column(node, name))
        return found

    def column(self, node: exp.Expr, name: str) -> Gathered:
        """What a person has by an aggregate, or as its id."""
        column = self.scope.find(node)[1] if isinstance(node, exp.Column) else None
        if column == self.ids:
            unique = self.ids.unique or not self.keys
            return Gathered(replace(self.ids, name=name, unique=unique, required=True), "id")
        if column in self.keys:
            return Gathered(replace(column, name=name), "key")
        condition, inner = None, node
        if isinstance(node, exp.Filter):
            condition, inner = self._conditions(node.expression.this), node.this
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

    def _conditions(self, node: exp.Expr | None) -> Typed | None:
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
        expression = _where(condition, counted.expression if counted else ONE) if kind == "values" else None
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
        measure = Measure("distinct", _where(condition, ColumnRef(column.name)), 0, 0, self.most)
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
        measure = Measure("people", _where(condition, ONE) if condition else None, 0, 0, 1)
        column = self._made(name, "integer", (0, len(made)), None, False)
        return Gathered(column, "sum", self._measures(measure))

    def _summed(self, node: exp.Expr, name: str, condition: Typed | None) -> Gathered:
        one = self.typing.typed(node)
        if one.sort != "number":
            self._no(node, "Only numbers are added up", "SUM(CASE WHEN … THEN 1 ELSE 0 END)")
        self.typing.allow_conditions(node, one)  # which persons have a sum tells where they hold
        expression, nullable = _where(condition, one.expression), condition is not None or self._nullable(one)
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
        measure = Measure("mean", _where(condition, one.expression), scale, *ends)
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
        there = self._there(_where(condition, one.expression)) if nullable else None
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
        measure = Measure("least", _where(condition, signed), one.scale, ends[0], ends[1] + 1)
        kinds: dict[str, Kind] = {"category": "category", "date": "date"}
        kind: Kind = kinds.get(one.sort, "decimal" if one.scale else "integer")
        made = self._made(name, kind, (low, high), one, nullable)
        may = tuple(use for use in made.may if use != "group" and self._has(one.values, "filter"))
        column = replace(made, values=labels, may=(*may, "group") if grouped else may)  # of a row's own value
        return Gathered(column, "least", self._measures(measure), () if nullable else None, negative)


def _where(condition: Typed | None, expression: Expression) -> Expression:
    return Call("case", (condition.expression, expression, NULL)) if condition else expression
