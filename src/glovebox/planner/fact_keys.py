"""By which ids of their own facts name rows of other owners' tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from sqlglot import exp

from glovebox.planner.conjuncts import conjuncts, is_key
from glovebox.planner.joins import is_joined
from glovebox.planner.scope import Branch, Scope
from glovebox.schema.expressions import ColumnRef

JOINS = "facts JOIN table ON table.id = facts.key, each table by a key of the facts'"
Key = tuple[tuple[str, ...], str]
"""The id of each owner's facts that names a table's rows, and the table's own."""
Pair = tuple[str, str, exp.Expr | None]
"""A column of the facts and one of a table, and the condition that they are equal, if it is one of ON."""


def keys_of_facts(scope: Scope, joins: Sequence[exp.Join]) -> tuple[dict[int, Key], list[exp.Expr]]:
    """The key of each other side that is joined, and what else is in ON. Side 0 is the facts'."""
    facts, keys = scope.sides[0].table, dict[int, Key]()
    found: dict[int, list[Pair]] = {}
    others: list[exp.Expr] = []
    for join in joins:
        joined = join.this.alias.lower() or join.this.name.lower()
        for name in (one.name.lower() for one in join.args.get("using") or []):
            for side, each in enumerate(scope.sides[1:], 1):
                if each.table.column(name) and joined in each.called | scope.sides[0].called:
                    found.setdefault(side, []).append((name, name, None))
        for part in conjuncts(join.args.get("on")):
            ends = _ends(scope, part)
            if ends:
                found.setdefault(ends[1], []).append((ends[0], ends[2], part))
            else:
                others.append(part)
    for side in range(1, len(scope.sides)):
        if scope.sides[side].kind == "semi":
            continue  # a table that this join leaves out
        every = found.get(side, [])
        ids = [pair for pair in every if (column := facts.column(pair[0])) and column.kind == "id"]
        wanted = every if _key(scope, side, every) else ids
        keys[side] = _key(scope, side, wanted) or _no_key(scope, joins[0], side)
        others += [left for *_, left in (pair for pair in every if pair not in wanted) if left is not None]
    return keys, others


def _ends(scope: Scope, part: exp.Expr) -> tuple[str, int, str] | None:
    """The facts' column, a side and its column, if a condition is that they are equal and could be a key."""
    if not is_key(part):
        return None
    ends = dict(scope.find(end) for end in (part.this, part.expression))
    if len(ends) != 2 or 0 not in ends:
        return None
    (side,) = ends.keys() - {0}
    return ends[0].name, side, ends[side].name


def _key(scope: Scope, side: int, names: Sequence[Pair]) -> Key | None:
    """The ids by which each owner's facts name a table, as the contract joins them."""
    found = [_key_of(scope, branch, side, names) for branch in scope.sides[0].branches]
    keys = [one for one in found if one is not None]
    if len(keys) < len(found) or len({ids for _, ids in keys}) != 1:
        return None
    return tuple(name for name, _ in keys), keys[0][1]


def _key_of(scope: Scope, branch: Branch, side: int, names: Sequence[Pair]) -> tuple[str, str] | None:
    own = [branch.columns.get(pair[0], ColumnRef(pair[0])) for pair in names]
    named = {
        0: tuple(one.name for one in own if isinstance(one, ColumnRef)),
        side: tuple(pair[1] for pair in names),
    }
    scope = replace(scope, sides=(replace(scope.sides[0], index=branch.index), *scope.sides[1:]))
    for pair in scope.contract.rules.join if names and len(named[0]) == len(names) else ():
        if is_joined(scope, side, named, pair):
            places = {place.table: place.column for place in pair}
            return places[branch.index], places[scope.sides[side].index]
    return None


def _no_key(scope: Scope, join: exp.Join, side: int) -> NoReturn:
    sentence = f"The contract does not join {scope.sides[0].table.name} with {scope.sides[side].table.name} so"
    scope.statement.refuse(join, "rules.join", sentence, JOINS)
