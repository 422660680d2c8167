"""Sub-queries over one owner's table that are joined with another's: SELECT id, SUM(x) AS s FROM t GROUP BY id.

The owner puts its rows of an id together in its own database, so the sub-query is a table whose id is unique, or with
more keys one whose rows of an id are at most as many as these have values. What its columns may be used for, and how
large they may be, follows from the contract (`summaries.py`). Or it takes of an id's rows the first by an order, which
is a row of the table as it stands (`first_rows.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from msgspec.structs import replace
from sqlglot import exp

from glovebox.contract.terms import Contract
from glovebox.planner.first_rows import TOLD
from glovebox.planner.gathered import Gathered
from glovebox.planner.gathering import Gathering
from glovebox.planner.scope import Side, table_side
from glovebox.planner.statement import Statement
from glovebox.planner.typed import Typed
from glovebox.schema.columns import Table
from glovebox.schema.local import Derived, Kept, Made, Ordering


def is_own(statement: Statement, contract: Contract, node: exp.Subquery) -> bool:
    """Whether a sub-query reads a single owner's table."""
    source = node.this.args.get("from_") if isinstance(node.this, exp.Select) else None
    return (
        source is not None
        and isinstance(source.this, exp.Table)
        and len(table_side(statement, contract, source.this).owners) == 1
    )


def own_side(statement: Statement, contract: Contract, node: exp.Subquery, given: Mapping[str, Typed]) -> Side:
    """The side that such a sub-query is. Refused for what it cannot hold."""
    gathering = Gathering(statement, contract, node.this, given, alone=True)
    if having := node.this.args.get("having"):
        hint = "a condition of the question's own WHERE on a column of it"
        statement.refuse(having, "sql", "HAVING has no place in one owner's sub-query yet", hint)
    base, gathered = gathering.side, gathering.columns()
    ids = [one.column for one in gathered if one.how == "id"]
    if [column.name for column in ids] != [gathering.ids.name]:
        hint = f"SELECT {gathering.ids.name}, … GROUP BY {gathering.ids.name}"
        statement.refuse(node.this, "sql", "A sub-query that is joined selects its id once, by its own name", hint)
    made = tuple(_made(statement, node, one) for one in gathered if one.how not in ("id", "key"))
    where = gathering.where.expression if gathering.where else None
    columns = (*ids, *(one.column for one in gathered if one.how == "key"), *(one.column for one in made))
    table = Table(base.table.name, base.owners, base.table.rows, columns, _rows_of_id(gathering))
    called = frozenset({node.alias.lower()} if node.alias else ())
    derived = Derived(gathering.ids.name, made, where, tuple(_keys(gathering, gathered)))
    return Side(base.index, table, base.owners, called, branches=base.branches, derived=derived)


def _keys(gathering: Gathering, gathered: list[Gathered]) -> Iterator[Kept]:
    """The keys beside the id: those that are selected by their names here, others by a name that no SQL can say."""
    named = zip(gathering.select.expressions, gathered, strict=True)
    selected = [Kept(one.column, item.unalias().name.lower()) for item, one in named if one.how == "key"]
    yield from selected
    for number, key in enumerate(gathering.keys):
        if key.name not in [kept.name for kept in selected]:
            yield Kept(replace(key, name=f"key {number}"), key.name)


def _rows_of_id(gathering: Gathering) -> int | None:
    """The most rows of an id: as many as its keys have values, if that is fewer than the table's rows of it."""
    if not gathering.keys:
        return None
    values = [len(key.values) or gathering.summaries.most for key in gathering.keys]
    return min(gathering.summaries.most, math.prod(values))


def _made(statement: Statement, node: exp.Subquery, one: Gathered) -> Made:
    (measure,) = one.measures
    if measure is None or one.column.kind not in ("integer", "decimal", "boolean", "date"):
        sentence = (
            "A sub-query that is joined makes counts, sums, averages, truths, and least or greatest numbers or dates"
        )
        statement.refuse(node.this, "sql", sentence, "SUM(x) AS s, COUNT(*) AS n, MAX(x) AS most")
    if one.how == "any" and not one.column.required:
        statement.refuse(node.this, "sql", "BOOL_OR of what may be missing cannot be joined yet", "COUNT(*) FILTER (…)")
    return Made(one.column, measure, one.negative)


def first_side(statement: Statement, contract: Contract, node: exp.Subquery, given: Mapping[str, Typed]) -> Side:
    """The side that such a sub-query is. given: typed parameters of the question."""
    select = node.this
    if not is_own(statement, contract, node):
        statement.refuse(node, "sql", "Rows of several owners are in no order together", "one owner's table")
    keys = select.args["distinct"].args["on"].expressions
    if len(keys) != 1:
        statement.refuse(keys[1], "sql", "The first of rows is told within an id, and nothing else", "PARTITION BY id")
    own = exp.select(keys[0].copy()).from_(select.args["from_"].this, copy=False).group_by(keys[0].copy())
    own.set("where", select.args.get("where"))
    gathering = Gathering(statement, contract, own, given, alone=True)
    base, ids = gathering.side, gathering.ids
    _check_number(statement, contract, node, base.table)
    rest = [one for one in base.table.columns if one.kind != "id" and not one.parts]
    columns = (replace(ids, unique=True), *rest)
    derived = Derived(
        ids.name,
        (),
        gathering.where.expression if gathering.where else None,
        tuple(Kept(column, column.name) for column in rest),
        tuple(_order(gathering, select.args["order"])),
    )
    called = frozenset({node.alias.lower()} if node.alias else ())
    return Side(
        base.index,
        replace(base.table, columns=columns, rows_per_id=None),
        base.owners,
        called,
        branches=base.branches,
        derived=derived,
    )


def _check_number(statement: Statement, contract: Contract, node: exp.Subquery, table: Table) -> None:
    """The name of the numbering must be no column's: SQL would take the column, or not know which is meant."""
    for told in (one for one in node.this.meta[TOLD] if one.name):
        taken = {column.name.lower() for column in table.columns}
        if told.alone:
            said = {one.name.lower() for one in statement.tree.find_all(exp.Table)}
            tables = [one for one in contract.tables if one.name.lower() in said]
            taken |= {column.name.lower() for one in tables for column in one.columns}
        if told.name in taken:
            hint = "AS another name, and q.name = 1"
            statement.refuse(told.window, "sql", f"{told.name[:63]} is the name of another column, too", hint)


def _order(gathering: Gathering, order: exp.Order) -> Iterator[Ordering]:
    """What rows are ordered by: which of them is the first tells of it as a condition does."""
    for one in order.expressions:
        typed = gathering.typing.typed(one.this)
        gathering.typing.allow(one, typed, "filter")
        if not one.find(exp.Column):
            gathering.scope.statement.refuse(one, "sql", "Rows are in no order by what is the same of all", "a column")
        yield Ordering(typed.expression, bool(one.args.get("desc")), bool(one.args.get("nulls_first")))
