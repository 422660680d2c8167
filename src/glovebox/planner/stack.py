"""A UNION ALL of owners' like tables, as one table of all their rows: each owner makes its columns of its own.

A column of the whole goes by position, as in SQL, and has the first part's name. It stands for a column of every part,
all of one type, for an expression of such, or for a constant that tells the parts apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace
from sqlglot import exp

from glovebox.contract.columns import check_label
from glovebox.contract.lines import Fault
from glovebox.contract.terms import Contract
from glovebox.planner.conjuncts import conjuncts
from glovebox.planner.first_rows import takes_first
from glovebox.planner.scope import Branch, Scope, Side, table_side
from glovebox.planner.statement import Statement
from glovebox.planner.typed import Typed, all_of
from glovebox.planner.typing import Typing
from glovebox.schema.columns import Column, Kind, Table, Use
from glovebox.schema.expressions import ColumnRef, Constant, Expression, substituted
from glovebox.schema.local import Grouping, LocalQuery, Measure

WHOLE = "SELECT a part's columns FROM owner.table WHERE …"
USES: tuple[Use, ...] = ("sum", "avg", "min", "max", "quantile", "group", "filter", "compare")
LIKE = ("kind", "form", "max_bytes", "country", "scale", "values", "round", "bands", "parts")
"""What two columns have in common that can stand in one: all but their ranges, and what else bounds them."""


class Part:
    """One SELECT of a UNION ALL: an owner's table, its columns by position, and the rows that take part."""

    def __init__(self, statement: Statement, contract: Contract, node: exp.Select, given: Mapping[str, Typed]) -> None:
        self.node = node
        self.side = table_side(statement, contract, node.args["from_"].this)
        self._scope = Scope(statement, contract, (self.side,))
        self._typing = Typing(self._scope, given)
        self._refuse = statement.refuse
        self.columns: list[tuple[str, Column, Expression]] = []
        for item in node.expressions:
            self.columns += self._star() if isinstance(item, exp.Star) else [self._column(item)]
        self.where = self._where()

    def _star(self) -> Iterator[tuple[str, Column, Expression]]:
        for column in self.side.table.columns:
            if not column.parts:
                yield column.name, column, ColumnRef(column.name)

    def _column(self, item: exp.Expr) -> tuple[str, Column, Expression]:
        node, name = item.unalias(), item.alias_or_name.lower()
        if isinstance(node, exp.Column):
            _, column = self._scope.find(node)
            return name, replace(column, name=name), ColumnRef(column.name)
        if not name:
            self._refuse(item, "sql", "A column of a UNION ALL that is made here has a name", "… AS name")
        typed = self._typing.typed(node)
        self._typing.allow_conditions(node, typed)  # or they would be counted by where the value is there
        if isinstance(typed.expression, Constant) and typed.sort == "text":
            return name, self._label(item, name, typed.expression.text), Constant("category", typed.expression.text)
        kinds: dict[str, Kind] = {"number": "decimal" if typed.scale else "integer", "boolean": "boolean"}
        if typed.sort not in kinds:
            self._refuse(item, "sql", "A part of a UNION ALL makes numbers, conditions and labels", WHOLE)
        may = tuple(use for use in USES if use != "group" and self._may(typed, use))
        column = Column(name, kinds[typed.sort], required=not typed.nullable, scale=typed.scale, may=may)
        low, high = (typed.low, typed.high) if typed.sort == "number" else (None, None)
        return name, replace(column, low=low, high=high), typed.expression

    def _may(self, typed: Typed, use: Use) -> bool:
        """Whether the contract allows this use of a value made of columns, some of them in its conditions."""
        needed = [(name, use) for name in typed.values] + [(name, "filter") for name in typed.conditions]
        columns = [(self.side.table.column(name), wanted) for name, wanted in needed]
        return all(column is not None and wanted in column.may for column, wanted in columns)

    def _label(self, item: exp.Expr, name: str, text: str) -> Column:
        try:
            check_label(text, ())
        except Fault as fault:
            self._refuse(item, "sql", f"This cannot be a label: {fault.sentence}", fault.hint)
        return Column(name, "category", required=True, values=(text,), may=("group", "filter"))

    def _where(self) -> Expression | None:
        where, found = self.node.args.get("where"), []
        for part in conjuncts(where.this if where else None):
            one = self._typing.condition(part)
            self._typing.allow(part, one, "filter")
            found.append(one.expression)
        return all_of(found)


def union_side(statement: Statement, contract: Contract, node: exp.Subquery, given: Mapping[str, Typed]) -> Side:
    """The side that a UNION ALL of owners' tables is. given: typed parameters of the question."""
    parts = [Part(statement, contract, select, given) for select in _selects(statement, node.this)]
    parts = [part for each in parts for part in _of_each_owner(each)]
    first = parts[0]
    owners = [part.side.owners[0] for part in parts]
    if len(set(owners)) != len(owners):
        statement.refuse(node, "table", "A UNION ALL reads one table of each owner", "owner.table for each, once")
    for part in parts:
        if len(part.columns) != len(first.columns):
            sentence = "The parts of a UNION ALL have as many columns each"
            statement.refuse(part.node, "sql", sentence, "the same columns in one order")
    parts.sort(key=lambda part: part.side.owners[0])
    names = [name for name, *_ in first.columns]
    if len(set(names)) != len(names):
        statement.refuse(first.node, "sql", "Two columns of the UNION ALL have one name", "AS another name")
    columns = [_merged(statement, parts, place, name) for place, name in enumerate(names)]
    branches = tuple(
        Branch(
            part.side.owners[0],
            part.side.index,
            {name: made for name, (_, _, made) in zip(names, part.columns, strict=True) if made != ColumnRef(name)},
            part.where,
        )
        for part in parts
    )
    called = frozenset({node.alias.lower()} if node.alias else ())
    table = _whole(statement, contract, node, parts, tuple(columns))
    return Side(first.side.index, table, tuple(branch.owner for branch in branches), called, branches=branches)


def _selects(statement: Statement, node: exp.Expr) -> Iterator[exp.Select]:
    if isinstance(node, exp.Union):
        rest = [part for part in node.args if node.args[part] and part not in ("this", "expression")]
        if rest or node.args.get("distinct") is not False:
            statement.refuse(node, "sql", "Only UNION ALL stacks tables", "UNION ALL")
        yield from _selects(statement, node.this)
        yield from _selects(statement, node.expression)
        return
    if not isinstance(node, exp.Select) or not node.args.get("from_"):
        statement.refuse(node, "sql", "This cannot be stacked", WHOLE)
    if takes_first(node.parent):
        hint = (
            "JOIN (…) q ON q.id = id WHERE q.n = 1 AND …, of different owners, in groups by columns of one owner each"
        )
        statement.refuse(node, "sql", "The first of an id's rows is not put together with others' rows yet", hint)
    for part in node.args:
        if node.args[part] and part not in ("expressions", "from_", "where"):
            where = "a part of a UNION ALL" if isinstance(node.parent, exp.Union) else "this sub-query"
            statement.refuse(node, "sql", f"{part.strip('_').upper()} has no place in {where}", WHOLE)
    yield node


def _of_each_owner(part: Part) -> Iterator[Part]:
    """A part that reads a stacked table of several owners is one of each of them."""
    for owner in part.side.owners:
        one = object.__new__(Part)
        one.__dict__ = {**part.__dict__, "side": part.side.of(owner)}
        yield one


def _merged(statement: Statement, parts: list[Part], place: int, name: str) -> Column:
    """One column of all parts: as wide as their ranges, and allowed what all of them allow."""
    columns = [part.columns[place][1] for part in parts]
    made = [isinstance(part.columns[place][2], Constant) for part in parts]
    first = columns[0]
    if all(made) and first.kind == "category":
        labels = tuple(dict.fromkeys(label for column in columns for label in column.values))
        columns = [replace(column, values=labels) for column in columns]
    if all(made) and first.kind == "integer":
        columns = [replace(column, may=(*column.may, "group")) for column in columns]
    if {column.kind for column in columns} <= {"integer", "decimal"}:
        columns = [_at_scale(column, max(column.scale for column in columns)) for column in columns]
    for part, column in zip(parts, columns, strict=True):
        if any(getattr(column, each) != getattr(columns[0], each) for each in LIKE):
            sentence = f"{name} is not the same kind of column in every part of the UNION ALL"
            statement.refuse(part.node, "columns", sentence, "columns that the contract types alike, in one order")
    lows, highs = [column.low for column in columns], [column.high for column in columns]
    return replace(
        columns[0],
        name=name,
        unique=all(column.unique for column in columns),
        required=all(column.required for column in columns),
        low=None if None in lows else min(low for low in lows if low is not None),
        high=None if None in highs else max(high for high in highs if high is not None),
        may=tuple(use for use in USES if all(use in column.may for column in columns)),
    )


def _at_scale(column: Column, scale: int) -> Column:
    """A number with as many decimals as any part has."""
    up = 10 ** (scale - column.scale)
    low, high = (None if end is None else end * up for end in (column.low, column.high))
    return replace(column, kind="decimal" if scale else "integer", precision=0, scale=scale, low=low, high=high)


def _whole(
    statement: Statement, contract: Contract, node: exp.Subquery, parts: list[Part], columns: tuple[Column, ...]
) -> Table:
    """The table of all parts' rows. Refused where the contract neither stacks nor joins the parts' tables."""
    tables = [part.side.table for part in parts]
    first = tables[0]
    if any(part.side.index != parts[0].side.index for part in parts):
        joined = [pair for pair in contract.rules.join if {place.table for place in pair} <= _indexes(parts)]
        met = {place.table for pair in joined for place in pair}
        if met != _indexes(parts) or any(table.person == "row" for table in tables):
            names = ", ".join(f"{contract.parties[part.side.owners[0]].name}.{part.side.table.name}" for part in parts)
            sentence = f"The contract neither joins nor stacks {names}"
            hint = f"owner = [{', '.join(f'{name!r}' for name in contract.names(first.owners))}, …] for one table"
            statement.refuse(node, "table", sentence, hint)
    rows = [table.rows_per_id for table in tables]
    return replace(
        first,
        rows=max(table.rows for table in tables),
        rows_per_id=max((bound for bound in rows if bound is not None), default=None),
        columns=columns,
        apart=all(table.apart for table in tables) and len({part.side.index for part in parts}) == 1,
    )


def _indexes(parts: list[Part]) -> set[int]:
    return {part.side.index for part in parts}


def branch_query(
    contract: Contract,
    branch: Branch,
    measures: tuple[Measure, ...],
    lines: int,
    where: Expression | None,
    groupings: tuple[Grouping, ...],
) -> LocalQuery:
    """What one owner computes alone of columns of the whole: of its own columns, over rows of its part."""
    wheres = [one for one in (branch.where, substituted(where, branch.columns)) if one is not None]
    own = tuple(replace(one, expression=substituted(one.expression, branch.columns)) for one in measures)
    kept = all_of(wheres)
    return LocalQuery(branch.owner, contract.tables[branch.index].name, own, lines, None, kept, groupings)
