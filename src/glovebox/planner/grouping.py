"""The keys of GROUP BY: each a column with a public domain, what one owner's columns make, or a UNION ALL's label."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sqlglot import exp

from glovebox.planner.domains import domain_of
from glovebox.planner.scope import Scope
from glovebox.planner.statement import canonical_text
from glovebox.planner.typing import Typing
from glovebox.schema.columns import Column
from glovebox.schema.expressions import ColumnRef, Constant, Expression, substituted
from glovebox.schema.local import Grouping

MOST_GROUPS = 10_000


@dataclass(frozen=True)
class Key:
    """One key. groupings: one for each owner of its side. made: what makes it, if it is no plain column."""

    side: int
    name: str
    groupings: tuple[Grouping, ...]
    made: exp.Expr | None = None


def group_keys(scope: Scope, typing: Typing) -> list[Key]:
    """The keys of a statement, in its order. Refused for what makes no groups, and for too many."""
    tree = scope.statement.tree
    group = tree.args.get("group")
    keys = [_key(scope, typing, meant(scope, tree, node)) for node in group.expressions] if group else []
    count = math.prod(len(key.groupings[0].labels) for key in keys)
    if group and (count > MOST_GROUPS or len({(key.side, key.name) for key in keys}) != len(keys)):
        scope.statement.refuse(group, "sql", f"These are {count} groups", f"at most {MOST_GROUPS}, each key once")
    return keys


def selected_key(scope: Scope, keys: list[Key], node: exp.Expr) -> int | None:
    """Which key a selected expression is, if it is one."""
    found = [number for number, key in enumerate(keys) if key.made is not None and key.made == node.unnest()]
    if not found and isinstance(node, exp.Column) and node.name.lower() in [key.name for key in keys]:
        side, column = scope.find(node)
        found = [number for number, key in enumerate(keys) if (key.side, key.name) == (side, column.name)]
    return found[0] if found else None


def _key(scope: Scope, typing: Typing, node: exp.Expr) -> Key:
    node = node.unnest()
    if isinstance(node, exp.Column):
        side, column = _column(scope, node)
        if column.kind == "category":
            return _of_labels(scope, side, column)
    elif not node.find(exp.Column):
        scope.statement.refuse(node, "sql", "Groups are made by columns", "GROUP BY a category column")
    domain = domain_of(scope, typing, node)
    branches = scope.sides[domain.side].branches
    groupings = tuple(
        Grouping(domain.labels, index=substituted(domain.index, branch.columns), sort=domain.sort)
        for branch in branches
    )
    name = node.name.lower() if isinstance(node, exp.Column) else canonical_text(_bare(node))
    return Key(domain.side, name, groupings, None if isinstance(node, exp.Column) else node)


def _bare(node: exp.Expr) -> exp.Expr:
    """An expression whose columns are not qualified, so that it has one text."""
    return node.copy().transform(lambda part: exp.column(part.name.lower()) if isinstance(part, exp.Column) else part)


def _of_labels(scope: Scope, side: int, column: Column) -> Key:
    made = [branch.columns.get(column.name, ColumnRef(column.name)) for branch in scope.sides[side].branches]
    always = tuple(dict.fromkeys(one.text for one in made if isinstance(one, Constant)))
    labels = column.values or always
    return Key(side, column.name, tuple(_grouping(labels, one) for one in made))


def _grouping(labels: tuple[str, ...], made: Expression) -> Grouping:
    """How one owner groups its rows: by a column of its own, or all of them by a constant."""
    match made:
        case ColumnRef(name):
            return Grouping(labels, name)
        case Constant(text=text):
            return Grouping(labels, None, text)
    raise ValueError("a key is a column or a constant")


def meant(scope: Scope, tree: exp.Select, node: exp.Expr) -> exp.Expr:
    """What a position, or an alias, in GROUP BY stands for."""
    if isinstance(node, exp.Literal) and not node.is_string and str(node.this).isdigit():
        place = int(node.this) - 1
        if not 0 <= place < len(tree.expressions):
            scope.statement.refuse(node, "sql", "There is no such column", f"1 to {len(tree.expressions)}")
        chosen: exp.Expr = tree.expressions[place].unalias()
        return chosen
    if not isinstance(node, exp.Column) or _is_column(scope, node):
        return node  # a column goes before an alias of the same name, as in DuckDB
    for item in tree.expressions:
        if isinstance(item, exp.Alias) and item.alias.lower() == node.name.lower():
            meant: exp.Expr = item.this
            return meant
    return node


def _is_column(scope: Scope, node: exp.Column) -> bool:
    return bool(node.table) or any(side.table.column(node.name.lower()) for side in scope.sides)


def _column(scope: Scope, node: exp.Column) -> tuple[int, Column]:
    side, column = scope.find(node)
    if "group" not in column.may:
        able = [f"GROUP BY {one.name}" for each in scope.sides for one in each.table.columns if "group" in one.may]
        hint = " or ".join(able) or "no groups: the contract lets no column make them"
        sentence = f"{scope.sides[side].table.name}.{column.name} may not be grouped by"
        scope.statement.refuse(node, f"columns.{column.name}.may", sentence, hint, scope.owner(side))
    return side, column
