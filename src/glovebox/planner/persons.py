"""By which ids the people of a stacked table are told apart."""

from __future__ import annotations

from glovebox.contract.terms import JoinColumn
from glovebox.planner.scope import Scope
from glovebox.schema.expressions import ColumnRef


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
