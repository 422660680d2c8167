"""FROM and JOIN: which tables a statement reads, and by which ids of the contract they are joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import reduce
from typing import Literal

from msgspec import structs
from sqlglot import exp

from glovebox.contract.bounds import rows_of_id
from glovebox.contract.terms import Contract, JoinColumn
from glovebox.planner.conjuncts import conjuncts
from glovebox.planner.scope import Scope, Side, table_side
from glovebox.planner.statement import Statement
from glovebox.planner.wording import conditions_of_joins
from glovebox.schema.columns import Column
from glovebox.schema.expressions import ColumnRef

MOST_JOINED = 3
SubQuery = Callable[[exp.Subquery], Side]
"""Reads a sub-query that stands in place of a table."""
Named = dict[int, tuple[str, ...]]
"""The columns by which a join names each side's id, in one order at all of them."""


def scope_of(statement: Statement, contract: Contract, derived: SubQuery) -> Scope:
    """Read FROM and JOIN. Refused for tables or joins that the contract does not have."""
    tree = statement.tree
    source, joins = tree.args["from_"], tree.args.get("joins") or []
    conditions_of_joins(tree)  # what merged sub-queries make is known by now
    nodes = [source.this, *(join.this for join in joins)]
    sides = [derived(one) if isinstance(one, exp.Subquery) else table_side(statement, contract, one) for one in nodes]
    if len(sides) > MOST_JOINED:
        statement.refuse(joins[MOST_JOINED - 1], "sql", "Four tables cannot be joined yet", "join three of them")
    scope = Scope(statement, contract, tuple(sides))
    if joins:
        for node, side in zip(nodes, sides, strict=True):
            made_here = isinstance(node, exp.Subquery) and not side.derived
            if made_here and len(side.branches) < 2 and _hides(side, contract):
                hint = "a sub-query whose columns are called as in the table, and what it makes by other names"
                statement.refuse(node, "sql", "This sub-query cannot be joined", hint)
        return _stack_joined(scope, joins) if max(len(side.owners) for side in sides) > 1 else _joined(scope, joins)
    _check_stack(scope, source.this)
    return scope


def _hides(side: Side, contract: Contract) -> bool:
    """Whether a sub-query calls a column by another name, or what it makes by that of an id."""
    ids = [column for column in contract.tables[side.index].columns if column.kind == "id"]
    names = {name for column in ids for name in (column.name, *column.parts)}
    return any(isinstance(made, ColumnRef) or name in names for name, made in side.branches[0].columns.items())


def _check_stack(scope: Scope, node: exp.Expr) -> None:
    """Several owners: what one table alone holds is its owner's to ask."""
    side = scope.sides[0]
    name, statement = side.table.name, scope.statement
    if len(side.owners) > 1:
        return
    if len(scope.contract.tables[side.index].owners) > 1:
        owners = ", ".join(scope.contract.names(scope.contract.tables[side.index].owners))
        statement.refuse(node, "table", f"{name} is a table of {owners} together", f"FROM {name}")
    sentence = f"{name} is {scope.owner(0)}'s alone, who can ask its own database"
    statement.refuse(node, "table", sentence, "join it with another owner's table")


def _joined(scope: Scope, joins: list[exp.Join]) -> Scope:
    """Check how tables are joined, by USING or by ON one equality, and that the contract has these joins."""
    statement, contract = scope.statement, scope.contract
    if len({side.owners for side in scope.sides}) < len(scope.sides):
        statement.refuse(joins[0], "sql", "Two of these tables are one owner's", "tables of different owners")
    if len(joins) == 1 and len(ways := _ways(joins[0])) > 1:
        return _joined_by_keys(scope, joins[0], ways)
    ids: dict[int, Column] = {}
    for number, join in enumerate(joins, 1):
        kind = _kind(scope, join, number, len(joins))
        named = _with_equals(_named(scope, join, number), number, ids)
        pair = next((pair for pair in contract.rules.join if is_joined(scope, number, named, pair)), None)
        if pair is None:
            _no_such_join(scope, join, named)
        for place in pair or ():
            for side_number in named:
                if scope.sides[side_number].index != place.table:
                    continue
                column = scope.sides[side_number].id_column(contract, place.column)
                if ids.setdefault(side_number, column) != column:
                    statement.refuse(join, "sql", "Three tables are joined on one id of each", _joins(scope))
    sides = tuple(
        replace(side, ids=ids[number], kind=kind if number else "inner") for number, side in enumerate(scope.sides)
    )
    return Scope(statement, contract, sides)


def _with_equals(named: Named, new: int, ids: Mapping[int, Column]) -> Named:
    """The same with all tables that were joined before by the id that is named: it is the same in all of their rows."""
    parts = {number: column.parts or (column.name,) for number, column in ids.items()}
    found = any(parts.get(number) == names for number, names in named.items() if number != new)
    return {**parts, **named} if found else named


def _ways(join: exp.Join) -> list[exp.Expr]:
    """What ON says of which one is enough."""
    ways: list[exp.Expr] = []
    nodes = [join.args.get("on")]
    while nodes:
        match nodes.pop():
            case exp.Or(this=this, expression=expression):
                nodes += [expression, this]
            case exp.Paren(this=exp.Or() | exp.Paren() as inside):
                nodes.append(inside)
            case exp.Expr() as way:
                ways.append(way)
    return ways


def _joined_by_keys(scope: Scope, join: exp.Join, ways: list[exp.Expr]) -> Scope:
    """Two tables joined by several ids, of which the contract's order, not the question's, says which goes first."""
    kind, rules, found = _kind(scope, join, 1, 1), scope.contract.rules.join, {}
    for way in ways:
        named = _on(scope, way, 1)
        place = next((place for place, pair in enumerate(rules) if is_joined(scope, 1, named, pair)), None)
        if place is None:
            _no_such_join(scope, join, named)
        found[place or 0] = way
    order = sorted(found)
    join.set("on", reduce(lambda one, other: exp.Or(this=one, expression=other), [found[place] for place in order]))
    sides = []
    for number, side in enumerate(scope.sides):
        places = [one for place in order for one in rules[place] if one.table == side.index]
        columns = [side.id_column(scope.contract, one.column) for one in places]
        ids, *keys = (structs.replace(one, unique=rows_of_id(side.table, one) == 1) for one in columns)
        sides.append(replace(side, ids=ids, keys=tuple(keys), kind=kind if number else "inner"))
    return Scope(scope.statement, scope.contract, tuple(sides))


def _stack_joined(scope: Scope, joins: list[exp.Join]) -> Scope:
    """A stacked table and another owner's: every owner of the stack is joined with that one in turn."""
    statement, contract = scope.statement, scope.contract
    kind, named = _kind(scope, joins[0], 1, len(joins)), _named(scope, joins[0], 1)
    stacks = [number for number, side in enumerate(scope.sides) if len(side.owners) > 1]
    if len(scope.sides) > 2 or len(stacks) > 1 or (stacks == [1] and kind != "inner"):
        hint = "(… UNION ALL …) u JOIN owner.table"
        statement.refuse(joins[0], "sql", "A stacked table is joined with one table of another owner", hint)
    stack, other = scope.sides[stacks[0]], scope.sides[1 - stacks[0]]
    if set(stack.owners) & set(other.owners) or any(len(names) > 1 for names in named.values()):
        sentence = "A stacked table is joined on one id with a table of nobody among its owners"
        statement.refuse(joins[0], "sql", sentence, _joins(scope))
    (name,), (there,) = named[stacks[0]], named[1 - stacks[0]]
    for branch in stack.branches:
        made = branch.columns.get(name, ColumnRef(name))
        pair = {
            JoinColumn(branch.index, made.name if isinstance(made, ColumnRef) else ""),
            JoinColumn(other.index, there),
        }
        if not any(set(known) == pair for known in contract.rules.join):
            _no_such_join(scope, joins[0], named)
    ids, theirs = stack.table.column(name), other.table.column(there)
    return Scope(statement, contract, (replace(stack, ids=ids), replace(other, ids=theirs, kind=kind)))


def _kind(scope: Scope, join: exp.Join, number: int, joins: int) -> Literal["inner", "left", "semi", "anti"]:
    """How a table is joined. All but inner joins are of two tables; where an id has one row, SEMI JOIN is one."""
    found, side = (join.side or join.kind or "inner").lower(), scope.sides[number]
    if found == "semi" and joins > 1 and side.derived and all(one.unique for one in side.table.columns[:1]):
        return "inner"
    if found == "inner" or (found in ("left", "semi", "anti") and joins == 1):
        return found  # type: ignore[return-value]
    hint = "of two tables JOIN, LEFT JOIN, SEMI JOIN or ANTI JOIN, of three JOIN"
    if found == "full":
        hint = "FULL JOIN of two sub-queries that GROUP BY the id"
    return scope.statement.refuse(join, "sql", "This join cannot be asked", hint)


def is_joined(scope: Scope, new: int, named: Named, pair: tuple[JoinColumn, JoinColumn]) -> bool:
    """Whether a pair of the contract, of ids that may have several parts, joins the new table with one before it."""
    tables = {scope.sides[number].index: names for number, names in named.items()}
    if scope.sides[new].index not in (place.table for place in pair) or not {one.table for one in pair} <= set(tables):
        return False
    columns = [scope.contract.column(place) for place in pair]
    wanted = zip(*(column.parts or (column.name,) for column in columns), strict=True)
    return sorted(wanted) == sorted(zip(*(tables[place.table] for place in pair), strict=True))


def _named(scope: Scope, join: exp.Join, new: int) -> Named:
    return _using(scope, join, new) or _on(scope, join.args.get("on") or join, new)


def _using(scope: Scope, join: exp.Join, new: int) -> Named | None:
    """The columns of USING, of the new table and of those before it that have them."""
    using = join.args.get("using")
    if not using:
        return None
    names = tuple(one.name.lower() for one in using)
    found = [n for n, side in enumerate(scope.sides[: new + 1]) if all(side.table.column(name) for name in names)]
    for number in (0, new):
        if number not in found and (number or len(found) < 2):
            missing = next(one for one in using if not scope.sides[number].table.column(one.name.lower()))
            sentence = f"{scope.sides[number].table.name} has no column {missing.name[:40]}"
            scope.statement.refuse(missing, "rules.join", sentence, _joins(scope), scope.owner(number))
    return dict.fromkeys(found, names)


def _on(scope: Scope, condition: exp.Expr, new: int) -> Named:
    """The columns of ON, which is one equality or several that must all hold, of the new table and one before it."""
    pairs: list[dict[int, str]] = []
    for part in conjuncts(condition):
        if not isinstance(part, exp.EQ):
            scope.statement.refuse(part, "rules.join", "Tables are joined on ids being equal", _joins(scope))
        ends = {}
        for end in (part.this, part.expression):
            if isinstance(end, exp.Column):
                number, column = scope.find(end)
                ends[number] = column.name
        if len(ends) != 2 or new not in ends or (pairs and set(ends) != set(pairs[0])):
            scope.statement.refuse(part, "rules.join", "A join names one id of each of two tables", _joins(scope))
        pairs.append(ends)
    return {number: tuple(pair[number] for pair in pairs) for number in pairs[0]}


def _no_such_join(scope: Scope, join: exp.Join, named: Named) -> None:
    one, *_, other = (
        " and ".join(f"{scope.sides[number].table.name}.{name}" for name in names)
        for number, names in sorted(named.items())
    )
    where = join.args.get("on") or join.args["using"][0]
    scope.statement.refuse(where, "rules.join", f"The contract does not join {one} with {other}", _joins(scope))


def _joins(scope: Scope) -> str:
    """The joins of the contract between these tables, as one would write them."""
    contract, indexes = scope.contract, {side.index for side in scope.sides}
    texts = []
    for pair in contract.rules.join:
        if {place.table for place in pair} <= indexes:
            names = [contract.column(place).parts or (place.column,) for place in pair]
            if names[0] == names[1]:
                texts.append(f"JOIN … USING ({', '.join(names[0])})")
            else:
                one, other = (contract.tables[place.table].name for place in pair)
                equal = " AND ".join(f"{one}.{a} = {other}.{b}" for a, b in zip(*names, strict=True))
                texts.append(f"JOIN … ON {equal}")
    return " or ".join(dict.fromkeys(texts)) or "the contract joins them in no way: ask of other tables"
