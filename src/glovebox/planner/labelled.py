"""Sub-queries that put rows of a join together by an id and by labels, alone or joined with themselves by the id.

SELECT x.c, y.c, COUNT(*) FROM b x JOIN b y ON y.k = x.k GROUP BY x.c, y.c, where b is SELECT DISTINCT k, c of a join,
is asked of lines, one for each k, that have a count of rows for each label: x.c and y.c take every label in turn, and a
line counts where its count for both is positive.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from sqlglot import exp

from glovebox.contract.terms import Contract
from glovebox.planner.scope import Scope, Side, table_side
from glovebox.planner.statement import Statement, conjuncts
from glovebox.schema.columns import Column

ALIAS = "of line"
"""The sub-query's name in what is made of a statement, which no SQL of a question's says."""
BY_LABELS = "(SELECT DISTINCT id, label FROM facts JOIN table ON …) x"
ORDERS: dict[type[exp.Expr], Callable[[str, str], bool]] = {
    exp.LT: lambda a, b: a < b, exp.LTE: lambda a, b: a <= b, exp.GT: lambda a, b: a > b, exp.GTE: lambda a, b: a >= b,
}  # fmt: skip
"""Of labels as texts: by their code points, as DuckDB compares them."""


def labelled(statement: Statement, contract: Contract) -> dict[str, Column]:
    """The columns that take every label, if a statement reads such sub-queries, which then stand in it as lines."""
    tree = statement.tree
    source, joins = tree.args.get("from_"), tree.args.get("joins") or []
    nodes = [source.this, *(join.this for join in joins)] if source else []
    if not nodes or not all(_is_labelled(node) for node in nodes):
        return {}
    if any(node.this != nodes[0].this for node in nodes) or any(join.side or join.kind for join in joins):
        sentence = "What is put together by an id and labels is joined with itself alone"
        statement.refuse(joins[0], "sql", sentence, f"{BY_LABELS} JOIN the same y ON y.id = x.id")
    reading = _Labelled(statement, contract, nodes[0].this, [node.alias.lower() for node in nodes])
    conditions = [part for join in joins for part in reading.others(join)]
    where = tree.args.get("where")
    conditions += [*conjuncts(where.this if where else None)]
    for item in tree.expressions:
        if isinstance(item, exp.Column):
            item.replace(exp.alias_(item.copy(), item.name, quoted=True))  # it keeps its name
    for part in ("expressions", "group"):
        for node in _listed(tree.args.get(part)):
            node.replace(reading.named(node)) if node.parent else None
    kept = [*(reading.named(part) for part in conditions), *(reading.there(alias) for alias in reading.aliases)]
    tree.set("where", exp.Where(this=exp.and_(*kept, copy=False)))
    tree.set("joins", [])
    tree.set(
        "from_", exp.From(this=exp.Subquery(this=reading.inner, alias=exp.TableAlias(this=exp.to_identifier(ALIAS))))
    )
    return reading.free


def _listed(part: object) -> list[exp.Expr]:
    return [one for one in (part if isinstance(part, list) else [part]) if isinstance(one, exp.Expr)]


def _is_labelled(node: exp.Expr) -> bool:
    """Whether a sub-query puts rows of a join together by more than one key."""
    inner = node.this if isinstance(node, exp.Subquery) else None
    if not isinstance(inner, exp.Select) or not inner.args.get("joins"):
        return False
    group = inner.args.get("group")
    keys = group.expressions if group else inner.expressions if inner.args.get("distinct") else []
    return len(keys) > 1


class _Labelled:
    """Reads one sub-query under all its names. free: columns that take every label. inner: the lines."""

    def __init__(self, statement: Statement, contract: Contract, select: exp.Select, aliases: list[str]) -> None:
        self.statement, self.aliases = statement, aliases
        nodes = [select.args["from_"].this, *(join.this for join in select.args["joins"])]
        if not all(isinstance(node, exp.Table) for node in nodes) or len(set(aliases)) < len(aliases):
            statement.refuse(select, "sql", "Tables are put together by an id and labels", BY_LABELS)
        sides: tuple[Side, ...] = tuple(table_side(statement, contract, node) for node in nodes)
        self.scope = Scope(statement, contract, sides)
        group = select.args.get("group")
        keys = [key.unalias() for key in (group.expressions if group else select.expressions)]
        found = [self.scope.find(key)[1] if isinstance(key, exp.Column) else None for key in keys]
        if [one.kind for one in found if one].count("id") != 1 or {one.kind if one else "" for one in found} - {
            "id",
            "category",
        }:
            statement.refuse(select, "sql", "Rows of a join are put together by one id, and by labels", BY_LABELS)
        columns = [one for one in found if one is not None]
        (self.key,) = (key for key, one in zip(keys, columns, strict=True) if one.kind == "id")
        self.labels = {key: one for key, one in zip(keys, columns, strict=True) if one.kind == "category"}
        self.items = {
            (item.alias or (item.name if isinstance(item, exp.Column) else "")).lower(): item.unalias()
            for item in select.expressions
        }
        names = {key: next((n for n, item in self.items.items() if item == key), f"label {place}")
                 for place, key in enumerate(self.labels)}  # fmt: skip
        self.names = names
        self.free = {f"{alias}.{names[key]}": column for alias in aliases for key, column in self.labels.items()}
        self.inner = exp.Select(expressions=[exp.alias_(self.key.copy(), "key", quoted=True)])
        for part in ("from_", "joins", "where"):
            self.inner.set(part, select.args[part].copy() if part == "from_" else _copied(select.args.get(part)))
        self.inner.set("group", exp.Group(expressions=[self.key.copy()]))

    def others(self, join: exp.Join) -> list[exp.Expr]:
        """The conditions of a join but for the id's, which must be there."""
        using = [one.name.lower() for one in join.args.get("using") or []]
        parts = list(conjuncts(join.args.get("on")))
        own = next(name for name, item in self.items.items() if item == self.key)
        keys = [part for part in parts if isinstance(part, exp.EQ) and all(
            isinstance(end, exp.Column) and end.name.lower() == own and end.table.lower() in self.aliases
            for end in (part.this, part.expression)
        ) and part.this.table.lower() != part.expression.table.lower()]  # fmt: skip
        if not keys and using != [own]:
            self.statement.refuse(join, "sql", "This is joined with itself by its id", f"ON y.{own} = x.{own}")
        return [part for part in parts if part not in keys]

    def named(self, node: exp.Expr) -> exp.Expr:
        """A part of the statement in columns of the lines."""
        return node.copy().transform(self._renamed).transform(self._ordered)

    def _renamed(self, node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Column):
            return node
        alias, name = node.table.lower() or self.aliases[0], node.name.lower()
        item = self.items.get(name)
        if alias not in self.aliases or item is None or (not node.table and len(self.aliases) > 1):
            known = ", ".join(sorted(name for name in self.items if name))
            return self.statement.refuse(node, "sql", f"There is no column {name[:63]} here", f"one of {known}")
        if item == self.key:
            return exp.column("key", ALIAS, quoted=True)
        if item in self.labels:
            return self._free(alias, item)
        if isinstance(item, exp.Filter) and isinstance(item.expression.this, exp.Exists):
            return noted(self.inner, item)  # of all rows, whatever their labels
        return self._by_label(alias, item)

    def _ordered(self, node: exp.Expr) -> exp.Expr:
        """An order of two labels as the pairs of them that have it."""
        ends = [node.this, node.expression] if type(node) in ORDERS else []
        labels = [self._labels_of(end) for end in ends]
        if not ends or not all(labels):
            return node
        pairs = [(a, b) for a, b in itertools.product(*labels) if ORDERS[type(node)](a, b)]
        either = [exp.and_(*(exp.EQ(this=end.copy(), expression=exp.Literal.string(label))
                             for end, label in zip(ends, pair, strict=True) if isinstance(end, exp.Column)))
                  for pair in pairs]  # fmt: skip
        return exp.paren(exp.or_(*either)) if either else exp.false()

    def _labels_of(self, node: exp.Expr) -> tuple[str, ...]:
        if isinstance(node, exp.Literal) and node.is_string:
            return (node.this,)
        column = self.free.get(node.name) if isinstance(node, exp.Column) and node.table == ALIAS else None
        return column.values if column else ()

    def there(self, alias: str) -> exp.Expr:
        """Whether a line has a row with the labels that a name's columns take."""
        count = self._by_label(alias, exp.Count(this=exp.Star(), big_int=True))
        return exp.GT(this=count, expression=exp.Literal.number(0))

    def _by_label(self, alias: str, aggregate: exp.Expr) -> exp.Expr:
        """An aggregate of the rows with these labels: CASE picks the column of the labels in turn."""
        case = exp.Case()
        for combination in itertools.product(*(column.values for column in self.labels.values())):
            pairs = list(zip(self.labels, combination, strict=True))
            rows = exp.and_(*(exp.EQ(this=key.copy(), expression=exp.Literal.string(label)) for key, label in pairs))
            taken = exp.and_(*(
                exp.EQ(this=self._free(alias, key), expression=exp.Literal.string(label)) for key, label in pairs
            ))  # fmt: skip
            case = case.when(taken, self._column(aggregate, rows))
        return case

    def _free(self, alias: str, key: exp.Expr) -> exp.Column:
        """The column that takes every label of a key."""
        return exp.column(f"{alias}.{self.names[key]}", ALIAS, quoted=True)

    def _column(self, aggregate: exp.Expr, rows: exp.Expr) -> exp.Expr:
        made = exp.Filter(this=aggregate.copy(), expression=exp.Where(this=rows))
        if isinstance(aggregate, exp.Filter):
            both = exp.and_(aggregate.expression.this.copy(), rows)
            made = exp.Filter(this=aggregate.this.copy(), expression=exp.Where(this=both))
        return noted(self.inner, made)


def _copied(part: object) -> object:
    return (
        [one.copy() for one in part] if isinstance(part, list) else part.copy() if isinstance(part, exp.Expr) else part
    )


def noted(lines: exp.Select, made: exp.Expr) -> exp.Expr:
    """The lines' column that is this aggregate, added once."""
    there = (one.alias for one in lines.expressions if isinstance(one, exp.Alias) and one.this == made)
    name = next(there, None)
    if name is None:
        name = f"column {len(lines.expressions)}"
        lines.append("expressions", exp.alias_(made.copy(), name, quoted=True))
    return exp.column(name, ALIAS, quoted=True)
