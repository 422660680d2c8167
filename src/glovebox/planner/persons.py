"""By which ids the people of a stacked table are told apart."""

from __future__ import annotations

from sqlglot import exp

from glovebox.contract.terms import Contract, JoinColumn
from glovebox.planner.scope import Scope, Side
from glovebox.planner.statement import Statement
from glovebox.schema.columns import Column
from glovebox.schema.expressions import ColumnRef


def names_of(side: Side, ids: Column) -> list[str]:
    """Each owner's own name of an id."""
    made = [branch.columns.get(ids.name, ColumnRef(ids.name)) for branch in side.branches]
    return [one.name for one in made if isinstance(one, ColumnRef)]


def check_met(statement: Statement, contract: Contract, node: exp.Expr, side: Side, ids: Column) -> None:
    """Return if the contract lets the owners' rows meet by this id."""
    indexes = [branch.index for branch in side.branches]
    places = {JoinColumn(index, name) for index, name in zip(indexes, names_of(side, ids), strict=True)}
    if len(set(indexes)) > 1:
        met = {place for pair in contract.rules.join if set(pair) <= places for place in pair}
        if met != places or not is_person(contract, side, ids):
            hint = f"join = [[…]] of {ids.name} at all these owners"
            statement.refuse(node, "rules.join", f"The contract does not join {ids.name}", hint)
    elif len(indexes) > 1 and (side.table.apart or side.table.person == "row" or not is_person(contract, side, ids)):
        sentence = f"The contract lets nobody be at several owners by {ids.name}"
        statement.refuse(node, "table", sentence, 'same_person_at_several = "yes" for that table')


def is_person(contract: Contract, side: Side, ids: Column) -> bool:
    """Whether each table of several owners enters by the id that its people are told apart by: its first."""
    indexes, tables = [branch.index for branch in side.branches], contract.tables
    return all(
        indexes.count(index) < 2 or name == next(one.name for one in tables[index].columns if one.kind == "id")
        for index, name in zip(indexes, names_of(side, ids), strict=True)
    )


def person_ids(scope: Scope) -> list[str]:
    """The id by which each owner of a stacked table tells people apart, by the owner's own name for it; or none."""
    side, contract = scope.sides[0], scope.contract
    if side.table.person == "row":
        return []
    indexes = {branch.index for branch in side.branches}
    joined = {place for pair in contract.rules.join if {end.table for end in pair} <= indexes for place in pair}
    return [
        next(
            column.name
            for column in contract.tables[branch.index].columns
            if column.kind == "id" and (len(indexes) == 1 or JoinColumn(branch.index, column.name) in joined)
        )
        for branch in side.branches
    ]


def ids_called(scope: Scope) -> list[str]:
    """The columns of a stacked table that are this id at every owner."""
    side = scope.sides[0]
    if side.persons:
        return [gathered.column.name for gathered in side.persons.columns if gathered.how == "id"]
    ids = [ColumnRef(name) for name in person_ids(scope)]
    return [
        column.name
        for column in side.table.columns
        if ids and ids == [branch.columns.get(column.name, ColumnRef(column.name)) for branch in side.branches]
    ]
