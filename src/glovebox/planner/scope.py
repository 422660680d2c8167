"""What the names of a statement stand for: the tables that it reads, whose they are, and their columns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from sqlglot import exp

from glovebox.contract.terms import Contract, JoinColumn
from glovebox.planner.gathered import Persons
from glovebox.planner.statement import Statement, near
from glovebox.schema.columns import Column, Table
from glovebox.schema.expressions import Expression
from glovebox.schema.local import Derived

if TYPE_CHECKING:
    from glovebox.planner.star import Lines


@dataclass(frozen=True)
class Branch:
    """One owner's part of a stacked table. index: of the owner's table in the contract.

    columns: what columns of the whole are there, where not the table's own of that name. where: rows that take part.
    """

    owner: int
    index: int
    columns: dict[str, Expression] = field(default_factory=dict)
    where: Expression | None = None


@dataclass(frozen=True)
class Side:
    """One table of a statement. owners: one for a joined question, several of a stacked table else.

    index: of the table in the contract. called: names by which columns of it may be qualified. ids: the joined id.
    keys: further ids, by which a row is joined that has no match by those before.
    branches: one an owner, in the contract's order. kind: how it is joined. persons: of a table that is made on shares.
    derived: of a sub-query that its one owner computes. lines: of persons that are made of one owner's rows.
    """

    index: int
    table: Table
    owners: tuple[int, ...]
    called: frozenset[str]
    ids: Column | None = None
    keys: tuple[Column, ...] = ()
    kind: Literal["inner", "left", "semi", "anti"] = "inner"
    branches: tuple[Branch, ...] = ()
    persons: Persons | None = None
    derived: Derived | None = None
    lines: Lines | None = None

    def id_column(self, contract: Contract, name: str) -> Column:
        """The id of that name: the table's, which is unique in a sub-query that has a row an id."""
        own = self.table.column(name) if self.derived else None
        return own or contract.column(JoinColumn(self.index, name))

    def of(self, owner: int) -> Side:
        """The same table at one of its owners alone."""
        branches = tuple(branch for branch in self.branches if branch.owner == owner)
        return replace(self, owners=(owner,), branches=branches)


@dataclass(frozen=True)
class Scope:
    """The sides of a statement: two or three of a joined question, one of a stacked one."""

    statement: Statement
    contract: Contract
    sides: tuple[Side, ...]

    def find(self, node: exp.Column) -> tuple[int, Column]:
        """The side and column that a name stands for. Refused if it is unknown, or could be either's."""
        name, qualifier = node.name.lower(), ".".join(part for part in (node.db, node.table) if part).lower()
        found = [
            (number, column)
            for number, side in enumerate(self.sides)
            if (not qualifier or qualifier in side.called) and (column := side.table.column(name))
            if side.kind in ("inner", "left")
        ]
        if len(found) == 1 or (found and self._are_joined(found)):
            return found[0]
        if found:
            sides = [self.sides[number] for number, _ in found]
            hint = " or ".join(f"{max(side.called, key=len)}.{name}" for side in sides if side.called)
            self.statement.refuse(node, "sql", f"Several tables have a column {name}", hint)
        called = sorted(set().union(*(side.called for side in self.sides)))
        if qualifier and qualifier not in called:
            hint = near(qualifier, called, "they are called")
            self.statement.refuse(node, "sql", f"No table is called {qualifier[:63]} here", hint)
        sides = [side for side in self.sides if not qualifier or qualifier in side.called]
        known = [column.name for side in sides for column in side.table.columns]
        hint = near(name, known, "the columns are")
        return self.statement.refuse(node, "columns", f"The contract has no column {name[:63]} here", hint)

    def _are_joined(self, places: list[tuple[int, Column]]) -> bool:
        """Whether columns of several sides are equal in every joined row: the ids, or the same part of them."""
        parts = []
        for side, column in places:
            ids = self.sides[side].ids
            names = () if ids is None or self.sides[side].keys else ids.parts or (ids.name,)
            parts.append(names.index(column.name) if column.name in names else None)
        return parts[0] is not None and len(set(parts)) == 1

    def owner(self, side: int | None) -> str:
        """The name of the one party whose rows a side is, or ""."""
        owners = () if side is None else self.sides[side].owners
        return self.contract.parties[owners[0]].name if len(owners) == 1 else ""


def table_side(statement: Statement, contract: Contract, node: exp.Expr) -> Side:
    """The side that a table's name is."""
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        statement.refuse(node, "sql", "Only tables of the contract can be read here", "owner.table, or table")
    owner, name = node.db.lower(), node.name.lower()
    number = contract.number(owner) if owner else None
    if owner and number is None:
        hint = near(owner, [party.name for party in contract.parties], "the parties are")
        statement.refuse(node, "table", f"The contract has no party {owner[:63]}", hint)
    found = contract.tables_named(name, number)
    if len(found) != 1:
        if found:
            statement.refuse(node, "table", f"Several owners have a table {name}", f"owner.{name}")
        whose = f" of {owner}" if owner else ""
        known = [table.name for table in contract.tables if number is None or number in table.owners]
        hint = near(name, sorted(set(known)), "the tables there are")
        statement.refuse(node, "table", f"The contract has no table {name[:63]}{whose}", hint)
    table = contract.tables[found[0]]
    owners = table.owners if number is None else (number,)
    called = {node.alias.lower()} if node.alias else {name, *(f"{contract.parties[one].name}.{name}" for one in owners)}
    branches = tuple(Branch(owner, found[0]) for owner in owners)
    return Side(found[0], table, owners, frozenset(called), branches=branches)
