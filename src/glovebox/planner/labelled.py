"""Sub-queries that put rows of a join together by an id and by labels, alone or joined with themselves by the id.

SELECT x.c, y.c, COUNT(*) FROM b x JOIN b y ON y.k = x.k GROUP BY x.c, y.c, where b is SELECT DISTINCT k, c of a join,
is asked of lines, one for each k, that have a count of rows for each label: x.c and y.c take every label in turn, and a
line counts where its count for both is positive. A label may be what CASE makes of a row. A column that the answer does
not show, and that a condition gives one label, has that alone. Of groups that are numbered the first is taken
(`firsts.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping

from sqlglot import exp

from glovebox.contract.terms import Contract
from glovebox.planner.conjuncts import conjuncts
from glovebox.planner.facts import fact_side
from glovebox.planner.firsts import COUNT, Firsts, Labels
from glovebox.planner.latest import number_of
from glovebox.planner.scope import Scope, Side
from glovebox.planner.statement import Statement
from glovebox.planner.typed import Typed
from glovebox.schema.columns import Column

ALIAS = "of line"
"""The sub-query's name in what is made of a statement, which no SQL of a question's says."""
MOST_NUMBERS = 100
"""That CASE makes of rows."""
BY_LABELS = "(SELECT DISTINCT id, label FROM facts JOIN table ON …) x"
ORDERS: dict[type[exp.Expr], Callable[[str, str], bool]] = {
    exp.LT: lambda a, b: a < b, exp.LTE: lambda a, b: a <= b, exp.GT: lambda a, b: a > b, exp.GTE: lambda a, b: a >= b,
}  # fmt: skip
"""Of labels as texts: by their code points, as DuckDB compares them."""


def labelled(statement: Statement, contract: Contract, given: Mapping[str, Typed]) -> dict[str, Column]:
    """The columns that take every label, if a statement reads such sub-queries, which then stand in it as lines."""
    tree = statement.tree
    source, joins = tree.args.get("from_"), tree.args.get("joins") or []
    nodes = [source.this, *(join.this for join in joins)] if source else []
    if not nodes or not all(_is_labelled(node) for node in nodes):
        return {}
    if any(node.this != nodes[0].this for node in nodes) or any(join.side or join.kind for join in joins):
        sentence = "What is put together by an id and labels is joined with itself alone"
        statement.refuse(joins[0], "sql", sentence, f"{BY_LABELS} JOIN the same y ON y.id = x.id")
    reading = _Labelled(statement, contract, nodes[0], [node.alias.lower() for node in nodes], given)
    conditions = [part for join in joins for part in reading.others(join)]
    where = tree.args.get("where")
    conditions += [*conjuncts(where.this if where else None)]
    shown = [node for part in ("expressions", "group") for node in _listed(tree.args.get(part))]
    conditions = reading.without_pins(conditions, shown)
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
    """Whether a sub-query puts rows of a join together by more than one key, and may number them then."""
    inner = _grouped(node)
    if inner is None or not inner.args.get("joins"):
        return False
    group = inner.args.get("group")
    keys = group.expressions if group else inner.expressions if inner.args.get("distinct") else []
    return len(keys) > 1


def _grouped(node: exp.Expr) -> exp.Select | None:
    """The SELECT that puts rows together: the sub-query's, or, where it numbers them, of the one within."""
    inner = node.this if isinstance(node, exp.Subquery) else None
    if number_of(node) is not None and isinstance(inner, exp.Select):
        inner = inner.args["from_"].this.this
    return inner if isinstance(inner, exp.Select) else None


class _Labelled:
    """Reads one sub-query under all its names. inner: the lines.

    labels: the constants of each key. pins: by name and key, the one label that is asked for.
    """

    def __init__(
        self,
        statement: Statement,
        contract: Contract,
        node: exp.Subquery,
        aliases: list[str],
        given: Mapping[str, Typed],
    ) -> None:
        self.statement, self.aliases, select = statement, aliases, _grouped(node)
        if select is None or len(set(aliases)) < len(aliases):
            statement.refuse(node, "sql", "Tables are put together by an id and labels", BY_LABELS)
        for part in ("having", "order", "limit"):
            if select.args.get(part):
                sentence = f"{part.upper()} has no place where rows are put together by an id and labels"
                statement.refuse(select, "sql", sentence, BY_LABELS)
        nodes = [select.args["from_"].this, *(join.this for join in select.args["joins"])]
        sides: tuple[Side, ...] = tuple(fact_side(statement, contract, one, given) for one in nodes)
        self.scope = Scope(statement, contract, sides)
        self.items = {
            (item.alias or (item.name if isinstance(item, exp.Column) else "")).lower(): item.unalias()
            for item in select.expressions
        }
        group = select.args.get("group")
        keys = [key.unalias() for key in (group.expressions if group else select.expressions)]
        self.columns = {key: self._column_of(key) for key in map(self._meant, keys)}
        ids = [key for key, column in self.columns.items() if column.kind == "id"]
        if len(ids) != 1:
            statement.refuse(select, "sql", "Rows of a join are put together by one id, and by labels", BY_LABELS)
        self.key = ids[0]
        self.labels = {key: _constants(column) for key, column in self.columns.items() if column.kind != "id"}
        self.names = {key: next((n for n, item in self.items.items() if item == key), f"label {place}")
                      for place, key in enumerate(self.labels)}  # fmt: skip
        self.firsts = None
        if number_of(node) is not None:
            self.firsts = Firsts(statement, node, self.items, self.key, list(self.labels))
            self.items = self.firsts.items
        self.pins: dict[tuple[str, exp.Expr], exp.Literal] = {}
        self._columns: dict[tuple[exp.Expr, Labels], exp.Expr] = {}
        self.inner = exp.Select(expressions=[exp.alias_(self.key.copy(), "key", quoted=True)])
        for part in ("from_", "joins", "where"):
            self.inner.set(part, select.args[part].copy() if part == "from_" else _copied(select.args.get(part)))
        self.inner.set("group", exp.Group(expressions=[self.key.copy()]))

    def _meant(self, key: exp.Expr) -> exp.Expr:
        """A key of GROUP BY, which may be the name of what SELECT makes."""
        made = self.items.get(key.name.lower()) if isinstance(key, exp.Column) and not key.table else None
        return key if made is None or isinstance(made, exp.Column) else made

    def _column_of(self, key: exp.Expr) -> Column:
        """An id, a label, or the column that CASE with a constant in every branch makes."""
        if isinstance(key, exp.Column):
            column = self.scope.find(key)[1]
            if column.kind in ("id", "category"):
                return column
        ifs = key.args["ifs"] if isinstance(key, exp.Case) and key.this is None else []
        found = [*(branch.args["true"] for branch in ifs), key.args.get("default")]
        texts = [str(one.this) for one in found if isinstance(one, exp.Literal) and one.is_string]
        numbers = [int(one.this) for one in found if isinstance(one, exp.Literal) and str(one.this).isdigit()]
        if ifs and len(texts) == len(found):
            labels = tuple(dict.fromkeys(texts))
            return Column("", "category", required=True, values=labels, may=("group", "filter"))
        if ifs and len(numbers) == len(found) and max(numbers) - min(numbers) < MOST_NUMBERS and not texts:
            ends = min(numbers), max(numbers)
            return Column("", "integer", required=True, low=ends[0], high=ends[1], may=("group", "filter"))
        sentence = "Rows are put together by labels, or by CASE with a label or a number in every branch"
        return self.statement.refuse(key, "sql", sentence, "CASE WHEN … THEN 'label' … ELSE 'label' END")

    @property
    def free(self) -> dict[str, Column]:
        """The columns that take every label."""
        return {
            f"{alias}.{self.names[key]}": self.columns[key]
            for alias, key in itertools.product(self.aliases, self.labels)
            if (alias, key) not in self.pins
        }

    def without_pins(self, conditions: list[exp.Expr], shown: list[exp.Expr]) -> list[exp.Expr]:
        """The conditions but for those that give one label to a key that the answer does not show."""
        seen = [self._label_key(column) for part in shown for column in part.find_all(exp.Column)]
        kept = []
        for part in conditions:
            ends = [part.this, part.expression] if isinstance(part, exp.EQ) else []
            columns = [end for end in ends if isinstance(end, exp.Column)]
            literals = [end for end in ends if isinstance(end, exp.Literal)]
            found = self._label_key(columns[0]) if columns and literals else None
            if found is None or found in seen or found in self.pins or literals[0] not in self.labels[found[1]]:
                kept.append(part)
            else:
                self.pins[found] = literals[0]
        return kept

    def _label_key(self, column: exp.Column) -> tuple[str, exp.Expr] | None:
        """The sub-query's name and the key of labels that a column is."""
        alias, item = self._alias(column), self.items.get(column.name.lower())
        return (alias, item) if alias and item is not None and item in self.labels else None

    def _alias(self, column: exp.Column) -> str:
        """Under which name the sub-query's column is asked for; "" for none of them, or any."""
        alias = column.table.lower() or (self.aliases[0] if len(self.aliases) == 1 else "")
        return alias if alias in self.aliases else ""

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
        number = self.firsts.taken(node) if self.firsts else None
        if self.firsts and number and (alias := self._alias(number)):
            return self._first(self.firsts, alias)
        return node.copy().transform(self._renamed).transform(self._ordered)

    def _renamed(self, node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Column):
            return node
        alias, name = self._alias(node), node.name.lower()
        item = self.items.get(name)
        if not alias or item is None:
            known = ", ".join(sorted(name for name in self.items if name))
            return self.statement.refuse(node, "sql", f"There is no column {name[:63]} here", f"one of {known}")
        if item == self.key:
            return exp.column("key", ALIAS, quoted=True)
        if item in self.labels:
            return self._free(alias, item)
        if isinstance(item, exp.Window):
            self.statement.refuse(node, "sql", "Of groups that are numbered the first is taken", f"{name} = 1")
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
        return exp.GT(this=self._by_label(alias, COUNT), expression=exp.Literal.number(0))

    def _by_label(self, alias: str, aggregate: exp.Expr) -> exp.Expr:
        """An aggregate of the rows with these labels: CASE picks the column of the labels in turn."""
        case = exp.Case()
        for labels, taken in self._cells(alias):
            if not taken:
                return self._cell(aggregate, labels)
            case = case.when(exp.and_(*taken, copy=False), self._cell(aggregate, labels), copy=False)
        return case

    def _first(self, firsts: Firsts, alias: str) -> exp.Expr:
        """Whether the group with the labels that a name's columns take is the first."""
        every, cell = list(itertools.product(*self.labels.values())), self._cell
        cells = [
            exp.and_(*taken, firsts.first(labels, every, cell), copy=False) for labels, taken in self._cells(alias)
        ]
        return exp.paren(exp.or_(*cells, copy=False), copy=False)

    def _cells(self, alias: str) -> Iterator[tuple[Labels, list[exp.Expr]]]:
        """The labels that a name's columns may take, and the conditions that they do."""
        for labels in itertools.product(*self.labels.values()):
            pairs = list(zip(self.labels, labels, strict=True))
            if all(self.pins.get((alias, key), label) == label for key, label in pairs):
                yield (
                    labels,
                    [
                        exp.EQ(this=self._free(alias, key), expression=label.copy())
                        for key, label in pairs
                        if (alias, key) not in self.pins
                    ],
                )

    def _cell(self, aggregate: exp.Expr, labels: Labels) -> exp.Expr:
        """The column of lines that is an aggregate of the rows with these labels."""
        known = (aggregate, labels)
        if known not in self._columns:
            pairs = zip(self.labels, labels, strict=True)
            rows = (exp.EQ(this=key.copy(), expression=one.copy()) for key, one in pairs)
            self._columns[known] = self._column(aggregate, exp.and_(*rows, copy=False))
        return self._columns[known].copy()

    def _free(self, alias: str, key: exp.Expr) -> exp.Expr:
        """The column that takes every label of a key, or the one that it has."""
        pinned = self.pins.get((alias, key))
        return exp.column(f"{alias}.{self.names[key]}", ALIAS, quoted=True) if pinned is None else pinned.copy()

    def _column(self, aggregate: exp.Expr, rows: exp.Expr) -> exp.Expr:
        made = exp.Filter(this=aggregate.copy(), expression=exp.Where(this=rows))
        if isinstance(aggregate, exp.Filter):
            both = exp.and_(aggregate.expression.this.copy(), rows)
            made = exp.Filter(this=aggregate.this.copy(), expression=exp.Where(this=both))
        return noted(self.inner, made)


def _constants(column: Column) -> list[exp.Literal]:
    """Every label of a column, or every number that it may be."""
    if column.kind == "category":
        return [exp.Literal.string(label) for label in column.values]
    return [exp.Literal(this=str(number), is_string=False) for number in range(column.low or 0, (column.high or 0) + 1)]


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
