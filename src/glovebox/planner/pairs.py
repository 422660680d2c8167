"""Rows of two owners that meet pair by pair: which sides send their rows of an id apart, in slots.

Where a condition reads two owners' columns and an id repeats, every row of an id here meets every row of it there. Such
an owner's line has a slot for each row that one id may have, by the contract's rows_per_id, used or not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from sqlglot import exp

from glovebox.contract.bounds import rows_of_id
from glovebox.planner.conjuncts import chain, conjuncts
from glovebox.planner.scope import Scope

MOST_PAIRS = 64
"""Pairs of slots of an id: each is compared on shares, in every row."""


@dataclass(frozen=True)
class First:
    """Of a row's pairs that pass, only the first counts: by a column of this side, in falling order or not.

    row: columns that tell an id's rows of the other side apart.
    """

    side: int
    column: str
    descending: bool
    row: tuple[str, ...]


@dataclass(frozen=True)
class Pairs:
    """slots: of each side whose rows of an id stand apart, how many; none where no rows meet pair by pair."""

    slots: dict[int, int] = field(default_factory=dict)
    first: First | None = None

    @property
    def count(self) -> int:
        """Pairs of rows of one id."""
        return math.prod(self.slots.values())


def pairs_of(scope: Scope) -> Pairs:
    """The slots of a question. Refused where they are too many."""
    first = _first(scope)
    meeting = next((node for node in _conditions(scope) if len(_sides(scope, node)) > 1), None)
    if first is not None:
        meeting = meeting or scope.statement.tree
    if meeting is None:
        return Pairs()
    slots = {
        number: rows_of_id(side.table, side.ids)
        for number, side in enumerate(scope.sides)
        if side.ids and not side.ids.unique
    }
    found = Pairs(slots, first)
    apart = first is None and all(_is_apart(scope, node) for node in _conditions(scope))
    if apart and (found.count > MOST_PAIRS or scope.contract.protocol):
        return Pairs()
    if found.count > MOST_PAIRS and not scope.contract.protocol:  # two owners alone compare nothing, which is said so
        sentence = f"Both owners' columns meet here row by row, and an id's rows in up to {found.count} pairs"
        hint = f"conditions of one owner's columns each, or a contract with rows_per_id for at most {MOST_PAIRS} pairs"
        scope.statement.refuse(meeting, "rows_per_id", sentence, hint)
    return found


def _first(scope: Scope) -> First | None:
    """Which of a row's pairs counts. Refused where that is not said by the two owners' own columns."""
    latest, refuse = scope.statement.latest, scope.statement.refuse
    if latest is None:
        return None
    side, column = scope.find(latest.order)
    row = [scope.find(one) for one in latest.row]
    others = tuple(found.name for number, found in row if number != side and found.kind != "id")
    ids = [found for number, found in row if found == scope.sides[number].ids]
    if len(scope.sides) != 2 or any(join.side or join.kind for join in scope.statement.tree.args["joins"]):
        refuse(latest.order, "sql", "The first of a row's pairs is taken of two tables' inner join", "JOIN")
    repeats = any(number != side and one.ids and not one.ids.unique for number, one in enumerate(scope.sides))
    if not ids or len(others) + len(ids) < len(row) or (repeats and not others):
        hint = "PARTITION BY the id and columns of one table, ORDER BY a column of the other"
        refuse(latest.row[0], "sql", "The pairs are numbered for each row of one table", hint)
    if any(len(one.owners) > 1 and not one.table.apart for one in scope.sides):
        hint = 'same_person_at_several = "no" in the contract; or one owner\'s table'
        refuse(latest.order, "sql", "The first of rows of a person who may be at several owners is not found", hint)
    if scope.contract.protocol:
        hint = "a contract with a neutral party"
        refuse(latest.order, "protocol", "Two owners alone compare no events", hint)
    if "compare" not in column.may or column.kind == "category":
        sentence = f"{scope.sides[side].table.name}.{column.name} may not be compared with another owner's column"
        hint = 'a column with may = ["compare"]'
        refuse(latest.order, f"columns.{column.name}.may", sentence, hint, scope.owner(side))
    return First(side, column.name, latest.descending, others)


def _conditions(scope: Scope) -> list[exp.Expr]:
    """What a row is kept by, and what is added up, part by part."""
    tree = scope.statement.tree
    where, having = tree.args.get("where"), tree.args.get("having")
    kept = [where.this] if where else []
    added: list[exp.Expr] = []
    for selected in (*tree.expressions, *([having] if having else [])):
        kept += [condition.this for condition in selected.find_all(exp.Where)]
        added += [aggregate.this for aggregate in selected.find_all(exp.Sum, exp.Avg, exp.Min, exp.Max)]
    parts = [part for condition in kept for part in conjuncts(condition)]
    return parts + [factor for one in added for factor in chain(one, exp.Mul)]


def _is_apart(scope: Scope, node: exp.Expr) -> bool:
    """Whether nothing of two owners meets here; or what is added up is a difference, which is that of two sums."""
    around = node.parent
    while isinstance(around, exp.Paren):
        around = around.parent
    return len(_sides(scope, node)) < 2 or (isinstance(around, exp.Sum | exp.Avg) and bool(ends_of(scope, node)))


def ends_of(scope: Scope, node: exp.Expr) -> tuple[exp.Expr, exp.Expr] | None:
    """What a difference is of, if one owner's columns are on each of its sides and two owners' on both."""
    inner = node.unnest()
    if not isinstance(inner, exp.Sub | exp.DateDiff):
        return None
    one, other = (_sides(scope, end) for end in (inner.this, inner.expression))
    return (inner.this, inner.expression) if len(one) == len(other) == 1 and one != other else None


def _sides(scope: Scope, node: exp.Expr) -> set[int]:
    return {scope.find(column)[0] for column in node.find_all(exp.Column)} if len(scope.sides) > 1 else set()
